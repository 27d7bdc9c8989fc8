import Clusters
import Costs

/// Where a measurement stands: a file and a line of it.
public struct MeasuredPlace: Hashable, Sendable {
  public var file: String
  public var line: Int

  package init(file: String, line: Int) {
    self.file = file
    self.line = line
  }
}

/// A collective of some benchmark, as its file tells it.
public struct MeasuredCollective: Hashable, Sendable {
  public var kind: CollectiveCell.Kind
  public var ranks: Int
  /// Nil where the file does not say how many nodes the ranks lie on.
  public var nodes: Int?
  /// Bytes on each rank, all parts together.
  public var bytes: Double
  public var seconds: Double
  /// Whether its time may hold a wait for peers, as kernels of a trace do.
  public var mayWait = false
  public var place: MeasuredPlace

  package init(
    kind: CollectiveCell.Kind, ranks: Int, nodes: Int?, bytes: Double, seconds: Double,
    place: MeasuredPlace
  ) {
    self.kind = kind
    self.ranks = ranks
    self.nodes = nodes
    self.bytes = bytes
    self.seconds = seconds
    self.place = place
  }
}

/// A message between two ranks or hosts.
public struct MeasuredMessage: Hashable, Sendable {
  public enum Quantity: String, Hashable, Sendable {
    /// Seconds from one end to the other.
    case latency
    /// Bytes a second with many messages under way.
    case bandwidth
  }

  /// What carries it, as far as the benchmark tells.
  public enum Way: String, Hashable, Sendable {
    /// An adapter straight, without a library of messages.
    case adapter
    /// A library of messages inside a node, and between nodes.
    case insideNode = "inside a node"
    case betweenNodes = "between nodes"
  }

  public var quantity: Quantity
  public var way: Way
  public var bytes: Double
  /// Seconds, or bytes a second.
  public var value: Double
  /// How many empty messages a latency holds beside its bytes: two where they were asked for first.
  public var starts = 1
  public var place: MeasuredPlace

  package init(quantity: Quantity, way: Way, bytes: Double, value: Double, place: MeasuredPlace) {
    self.quantity = quantity
    self.way = way
    self.bytes = bytes
    self.value = value
    self.place = place
  }
}

/// A matrix product, or several in groups.
public struct MeasuredProduct: Hashable, Sendable {
  public var library: MatmulLibrary
  public var shape: MatmulShape
  public var seconds: Double
  public var place: MeasuredPlace

  package init(library: MatmulLibrary, shape: MatmulShape, seconds: Double, place: MeasuredPlace) {
    self.library = library
    self.shape = shape
    self.seconds = seconds
    self.place = place
  }
}

/// A fused attention kernel.
public struct MeasuredAttention: Hashable, Sendable {
  public var library: AttentionLibrary
  public var cell: AttentionCell
  public var place: MeasuredPlace

  package init(library: AttentionLibrary, cell: AttentionCell, place: MeasuredPlace) {
    self.library = library
    self.cell = cell
    self.place = place
  }
}

/// A dispatch or a combine of experts' rows.
public struct MeasuredExchange: Hashable, Sendable {
  public var shape: ExchangeShape
  /// Rates as the benchmark counts them; rows that cross nodes, and all that arrive at their ranks.
  public var networkRate: Double?
  public var linkRate: Double
  public var multiprocessors: Int
  public var seconds: Double
  public var name: String
  public var place: MeasuredPlace
}

/// A kernel that streams memory.
public struct MeasuredStream: Hashable, Sendable {
  public var kernel: StreamingClass
  public var bytes: Double
  /// Whose kernel it is and of which shape, as its file says: others of the same class and bytes may take longer.
  public var shape: String
  public var seconds: Double
  public var place: MeasuredPlace

  package init(
    kernel: StreamingClass, bytes: Double, shape: String = "", seconds: Double,
    place: MeasuredPlace
  ) {
    self.kernel = kernel
    self.bytes = bytes
    self.shape = shape
    self.seconds = seconds
    self.place = place
  }
}

/// A value that a file measures itself, for a key of the cluster.
public struct MeasuredValue: Hashable, Sendable {
  /// `device.launch.gap`.
  public var path: String
  /// The value with its unit, as a file has it.
  public var text: String
  /// What it was measured by.
  public var source: String
  /// Where it stands, if one row says it.
  public var place: MeasuredPlace?

  package init(path: String, text: String, source: String, place: MeasuredPlace? = nil) {
    self.path = path
    self.text = text
    self.source = source
    self.place = place
  }
}

/// What benchmark files say, in terms of the cost formulas.
public struct Measurements: Sendable {
  public var collectives: [MeasuredCollective] = []
  public var messages: [MeasuredMessage] = []
  public var products: [MeasuredProduct] = []
  public var attention: [MeasuredAttention] = []
  public var exchanges: [MeasuredExchange] = []
  public var streams: [MeasuredStream] = []
  public var values: [MeasuredValue] = []
  /// Devices that files name.
  public var devices: [MeasuredDevice] = []
  /// What was read of each file, and what was left out and why.
  public var remarks: [String] = []
  /// What a trace shows beside constants.
  public var traces: [TraceSummary] = []
  /// Which options some file did not say itself, and where files say something else.
  var facts = AskedFacts()

  public init() {}

  public var isEmpty: Bool {
    collectives.isEmpty && messages.isEmpty && products.isEmpty && attention.isEmpty
      && exchanges.isEmpty && streams.isEmpty && values.isEmpty
  }

  /// These and those.
  public static func += (left: inout Measurements, right: Measurements) {
    left.collectives += right.collectives
    left.messages += right.messages
    left.products += right.products
    left.attention += right.attention
    left.exchanges += right.exchanges
    left.streams += right.streams
    left.values += right.values
    left.devices += right.devices
    left.remarks += right.remarks
    left.traces += right.traces
    left.facts += right.facts
  }
}

/// What people add to files that do not say it.
public struct MeasurementFacts: Hashable, Sendable {
  /// Ranks that took part, and nodes that they lay on.
  public var ranks: Int?
  public var nodes: Int?
  /// Which collective a log without its head is of.
  public var collective: CollectiveCell.Kind?
  /// Whether two ranks of a message lay on one node.
  public var isInsideNode: Bool?
  /// How many layers of switches an adapter's latency was measured over.
  public var switchLayers: Int?
  /// Whose products a table has.
  public var library: MatmulLibrary?

  public init() {}
}

import Documents
import Quantities

/// What CPU ranks compute, class by class: kernels whose times follow one formula.
public enum ProcessorKernel: String, Hashable, Sendable, CaseIterable {
  /// Products of a linear map, by pass; transposed: the weight is stored with the inputs first.
  case productForward = "product-forward"
  case productInput = "product-input"
  case productWeight = "product-weight"
  case transposedForward = "transposed-forward"
  case transposedInput = "transposed-input"
  case transposedWeight = "transposed-weight"
  /// Products of several experts, each over its own rows.
  case groupedForward = "grouped-forward"
  case groupedInput = "grouped-input"
  case groupedWeight = "grouped-weight"
  case attentionForward = "attention-forward"
  case attentionBackward = "attention-backward"
  /// The last product with its loss, tile by tile, and its gradients.
  case head
  case rmsNormForward = "rms-norm-forward"
  case rmsNormBackward = "rms-norm-backward"
  case layerNormForward = "layer-norm-forward"
  case layerNormBackward = "layer-norm-backward"
  /// Queries, keys and values cut apart and rotated, or cut apart alone.
  case rotaryForward = "rotary-forward"
  case rotaryBackward = "rotary-backward"
  case split
  case latentForward = "latent-forward"
  case latentBackward = "latent-backward"
  case gatedForward = "gated-forward"
  case gatedBackward = "gated-backward"
  /// The same with the router's weights.
  case weightedForward = "weighted-forward"
  case weightedBackward = "weighted-backward"
  case geluForward = "gelu-forward"
  case geluBackward = "gelu-backward"
  case add, copy, clear
  case routeForward = "route-forward"
  case routeBackward = "route-backward"
  case permute, unpermute
  case embeddingForward = "embedding-forward"
  case embeddingBackward = "embedding-backward"
  /// Tokens and labels of a microbatch.
  case inputs
  case squareSum = "square-sum"
  case optimizer
  /// What a step costs beside its kernels: the engine's walk, and zeros for its gradients.
  case step
}

/// A processor whose ranks are processes: what a device of CPU ranks has in place of an accelerator's parts.
///
/// Rates are those that were measured with so many ranks started on a machine and so many of them computing, while
/// the others waited in a call of MPI: cores, caches and memory are shared, and waiting ranks look for messages.
public struct Processor: Hashable, Sendable {
  /// The time of a kernel class in one state of the node: a sum, of which what is left out is 0.
  public struct Rates: Hashable, Sendable {
    public var kernel: ProcessorKernel
    public var ranks: Int
    public var active: Int
    /// Every operation.
    public var start: Seconds
    /// Operations of products; a multiply-add is two.
    public var operations: FLOPsPerSecond?
    /// Bytes of activations that are read and written.
    public var bytes: BytesPerSecond?
    /// Bytes of weights.
    public var weights: BytesPerSecond?
    /// A row: of a norm, a token of a router, an expert of a grouped product.
    public var row: Seconds?
    public var origin: Provenance
  }

  public var rates: [Rates]
  /// Messages while others compute; empty where none were measured.
  public var messages: [Messages] = []
  /// Nodes of the cluster that lie on one machine and share its cores.
  public var nodesOnMachine = 1
}

/// The keys of `device.processor`.
struct ProcessorKeys: KeySet {
  let kernels = TableKey(
    "kernels", ProcessorRateKeys(), list: true,
    "One for each class of kernels and state of the machine, as sluice calibrate --here writes them."
  )
  let messages = TableKey(
    "messages", ProcessorMessageKeys(), list: true,
    otherwise: "messages take no longer while other ranks compute",
    "What messages take while other ranks of the machine compute, more than there are cores.")
  let nodesOnMachine = Key(
    "nodes-on-machine", .integer(in: 1...4096), default: 1,
    "Nodes that lie on one machine and share its cores, as sluice lab lays them.")
}

/// The keys of one entry of `device.processor.kernels`.
struct ProcessorRateKeys: KeySet {
  let kernel = Key("kernel", .choice(ProcessorKernel.self), "The class of kernels.")
  let ranks = Key("ranks", .integer(in: 1...4096), "Ranks that were started on the machine.")
  let active = Key(
    "active", .integer(in: 1...4096), "How many of them computed while the others waited.")
  let start = Key("start", .sourced(.latency), "Every operation of the class.")
  let operations = Key(
    "flops", .sourced(.slowRate), otherwise: "they take no time",
    "Operations of products a second; a multiply-add counts as two.")
  let bytes = Key(
    "bytes", .sourced(.bandwidth), otherwise: "they take no time",
    "Bytes of activations a second.")
  let weights = Key(
    "weights", .sourced(.bandwidth), otherwise: "they take no time", "Bytes of weights a second.")
  let row = Key("row", .sourced(.latency), otherwise: "it takes no time", "Each row.")
}

extension Expected where Value == FLOPsPerSecond {
  /// Debug builds and old processors included.
  fileprivate static var slowRate: Expected {
    .quantity(in: FLOPsPerSecond(1e6)...FLOPsPerSecond(1e21))
  }
}

extension Processor {
  /// Reads the section.
  init(_ table: Table, _ keys: ProcessorKeys) throws(ConfigurationError) {
    rates = []
    let tables = try table.tables(keys.kernels)
    guard !tables.isEmpty else { throw table.error("must not be empty", at: keys.kernels) }
    for entry in tables {
      let own = try Rates(entry, keys.kernels.keys)
      if rates.contains(where: { $0.isSameState(as: own) }) {
        throw entry.error("is there twice with as many ranks", at: keys.kernels.kernel)
      }
      rates.append(own)
    }
    for entry in try table.tables(keys.messages) {
      let own = try Messages(entry, keys.messages.keys)
      let known = messages.contains {
        ($0.way, $0.ranks, $0.active) == (own.way, own.ranks, own.active)
      }
      if known {
        throw entry.error("is there twice with as many ranks", at: keys.messages.keys.way)
      }
      messages.append(own)
    }
    nodesOnMachine = try table.value(keys.nodesOnMachine)
  }

  /// How many ranks were started where kernels were measured, ascending.
  public var rankCounts: [Int] { Set(rates.map(\.ranks)).sorted() }
}

extension Device {
  /// Reads a CPU rank: its name and its memory beside what was measured of its processor.
  init(rankOf processor: Processor, _ table: Table, _ keys: DeviceKeys) throws(ConfigurationError) {
    func refuse(_ isThere: Bool, _ name: String) throws(ConfigurationError) {
      guard isThere else { return }
      throw table.error("has no effect beside device.processor", at: name)
    }
    for name in [
      "multiprocessors", "compute-capability", "peak", "clock", "power-cap", "energy", "jitter",
      "shared-memory", "host-link", "launch", "kernels", "kernels-scaled",
    ] { try refuse(table.contains(name), name) }
    let memory = try table.table(keys.memory)
    for name in ["bandwidth", "reached"] where memory.contains(name) {
      throw memory.error("has no effect beside device.processor", at: name)
    }
    let nothing = Sourced(BytesPerSecond(1))
    self.init(
      name: try table.required(keys.name), multiprocessors: Sourced(1), peaks: [],
      memory: Memory(
        size: try memory.required(keys.memory.size), bandwidth: nothing, reached: nothing),
      launch: Launch(gap: Sourced(.zero), host: Sourced(.zero)),
      kernels: try KernelParameters(table, keys.kernels), kernelsAreScaled: false,
      processor: processor)
  }
}

extension Cluster {
  /// Refuses a cluster of CPU ranks where devices are asked for: ranks of a machine are none.
  public func refuseProcessors() throws(ConfigurationError) {
    guard device.processor != nil else { return }
    throw ConfigurationError(
      file: name, keyPath: "device.processor",
      rule: "describes CPU ranks, which simulate and train --predict alone take")
  }

  /// Refuses what the ranks of a processor do not look at.
  static func refuseIdle(
    _ root: Table, _ keys: [String], _ node: Node
  ) throws(ConfigurationError) {
    let rule = "has no effect on CPU ranks (device.processor)"
    for key in keys where root.contains(key) { throw root.error(rule, at: key) }
    for (key, isThere) in [
      ("node.exchange", node.exchange.field != nil),
      ("node.collectives", node.collectives.field != nil),
      ("node.link.shared-bandwidth", node.link.sharedBandwidth != nil),
    ] where isThere {
      throw root.error("\(key) \(rule)")
    }
  }
}

extension Processor.Rates {
  fileprivate func isSameState(as other: Self) -> Bool {
    (kernel, ranks, active) == (other.kernel, other.ranks, other.active)
  }

  fileprivate init(_ table: Table, _ keys: ProcessorRateKeys) throws(ConfigurationError) {
    kernel = try table.required(keys.kernel)
    ranks = try table.required(keys.ranks)
    active = try table.required(keys.active)
    guard active <= ranks else {
      throw table.error("must not exceed the \(ranks) ranks that were started", at: keys.active)
    }
    let start = try table.required(keys.start)
    self.start = start.value
    origin = start.origin
    operations = try table.optional(keys.operations)?.value
    bytes = try table.optional(keys.bytes)?.value
    weights = try table.optional(keys.weights)?.value
    row = try table.optional(keys.row)?.value
  }
}

extension Processor {
  /// Every rate with its place and source, for printing.
  var facts: [Fact] {
    let shared = Fact(
      path: "device.processor.nodes-on-machine", text: "\(nodesOnMachine)",
      exact: "\(nodesOnMachine)", origin: .unstated)
    return [shared] + messages.enumerated().flatMap { $1.facts($0) }
      + rates.enumerated().flatMap { index, rates in
        let place = "device.processor.kernels[\(index)]"
        let state = "\(rates.kernel.rawValue), \(rates.active) of \(rates.ranks) ranks"
        var facts = [
          Fact(path: place, text: state, exact: state, origin: rates.origin)
        ]
        func add<Value: Quantity>(_ key: String, _ value: Value?) {
          guard let value else { return }
          facts.append(
            Fact(
              path: "\(place).\(key)", text: value.description, exact: value.exactDescription,
              origin: .unstated))
        }
        add("start", rates.start)
        add("flops", rates.operations)
        add("bytes", rates.bytes)
        add("weights", rates.weights)
        add("row", rates.row)
        return facts
      }
  }
}

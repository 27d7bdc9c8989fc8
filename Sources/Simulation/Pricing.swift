import Programs

/// How many rows each exchange of a stage has on one rank.
public struct ExchangeRows: Hashable, Sendable {
  public var received: [Int]
  public var routed: [Int]
  public var sent: [Int]

  public init(received: [Int] = [], routed: [Int] = [], sent: [Int] = []) {
    self.received = received
    self.routed = routed
    self.sent = sent
  }

  /// The number behind a row count of a program.
  @inlinable public func callAsFunction(_ rows: Rows) -> Int {
    switch rows {
    case .fixed(let count): count
    case .received(let exchange): received[exchange]
    case .routed(let exchange): routed[exchange]
    case .sent(let exchange): sent[exchange]
    case .gathered(let exchange, let ranks): received[exchange] * ranks
    }
  }
}

/// The times of one expert exchange on one rank, in seconds.
public struct ExchangePrice: Hashable, Sendable {
  /// Layout and notification before the first byte.
  public var preparation: Double
  /// What this rank's own rows take on their way out and in.
  public var payload: Double
  /// Share of the adapter's bandwidth that the payload takes: 1 where the network limits it, 0 inside a
  /// node.
  public var adapterShare: Double
  /// Share of the bandwidth inside the node that it takes.
  public var linkShare: Double

  public init(
    preparation: Double, payload: Double, adapterShare: Double = 0, linkShare: Double = 0
  ) {
    self.preparation = preparation
    self.payload = payload
    self.adapterShare = adapterShare
    self.linkShare = linkShare
  }
}

/// The times of one message between pipeline ranks, in seconds.
public struct MessagePrice: Hashable, Sendable {
  /// What it takes beside its way over the link that it shares with others.
  public var latency: Double
  /// Its way over that link, alone.
  public var moving: Double
  /// Whether the link is the adapter, or else the one inside the node.
  public var usesAdapter: Bool
  /// Share of the link's bandwidth that the network between the ends lets through.
  public var share: Double

  public init(latency: Double, moving: Double, usesAdapter: Bool, share: Double = 1) {
    self.latency = latency
    self.moving = moving
    self.usesAdapter = usesAdapter
    self.share = share
  }
}

/// What the simulated world asks of a cost model; all answers are in seconds.
public protocol Pricing: Sendable {
  /// A kernel on a rank; `isOverlapped` where a communication kernel shares the device.
  func seconds(of operation: Operation, rows: ExchangeRows, isOverlapped: Bool) -> Double
  /// A kernel while channels of collectives take `channels` multiprocessors of the device beside those that
  /// `isOverlapped` stands for.
  func seconds(of operation: Operation, rows: ExchangeRows, isOverlapped: Bool, channels: Int)
    -> Double
  /// Multiprocessors that the channels of a transfer take while they are on the device; 0 for copy engines,
  /// and for expert exchanges, whose own `isOverlapped` stands for.
  func channels(of transfer: Transfer) -> Int
  /// What the host needs to issue an operation's kernels; it goes on to the next while they run.
  func hostSeconds(of operation: Operation) -> Double
  /// What the host needs to issue a transfer.
  var hostSecondsOfTransfer: Double { get }
  /// Whether kernels of fixed sizes are issued as graphs, each with one launch.
  var capturesGraphs: Bool { get }
  /// Whether the host waits for the counts of each dispatch.
  var waitsForCounts: Bool { get }
  /// Dispatch, combine and their gradients.
  func price(ofExchange transfer: Transfer, rows: ExchangeRows, isOverlapped: Bool)
    -> ExchangePrice
  /// The same exchange over a rank's own links.
  func price(
    ofExchange transfer: Transfer, rows: ExchangeRows, isOverlapped: Bool, over links: LinkSlowness
  ) -> ExchangePrice
  /// A collective within a group of ranks, of the stage with this number; its rows are fixed ones.
  func seconds(ofCollective transfer: Transfer, stage: Int) -> Double
  /// The same collective for a rank with such links.
  func seconds(ofCollective transfer: Transfer, stage: Int, over links: LinkSlowness) -> Double
  /// What a collective within a group of ranks takes of a rank's links.
  func load(ofCollective transfer: Transfer) -> LinkLoad
  /// The same of a rank with such links.
  func load(ofCollective transfer: Transfer, stage: Int, over links: LinkSlowness) -> LinkLoad
  /// Whether an exchange or a collective leaves the node, so that slow adapters slow it.
  func crossesNodes(_ transfer: Transfer) -> Bool
  /// A message between the pipeline ranks of one replica of the pipeline.
  func price(ofMessage bytes: Int, from: Int, to: Int, replica: Int) -> MessagePrice
  /// Agreement of the whole world on one number.
  func secondsOfAgreement() -> Double
  /// Kernels over routed rows cost the same for all numbers of rows up to a multiple of this.
  var rowsPerBlock: Int { get }
}

extension Pricing {
  /// Slower by what the rank's links are.
  public func price(
    ofExchange transfer: Transfer, rows: ExchangeRows, isOverlapped: Bool, over links: LinkSlowness
  ) -> ExchangePrice {
    var price = price(ofExchange: transfer, rows: rows, isOverlapped: isOverlapped)
    price.payload *= links(crossesNodes: crossesNodes(transfer))
    return price
  }

  /// Slower by what the rank's links are.
  public func seconds(ofCollective transfer: Transfer, stage: Int, over links: LinkSlowness)
    -> Double
  {
    seconds(ofCollective: transfer, stage: stage) * links(crossesNodes: crossesNodes(transfer))
  }

  /// As much as of healthy ones.
  public func load(ofCollective transfer: Transfer, stage: Int, over links: LinkSlowness)
    -> LinkLoad
  {
    load(ofCollective: transfer)
  }

  /// Nothing that an exchange would miss.
  public func load(ofCollective transfer: Transfer) -> LinkLoad { .none }

  /// Everything leaves the node.
  public func crossesNodes(_ transfer: Transfer) -> Bool { true }

  /// Every number of rows has its own price.
  public var rowsPerBlock: Int { 1 }
}

extension Pricing {
  /// Kernels that need no more time on fewer multiprocessors.
  public func seconds(
    of operation: Operation, rows: ExchangeRows, isOverlapped: Bool, channels: Int
  ) -> Double {
    seconds(of: operation, rows: rows, isOverlapped: isOverlapped)
  }

  /// Nothing is taken from kernels.
  public func channels(of transfer: Transfer) -> Int { 0 }

  /// A host that costs nothing.
  public func hostSeconds(of operation: Operation) -> Double { 0 }
  public var hostSecondsOfTransfer: Double { 0 }
  public var capturesGraphs: Bool { false }
  public var waitsForCounts: Bool { false }
}

/// Seconds as picoseconds, rounded once where they enter the clock.
@inlinable func picoseconds(_ seconds: Double) -> Int64 {
  precondition(seconds >= 0 && seconds < 9e6, "A cost has to be a time.")
  return Int64((seconds * 1e12).rounded())
}

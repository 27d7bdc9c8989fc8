import Clusters
import Documents

/// The constants of expert exchanges for few tokens: every row goes straight to the rank of its expert.
public struct LowLatencyConstants: Hashable, Sendable {
  /// Seconds until the last row of an exchange within a node, and between nodes, is there and has been seen,
  /// beside the moving of bytes.
  public var linkStart: Double
  public var networkStart: Double
  /// Bytes of rows a second that a rank sends within its node, and to other nodes.
  public var linkRate: Double
  public var networkRate: Double

  /// Those of a cluster; nil where its file does not describe them.
  ///
  /// - Throws: `ConfigurationError` where one is missing beside others, or impossible.
  public init?(_ cluster: Cluster) throws(ConfigurationError) {
    guard !cluster.node.exchange.entries.isEmpty else { return nil }
    let table = try cluster.node.exchange.constants("exchange")
    let keys = ExchangeKeys().lowLatency
    guard try keys.isGiven(in: table) else { return nil }
    linkStart = try table.required(keys.linkStart).value
    networkStart = try table.required(keys.networkStart).value
    linkRate =
      cluster.node.link.rate.bandwidth.value.value * (try table.required(keys.linkShare).value)
    networkRate =
      cluster.networkBandwidth.nominal * (try table.required(keys.networkShare).value)
  }
}

/// Dispatch and combine for few tokens, as DeepEP's low-latency kernels have them.
///
/// A row goes once for each expert of its token, within the node over its link and to other nodes over the
/// adapter, both at the same time; the slower of the two counts. The kernels post their messages and leave the
/// multiprocessors; what they take of them is not modelled, nor waiting for peers beyond `load`.
public struct LowLatencyExchangeCost: Sendable {
  private let constants: LowLatencyConstants

  public init(_ constants: LowLatencyConstants) {
    self.constants = constants
  }

  /// - Parameters:
  ///   - rows: rows that a rank sends, one for each expert of each of its tokens.
  ///   - rowBytes: bytes of one on the wire.
  ///   - ranks: ranks of the expert group, of which `ranksPerNode` lie in a node.
  ///   - load: rows of the most loaded rank over the mean.
  public func cost(
    rows: Double, rowBytes: Double, ranks: Int, ranksPerNode: Int, load: Double = 1
  ) -> Cost {
    precondition(ranks > 0 && ranksPerNode > 0, "An exchange needs ranks.")
    guard ranks > 1, rows > 0 else { return .none }
    let bytes = rows * rowBytes * load
    let inside = Double(min(ranks, ranksPerNode)) / Double(ranks)
    let link = constants.linkStart + inside * bytes / constants.linkRate
    guard ranks > ranksPerNode else { return Cost(seconds: link, limitedBy: .nvlink) }
    let moving = (1 - inside) * bytes / constants.networkRate
    let network = constants.networkStart + moving
    guard network > link else { return Cost(seconds: link, limitedBy: .nvlink) }
    return Cost(
      seconds: network, limitedBy: moving > constants.networkStart ? .infiniBand : .latency)
  }
}

/// The keys of `node.exchange` for exchanges of few tokens: all of them or none.
struct LowLatencyKeys: Described {
  private static let without = "decoding with experts on several ranks is refused"
  let linkStart = constant(
    "low-latency-link-start", .time, otherwise: without,
    "Of an exchange of few tokens, a row to each of its experts: what it takes in a node beside bytes."
  )
  let linkShare = constant(
    "low-latency-link-share", .share, otherwise: without,
    "What it reaches of the link's bandwidth inside a node.")
  let networkStart = constant(
    "low-latency-network-start", .time, otherwise: without,
    "What it takes between nodes beside bytes.")
  let networkShare = constant(
    "low-latency-network-share", .share, otherwise: without,
    "What it reaches of an adapter's bandwidth.")

  var keys: [Key<Sourced<Double>>] { [linkStart, linkShare, networkStart, networkShare] }

  var entries: [KeyEntry] { keys.flatMap(\.entries) }

  /// Whether a table has one of them.
  func isGiven(in table: Table) throws(ConfigurationError) -> Bool {
    for key in keys where try table.optional(key) != nil { return true }
    return false
  }

  /// Reads what a reader of the rest of the table has no use for.
  func pass(in table: Table) throws(ConfigurationError) {
    for key in keys { _ = try table.optional(key) }
  }
}

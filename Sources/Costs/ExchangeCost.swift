/// The constants of the expert exchange on one kind of cluster.
public struct ExchangeConstants: Hashable, Sendable {
  /// Nominal bytes per second and direction of a rank's network card and of its NVLink, and what was
  /// reached of them.
  public var networkBandwidth: Double
  public var networkReached: Double
  public var nvlinkBandwidth: Double
  public var nvlinkReached: Double
  /// Shares of the nominal that the exchange gets, at most all that was reached.
  public var networkShare: Double
  public var nvlinkShare: Double
  /// Bytes of rows per second that one multiprocessor moves in a node, and where rows come from other nodes.
  public var insideRate: MultiprocessorRate
  public var acrossRate: MultiprocessorRate
  /// Which of each is computed with.
  public var rateEnd = MultiprocessorRate.End.stated
  /// Seconds that a channel (two multiprocessors) spends beside busy computation on a row from another node,
  /// whatever its bytes.
  public var rowHandling: Double
  /// Seconds per token to count destinations before a dispatch.
  public var layoutPerToken: Double
  /// Seconds of one hop between nodes, and inside one.
  public var networkLatency: Double
  public var nvlinkLatency: Double
  /// Multiprocessors that the exchange takes where a plan does not say.
  public var multiprocessors: Int

  /// Bytes per second of a rank's way to other nodes, and inside its own.
  var networkRate: Double { min(networkReached, networkBandwidth * networkShare) }
  var nvlinkRate: Double { min(nvlinkReached, nvlinkBandwidth * nvlinkShare) }
}

/// One expert exchange of one rank.
public struct ExchangeShape: Hashable, Sendable {
  /// Dispatch sends rows to experts; combine brings them back and adds them up.
  public enum Direction: String, Hashable, Sendable, CaseIterable {
    case dispatch, combine
  }

  public var direction: Direction
  public var tokens: Int
  /// Bytes of one row on the wire: 7,392 in FP8 with scales, 14,336 in BF16, for 7,168 columns.
  public var rowBytes: Double
  public var reach: ExpertReach
  public var ranks: Int
  public var ranksPerNode: Int
  /// Rows of the most loaded rank over the mean: the slowest one ends the exchange.
  public var load: Double
  /// Whether the number of rows per peer is known, so that it need not be exchanged first.
  public var countsAreKnown: Bool

  public init(
    _ direction: Direction, tokens: Int, rowBytes: Double, reach: ExpertReach, ranks: Int,
    ranksPerNode: Int = 8, load: Double = 1, countsAreKnown: Bool = false
  ) {
    precondition(tokens >= 0 && rowBytes > 0, "An exchange moves rows.")
    precondition(ranks > 0 && ranksPerNode > 0 && load > 0, "An exchange needs ranks.")
    self.direction = direction
    self.tokens = tokens
    self.rowBytes = rowBytes
    self.reach = reach
    self.ranks = ranks
    self.ranksPerNode = ranksPerNode
    self.load = load
    self.countsAreKnown = countsAreKnown
  }

  /// Whether rows come from other nodes.
  public var crossesNodes: Bool { ranks > ranksPerNode }

  /// Rows that a rank sends to other nodes.
  public var networkRows: Double {
    crossesNodes ? Double(tokens) * (reach.nodes - reach.ownNodes) : 0
  }

  /// Rows that arrive at their ranks over NVLink, copies on the own node included.
  public var nvlinkRows: Double { Double(tokens) * reach.ranks }

  /// Bytes as DeepEP's benchmark counts them: every node reached, or, on one node, every rank.
  public var countedBytes: Double {
    Double(tokens) * rowBytes * (crossesNodes ? reach.nodes : reach.ranks)
  }
}

/// The time of dispatch and combine as the two-level exchange that they are.
///
/// A row crosses InfiniBand once per node reached, to the rank of the sender's own number, and
/// NVLink from there. The rate is that of the slowest of InfiniBand, NVLink and the
/// multiprocessors (`MultiprocessorRate`). Not modelled here: waiting for peers, and contention on the
/// network.
public struct ExchangeCost: Sendable {
  private let constants: ExchangeConstants

  public init(_ constants: ExchangeConstants) {
    self.constants = constants
  }

  /// Multiprocessors that it takes where nobody says.
  public var multiprocessors: Int { constants.multiprocessors }

  /// The same exchange with kernels whose multiprocessors move as much as one end of their rate says.
  public func at(_ end: MultiprocessorRate.End) -> ExchangeCost {
    var constants = constants
    constants.rateEnd = end
    return ExchangeCost(constants)
  }

  /// What one multiprocessor moves in a node, or where rows come from other nodes, bytes per second.
  public func multiprocessorRate(crossingNodes: Bool) -> MultiprocessorRate {
    crossingNodes ? constants.acrossRate : constants.insideRate
  }

  /// The three parts of an exchange, in order.
  public struct Parts: Hashable, Sendable {
    /// Counting rows per destination; only a dispatch with unknown counts does it.
    public var layout: Double
    /// Exchanging counts and meeting the peers, once they are there.
    public var notify: Double
    public var payload: Cost
    /// Shares of the bandwidth of its adapter, and of its link inside the node, that the payload takes.
    public var adapterShare: Double
    public var linkShare: Double

    /// All of it, limited by what limits the payload.
    public var total: Cost {
      Cost(seconds: layout + notify + payload.seconds, limitedBy: payload.limitedBy)
    }
  }

  /// The parts of an exchange that runs on some multiprocessors, alone or beside computation; nil for as
  /// many as it takes by itself.
  ///
  /// - Parameter links: by what bytes take longer over the rank's links.
  public func parts(
    _ shape: ExchangeShape, multiprocessors: Int? = nil, besideComputation: Bool = false,
    over links: LinkStretch = LinkStretch()
  ) -> Parts {
    let multiprocessors = multiprocessors ?? constants.multiprocessors
    precondition(multiprocessors > 0, "An exchange needs a multiprocessor.")
    let counts = shape.direction == .dispatch && !shape.countsAreKnown
    let hop = constants.nvlinkLatency + (shape.crossesNodes ? constants.networkLatency : 0)
    let (network, nvlink) = (networkSeconds(shape, links), nvlinkSeconds(shape, links))
    let payload = payload(
      shape, network: network, nvlink: nvlink, multiprocessors: multiprocessors,
      besideComputation: besideComputation)
    return Parts(
      layout: counts ? Double(shape.tokens) * constants.layoutPerToken : 0,
      notify: (counts ? 4 : 2) * hop, payload: payload,
      adapterShare: payload.seconds > 0 ? shape.load * network / payload.seconds : 0,
      linkShare: payload.seconds > 0 ? shape.load * nvlink / payload.seconds : 0)
  }

  /// What the rows of a rank take over its adapter alone.
  private func networkSeconds(_ shape: ExchangeShape, _ links: LinkStretch) -> Double {
    shape.networkRows * shape.rowBytes / constants.networkRate * links.network
  }

  /// What those that arrive over its link take over it alone.
  private func nvlinkSeconds(_ shape: ExchangeShape, _ links: LinkStretch) -> Double {
    shape.nvlinkRows * shape.rowBytes / constants.nvlinkRate * links.node
  }

  private func payload(
    _ shape: ExchangeShape, network: Double, nvlink: Double, multiprocessors: Int,
    besideComputation: Bool
  ) -> Cost {
    let bytes = shape.nvlinkRows * shape.rowBytes
    let rate = multiprocessorRate(crossingNodes: shape.crossesNodes)(constants.rateEnd)
    let moving = bytes / (rate * Double(multiprocessors))
    let ranked: [(Double, Limit)] = [
      (network, .infiniBand), (nvlink, .nvlink), (moving, .multiprocessors),
    ]
    let slowest = ranked.max { $0.0 < $1.0 } ?? (0, .latency)
    // Measured of rows that come from other nodes, which a channel takes in and hands on one by one; nobody
    // publishes what rows of the own node, which their senders write where they belong, take beside kernels.
    let channels = max(1, Double(multiprocessors) / 2)
    let handling =
      besideComputation ? shape.networkRows * constants.rowHandling / channels : 0
    let latency =
      constants.nvlinkLatency + (shape.networkRows > 0 ? constants.networkLatency : 0)
    let limit = handling > slowest.0 ? .multiprocessors : slowest.1
    return Cost(
      seconds: latency + shape.load * (slowest.0 + handling),
      limitedBy: latency > slowest.0 ? .latency : limit)
  }
}

import Clusters

/// The time of dispatch and combine as collectives of NCCL over the expert group.
///
/// As in Megatron-Core (megatron/core/transformer/moe/token_dispatcher.py): either every row goes straight
/// to the rank of its expert, once for each expert that its token chose, whatever node that lies on; or
/// all ranks gather all tokens, and their results are scattered back as sums. The parts of an all-to-all
/// are those of `CollectiveCost`, balanced over the group; what the most loaded rank has more is its load.
public struct CollectiveExchange: Sendable {
  /// The collective that carries the rows.
  public enum Kind: Hashable, Sendable, CaseIterable {
    case allToAll, allGather
  }

  public let kind: Kind
  private let constants: CollectiveConstants
  private let cost: CollectiveCost
  private let group: CollectiveGroup

  /// - Parameter group: the ranks over which the experts are spread.
  public init(_ kind: Kind, _ constants: CollectiveConstants, group: CollectiveGroup) {
    self.kind = kind
    self.constants = constants
    cost = CollectiveCost(constants)
    self.group = group
  }

  /// Multiprocessors that it takes where nobody says.
  public var multiprocessors: Int { constants.multiprocessors(of: kind) }

  /// Bytes that leave a rank over its link and through its adapter, one way, for what its own tokens send:
  /// rows of experts in an all-to-all, tokens where all are gathered.
  public func bytes(rows: Double, rowBytes: Double) -> (inside: Double, outside: Double) {
    let way = CollectiveWay(.ring)
    return constants.phases(
      operation(.dispatch), bytes: whole(rows * rowBytes), group: group, by: way
    ).reduce((0, 0)) { ($0.0 + $1.inside, $0.1 + $1.outside) }
  }

  /// The parts of an exchange.
  ///
  /// - Parameters:
  ///   - rows: what a rank's own tokens send: rows of experts, or the tokens themselves.
  ///   - load: rows of the most loaded rank over the mean; all gather the same, whatever is routed.
  ///   - countedExperts: how many experts' rows are counted first; nil where the counts are known.
  ///   - multiprocessors: nil for as many as it takes by itself; with fewer its bytes are slower by as
  ///     much, with more no faster.
  ///   - links: by what bytes take longer over the links.
  public func parts(
    _ direction: ExchangeShape.Direction, rows: Double, rowBytes: Double, load: Double = 1,
    countedExperts: Int? = nil, multiprocessors: Int? = nil, over links: LinkStretch = LinkStretch()
  ) -> ExchangeCost.Parts {
    let count = multiprocessors ?? self.multiprocessors
    precondition(count > 0, "An exchange needs a multiprocessor.")
    let stretch = max(1, Double(self.multiprocessors) / Double(count))
    let load = kind == .allToAll ? load : 1
    let operation = operation(direction)
    let carried = constants.ways(of: operation, in: group).map { way in
      carry(
        constants.phases(operation, bytes: whole(rows * rowBytes), group: group, by: way),
        load: load, stretch: stretch, links)
    }
    let fastest = carried.min { $0.cost.seconds < $1.cost.seconds } ?? (.none, 0, 0)
    let seconds = fastest.cost.seconds
    return ExchangeCost.Parts(
      layout: 0, notify: kind == .allToAll ? countedExperts.map(secondsOfCounts) ?? 0 : 0,
      payload: fastest.cost,
      adapterShare: seconds > 0 ? fastest.adapter / seconds : 0,
      linkShare: seconds > 0 ? fastest.link / seconds : 0)
  }

  /// Every rank tells all others how many rows each expert gets, in whole numbers of 8 bytes.
  private func secondsOfCounts(of experts: Int) -> Double {
    constants.phases(
      .allGather, bytes: 8 * Double(experts) * Double(group.ranks), group: group,
      by: CollectiveWay(.ring, .lowLatency)
    ).reduce(0) { $0 + $1.start + max(cost.moving($1).inside, cost.moving($1).outside) }
  }

  private func carry(
    _ phases: [CollectivePhase], load: Double, stretch: Double, _ links: LinkStretch
  ) -> (cost: Cost, adapter: Double, link: Double) {
    phases.reduce((.none, 0, 0)) { sum, phase in
      let healthy = cost.moving(phase)
      let (inside, outside) = (healthy.inside * links.node, healthy.outside * links.network)
      let link: Limit = outside > inside ? .infiniBand : .nvlink
      let part = CollectiveCost.cost(
        of: phase, moving: load * stretch * max(inside, outside),
        limit: stretch > 1 ? .multiprocessors : link)
      return (sum.cost + part, sum.adapter + load * outside, sum.link + load * inside)
    }
  }

  private func operation(_ direction: ExchangeShape.Direction) -> CollectiveOperation {
    switch (kind, direction) {
    case (.allToAll, _): .allToAll
    case (.allGather, .dispatch): .allGather
    case (.allGather, .combine): .reduceScatter
    }
  }

  /// The bytes of a collective to which each rank gives so many.
  private func whole(_ own: Double) -> Double {
    kind == .allToAll ? own : own * Double(group.ranks)
  }
}

extension CollectiveConstants {
  /// Multiprocessors that an exchange takes by itself.
  public func multiprocessors(of kind: CollectiveExchange.Kind) -> Int {
    kind == .allToAll ? exchangeMultiprocessors : ringMultiprocessors
  }

  /// Who says how many multiprocessors an exchange takes where a plan does not: the key, or that it is
  /// lacking.
  public static func originOfMultiprocessors(
    of kind: CollectiveExchange.Kind, on cluster: Cluster
  ) -> String {
    let path = kind == .allToAll ? "all-to-all.multiprocessors" : "ring.multiprocessors"
    let key = "node.collectives.\(path)"
    return cluster.node.collectives.entries.contains { $0.path == path }
      ? key : "NCCL's; the cluster's file lacks \(key)"
  }
}

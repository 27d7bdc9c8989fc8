import Clusters

/// Collectives whose flows share the links of a described cluster.
///
/// The phases are those of `CollectiveCost`, and so is what they take beside their bytes; the bytes move
/// as flows over the links between their ranks. Chunks of all flows follow each other through a phase, so
/// flows share links max-min fairly in proportion to their bytes: then no flow ends after the most loaded
/// link, and that one is never idle, whatever bounds the others. The time of a phase is therefore
/// bytes over bandwidth of its most loaded link. Degraded links, failed adapters and oversubscribed
/// layers change the outcome since they are part of the cluster. On a healthy network with full
/// uplinks it is the closed form.
public struct CollectiveContention: Sendable {
  private let cluster: Cluster
  private let formula: CollectiveCost

  public init(_ cluster: Cluster, _ constants: CollectiveConstants) {
    self.cluster = cluster
    formula = CollectiveCost(constants)
  }

  /// What a collective takes, and where its time goes.
  public struct Outcome: Hashable, Sendable {
    public var way: CollectiveWay
    public var cost: Cost
    /// Seconds of each phase.
    public var phases: [Double]
    /// The most loaded link of the phase that takes longest; nil if no byte moves.
    public var bottleneck: Link?
    /// How many links carry as much over their bandwidth, that one included.
    public var alike: Int
  }

  /// A collective of `bytes` over one group of ranks, by the fastest way, or the fastest of an algorithm;
  /// nil where the cluster cannot carry the algorithm out.
  public func time(
    _ operation: CollectiveOperation, by algorithm: CollectiveAlgorithm? = nil, bytes: Double,
    over ranks: [Int]
  ) -> Outcome? {
    ways(of: operation, in: group(of: ranks), by: algorithm).map {
      times(operation, by: $0, bytes: bytes, over: [ranks])[0]
    }
    .min { $0.cost.seconds < $1.cost.seconds }
  }

  /// The ways among which the fastest is taken, or those of one algorithm.
  public func ways(
    of operation: CollectiveOperation, in group: CollectiveGroup, by algorithm: CollectiveAlgorithm?
  ) -> [CollectiveWay] {
    formula.constants.ways(of: operation, in: group, by: algorithm)
  }

  /// How many ranks there are, and the most that share a node.
  public func group(of ranks: [Int]) -> CollectiveGroup {
    CollectiveGroup(byNode: cluster.byNode(ranks), on: cluster)
  }

  /// The same collective of `bytes` over several groups at once; an outcome for each group.
  public func times(
    _ operation: CollectiveOperation, by way: CollectiveWay, bytes: Double, over groups: [[Int]]
  ) -> [Outcome] {
    loads(operation, by: way.algorithm, over: groups).outcomes(by: way, bytes: bytes)
  }

  /// What a collective over several groups at once puts on links, to be priced for many sizes.
  public func loads(
    _ operation: CollectiveOperation, by algorithm: CollectiveAlgorithm, over groups: [[Int]]
  ) -> CollectiveLoads {
    CollectiveLoads(operation, by: algorithm, over: groups, cluster, formula.constants)
  }
}

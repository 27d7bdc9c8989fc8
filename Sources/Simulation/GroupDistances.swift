import Clusters
import Costs
import Plans
import Programs
import Schedules

/// How far apart the nodes are on which the groups of a plan lie, read at the groups of rank 0.
struct GroupDistances: Sendable {
  /// Seconds of a hop between the nodes of a group on average; none for groups inside one node.
  private(set) var hops: [TransferKind.Group: Double] = [:]
  /// Seconds to the farthest node of an expert group; nil inside one node.
  private(set) var farthestExpert: Double?

  /// Distances of a plan that fits the cluster; none where it does not, which only questions about single
  /// kernels may ask.
  ///
  /// - Parameter keyValueReplicas: ranks of a tensor group that hold the same key and value head.
  init(_ plan: Plan, keyValueReplicas: Int, on cluster: Cluster) {
    let ranks = plan.worldSize / plan.pipelineParallel
    guard plan.worldSize <= cluster.rankCount,
      ranks % (plan.expertParallel * plan.expertTensorParallel) == 0
    else { return }
    let mesh = plan.mesh
    let positions = plan.pipelineParallel
    let placement: Placement =
      plan.isBidirectional
      ? .bidirectional(ranks: positions) : .fixed(Array(0..<positions))
    let gradient = mesh.gradientGroup(ofStages: [0], placement: placement, rank: 0)
    let expertGradient = mesh.expertGradientGroup(ofStage: 0, placement: placement, rank: 0)
    let dense = plan.shardingGroups(of: gradient, ofExperts: false)
    let experts = plan.shardingGroups(of: expertGradient, ofExperts: true)
    let groups: [TransferKind.Group: [Int]] = [
      .tensor: Array(0..<plan.tensorParallel), .keyValue: Array(0..<keyValueReplicas),
      .expertTensor: mesh.group(.expertTensor, of: 0),
      .context: mesh.group(.context, of: 0), .gradient: gradient, .sharedEmbedding: gradient,
      .sharedHead: gradient,
      .expertGradient: expertGradient,
      .gradientShards: dense.dividing[0], .gradientReplicas: dense.equal[0],
      .expertShards: experts.dividing[0], .expertReplicas: experts.equal[0],
      .position: plan.precision.scaling == .delayed ? Array(0..<ranks) : [0],
      .world: Array(0..<plan.worldSize),
    ]
    hops = groups.compactMapValues { cluster.latencyOfHops(among: $0) }
    let expert = plan.expertParallel * plan.expertTensorParallel
    farthestExpert = cluster.latencyToFarthest(of: 0..<expert)
  }
}

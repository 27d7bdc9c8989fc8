import Clusters
import Models
import Plans

extension PlannedStep {
  /// Refuses a cluster whose file lacks, or has wrong, what steps under a plan are computed with, whatever its
  /// degrees are.
  ///
  /// What degrees decide is not looked at: expert exchanges, and how many devices there are.
  ///
  /// - Throws: `ConfigurationError` of the file, `PlanError` where the device does not compute in the plan's
  ///   formats, or the file describes neither these nor the library that the plan names.
  public static func checkConstants(
    of cluster: Cluster, for plan: Plan, _ architecture: Architecture
  ) throws {
    let alone = plan.onOneRank
    let pricing = try ClusterPricing(cluster, plan: alone, architecture: architecture)
    try alone.precision.check(on: cluster.device, pricing.device, alone.library)
    try pricing.checkLibrary()
    try pricing.checkAttention(of: architecture)
  }
}

extension Plan {
  /// The same with every degree 1, and nothing that only several ranks have.
  fileprivate var onOneRank: Plan {
    var plan = self
    (plan.dataParallel, plan.tensorParallel, plan.pipelineParallel) = (1, 1, 1)
    (plan.contextParallel, plan.expertParallel, plan.expertTensorParallel) = (1, 1, 1)
    (plan.sequenceParallel, plan.scattersPipelineSends) = (false, false)
    (plan.stagesPerRank, plan.schedule) = (1, .named("1f1b"))
    (plan.shardingGroup, plan.gradientLanes) = (nil, nil)
    return plan
  }
}

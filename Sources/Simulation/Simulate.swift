import Clusters
import Costs
import Models
import Plans
import Schedules

/// A plan of a model on a cluster, ready to be simulated.
public struct PlannedStep: Sendable {
  public let placed: PlacedPlan
  public let cluster: Cluster
  public let input: StepInput
  public let pricing: ClusterPricing

  /// Places and lowers a plan and prices it.
  ///
  /// - Parameter costs: what the automatic schedules plan with.
  /// - Throws: `PlanError`, `ScheduleError` or `ConfigurationError`.
  public init(
    architecture: Architecture, cluster: Cluster, plan: Plan, costs: PassCosts? = nil
  ) throws {
    placed = try plan.validated(
      for: architecture, on: .devices(cluster.rankCount),
      multiprocessors: cluster.device.multiprocessors.value, costs: costs)
    self.cluster = cluster
    pricing = try ClusterPricing(cluster, plan: plan, architecture: architecture)
    input = try StepInput(placed, rows: pricing.balancedRows(architecture))
  }

  /// The simulation of the step, to be adjusted and run.
  ///
  /// Where a device or a link of the cluster is degraded, every rank is simulated by itself.
  public var simulation: StepSimulation<ClusterPricing> {
    var simulation = StepSimulation(input, pricing: pricing)
    if !cluster.isUniform {
      simulation.isExplicit = true
      simulation.slowness = (0..<placed.plan.worldSize).map { 1 / cluster.speed(of: $0) }
      simulation.linkSlowness = pricing.linkSlowness
    }
    return simulation
  }

  /// Simulates the step, with one rank for all that do the same where there are such, and reads the
  /// figures.
  public func report() -> StepReport {
    StepReport(simulation.run(), placed: placed, cluster: cluster)
  }
}

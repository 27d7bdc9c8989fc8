import Clusters
import Models
import Plans
import Programs
import Schedules
import Simulation
import Synchronization

/// Units on each stage by layouts that do not look at costs.
final class LayoutBook: Sendable {
  private struct Key: Hashable {
    var layout: Plan.Layout
    var stages: Int
  }

  private let known = Mutex<[Key: Result<[Int], PlanError>]>([:])

  func counts(
    _ layout: Plan.Layout, _ stages: Int, _ architecture: Architecture
  ) throws(PlanError) -> [Int] {
    let key = Key(layout: layout, stages: stages)
    if let counts = known.withLock({ $0[key] }) { return try counts.get() }
    var plan = Plan()
    plan.pipelineParallel = stages
    plan.layout = layout
    let counts = Result { () throws(PlanError) in
      try plan.stageLayout(of: architecture).stages.map(\.count)
    }
    known.withLock { $0[key] = counts }
    return try counts.get()
  }
}

/// What of a plan decides its schedule.
private struct ScheduleKey: Hashable {
  private var source: Plan.ScheduleSource
  private var ranks: Int
  private var stages: Int
  private var microbatches: Int
  private var times: PassCosts?
  private var pairs: PairStyle?

  init(_ plan: Plan) {
    (source, pairs) = (plan.schedule, plan.pairs)
    (ranks, stages) = (plan.pipelineParallel, plan.stagesPerRank)
    (microbatches, times) = (plan.microbatchCount, plan.passTimes)
  }
}

/// The orders of schedules that many plans share; the last ones are kept.
final class ScheduleBook: Sendable {
  private struct Pages {
    var orders: [ScheduleKey: Result<ScheduleOrder, PlanError>] = [:]
    /// Kept ones, the oldest first, and the cells of all of them.
    var kept: [(key: ScheduleKey, cells: Int)] = []
    var cells = 0
  }

  /// Cells that are kept: about 100 MB.
  private static let most = 2_000_000
  private let pages = Mutex(Pages())

  func order(of plan: Plan) throws(PlanError) -> ScheduleOrder {
    let key = ScheduleKey(plan)
    if let made = pages.withLock({ $0.orders[key] }) { return try made.get() }
    let made = Result { () throws(PlanError) in ScheduleOrder(try plan.pipelineSchedule()) }
    let cells = (try? made.get().cells.count) ?? 0
    pages.withLock { pages in
      guard pages.orders.updateValue(made, forKey: key) == nil else { return }
      pages.kept.append((key, cells))
      pages.cells += cells
      while pages.cells > Self.most, pages.kept.count > 1 {
        let oldest = pages.kept.removeFirst()
        pages.orders[oldest.key] = nil
        pages.cells -= oldest.cells
      }
    }
    return try made.get()
  }
}

/// What schedules keep, whatever a microbatch of a stage is.
final class LiveBook: Sendable {
  private let known = Memo<ScheduleKey, LiveActivations>()

  /// - Throws: `PlanError` where the schedule does not admit the shape.
  func activations(of plan: Plan) throws -> LiveActivations {
    let few = plan.withFewMicrobatches
    return try known(ScheduleKey(few)) {
      LiveActivations(ScheduleOrder(try few.pipelineSchedule()))
    }
  }
}

/// Prices that many bounds look into where they lie: they are large.
final class SharedPricing: Sendable {
  let prices: ClusterPricing

  init(_ prices: ClusterPricing) { self.prices = prices }
}

/// What follows the last backward: reductions that cannot start earlier, the update, gathers.
final class CollectiveBook: Sendable {
  private struct Key: Hashable {
    var shape: SearchShape
    var shardingGroup: Int?
    var isBidirectional: Bool
  }

  private let known = Mutex<[Key: SharedPricing]>([:])
  private let prices = PriceBook()

  private func pricing(
    _ plan: Plan, _ base: Int, _ architecture: Architecture, _ cluster: Cluster
  ) throws -> SharedPricing {
    let key = Key(
      shape: SearchShape(
        kernels: KernelSetting(
          base: base, tensor: plan.tensorParallel, context: plan.contextParallel,
          expert: plan.expertParallel, expertTensor: plan.expertTensorParallel),
        data: plan.dataParallel, pipeline: plan.pipelineParallel),
      shardingGroup: plan.shardingGroup, isBidirectional: plan.isBidirectional)
    if let pricing = known.withLock({ $0[key] }) { return pricing }
    let pricing = SharedPricing(
      try ClusterPricing(cluster, plan: plan, architecture: architecture, sharing: prices))
    known.withLock { $0[key] = pricing }
    return pricing
  }

  /// Seconds of the messages between pipeline ranks, by kind.
  func seconds(
    of messages: [ScheduleOrder.Message], bytes: BoundaryBytes, _ plan: Plan, base: Int,
    _ architecture: Architecture, _ cluster: Cluster
  ) throws -> [Double] {
    guard !messages.isEmpty else { return [] }
    let pricing = try pricing(plan, base, architecture, cluster)
    return messages.map { message in
      let price = pricing.prices.price(
        ofMessage: message.boundary == .activation ? bytes.activation : bytes.gradient,
        from: message.from, to: message.to, replica: 0)
      return price.latency + price.moving
    }
  }

  /// What units send over copies in the passes.
  func traffic(
    of plan: Plan, base: Int, _ architecture: Architecture, _ cluster: Cluster,
    copies: (Double, Double)
  ) throws -> CopyTraffic {
    CopyTraffic(
      plan, try pricing(plan, base, architecture, cluster), copies: copies)
  }

  /// What follows the passes of a plan.
  func closing(
    of plan: Plan, base: Int, _ architecture: Architecture, _ cluster: Cluster,
    copies: (dense: Double, experts: Double)
  ) throws -> ClosingTraffic {
    ClosingTraffic(plan, try pricing(plan, base, architecture, cluster), copies: copies)
  }
}

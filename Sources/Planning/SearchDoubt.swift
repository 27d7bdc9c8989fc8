import Clusters
import Models
import Plans
import Simulation

/// A constant of a cluster with the range in which component measurements leave it.
public struct UncertainConstant: Hashable, Sendable {
  /// Its key in cluster files.
  public var key: String
  /// What the value may be multiplied with.
  public var range: ClosedRange<Double>
  /// Where the range comes from.
  public var source: String

  /// Constants with the worst error of the measurements that they come from (docs/validation.md), DeepEP's
  /// first: no measurement says how its rate follows from its multiprocessors between 6 and 24.
  public static let all: [UncertainConstant] = [
    .init("node.exchange.multiprocessor-rate", 0.25, "DeepEP's law, from exchanges on 20 and 24"),
    .init("node.exchange.row-handling", 0.5, "what a row costs beside computation: one trace"),
    .init("node.exchange.link-share", 0.125, "V3 trace exchanges"),
    .init("node.exchange.network-share", 0.112, "DeepEP on the production cluster"),
    .init("node.collectives.ring.simple.link-share", 0.184, "NCCL all-reduce over NVLink"),
    .init("node.collectives.ring.across.network-share", 0.2, "rings between nodes"),
    .init("node.link.reached", 0.1, "data sheet against nccl-tests"),
    .init("device.memory.reached", 0.092, "V3 trace streaming kernels"),
    .init("device.kernels.attention.forward-share", 0.085, "A100 PCIe attention"),
    .init("device.launch.host", 0.5, "5 us with one process, 41 us measured on hosts of A100s"),
  ]

  private init(_ key: String, _ share: Double, _ source: String) {
    (self.key, self.source) = (key, source)
    range = (1 - share)...(1 + share)
  }
}

/// A constant that, moved within its range, makes another plan the best.
public struct WinnerChange: Hashable, Sendable {
  public var constant: UncertainConstant
  /// What its value is multiplied with where the order changes.
  public var factor: Double
  /// The plan that is the best from there on.
  public var winner: Plan
  /// Its step there, and that of the plan which was the best, seconds.
  public var step: Double
  public var stepBefore: Double
}

/// What of a cluster's constants decides which of some plans is the best.
public struct SearchDoubt: Sendable {
  private let architecture: Architecture
  private let plans: [SearchPlan]
  private let threads: Int
  private let lowered = LoweringBook()
  /// The cluster with a constant multiplied; nil where it has none.
  private let cluster: @Sendable (String, Double) -> Cluster?

  /// - Parameters:
  ///   - plans: the best first.
  ///   - cluster: the cluster with the value of a key multiplied by a factor; nil where there is no such.
  public init(
    _ plans: [SearchPlan], of architecture: Architecture, threads: Int,
    cluster: @escaping @Sendable (String, Double) -> Cluster?
  ) {
    self.plans = plans
    self.architecture = architecture
    self.threads = threads
    self.cluster = cluster
  }

  private struct Move: Sendable {
    var constant: UncertainConstant
    var factor: Double
  }

  /// Constants whose ends make another plan the best, with the factor at which it becomes so, the nearest
  /// to 1 first.
  ///
  /// Complexity: two simulations of each plan for each constant, and those of a bisection where an end
  /// changes the order.
  public func changes(_ constants: [UncertainConstant] = UncertainConstant.all) -> [WinnerChange] {
    guard plans.count > 1 else { return [] }
    let moves = constants.flatMap { constant in
      [constant.range.lowerBound, constant.range.upperBound].map {
        Move(constant: constant, factor: $0)
      }
    }
    let found = parallelMap(moves, threads: threads) { change(by: $0) }.compactMap(\.self)
    return found.enumerated().sorted { left, right in
      let sizes = (abs(left.element.factor - 1), abs(right.element.factor - 1))
      return sizes.0 == sizes.1 ? left.offset < right.offset : sizes.0 < sizes.1
    }.map(\.element)
  }

  private func change(by move: Move) -> WinnerChange? {
    guard let steps = steps(move.constant.key, move.factor) else { return nil }
    guard let best = steps.indices.min(by: { steps[$0] < steps[$1] }), steps[best] < steps[0] else {
      return nil
    }
    // Between 1, where the first plan is the best, and the end: where the two meet.
    var (inside, outside) = (1.0, move.factor)
    var ends = (old: steps[0], new: steps[best])
    for _ in 0..<5 {
      let middle = (inside * outside).squareRoot()
      guard let pair = self.steps(move.constant.key, middle, [plans[0], plans[best]]) else { break }
      if pair[1] < pair[0] {
        (outside, ends) = (middle, (pair[0], pair[1]))
      } else {
        inside = middle
      }
    }
    return WinnerChange(
      constant: move.constant, factor: outside, winner: plans[best].plan, step: ends.new,
      stepBefore: ends.old)
  }

  private func steps(_ key: String, _ factor: Double, _ some: [SearchPlan]? = nil) -> [Double]? {
    guard let cluster = cluster(key, factor) else { return nil }
    var steps: [Double] = []
    for plan in some ?? plans {
      var lowered = LoweredStages(sharing: lowered)
      guard
        let step = try? PlannedStep(
          architecture: architecture, cluster: cluster, plan: plan.plan, lowered: &lowered)
      else { return nil }
      steps.append(step.report().stepSeconds)
    }
    return steps
  }
}

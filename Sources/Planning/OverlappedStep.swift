import Clusters
import Models
import Plans
import Simulation

/// Whole steps, warm-up, tail and draws of load among them: with the plan's own order and split, with planned
/// ones, and with what else of a plan hides communication.
public struct OverlappedStep: Sendable {
  /// A step that was simulated.
  public struct Candidate: Sendable {
    /// What differs from the plan as it is.
    public var change: String
    public var plan: Plan
    public var seconds: Double
    /// Bytes of the fullest rank.
    public var peak: Int
    public var fits: Bool
  }

  public let published: Candidate
  /// The fastest that fits; the plan as it is where none is faster.
  public let planned: Candidate
  /// All others that were simulated, in their order.
  public let tried: [Candidate]

  /// Simulates the step as it is, with the chosen order and split and with the fastest order on the plan's own
  /// split; then the fastest with other buckets of gradients and other exchanges of tensor groups, one behind
  /// the other.
  public init(_ step: PlannedStep, _ overlap: OverlapPlan) throws {
    published = Self.candidate("as it is", step)
    var best = published
    var tried: [Candidate] = []
    func consider(_ change: String, _ plan: Plan) throws {
      let candidate = Self.candidate(
        change,
        try PlannedStep(
          architecture: step.placed.architecture, cluster: step.cluster, plan: plan))
      tried.append(candidate)
      // What does not fit is no better than what does, however fast.
      let isBetter =
        candidate.fits == best.fits ? candidate.seconds < best.seconds : candidate.fits
      if isBetter { best = candidate }
    }
    let (own, chosen) = (step.placed.plan, overlap.plan)
    if chosen != own { try consider("order and split", chosen) }
    if overlap.own.planned < overlap.own.published,
      overlap.own.multiprocessors != overlap.best.multiprocessors
    {
      try consider(
        "order",
        OverlapPlan.plan(
          own, multiprocessors: overlap.own.multiprocessors, .segments(overlap.own.order), of: step)
      )
    }
    for (change, vary) in Self.variations(of: own) {
      var plan = best.plan
      vary(&plan)
      guard plan != best.plan else { continue }
      do {
        try consider(best.change == "as it is" ? change : "\(best.change), \(change)", plan)
      } catch is PlanError {
        // The plan admits no such exchange.
      }
    }
    (planned, self.tried) = (best, tried)
  }

  /// What else hides communication, each by the key that says it.
  private static func variations(of plan: Plan) -> [(String, @Sendable (inout Plan) -> Void)] {
    var all: [(String, @Sendable (inout Plan) -> Void)] = []
    if let elements = plan.bucketElements {
      for size in [elements / 2, elements * 2, elements * 4] where size > 0 {
        all.append(("gradient-bucket \(size)", { $0.gradientBucket = size }))
      }
    }
    if plan.tensorParallel > 1 {
      for exchange in Plan.Overlap.TensorExchange.allCases where exchange != .yes {
        all.append(
          ("overlap.tensor-exchange \(exchange.rawValue)", { $0.overlap.tensorExchange = exchange })
        )
      }
    }
    return all
  }

  private static func candidate(_ change: String, _ step: PlannedStep) -> Candidate {
    let report = step.report(replaysAllocator: true)
    return Candidate(
      change: change, plan: step.placed.plan, seconds: report.stepSeconds,
      peak: report.memory.peak, fits: report.memory.fits)
  }
}

import Plans
import Simulation

/// A plan that a search has simulated.
public struct SearchPlan: Hashable, Sendable {
  /// The plan, every setting that the search chose spelled out.
  public var plan: Plan
  /// Its step, as `simulate` gives it.
  public var report: StepReport
  /// Seconds below which the search knew that its step cannot be.
  public var bound: Double

  package init(plan: Plan, report: StepReport, bound: Double) {
    (self.plan, self.report, self.bound) = (plan, report, bound)
  }
}

extension SearchPlan {
  /// Bytes that the fullest rank takes of the device beside its reserve: what the allocator holds, as far as
  /// it was replayed.
  public var heldBytes: Int { report.memory.reservation?.reserved ?? report.memory.peak }

  /// What the objective orders plans by: seconds or bytes.
  package func value(_ objective: SearchObjective) -> Double {
    objective == .memory ? Double(report.memory.peak) : report.stepSeconds
  }

  /// The order of plans: by the objective, of equal ones the one that leaves more memory first, then the
  /// faster one, then by the text of their files.
  package static func precedes(
    _ left: SearchPlan, _ right: SearchPlan, by objective: SearchObjective = .time
  ) -> Bool {
    let values = (left.value(objective), right.value(objective))
    if values.0 != values.1 { return values.0 < values.1 }
    if left.heldBytes != right.heldBytes { return left.heldBytes < right.heldBytes }
    if left.report.stepSeconds != right.report.stepSeconds {
      return left.report.stepSeconds < right.report.stepSeconds
    }
    return left.plan.yaml < right.plan.yaml
  }
}

extension Plan {
  /// How much there is to a plan: settings that go beyond data parallelism, 0 for the simplest.
  package var simplicity: Int {
    [
      tensorParallel > 1, contextParallel > 1, pipelineParallel > 1, expertParallel > 1,
      pipelineParallel > 1 && schedule != .named("1f1b"), stagesPerRank > 1,
      zeroStage.rawValue > 1, shardingGroup != nil, recomputation != .none, layout != .even,
      overlap.expertExchange != nil,
      overlap.tensorExchange.map { $0 != .no } ?? false,
    ].count { $0 }
  }
}

/// What a search found, and how it spent its space.
public struct SearchOutcome: Sendable {
  /// How many plans of the space met which end; together they are the space.
  public struct Counts: Hashable, Sendable {
    /// Points of the grid.
    public var size = 0
    /// Those that are no plans, by the rule that they break.
    public var refusals: [String: Int] = [:]
    /// Those that need more memory than there is.
    public var outOfMemory = 0
    /// Those that were simulated and fit.
    public var simulated = 0

    public init() {}

    public var refused: Int { refusals.values.reduce(0, +) }
    /// Those that cannot be among the best: their bound lies above; all others where the search ended early.
    public var bounded: Int { size - refused - outOfMemory - simulated }
    /// Rules with the number of points that break them, the largest first.
    public var reasons: [(rule: String, count: Int)] {
      refusals.map { (rule: $0.key, count: $0.value) }
        .sorted { ($1.count, $0.rule) < ($0.count, $1.rule) }
    }
  }

  /// How a plan that was given stands among them.
  public struct Place: Sendable {
    public var plan: SearchPlan
    /// Plans of the space that are better and fit; nil where too many would have to be simulated.
    public var better: Int?
  }

  /// The best plans that fit, the best first.
  public var plans: [SearchPlan]
  /// Of all simulated plans that fit those which no other beats in both time and memory, the fastest first.
  public var front: [SearchPlan]
  public var counts: Counts
  /// Simulations that were carried out, those of plans which do not fit among them.
  public var simulations: Int
  /// Simulations with equal loads of experts, which say whether one with drawn loads is worth while.
  public var evenSimulations = 0
  /// Where the search ended before its proof: seconds below which no plan of the space can be.
  public var leastOpen: Double?
  /// The smallest peak that a plan without room has at least, bytes; nil where none has none.
  public var leastOverflow: Double?
  /// Seconds that the fastest of those plans takes at least which are slower than was asked for.
  public var leastSlow: Double?
  /// Seconds that a step might take; nil for any.
  public var longestStep: Double?
  /// The search was told to end before its proof.
  public var isInterrupted = false
  /// Plans whose step lies within the model's error of the best one's, of those that were simulated, and
  /// whether these are all that there are.
  public var indifferent = 0
  public var isIndifferentComplete = false
  /// Those of them that are known to fit, the one that leaves most memory first, of equal ones the simplest.
  public var equal: [SearchPlan] = []
  /// The plan that others are held against.
  public var against: Place?
  /// By degrees the best value of the plans that were simulated and were not found too large.
  var bestOfDegrees: [PlanDegrees: Double] = [:]
}

extension SearchOutcome {
  /// The plans that no other one beats in both time and memory.
  static func front(of plans: [SearchPlan]) -> [SearchPlan] {
    var least = Int.max
    return plans.sorted { SearchPlan.precedes($0, $1) }.filter { plan in
      defer { least = min(least, plan.report.memory.peak) }
      return plan.report.memory.peak < least
    }
  }
}

extension PlanError {
  /// The rule without the values that break it.
  var searchReason: String {
    switch self {
    case .doesNotDivide(let key, _, let into, _): "\(key) does not divide \(into)"
    case .expertMesh(let key, _, _, _, _, _):
      "\(key) does not divide the ranks of a pipeline position"
    case .keyValueHeads: "tensor-parallel does not fit the key and value heads"
    case .moreStagesThanUnits: "more stages than units"
    case .emptyStage: "a stage would be empty"
    case .layoutStages(let key, _, _, _): "\(key) is for another number of stages"
    case .layoutDoesNotAddUp(let key, _, _, _): "\(key) does not add up to the model"
    case .schedule(let name, _): "schedule \(name) does not admit the shape"
    case .globalBatch: "global-batch does not divide into microbatches"
    case .needsExperts(let key): "\(key) needs routed experts"
    case .recomputation(let module, _): "recompute \(module.rawValue): no such part"
    case .exceedsCluster: "more ranks than devices"
    case .multiprocessors(let key, _, _): "\(key) exceeds the device"
    case .overlap(let kind, _, _): "overlap.\(kind.rawValue) contradicts the plan"
    case .cannotSimulate(let key, _, _): "\(key) does not suit the plan"
    case .lanes: "gradient-lanes do not fit"
    default: "\(self)"
    }
  }
}

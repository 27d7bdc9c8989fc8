import Clusters
import Documents
import Models
import Planning
import Plans
import Quantities
import Simulation

/// What a search found, as programs read it.
public struct SearchFigures: Encodable, Sendable {
  /// A plan with what it costs.
  public struct Item: Encodable, Sendable {
    public var name: String
    /// The plan in the keys of plan files: it reads back as one.
    public var plan: Document
    public var gpus: Int
    public var stepSeconds: Double
    /// Seconds below which the search knew that the step cannot be, before it was simulated.
    public var boundSeconds: Double
    public var memoryBytes: StepFigures.Memory
    public var fits: Bool
    /// What the fullest rank leaves of its device beside the reserve.
    public var marginBytes: Int
    public var tokensPerSecond: Double
    public var tokensPerSecondPerGpu: Double
    public var mfu: Double
    public var splitSeconds: StepFigures.Split
    public var communicationSeconds: StepFigures.Communications
    public var usDollarsPerTrillionTokens: Double
    public var days: Double?
    public var usDollars: Double?
    /// What the step and the fullest rank will take by measured runs; nil where none are given.
    public internal(set) var anchoredStepSeconds: AnchoredFigures.Interval?
    public internal(set) var anchoredMemoryBytes: Int?

    let yaml: String
    let recomputedShare: Double
    /// The link over which each kind of communication goes at its widest.
    let ways: [String: String]

    private enum CodingKeys: String, CodingKey {
      case name, plan, gpus, stepSeconds, boundSeconds, memoryBytes, fits, marginBytes
      case tokensPerSecond, tokensPerSecondPerGpu, mfu, splitSeconds, communicationSeconds
      case usDollarsPerTrillionTokens, days, usDollars, anchoredStepSeconds, anchoredMemoryBytes
    }

    /// Without a budget of tokens its two keys are null.
    public func encode(to encoder: any Encoder) throws {
      var item = encoder.container(keyedBy: CodingKeys.self)
      try item.encode(name, forKey: .name)
      try item.encode(plan, forKey: .plan)
      try item.encode(gpus, forKey: .gpus)
      try item.encode(stepSeconds, forKey: .stepSeconds)
      try item.encode(boundSeconds, forKey: .boundSeconds)
      try item.encode(memoryBytes, forKey: .memoryBytes)
      try item.encode(fits, forKey: .fits)
      try item.encode(marginBytes, forKey: .marginBytes)
      try item.encode(tokensPerSecond, forKey: .tokensPerSecond)
      try item.encode(tokensPerSecondPerGpu, forKey: .tokensPerSecondPerGpu)
      try item.encode(mfu, forKey: .mfu)
      try item.encode(splitSeconds, forKey: .splitSeconds)
      try item.encode(communicationSeconds, forKey: .communicationSeconds)
      try item.encode(usDollarsPerTrillionTokens, forKey: .usDollarsPerTrillionTokens)
      try item.encode(days, forKey: .days)
      try item.encode(usDollars, forKey: .usDollars)
      try item.encodeIfPresent(anchoredStepSeconds, forKey: .anchoredStepSeconds)
      try item.encodeIfPresent(anchoredMemoryBytes, forKey: .anchoredMemoryBytes)
    }
  }

  /// The error that the model states for steps of this kind.
  public struct Stated: Encodable, Sendable {
    public var share: Double
    public var source: String
  }

  /// A constant that makes another plan the best.
  public struct Change: Encodable, Sendable {
    public var key: String
    /// What its value is multiplied with where the order changes, and may be.
    public var factor: Double
    public var leastFactor: Double
    public var greatestFactor: Double
    public var source: String
    public var winner: String
    public var winnerStepSeconds: Double
    public var loserStepSeconds: Double
  }

  /// How the space was spent.
  public struct Space: Encodable, Sendable {
    public var size: Int
    public var refused: Int
    public var outOfMemory: Int
    public var bounded: Int
    public var simulated: Int
    /// Simulations that were carried out: plans that turned out to need more memory among them.
    public var simulations: Int
    /// Those with equal loads of experts in place of drawn ones.
    public var evenSimulations: Int
    /// Rules, with the points of the grid that break them.
    public var refusedBy: [Refusal]
    /// The alternatives of every setting, in the keys of plan files.
    public var grid: [String: [String]]
  }

  /// A rule of plans with the points of the grid that break it.
  public struct Refusal: Encodable, Sendable {
    public var rule: String
    public var count: Int
  }

  /// A plan that all others are held against.
  public struct Against: Encodable, Sendable {
    public var plan: Item
    /// Plans of the space that are better and fit; null where that was not counted to the end.
    public var betterPlans: Int?
    /// Lines of its file that the search has otherwise for all of its plans: they differ by those, too.
    public var otherConditions: [String]
  }

  public var model: String
  public var cluster: String
  public var gpus: Int
  public var plans: [Item]
  /// Null where no plan of the space is better than those listed; else the search ended early, and no plan
  /// can take fewer seconds than this.
  public var openBoundSeconds: Double?
  public var pareto: [Item]
  /// How many of the plans that were simulated lie within the stated error of the fastest, whether these are
  /// all of the space, and those of them that leave most memory, the simplest first of equal ones.
  public var indifferent: Int
  public var indifferentIsComplete: Bool
  public var indifferentPlans: [Item]
  public var statedError: Stated
  /// Constants which, moved within their range, make another one of the plans the best; null where that was
  /// not asked.
  public var winnerChanges: [Change]?
  public var objective: String
  public var isInterrupted: Bool
  public var against: Against?
  /// What measured runs say; nil where none are given.
  public internal(set) var anchored: Anchored?
  public var space: Space
  public var memoryLimitBytes: Int
  public var usDollarsPerGpuHour: Double
  /// What all plans have in common.
  public var conditions: [String]
  public var inputs: Inputs
  public var seconds: Double
  public var threads: Int

  let lines: [(key: String, values: [String])]
  let leastOverflow: Double?
  let leastSlow: Double?
  let longestStep: Double?
  let reserve: Int

  /// Whether some of its plans only take too much memory or time.
  var isNearlyAdmissible: Bool { leastSlow != nil || leastOverflow != nil }

  private enum CodingKeys: String, CodingKey {
    case model, cluster, gpus, plans, openBoundSeconds, pareto, against, anchored, space
    case memoryLimitBytes
    case indifferent, indifferentIsComplete, indifferentPlans, statedError, winnerChanges
    case objective, isInterrupted
    case usDollarsPerGpuHour, conditions, inputs, seconds, threads
  }
}

extension SearchFigures {
  /// Reads an outcome.
  ///
  /// - Parameters:
  ///   - limit: bytes that a rank may need.
  ///   - price: US dollars for a GPU for an hour; nil for the cluster's, else 2.
  ///   - tokens: a budget of tokens to price, if one is asked for.
  ///   - changes: constants that make another plan the best, if that was asked.
  ///   - seconds: how long the search took, on how many threads.
  public init(
    _ outcome: SearchOutcome, of space: SearchSpace, for architecture: Architecture,
    on cluster: Cluster, _ inputs: Inputs, objective: SearchObjective = .time, limit: Int,
    price: Double? = nil, tokens: Double? = nil, changes: [WinnerChange]? = nil, seconds: Double,
    threads: Int
  ) throws(ConfigurationError) {
    model = architecture.name
    self.cluster = cluster.name
    gpus = space.devices
    memoryLimitBytes = limit
    let price = price ?? cluster.price?.value ?? 2
    usDollarsPerGpuHour = price
    func items(_ plans: [SearchPlan]) throws(ConfigurationError) -> [Item] {
      var items: [Item] = []
      for plan in plans {
        items.append(try Item(plan, on: cluster, price: price, tokens: tokens))
      }
      return items
    }
    plans = try items(outcome.plans)
    openBoundSeconds = outcome.leastOpen
    pareto = try items(outcome.front)
    indifferent = outcome.indifferent
    indifferentIsComplete = outcome.isIndifferentComplete
    indifferentPlans = try items(outcome.equal)
    let error = StatedError(of: architecture, on: cluster)
    statedError = Stated(share: error.share, source: error.source)
    winnerChanges = changes?.map(Change.init)
    self.objective = objective.rawValue
    isInterrupted = outcome.isInterrupted
    reserve = Int(space.bases.map(\.memoryReserve.bytes).max() ?? 0)
    let conditions = Self.conditions(of: space)
    self.conditions = conditions
    if let place = outcome.against {
      against = Against(
        plan: try Item(place.plan, on: cluster, price: price, tokens: tokens),
        betterPlans: place.better,
        otherConditions: Self.conditions(of: place.plan.plan, in: space)
          .filter { line in
            !space.bases.contains { Self.conditions(of: $0, in: space).contains(line) }
          })
    }
    let counts = outcome.counts
    lines = space.lines
    self.space = Space(
      size: counts.size, refused: counts.refused, outOfMemory: counts.outOfMemory,
      bounded: counts.bounded, simulated: counts.simulated, simulations: outcome.simulations,
      evenSimulations: outcome.evenSimulations,
      refusedBy: counts.reasons.map { Refusal(rule: $0.rule, count: $0.count) },
      grid: Dictionary(uniqueKeysWithValues: space.lines.map { ($0.key, $0.values) }))
    leastOverflow = outcome.leastOverflow
    leastSlow = outcome.leastSlow
    longestStep = outcome.longestStep
    self.inputs = inputs
    self.seconds = seconds
    self.threads = threads
  }

  /// The keys of plan files that the grid does not vary, with their values, as far as all plans have them alike.
  private static func conditions(of space: SearchSpace) -> [String] {
    let all = space.bases.map { conditions(of: $0, in: space) }
    return all[0].filter { line in all.allSatisfy { $0.contains(line) } }
  }

  private static func conditions(of plan: Plan, in space: SearchSpace) -> [String] {
    let varied = Set(space.lines.map(\.key)).union([
      "name", "source", "data-parallel", "units-per-stage", "expert-parallel",
      "expert-tensor-parallel",
      "dispatcher", "communication-sms", "recompute-layers", "schedule-file",
    ])
    var section = ""
    return plan.yaml.split(separator: "\n").compactMap { line -> String? in
      if line.hasSuffix(":") {
        section = line.dropLast() + "."
        return nil
      }
      let text = line.hasPrefix(" ") ? section + line.drop { $0 == " " } : String(line)
      return varied.contains(String(text.prefix { $0 != ":" })) ? nil : text
    }
  }

  /// The best plan's file, and its step.
  public var best: (yaml: String, stepSeconds: Double)? {
    plans.first.map { ($0.yaml, $0.stepSeconds) }
  }

  /// Why nothing is admissible, or was not found in time, and what to relax: time, the memory that is missing, or the rule that most
  /// points break.
  public var nearestReason: String {
    let place = "\(model) on \(counted(gpus, "GPU")) of \(cluster)"
    let points = "\(counted(space.size, "point")) of the grid "
    if isInterrupted {
      return "the search of \(place) was interrupted before any of \(points)was found to fit"
    }
    let start = "no plan of \(place) is admissible: of \(points)"
    if let leastSlow {
      return start
        + "the fastest that may fit take at least \(fixed(leastSlow, decimals: 3)) s a step, "
        + "longer than --deadline or --budget allow"
        + (longestStep.map { " (\(fixed($0, decimals: 3)) s)" } ?? "")
        + ": give them more time or money, or --gpus more"
    }
    if let leastOverflow {
      let room = Double(memoryLimitBytes - reserve)
      guard room > 0 else {
        return start
          + "none fits: --margin or --max-memory leave less than memory-reserve takes, "
          + "\(gibibytes(Double(reserve))) GiB"
      }
      return start
        + "\(grouped(space.outOfMemory)) need more memory, the least of them at least "
        + "\(gibibytes(max(0, leastOverflow - room))) GiB more than \(gibibytes(room)) GiB, which the "
        + "device leaves beside memory-reserve, --margin and --max-memory; it takes more GPUs, or what "
        + "the grid does not have"
    }
    guard let first = space.refusedBy.first else {
      return start + "there are none: \(gpus) GPUs do not divide into its degrees"
    }
    return start
      + "\(grouped(first.count)) are refused because \(first.rule): list other values of it"
  }
}

extension SearchFigures.Change {
  init(_ change: WinnerChange) {
    self.init(
      key: change.constant.key, factor: change.factor,
      leastFactor: change.constant.range.lowerBound,
      greatestFactor: change.constant.range.upperBound, source: change.constant.source,
      winner: change.winner.name, winnerStepSeconds: change.step,
      loserStepSeconds: change.stepBefore)
  }
}

extension SearchFigures.Item {
  init(
    _ found: SearchPlan, on cluster: Cluster, price: Double, tokens: Double?
  ) throws(ConfigurationError) {
    let report = found.report
    name = found.plan.name
    yaml = found.plan.yaml
    plan = try Document(text: found.plan.yaml, name: found.plan.name)
    gpus = report.ranks
    stepSeconds = report.stepSeconds
    boundSeconds = found.bound
    memoryBytes = .init(report.memory)
    marginBytes = report.memory.limit - report.memory.reserve - found.heldBytes
    fits = report.fits
    ways = Self.ways(of: found.plan, on: cluster)
    tokensPerSecond = report.tokensPerSecond
    tokensPerSecondPerGpu = report.tokensPerSecondPerGPU
    mfu = report.mfuCausal
    splitSeconds = .init(report.split)
    communicationSeconds = .init(
      expert: .init(report.expert), pipeline: .init(report.pipeline), data: .init(report.data),
      tensor: .init(report.tensor), context: .init(report.context))
    usDollarsPerTrillionTokens = report.gpuHours(tokens: 1e12) * price
    days = tokens.map { $0 / report.tokensPerDay }
    usDollars = tokens.map { report.gpuHours(tokens: $0) * price }
    recomputedShare =
      found.plan.recomputation == .none ? 0 : max(0, report.hfuCausal / report.mfuCausal - 1)
  }
}

extension SearchFigures.Item {
  /// The network where the ranks of a group are more than a node holds or lie a node apart, else the link
  /// inside the node.
  private static func ways(of plan: Plan, on cluster: Cluster) -> [String: String] {
    let perNode = cluster.node.devices.value
    let inside = cluster.node.link.name
    let outside = cluster.network?.name ?? inside
    let context = plan.tensorParallel * plan.contextParallel
    let spans = [
      "tensor": plan.tensorParallel, "context": context, "data": context * plan.dataParallel,
      "expert": plan.expertParallel * plan.expertTensorParallel,
      "pipeline": context * plan.dataParallel + 1,
    ]
    return spans.mapValues { $0 > perNode ? outside : inside }
  }
}

func gibibytes(_ bytes: Double) -> String { fixed(bytes / 0x1p30, decimals: 1) }

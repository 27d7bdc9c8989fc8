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
    /// What the fullest rank leaves of what the search allowed.
    public var marginBytes: Int
    public var tokensPerSecond: Double
    public var tokensPerSecondPerGpu: Double
    public var mfu: Double
    public var splitSeconds: StepFigures.Split
    public var communicationSeconds: StepFigures.Communications
    public var usDollarsPerTrillionTokens: Double
    public var days: Double?
    public var usDollars: Double?

    let yaml: String
    let recomputedShare: Double

    private enum CodingKeys: String, CodingKey {
      case name, plan, gpus, stepSeconds, boundSeconds, memoryBytes, fits, marginBytes
      case tokensPerSecond, tokensPerSecondPerGpu, mfu, splitSeconds, communicationSeconds
      case usDollarsPerTrillionTokens, days, usDollars
    }
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
    /// Plans of the space that are faster and fit; null where that was not counted to the end.
    public var fasterPlans: Int?
  }

  public var model: String
  public var cluster: String
  public var gpus: Int
  public var plans: [Item]
  /// Null where no plan of the space is better than those listed; else the search ended early, and no plan
  /// can take fewer seconds than this.
  public var openBoundSeconds: Double?
  public var pareto: [Item]
  public var against: Against?
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

  private enum CodingKeys: String, CodingKey {
    case model, cluster, gpus, plans, openBoundSeconds, pareto, against, space, memoryLimitBytes
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
  ///   - seconds: how long the search took, on how many threads.
  public init(
    _ outcome: SearchOutcome, of space: SearchSpace, for architecture: Architecture,
    on cluster: Cluster, _ inputs: Inputs, limit: Int, price: Double? = nil,
    tokens: Double? = nil, seconds: Double, threads: Int
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
        items.append(try Item(plan, limit: limit, price: price, tokens: tokens))
      }
      return items
    }
    plans = try items(outcome.plans)
    openBoundSeconds = outcome.leastOpen
    pareto = try items(outcome.front)
    if let place = outcome.against {
      against = Against(
        plan: try Item(place.plan, limit: limit, price: price, tokens: tokens),
        fasterPlans: place.faster)
    }
    let counts = outcome.counts
    lines = space.lines
    self.space = Space(
      size: counts.size, refused: counts.refused, outOfMemory: counts.outOfMemory,
      bounded: counts.bounded, simulated: counts.simulated, simulations: outcome.simulations,
      refusedBy: counts.reasons.map { Refusal(rule: $0.rule, count: $0.count) },
      grid: Dictionary(uniqueKeysWithValues: space.lines.map { ($0.key, $0.values) }))
    conditions = Self.conditions(of: space)
    leastOverflow = outcome.leastOverflow
    self.inputs = inputs
    self.seconds = seconds
    self.threads = threads
  }

  /// The keys of plan files that the grid does not vary, with their values.
  private static func conditions(of space: SearchSpace) -> [String] {
    let varied = Set(space.lines.map(\.key)).union([
      "name", "data-parallel", "units-per-stage", "expert-parallel", "expert-tensor-parallel",
      "dispatcher", "communication-sms",
    ])
    let bases = space.bases.map { base in
      base.yaml.split(separator: "\n").map(String.init).filter { line in
        !line.hasPrefix(" ") && !line.hasSuffix(":")
          && !varied.contains(String(line.prefix { $0 != ":" }))
      }
    }
    var lines: [String] = []
    for base in bases {
      for line in base where !lines.contains(line) { lines.append(line) }
    }
    return lines
  }

  /// The best plan's file, and its step.
  public var best: (yaml: String, stepSeconds: Double)? {
    plans.first.map { ($0.yaml, $0.stepSeconds) }
  }

  /// Why nothing is admissible: the rule that most points break, or the memory that is missing.
  public var nearestReason: String {
    let start =
      "no plan of \(model) on \(counted(gpus, "GPU")) of \(cluster) is admissible: of "
      + "\(counted(space.size, "point")) of the grid "
    if let leastOverflow {
      let missing = leastOverflow - Double(memoryLimitBytes)
      return start
        + "\(grouped(space.outOfMemory)) need more memory, the least of them at least "
        + "\(gibibytes(missing)) GiB more than \(gibibytes(Double(memoryLimitBytes))) GiB; it takes "
        + "more GPUs, or what the grid does not have"
    }
    guard let first = space.refusedBy.first else {
      return start + "there are none: \(gpus) GPUs do not divide into its degrees"
    }
    return start + "\(grouped(first.count)) are refused because \(first.rule)"
  }
}

extension SearchFigures.Item {
  init(
    _ found: SearchPlan, limit: Int, price: Double, tokens: Double?
  ) throws(ConfigurationError) {
    let report = found.report
    name = found.plan.name
    yaml = found.plan.yaml
    plan = try Document(text: found.plan.yaml, name: found.plan.name)
    gpus = report.ranks
    stepSeconds = report.stepSeconds
    boundSeconds = found.bound
    memoryBytes = .init(report.memory)
    marginBytes = limit - report.memory.peak
    fits = marginBytes >= 0
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

func gibibytes(_ bytes: Double) -> String { fixed(bytes / 0x1p30, decimals: 1) }

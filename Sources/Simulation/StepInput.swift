import Models
import Plans
import Programs
import Schedules

/// Everything that a step's simulation reads, beside prices.
public struct StepInput: Sendable {
  public var architecture: Architecture
  public var plan: Plan
  /// The programs of every stage, by number.
  public var stages: [StageProgram]
  /// Stages of one number here run the same programs.
  public var shapes: [Int]
  /// What each pipeline rank does.
  public var ranks: [RankProgram]
  /// Which pipeline ranks hold a stage.
  public var holders: [[Int]]
  /// On which pipeline rank a stage lies, by direction.
  public var placement: Placement
  public var load: Plan.ExpertLoad
  /// Rows of each stage's exchanges where every rank receives the same.
  public var balancedRows: [ExchangeRows]
  /// Ranks of an expert group.
  public var expertRanks: Int
  /// Attention ends at the borders of documents, and its kernels skip the rest.
  var attendsWithinDocuments = false
  /// The number of the layer of each of a stage's exchanges.
  var exchangeLayers: [[Int]] = []
  /// Ranks of a tensor group that hold the same key and value head.
  public let keyValueReplicas: Int
  /// Every rank receives all tokens of its expert group, whatever is routed to it.
  var gathersTokens = false
  /// The rows of every rank by itself, recorded by a real run or counted; nil where all are drawn or the
  /// same.
  public var rankRows: RankRows?
  /// To whom the rows of a real run went; nil where nobody asks for messages.
  public var routes: RecordedRoutes?

  /// Lowers the schedule and the stages of a placed plan.
  ///
  /// - Parameters:
  ///   - rows: the rows of one exchange where every rank receives the same.
  ///   - target: what the step runs on: CPU ranks where a real step is held against it.
  ///   - objective: what a fused head's loss is made of.
  ///   - purpose: of any other than training the forwards alone are simulated, as CPU ranks send them.
  /// - Throws: `ScheduleError` if the schedule cannot be lowered with the plan's way of sending.
  public init(
    _ placed: PlacedPlan, rows: (received: Int, routed: Int, sent: Int), target: Target,
    objective: Objective = .crossEntropy, purpose: Purpose = .training
  ) throws(ScheduleError) {
    var lowered = LoweredStages()
    try self.init(
      placed, rows: rows, target: target, objective: objective, purpose: purpose,
      lowered: &lowered)
  }

  /// The same, with stages that were lowered before where they are the same.
  public init(
    _ placed: PlacedPlan, rows: (received: Int, routed: Int, sent: Int), target: Target,
    objective: Objective = .crossEntropy, purpose: Purpose = .training,
    lowered: inout LoweredStages
  ) throws(ScheduleError) {
    let (architecture, plan, layout) = (placed.architecture, placed.plan, placed.layout)
    self.architecture = architecture
    self.plan = plan
    load = plan.expertLoad
    let schedule: Schedule
    if purpose != .training {
      schedule = try placed.schedule.forwardOnly.lowered(.eager)
    } else {
      schedule =
        placed.schedule.isLowered
        ? placed.schedule
        : try placed.schedule.lowered(plan.transferStyle)
    }
    let (stages, shapes) = Self.programs(
      of: plan, layout, architecture, target: target, objective, purpose, lowered: &lowered)
    placement = schedule.placement
    self.stages = stages
    self.shapes = shapes
    ranks = schedule.ranks.indices.map { rank in
      guard purpose == .training else { return RankProgram(forwardOf: schedule, rank: rank) }
      var program = RankProgram(
        schedule: schedule, rank: rank, reductions: plan.reductionStart,
        overlapsSends: plan.overlapsSends(of: placed.schedule))
      program.insert(GradientLanes(plan, target: target), of: stages)
      program.pairOrder = plan.pairOrder
      if plan.prefetchedUnits > 0 { program.gatherAhead() }
      if plan.gathersAheadOfForward { program.gatherAheadOfForwards() }
      return program
    }
    var holders = [[Int]](repeating: [], count: stages.count)
    for (rank, program) in ranks.enumerated() {
      for stage in program.stages { holders[stage].append(rank) }
    }
    self.holders = holders
    balancedRows = stages.map { stage in
      ExchangeRows(
        received: Array(repeating: rows.received, count: stage.exchangeCount),
        routed: Array(repeating: rows.routed, count: stage.exchangeCount),
        sent: Array(repeating: rows.sent, count: stage.exchangeCount))
    }
    expertRanks = plan.expertParallel
    attendsWithinDocuments = plan.documents?.mask == .document && plan.fusedAttention
    exchangeLayers = layout.stages.map { units in
      units.filter { architecture.feedForward(of: $0)?.mixture != nil }
        .compactMap { architecture.layerNumber(of: $0) }
    }
    keyValueReplicas = LoweringSetting(plan, target: target).keyValueReplicas(of: architecture)
    gathersTokens = target == .device && plan.dispatcher == .allGather
  }

  /// The programs of all stages; stages of one shape share theirs.
  static func programs(
    of plan: Plan, _ layout: StageLayout, _ architecture: Architecture, target: Target,
    _ objective: Objective = .crossEntropy, _ purpose: Purpose = .training,
    lowered: inout LoweredStages
  ) -> (stages: [StageProgram], shapes: [Int]) {
    var setting = LoweringSetting(plan, layout, of: architecture, target: target)
    (setting.objective, setting.purpose) = (objective, purpose)
    var made: [[UnitShape]: Int] = [:]
    var stages: [StageProgram] = []
    var shapes: [Int] = []
    for units in layout.stages {
      let key = units.map { UnitShape($0, architecture) }
      if let known = made[key] {
        shapes.append(known)
        stages.append(stages[known])
      } else {
        made[key] = stages.count
        shapes.append(stages.count)
        stages.append(lowered.program(of: units, shape: key, architecture, setting))
      }
    }
    return (stages, shapes)
  }
}

/// What of a unit decides its program: layers with equal blocks are lowered once.
enum UnitShape: Hashable {
  case embedding
  case layer(Layer)
  case head
  case prediction(Int)

  init(_ unit: Unit, _ architecture: Architecture) {
    switch unit {
    case .embedding: self = .embedding
    case .layer(let index): self = .layer(architecture.layers[index])
    case .head: self = .head
    case .multiTokenPrediction(let depth): self = .prediction(depth)
    }
  }
}

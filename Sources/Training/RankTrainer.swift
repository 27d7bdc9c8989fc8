import Checkpoints
import Documents
import Engines
import Kernels
import MessagePassing
import Models
import Plans
import Programs
import Schedules
import Tokens

/// What a step did, the same numbers on all ranks but for the ledger.
public struct StepResult: Sendable {
  /// The number of the step, from 1.
  public var step: Int
  /// Mean cross-entropy over all predicted tokens of the global batch; of a policy its loss.
  public var loss: Double
  /// Tokens that were predicted.
  public var labels: Int
  /// Mean cross-entropy of each prediction module.
  public var predictionLosses: [Double]
  /// The balance loss, summed over layers or joined from them, and meant over sequences.
  public var balanceLoss: Double
  /// The norm of all gradients before clipping.
  public var gradientNorm: Double
  /// Tokens that entered the model, of all ranks.
  public var tokens: Int
  /// Tokens by layer and expert, prediction modules behind the layers.
  public var expertLoads: [[Int]]
  /// Nanoseconds from the step's begin to its end on this rank.
  public var duration: UInt64
  /// What this rank did.
  public var ledger: Ledger
}

/// One rank that trains: the engine on the CPU backend, step by step.
///
/// All ranks of the communicator make one and call the same methods in the same order. Usable with ranks
/// as threads and under mpirun alike.
public final class RankTrainer {
  private let backend: RankBackend
  private let store: ParameterStore
  private var engine: Engine
  private var evaluation: Engine
  /// Gathers the parameters by themselves, where steps do so ahead of their forwards.
  private var gathering: Engine
  public let plan: Plan
  public let architecture: Architecture
  /// Updates done so far; set it when going on from a checkpoint.
  public var stepsDone = 0
  /// What ledgers record beside sums.
  public var recording: Recording {
    get { backend.recording }
    set { backend.recording = newValue }
  }

  /// Takes up a rank's part of a plan; parameters are zero until they are loaded or initialised.
  ///
  /// - Parameters:
  ///   - schedule: the order of actions without sends and receives; nil for the plan's named one.
  ///   - layout: which units lie on which stage; nil for an even one.
  /// - Throws: `TrainingError`, `PlanError` or `ScheduleError` where they do not fit one another.
  public init(
    _ architecture: Architecture, _ plan: Plan, _ communicator: any Communicator,
    _ source: any SequenceSource, _ setting: TrainingSetting = TrainingSetting(),
    schedule: Schedule? = nil, layout: StageLayout? = nil
  ) throws {
    try Self.check(plan, of: architecture, communicator)
    let schedule = try schedule ?? Self.schedule(of: plan)
    let layout =
      try layout ?? StageLayout(evenly: schedule.stageCount, of: architecture)
    guard layout.stages.count == schedule.stageCount else {
      throw TrainingError.plan(
        "the layout has \(layout.stages.count) stages, the schedule \(schedule.stageCount)")
    }
    let assignment = RankAssignment(
      architecture, plan, layout, try schedule.lowered(plan.transferStyle),
      rank: communicator.rank, objective: setting.objective)
    let backend = RankBackend(assignment, try RankLinks(communicator), source, setting)
    self.backend = backend
    self.plan = plan
    self.architecture = architecture
    store = ParameterStore(backend)
    engine = Engine(assignment.items, stages: assignment.ownPrograms)
    let forward = RankProgram(
      forwardOf: try schedule.forwardOnly.lowered(.eager), rank: assignment.place.pipeline)
    evaluation = Engine(forward, stages: assignment.ownPrograms)
    var gathers = assignment.items
    gathers.items =
      gathers.stages.map { .gather(stage: $0) } + gathers.stages.map { .settle(stage: $0) }
    (gathers.openingItems, gathers.closingItems) = ([], [])
    gathering = Engine(gathers, stages: assignment.ownPrograms)
  }

  static func check(
    _ plan: Plan, of architecture: Architecture, _ communicator: any Communicator
  ) throws {
    guard communicator.size == plan.worldSize else {
      throw TrainingError.worldSize(ranks: communicator.size, plan: plan.worldSize)
    }
    if let refusal = plan.refusalOnProcessors(for: architecture) {
      throw TrainingError.unsupported("\(refusal.key) \(refusal.rule)")
    }
    let sequences = plan.dataParallel * plan.microbatchSize
    guard plan.globalBatch > 0, plan.globalBatch % sequences == 0 else {
      throw TrainingError.plan(
        "a global batch of \(plan.globalBatch) sequences does not divide into microbatches of "
          + "\(plan.microbatchSize) on \(plan.dataParallel) data ranks")
    }
    guard let lanes = plan.gradientLanes else { return }
    let copies = plan.dataParallel * (plan.isBidirectional ? 2 : 1)
    let microbatches = plan.dataParallel * plan.microbatchCount
    let suitsExperts = plan.expertParallel == 1 || lanes & (lanes - 1) == 0
    guard lanes > 0, suitsExperts, lanes % copies == 0, microbatches % lanes == 0 else {
      throw TrainingError.plan(
        "gradient-lanes is \(lanes); it must be a multiple of data ranks times directions "
          + "(\(copies)), a divisor of the \(microbatches) microbatches, and, where experts are "
          + "spread, a power of two")
    }
  }

  static func schedule(of plan: Plan) throws -> Schedule {
    guard case .named(let name) = plan.schedule else {
      throw TrainingError.plan("a schedule from a file has to be read first")
    }
    let known = try ScheduleName(named: name)
    return try known.schedule(
      ranks: plan.pipelineParallel,
      stagesPerRank: known == .dualPipe ? nil : plan.stagesPerRank,
      microbatches: plan.microbatchCount, pairs: plan.pairs)
  }

  // MARK: Steps

  /// One step: forwards, backwards, reduction, update.
  public func step(learningRate: Double) throws -> StepResult {
    backend.mode = .train
    backend.learningRate = learningRate
    backend.update = stepsDone + 1
    let start = nanoseconds()
    backend.beginStep()
    try run(&engine)
    stepsDone += 1
    return result(nanoseconds() - start)
  }

  /// Gathers what the last step has updated, where the next one would; a collective.
  ///
  /// Behind it every rank holds all of its parameters as they are; evaluations begin with it.
  public func gatherParameters() throws {
    guard plan.gathersAheadOfForward else { return }
    try run(&gathering)
  }

  /// The mean cross-entropy of the sequences of a step, without gradients.
  public func evaluate() throws -> StepResult { try evaluate(.evaluate) }

  /// As `evaluate`, and gives the logits of every microbatch that this rank's heads see: module,
  /// microbatch, (tokens, vocabulary).
  public func logits(
    _ read: @escaping (Int, Int, UnsafeBufferPointer<Float>) -> Void
  ) throws -> StepResult {
    try evaluate(.logits(read))
  }

  /// What the head says of every label of a step's sequences, by token of the global batch; a collective,
  /// the same on all ranks.
  ///
  /// Zeros where there is no label.
  func likelihoods() throws -> [TokenLikelihood] {
    try backend.observing { _ = try evaluate(.likelihoods) }
  }

  /// One step, with what the head said of every label of it.
  func observedStep(
    learningRate: Double
  ) throws -> (result: StepResult, likelihoods: [TokenLikelihood]) {
    var result: StepResult?
    let likelihoods = try backend.observing { result = try step(learningRate: learningRate) }
    guard let result else { preconditionFailure("A step has a result.") }
    return (result, likelihoods)
  }

  private func evaluate(_ mode: HeadMode) throws -> StepResult {
    try gatherParameters()
    backend.mode = mode
    backend.update = stepsDone
    let start = nanoseconds()
    backend.beginStep()
    try run(&evaluation)
    _ = backend.agree()
    if let failure = backend.failure { throw failure }
    return result(nanoseconds() - start)
  }

  private func run(_ engine: inout Engine) throws {
    engine.restart()
    var world = backend
    _ = engine.advance(&world)
    if let failure = backend.failure { throw failure }
  }

  private func result(_ duration: UInt64) -> StepResult {
    let agreed = backend.agreed
    let means = agreed.losses.enumerated().map { module, sum in
      // A clipped policy gradient is summed with each token's weight.
      backend.setting.objective == .clippedPolicy && backend.mode.isTraining
        ? sum : sum / max(1, agreed.labels[module])
    }
    let experts = backend.assignment.expertCount
    let layers = experts == 0 ? 0 : agreed.loads.count / experts
    return StepResult(
      step: stepsDone, loss: means[0], labels: Int(agreed.labels[0]),
      predictionLosses: Array(means.dropFirst()),
      balanceLoss: agreed.balance / Double(plan.globalBatch), gradientNorm: agreed.norm,
      tokens: plan.globalBatch * plan.sequenceLength,
      expertLoads: (0..<layers).map { layer in
        agreed.loads[layer * experts..<(layer + 1) * experts].map { Int($0) }
      }, duration: duration, ledger: backend.endStep())
  }

  // MARK: Parameters

  /// The tensors of this rank, in the order of stages; copies that other ranks hold too among them.
  public var slices: [ParameterSlice] { store.slices }

  /// The values of a tensor on this rank, to read and to write between steps; where these gather ahead of
  /// their forwards, behind `gatherParameters`.
  public func values(_ slice: ParameterSlice) -> UnsafeMutableBufferPointer<Float> {
    store.values(slice)
  }

  func loadWeights(_ checkpoint: CheckpointReader) throws(CheckpointError) {
    try store.load(checkpoint)
  }

  /// What a step's backward added up for one use of a tensor on this rank; nil for what is not trained.
  ///
  /// Of meaning on one rank alone, where no reduction follows.
  public func gradient(_ slice: ParameterSlice) -> UnsafeMutableBufferPointer<Float>? {
    store.gradient(slice)
  }

  /// Fills the tensors with normally distributed numbers that follow from the seed and their names, gains
  /// with 1 and biases with 0.
  ///
  /// - Parameter residualScale: a factor on projections that end in the residual stream, such as
  ///   GPT-2's 1/√(2·layers).
  public func initialize(seed: UInt64, residualScale: Double = 1) {
    store.initialize(
      seed: seed, standardDeviation: architecture.initializerRange,
      residualScale: residualScale)
  }

  /// Visits the pieces of tensors that this rank updates, with their optimizer state: together the
  /// ranks visit every element of every trained tensor once.
  public func forEachOwnedPiece(_ body: (OwnedPiece) throws -> Void) rethrows {
    try store.forEachOwnedPiece(body)
  }

  /// Visits the pieces of tensors that this rank updates, those included that others update alike.
  public func forEachUpdatedPiece(_ body: (OwnedPiece) throws -> Void) rethrows {
    try store.forEachOwnedPiece(everyCopy: true, body)
  }
}

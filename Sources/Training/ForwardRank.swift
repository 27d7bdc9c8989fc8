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

/// One rank's part of a model that runs forward alone: the engine on programs that have no gradients and
/// no optimizer, so there is no memory for either.
///
/// All ranks of the communicator make one and call the same methods in the same order.
public final class ForwardRank {
  let backend: RankBackend
  private let store: ParameterStore
  private var engine: Engine
  public let plan: Plan
  public let architecture: Architecture
  /// What ledgers record beside sums.
  package var recording: Recording {
    get { backend.recording }
    set { backend.recording = newValue }
  }
  /// What this rank did in its last forward.
  package private(set) var ledger = Ledger()

  /// Takes up a rank's part of a plan; parameters are zero until they are loaded.
  ///
  /// - Parameters:
  ///   - schedule: an order of actions whose forwards are taken; nil for that of the plan's named one.
  ///   - layout: which units lie on which stage; nil for an even one.
  /// - Throws: `TrainingError`, `PlanError` or `ScheduleError` where plan, model and ranks do not fit one
  ///   another.
  public convenience init(
    _ architecture: Architecture, _ plan: Plan, _ communicator: any Communicator,
    _ source: any SequenceSource, _ purpose: Purpose,
    _ setting: TrainingSetting = TrainingSetting(), schedule: Schedule? = nil,
    layout: StageLayout? = nil
  ) throws {
    try RankTrainer.check(plan, of: architecture, communicator)
    try self.init(
      architecture, plan, try RankLinks(communicator), source, purpose, setting, schedule, layout,
      beside: nil)
  }

  private init(
    _ architecture: Architecture, _ plan: Plan, _ links: RankLinks, _ source: any SequenceSource,
    _ purpose: Purpose, _ setting: TrainingSetting, _ given: Schedule?, _ layout: StageLayout?,
    beside other: ForwardRank?
  ) throws {
    precondition(purpose != .training, "training needs a RankTrainer")
    var alone = plan
    alone.overlap.expertExchange = nil
    let schedule = try (given ?? RankTrainer.schedule(of: alone)).forwardOnly
    let layout = try layout ?? StageLayout(evenly: schedule.stageCount, of: architecture)
    let assignment = RankAssignment(
      architecture, plan, layout, try schedule.lowered(.eager), rank: links.rank,
      purpose: purpose)
    backend = RankBackend(
      assignment, links, source, setting, beside: other?.backend)
    store = ParameterStore(backend)
    engine = Engine(assignment.pipelineItems, stages: assignment.ownPrograms)
    self.plan = plan
    self.architecture = architecture
  }

  /// The same parameters and caches, for forwards over sequences of another length.
  func forLength(_ length: Int) throws -> ForwardRank {
    var plan = plan
    plan.sequenceLength = length
    return try ForwardRank(
      architecture, plan, backend.links, backend.source, backend.assignment.purpose,
      backend.setting, nil, backend.assignment.layout, beside: self)
  }

  /// The tensors of this rank, in the order of stages.
  public var slices: [ParameterSlice] { store.slices }

  /// The values of a tensor on this rank, to read and to write between forwards.
  public func values(_ slice: ParameterSlice) -> UnsafeMutableBufferPointer<Float> {
    store.values(slice)
  }

  /// Fills the tensors as `RankTrainer.initialize` does.
  package func initialize(seed: UInt64, residualScale: Double = 1) {
    store.initialize(
      seed: seed, standardDeviation: architecture.initializerRange, residualScale: residualScale)
  }

  /// Takes the weights of a checkpoint, whichever plan wrote it.
  public func load(_ checkpoint: CheckpointReader) throws(CheckpointError) {
    try store.load(checkpoint)
  }

  /// The mean cross-entropy of the sequences of a step, all ranks' together, and what this rank did.
  public func evaluate() throws -> (loss: Double, ledger: Ledger) {
    let ledger = try run(.evaluate)
    _ = backend.agree()
    if let failure = backend.failure { throw failure }
    let agreed = backend.agreed
    return (agreed.losses[0] / max(1, agreed.labels[0]), ledger)
  }

  /// What the head says of every label of a step's sequences; a collective, as
  /// `RankTrainer.likelihoods`.
  func likelihoods() throws -> [TokenLikelihood] {
    try backend.observing { _ = try run(.likelihoods) }
  }

  /// Takes the weights of a trainer of the same ranks, schedule and layout.
  func takeWeights(of trainer: RankTrainer) throws {
    try trainer.gatherParameters()
    var sources: [String: ParameterSlice] = [:]
    for slice in trainer.slices { sources["\(slice.stage) \(slice.tensor.name)"] = slice }
    for slice in slices {
      guard let source = sources["\(slice.stage) \(slice.tensor.name)"] else {
        preconditionFailure("\(slice.tensor.name) lies on another rank.")
      }
      _ = values(slice).update(fromContentsOf: trainer.values(source))
    }
  }

  /// One forward of every microbatch, and what this rank did.
  func run(_ mode: HeadMode) throws -> Ledger {
    backend.mode = mode
    backend.beginStep()
    engine.restart()
    var world = backend
    _ = engine.advance(&world)
    if let failure = backend.failure { throw failure }
    ledger = backend.endStep()
    return ledger
  }
}

extension RankAssignment {
  /// The rank's items without those of the optimizer.
  var pipelineItems: RankProgram {
    var items = items
    items.items = items.items.filter(\.isPipelineWork)
    return items
  }

  /// The programs of the stages on this rank, at their numbers.
  var ownPrograms: [StageProgram?] {
    programs.indices.map { localStages.contains($0) ? programs[$0] : nil }
  }
}

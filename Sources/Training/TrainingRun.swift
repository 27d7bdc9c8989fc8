import Checkpoints
import Documents
import Foundation
import MessagePassing
import Models
import Plans
import Runs
import Tokens

/// One rank's part in a run, from its first step or a checkpoint to its last step.
///
/// All ranks of the communicator make one and call the same methods in the same order. A class, since
/// it holds the rank's memory and moves it through time.
public final class TrainingRun {
  /// The run; where a checkpoint lacks prediction modules, without them.
  public let run: RunFile
  /// What people should know before the first step.
  public let notices: [String]
  /// Where training stands.
  public private(set) var state: TrainingState
  /// What the ledgers of steps record beside sums.
  public var recording = Recording()
  /// What the last step did on this rank.
  public private(set) var lastResult: StepResult?
  /// Why the log takes no more lines, if it does not: all that is left to do is a checkpoint.
  ///
  /// Known on rank 0.
  public private(set) var logFailure: CheckpointError?
  /// The plan on the model, with the batch of the last step.
  public var plan: Plan { trainer.plan }
  /// What is known before the first step, where something is: evaluated at the run's beginning.
  public private(set) var opening: StepMetrics?
  let prepared: PreparedRun
  let communicator: any Communicator
  let lessons: Lessons
  private let writer: CheckpointWriter?
  private let log: MetricsLog?
  private let samples: MetricsLog?
  private let events: EventFile?
  /// What the ranks reach in products together, in FLOPs a second; nil until it is measured.
  var peakRate: Double?
  var slowRanks: SlowRanks
  /// The hosts of all ranks.
  let hosts: [String]
  private(set) var trainer: RankTrainer
  private(set) var setting: TrainingSetting
  private var lastSaved: Int?
  /// The checkpoint that is being written while steps go on, if one is.
  private var inFlight: CheckpointInFlight?

  /// What keeps other runs away, on rank 0.
  private let locks: [RunLock]

  /// Prepares the first step: ranks agree, the place is taken, weights are drawn or loaded.
  ///
  /// - Parameters:
  ///   - beginning: at the first step, or behind a checkpoint in the run's folder.
  ///   - inputs: what the run computes from, for its log: a JSON object on one line.
  /// - Throws: `ConfigurationError`, `CheckpointError`, `TrainingError`, `MPIError`.
  public init(
    _ prepared: PreparedRun, _ communicator: any Communicator, _ beginning: RunBeginning = .anew,
    inputs: String? = nil
  ) throws {
    self.prepared = prepared
    self.communicator = communicator
    let differences = try Self.agree(prepared.run, communicator)
    let place = try Self.takePlace(prepared.run, beginning, communicator)
    let resuming = place.step != nil
    locks = place.locks
    let start = try Self.start(
      prepared.run, from: place.step, isSound: place.isSound, communicator)
    try prepared.checkTokenizer(of: start.checkpoint)
    var run = prepared.run
    run.model.architecture = start.architecture
    self.run = run
    let identity = try prepared.material.identity
    state = Self.fresh(run, data: identity)
    var notices = prepared.notices + differences + place.notices + start.notices
    if resuming, let checkpoint = start.checkpoint {
      state = try Self.state(of: checkpoint, for: state, run)
      notices += run.settingsHere.changes(since: checkpoint.state?.settings)
    } else {
      state.begunFrom = start.checkpoint?.weightsIdentity ?? ""
    }
    lessons = Lessons(prepared, communicator, position: state.sequences)
    setting = run.setting(atStep: state.step)
    trainer = try Self.trainer(
      run, after: state.sequences, communicator, lessons.sequences, setting)
    if let checkpoint = start.checkpoint {
      try trainer.load(checkpoint, resuming: resuming)
    } else {
      trainer.initialize(seed: run.seed, residualScale: run.residualScale)
    }
    writer = try run.checkpointWriter(prepared.tokenizer)
    lastSaved = resuming ? state.step : nil
    // What refuses to go on does so before a line of a log goes.
    if resuming, let checkpoint = start.checkpoint {
      _ = try prepared.rollout(keptIn: checkpoint)
    }
    let earlier = resuming ? start.checkpoint?.state : nil
    log = try Self.log(run.log.file, run, beginning, state, of: earlier, inputs, communicator)
    samples = try Self.log(run.log.samples, run, beginning, state, of: earlier, nil, communicator)
    events = try Self.events(run, state, communicator)
    slowRanks = SlowRanks(
      positions: (0..<communicator.size).map { run.plan.mesh.coordinates(of: $0).pipeline })
    hosts = try communicator.allGather(hostName)
    self.notices = notices + [log?.notice, samples?.notice].compactMap { $0 }
    try resumePolicy(from: resuming ? start.checkpoint : nil)
  }

  /// Forwards of the last step that nothing was learnt from, where its order was recorded.
  public var recordedForwards: [RecordedForward] { lessons.policy?.forwards ?? [] }

  /// Whether the last step is done.
  public var isFinished: Bool { state.step >= run.steps }

  /// One step, with evaluation, checkpoint and log line where they are due after it.
  ///
  /// - Throws: `RolloutStopped` where the run is to stop while a program judges: no step is made.
  public func step() throws -> StepMetrics {
    precondition(!isFinished, "the run is finished")
    try inFlight?.check()
    try adapt()
    try open()
    let rate = run.learningRate.rate(atStep: state.step)
    let batch = trainer.plan.globalBatch
    if lessons.policy?.refreshesReference(before: state.step) == true { try save() }
    lessons.policy?.recording = recording
    try lessons.begin(update: state.step, batch: batch, trainer)
    lessons.policy?.recording = Recording()
    trainer.recording = recording
    let (result, policy) = try lessons.step(trainer, learningRate: rate, update: state.step)
    lastResult = result
    state.step += 1
    state.sequences += batch
    state.tokens += result.tokens
    lessons.position = state.sequences
    var metrics = try metrics(of: result, learningRate: rate)
    metrics.policy = policy
    if let settings = run.evaluation,
      state.step.isMultiple(of: settings.every) || isFinished
    {
      do {
        try evaluate(into: &metrics)
      } catch is RolloutStopped {
        metrics.notices.append(
          "step \(state.step) is not evaluated: the run is to stop, and its programs were ended")
      }
    }
    metrics.notices += lessons.policy?.takeNotices() ?? []
    // In front of the checkpoint: a run that goes on from it has to find the step in its log, and takes out
    // what lies behind.
    if state.step.isMultiple(of: run.log.every) || isFinished { write(metrics) }
    if let samples, let policy = lessons.policy {
      write(policy.samples(update: state.step - 1).map(\.compact), to: samples)
    }
    if let settings = run.checkpoints, state.step.isMultiple(of: settings.every) || isFinished {
      try save(waits: isFinished, metrics: &metrics)
    }
    return metrics
  }

  /// All steps that are left, or those until a rank wants to stop; a checkpoint is written then.
  ///
  /// - Parameters:
  ///   - wantsStop: asked on every rank after each step; one rank's yes stops all.
  ///   - report: given each step's metrics, on every rank.
  /// - Returns: whether the run is finished.
  /// - Throws: also why the log could not be written, after the checkpoint.
  @discardableResult public func finish(
    wantsStop: () -> Bool = { false }, report: (StepMetrics) -> Void = { _ in }
  ) throws -> Bool {
    while !isFinished {
      report(try step())
      if try communicator.maximum(wantsStop() || logFailure != nil ? 1 : 0) > 0 {
        if !isFinished { try save() }
        break
      }
    }
    if let logFailure { throw logFailure }
    return isFinished
  }

  /// What is evaluated before the first step, from which the gain counts.
  private func open() throws {
    guard state.step == 0, opening == nil, run.evaluation != nil else { return }
    var metrics = StepMetrics(step: 0)
    metrics.globalBatch = trainer.plan.globalBatch
    try evaluate(into: &metrics)
    opening = metrics
    write(metrics)
  }

  /// The first group of the rollout that was made before the last step, a JSON object for each completion
  /// as the log of samples has them; empty where none was made.
  public var rolloutSamples: [JSONValue] {
    lessons.policy?.samples(update: state.step - 1) ?? []
  }

  /// Writes a checkpoint of where training stands; nothing where the run keeps none, or has it.
  ///
  /// When this returns it is written, and so is one that was begun before.
  public func save() throws {
    var unused = StepMetrics(step: state.step)
    try save(waits: true, metrics: &unused)
  }

  /// - Parameter waits: whether it has to be written when this returns, though steps could go on.
  private func save(waits: Bool, metrics: inout StepMetrics) throws {
    guard var writer, let settings = run.checkpoints else { return }
    if lastSaved != state.step {
      if let policy = lessons.policy { policy.add(to: &writer, update: state.step) }
      if settings.isAsynchronous {
        try finishEarlier(metrics: &metrics)
        inFlight = try CheckpointInFlight(
          trainer.checkpointPieces(), writer, state: state, rank: communicator.rank,
          ranks: communicator.size)
      } else {
        try writer.write(
          trainer.checkpointPieces(), state: state, rank: communicator.rank,
          ranks: communicator.size
        ) { try communicator.barrier() }
      }
      lastSaved = state.step
    }
    guard waits, let last = inFlight else { return }
    try finish(last)
    inFlight = nil
    // Rank 0's part is over when the checkpoint is there.
    try communicator.barrier()
  }

  /// Waits for the checkpoint before, and says so where that took long.
  private func finishEarlier(metrics: inout StepMetrics) throws {
    guard let earlier = inFlight else { return }
    let clock = ContinuousClock()
    let wait = try clock.measure { try finish(earlier) } / .seconds(1)
    if wait > 0.1, communicator.rank == 0 {
      metrics.notices.append(
        String(
          format: "the checkpoint after step %d waited %.1f s for the one before to be written",
          state.step, wait))
    }
  }

  /// Waits for a checkpoint; for another rank's part of it as long as for a message of that rank's.
  private func finish(_ checkpoint: CheckpointInFlight) throws {
    let transport = communicator.transport
    let missing = try checkpoint.finish(within: transport.timeout) { try transport.progress() }
    guard let missing, let limit = transport.timeout else { return }
    let operation = PendingOperation(
      .checkpoint, rank: communicator.worldRanks[communicator.rank],
      peer: communicator.worldRanks[missing], tag: lastSaved ?? state.step, bytes: 0)
    let others = try transport.callRoll(operation)
    throw MPIError.timedOut(operation, after: limit, others: others)
  }
}

extension TrainingRun {
  /// Adds a line to the log; a disk that does not take it is no reason to lose the step.
  private func write(_ metrics: StepMetrics) {
    do throws(CheckpointError) {
      try log?.write(metrics)
      try events?.write(
        step: metrics.step, time: metrics.wallTime ?? Date().timeIntervalSince1970, metrics.curves)
    } catch { logFailure = error }
  }

  /// Adds lines to the log of samples.
  private func write(_ lines: [String], to samples: MetricsLog) {
    do throws(CheckpointError) {
      for line in lines { try samples.write(line: line) }
    } catch { logFailure = error }
  }

  /// Makes the trainer anew where the batch or a weight changes with this step.
  ///
  /// The new one holds the same numbers at the same places, since these depend on neither.
  private func adapt() throws {
    let wanted = run.setting(atStep: state.step)
    let plan = run.plan(after: state.sequences)
    guard wanted != setting || plan.globalBatch != trainer.plan.globalBatch else { return }
    setting = wanted
    let next = try Self.trainer(
      run, after: state.sequences, communicator, lessons.sequences, setting)
    next.takeOver(from: trainer)
    trainer = next
  }

  private static func trainer(
    _ run: RunFile, after seen: Int, _ communicator: any Communicator,
    _ sequences: any SequenceSource, _ setting: TrainingSetting
  ) throws -> RankTrainer {
    var current = run
    current.plan = run.plan(after: seen)
    current.batch = BatchRamp(constant: current.plan.globalBatch)
    let placed = try current.placed(ranks: communicator.size)
    return try RankTrainer(
      run.model.architecture, placed.plan, communicator, sequences, setting,
      schedule: placed.schedule, layout: placed.layout)
  }
}

extension RankTrainer {
  /// Copies everything that training changes from a trainer of the same plan at another batch.
  func takeOver(from other: RankTrainer) {
    precondition(slices == other.slices, "the trainers hold the same tensors")
    for slice in slices { _ = values(slice).update(fromContentsOf: other.values(slice)) }
    var pieces: [OwnedPiece] = []
    other.forEachUpdatedPiece { pieces.append($0) }
    var index = 0
    forEachUpdatedPiece { piece in
      precondition(piece.range == pieces[index].range && piece.tensor == pieces[index].tensor)
      _ = piece.firstMoment.update(fromContentsOf: pieces[index].firstMoment)
      _ = piece.secondMoment.update(fromContentsOf: pieces[index].secondMoment)
      index += 1
    }
    stepsDone = other.stepsDone
  }
}

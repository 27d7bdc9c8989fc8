import Checkpoints
import Documents
import Foundation
import MessagePassing
import Models
import Runs
import Tokens

extension TrainingRun {
  /// What a run begins with.
  struct Start {
    var architecture: Architecture
    var checkpoint: CheckpointReader?
    var notices: [String]
  }

  /// The ranks compare what they are about to run.
  ///
  /// - Returns: what people should know of it.
  static func agree(_ run: RunFile, _ communicator: any Communicator) throws -> [String] {
    let own = try Fingerprint(runFile: run.checksum).words
    var all = [UInt64](repeating: 0, count: own.count * communicator.size)
    try own.withUnsafeBytes { input in
      try all.withUnsafeMutableBytes { output in
        try communicator.allGather(
          input, into: output, counts: Array(repeating: input.count, count: communicator.size),
          .standard)
      }
    }
    let ranks = (0..<communicator.size).map {
      Fingerprint(words: Array(all[own.count * $0..<own.count * ($0 + 1)]))
    }
    if let difference = Fingerprint.disagreement(among: ranks) {
      throw ConfigurationError(file: run.file, rule: "\(difference): all ranks must have the same")
    }
    return [Fingerprint.warning(among: ranks)].compactMap { $0 }
  }

  /// Rank 0 makes the run's place this run's own, and finds the step that it goes on from.
  ///
  /// - Returns: that step on all ranks, nil for the beginning; locks, notices and whether every byte of the
  ///   checkpoint was read and found sound on rank 0.
  static func takePlace(
    _ run: RunFile, _ beginning: RunBeginning, _ communicator: any Communicator
  ) throws -> (step: Int?, isSound: Bool, locks: [RunLock], notices: [String]) {
    try run.check(beginning)
    var step = -1
    var isSound = false
    var result: (locks: [RunLock], notices: [String]) = ([], [])
    if communicator.rank == 0 {
      let place = run.place
      result = try place.take(beginning)
      if let folder = place.folder, beginning == .resuming {
        step = folder.steps().last ?? -1
      } else if let folder = place.folder, beginning == .resumingIfAny {
        let found = try folder.newestGood()
        result.notices += found.notices
        if found.step == nil {
          result.notices.append("\(folder.path) holds no checkpoint: the run begins anew")
        }
        step = found.step ?? -1
        isSound = found.step != nil
      }
    }
    step = Int(try communicator.maximum(Int64(step)))
    return (step < 0 ? nil : step, isSound, result.locks, result.notices)
  }

  /// The checkpoint that a run goes on from, or takes its weights from, found sound by rank 0.
  ///
  /// - Parameters:
  ///   - step: that of the run's own checkpoint to go on from.
  ///   - isSound: whether rank 0 has read every byte of that one already.
  static func start(
    _ run: RunFile, from step: Int?, isSound: Bool, _ communicator: any Communicator
  ) throws -> Start {
    let wanted = run.model.architecture
    var path = run.model.checkpoint
    if let step, let folder = run.place.folder { path = folder.checkpoint(atStep: step) }
    guard let path else { return Start(architecture: wanted, notices: []) }
    let reader: CheckpointReader
    do {
      reader = try CheckpointReader(path: path)
      if communicator.rank == 0, !isSound { try reader.verify() }
    } catch var error as CheckpointError where step != nil && error.kind == .damaged {
      error.rule += "; --resume-if-any goes on from the newest good checkpoint"
      throw error
    }
    try communicator.barrier()
    let (architecture, notices) = try reader.admitted(for: wanted)
    return Start(architecture: architecture, checkpoint: reader, notices: notices)
  }

  /// The log of rank 0 at a path, if the run keeps one.
  ///
  /// - Parameter earlier: where the checkpoint stood that the run goes on from.
  static func log(
    _ path: String?, _ run: RunFile, _ beginning: RunBeginning, _ state: TrainingState,
    of earlier: TrainingState?,
    _ inputs: String?, _ communicator: any Communicator
  ) throws(CheckpointError) -> MetricsLog? {
    // A run that is finished writes nothing.
    guard communicator.rank == 0, state.step < run.steps, let path else {
      return nil
    }
    let lines: MetricsLog.EarlierLines =
      if let earlier { .continued(run: earlier.run) } else if beginning == .overwriting {
        .removed
      } else { .setAside }
    let header = LogHeader(run: state.run, afterStep: state.step, inputs: inputs)
    return try MetricsLog(path: path, header, lines, besides: run.inputs)
  }

  /// The state in front of a run's first step.
  static func fresh(_ run: RunFile, data identity: String) -> TrainingState {
    TrainingState(
      seed: run.seed, data: identity, run: run.identity(data: identity), settings: run.settingsHere)
  }

  /// Looks whether a run can go on from its newest checkpoint, where it has one, without a step.
  ///
  /// - Throws: why it cannot, as the run itself does.
  public static func checkResumption(of prepared: PreparedRun) throws {
    guard let folder = prepared.run.place.folder, let step = folder.steps().last else { return }
    let checkpoint = try CheckpointReader(path: folder.checkpoint(atStep: step))
    _ = try checkpoint.admitted(for: prepared.run.model.architecture)
    try prepared.checkTokenizer(of: checkpoint)
    let fresh = fresh(prepared.run, data: try prepared.material.identity)
    _ = try state(of: checkpoint, for: fresh, prepared.run)
    _ = try prepared.rollout(keptIn: checkpoint)
  }

  /// The state that training goes on from, after it was found to be of the same data and seed, and to have
  /// begun from the weights that the run would begin from now.
  static func state(
    of checkpoint: CheckpointReader, for fresh: TrainingState, _ run: RunFile
  ) throws(CheckpointError) -> TrainingState {
    guard let state = checkpoint.state else {
      throw CheckpointError(
        .mismatched, file: checkpoint.path, rule: "says not where training stood")
    }
    guard state.data == fresh.data else {
      throw CheckpointError(
        .mismatched, file: checkpoint.path,
        rule: TokenSource.difference(of: state.data, from: fresh.data, in: run.data.training))
    }
    guard state.seed == fresh.seed else {
      throw CheckpointError(
        .mismatched, file: checkpoint.path,
        rule: "was trained with seed \(state.seed), and the run's is \(fresh.seed)")
    }
    // Weights that are no longer there were those that it began from; nothing says otherwise.
    if !state.begunFrom.isEmpty, let parent = run.model.checkpoint,
      let now = CheckpointReader.weightsIdentity(at: parent), now != state.begunFrom
    {
      throw CheckpointError(
        .mismatched, file: checkpoint.path,
        rule: "began from other weights than \(parent) has now: --overwrite begins the whole run "
          + "anew, and without \(run.place.folder?.path ?? checkpoint.path) this part of it does")
    }
    var result = state
    (result.run, result.settings) = (fresh.run, fresh.settings)
    return result
  }
}

extension RunFile {
  /// What the trainer needs to know in the step that follows `step` others.
  public func setting(atStep step: Int) -> TrainingSetting {
    var setting = TrainingSetting()
    setting.beta1 = optimizer.beta1
    setting.beta2 = optimizer.beta2
    setting.epsilon = optimizer.epsilon
    setting.weightDecay = optimizer.weightDecay
    setting.decaysMatricesOnly = optimizer.decay == .matrices
    setting.clipNorm = optimizer.clip
    setting.balanceWeight = model.balanceWeight
    setting.biasSpeed = model.biasSpeed.value(atStep: step)
    setting.predictionWeight = model.predictionWeight.value(atStep: step)
    if let policy { (setting.objective, setting.policy) = (.clippedPolicy, policy.loss) }
    return setting
  }

  /// What writes the run's checkpoints; nil where it keeps none.
  ///
  /// - Parameter tokenizer: what they take along, so that they can read and write text by themselves.
  func checkpointWriter(
    _ tokenizer: NamedTokenizer?
  ) throws(ConfigurationError) -> CheckpointWriter? {
    guard let checkpoints else { return nil }
    var files: [(name: String, bytes: [UInt8])] = []
    if let tokenizer {
      files.append((NamedTokenizer.fileName, tokenizer.json))
      files += tokenizer.filesBeside.map { ($0.name, Array($0.text.utf8)) }
    }
    if let text = try CompletionEnds.generationText(inFolder: modelFolder) {
      files.append((CompletionEnds.generationFile, Array(text.utf8)))
    }
    let attachments = files.map { CheckpointWriter.Attachment(name: $0.name, bytes: $0.bytes) }
    return CheckpointWriter(
      folder: CheckpointFolder(path: checkpoints.folder), keep: checkpoints.keep,
      architecture: model.architecture, configuration: model.configuration,
      attachments: attachments, sparing: Set(place.stepsRead.keys))
  }
}

extension Communicator {
  /// The largest of the ranks' numbers, place by place.
  func maxima(_ numbers: [Int64]) throws(MPIError) -> [Int64] {
    var numbers = numbers
    var failure: MPIError?
    numbers.withUnsafeMutableBytes { buffer in
      do throws(MPIError) {
        try allReduce(buffer, of: .int64, .maximum, .standard)
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return numbers
  }

  /// The largest of the ranks' numbers.
  func maximum(_ number: Int64) throws(MPIError) -> Int64 { try maxima([number])[0] }
}

import Checkpoints
import Documents
import MessagePassing
import Tokens

/// What a run learns from, step by step, by its objective.
///
/// A class, since the trainers that read it and the loop that moves it on share it.
final class Lessons {
  private enum Kind {
    case tokens(TokenSequences)
    case demonstrations(PackedSequences)
    case policy(PolicyTraining)
  }

  private let kind: Kind

  /// Begins at a position, 0 for a new run.
  init(_ prepared: PreparedRun, _ communicator: any Communicator, position: Int) {
    switch (prepared.material, prepared.run.policy) {
    case (.tokens(let source), _):
      kind = .tokens(TokenSequences(source, position: position))
    case (.demonstrations(let demonstrations), _):
      kind = .demonstrations(
        PackedSequences(
          demonstrations, length: prepared.run.plan.sequenceLength, position: position))
    case (.policy(let material), let settings?):
      kind = .policy(PolicyTraining(prepared, settings, material, communicator))
    case (.policy, nil): preconditionFailure("A policy has its settings.")
    }
  }

  /// Where the trainer takes its sequences from.
  var sequences: any SequenceSource {
    switch kind {
    case .tokens(let sequences): sequences
    case .demonstrations(let sequences): sequences
    case .policy(let policy): policy.sequences
    }
  }

  /// What happens around the steps of a policy; nil for other objectives.
  var policy: PolicyTraining? { if case .policy(let policy) = kind { policy } else { nil } }

  /// Sequences that earlier steps have used.
  var position: Int {
    get {
      switch kind {
      case .tokens(let sequences): sequences.position
      case .demonstrations(let sequences): sequences.position
      case .policy: 0
      }
    }
    set {
      switch kind {
      case .tokens(let sequences): sequences.position = newValue
      case .demonstrations(let sequences): sequences.position = newValue
      case .policy: break
      }
    }
  }

  /// Prepares what an update learns from; a collective.
  func begin(update: Int, batch: Int, _ trainer: RankTrainer) throws {
    switch kind {
    case .tokens: break
    case .demonstrations(let sequences): sequences.batch = batch
    case .policy(let policy): try policy.begin(update: update, trainer)
    }
  }

  /// Carries an update out.
  func step(
    _ trainer: RankTrainer, learningRate: Double, update: Int
  ) throws -> (result: StepResult, policy: PolicyMetrics?) {
    guard let policy else { return (try trainer.step(learningRate: learningRate), nil) }
    let (result, likelihoods) = try trainer.observedStep(learningRate: learningRate)
    return (result, policy.metrics(likelihoods, update: update))
  }

  /// The mean cross-entropy over the evaluation data, in whole global batches.
  ///
  /// Where there are fewer sequences than a batch has, some count twice.
  func loss(
    _ trainer: RankTrainer, of data: EvaluationSequences, limit: Int?
  ) throws -> Double {
    guard case .tokens(let sequences) = kind else {
      preconditionFailure("Texts are of language modelling.")
    }
    let batch = trainer.plan.globalBatch
    let wanted = min(limit ?? .max, data.wholeCount)
    sequences.evaluation = data
    defer { sequences.evaluation = nil }
    var sum = 0.0
    let batches = max(1, wanted / batch)
    for index in 0..<batches {
      sequences.evaluationPosition = index * batch
      sum += try trainer.evaluate().loss
    }
    return sum / Double(batches)
  }

  /// The mean cross-entropy over the completions of demonstrations, each of them once.
  ///
  /// - Parameter limit: packed sequences that are used, from the first on; nil for all.
  func loss(
    _ trainer: RankTrainer, of demonstrations: Demonstrations, limit: Int?
  ) throws -> Double {
    guard case .demonstrations(let sequences) = kind else {
      preconditionFailure("Demonstrations are evaluated by demonstrations.")
    }
    let packed = PackedSequences(demonstrations, length: trainer.plan.sequenceLength)
    packed.end = min(limit ?? .max, packed.countOfOnePass())
    let batch = trainer.plan.globalBatch
    sequences.evaluation = packed
    defer { sequences.evaluation = nil }
    var (sum, labels) = (0.0, 0)
    for first in stride(from: 0, to: packed.end, by: batch) {
      packed.position = first
      let result = try trainer.evaluate()
      sum += result.loss * Double(result.labels)
      labels += result.labels
    }
    return sum / Double(max(1, labels))
  }
}

extension TrainingRun {
  /// Evaluates the model, as the run's objective has it: a loss, or what comes of held-out prompts.
  func evaluate(into metrics: inout StepMetrics) throws {
    let limit = run.evaluation?.sequences
    if let policy = lessons.policy {
      metrics.heldOut = try policy.evaluate(trainer, limit: limit, update: state.step)
    } else {
      metrics.evaluationLoss = try evaluate()
    }
  }

  /// The mean cross-entropy over the evaluation data.
  public func evaluate() throws -> Double {
    let limit = run.evaluation?.sequences
    if let data = prepared.evaluation {
      return try lessons.loss(trainer, of: data, limit: limit)
    }
    guard let data = prepared.heldOut else {
      preconditionFailure("the run has no evaluation data")
    }
    return try lessons.loss(trainer, of: data, limit: limit)
  }

  /// Makes the reference of a policy, and takes up the rollout that a checkpoint has kept.
  func resumePolicy(from checkpoint: CheckpointReader?) throws {
    guard let policy = lessons.policy else { return }
    let update = checkpoint?.state?.step ?? 0
    if let checkpoint { policy.resume(try prepared.rollout(keptIn: checkpoint)) }
    var refreshed: Int?
    if let every = policy.settings.referenceRefresh, update > 0 {
      refreshed = (update - 1) / every * every
    }
    var path = run.model.checkpoint
    if let refreshed, refreshed > 0 { path = run.place.folder?.checkpoint(atStep: refreshed) }
    try policy.makeReference(
      ofUpdate: refreshed ?? 0 > 0 ? refreshed : nil, run.model.architecture
    ) { reference in
      if let path {
        try reference.load(CheckpointReader(path: path))
      } else {
        reference.initialize(seed: run.seed, residualScale: run.residualScale)
      }
    }
  }
}

extension PolicyTraining {
  /// Adds to a checkpoint what a policy needs to go on behind it: between two updates of a rollout the
  /// rollout, and the checkpoint of the reference's step.
  func add(to writer: inout CheckpointWriter, update: Int) {
    if let rollout, update % settings.updatesOfARollout > 0 {
      writer.attachments.append(.init(name: Rollout.fileName, bytes: rollout.bytes))
    }
    if let referenceUpdate { writer.spared.insert(referenceUpdate) }
  }
}

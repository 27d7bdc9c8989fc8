import Checkpoints
import Documents
import Foundation
import Models
import Plans
import Runs
import Tokens

/// A run whose every part was looked at before its first step: plan, data, checkpoints' folder.
public struct PreparedRun: Sendable {
  public let run: RunFile
  /// The plan on the model, at the final batch.
  public let placed: PlacedPlan
  /// What the data are encoded by; nil where nothing says it, as beside token files of other programs.
  public let tokenizer: NamedTokenizer?
  /// What the run learns from.
  public let material: Material
  /// Texts and rows that language modelling is evaluated on; nil where it is not.
  public let evaluation: EvaluationSequences?
  /// Demonstrations that others are evaluated on; nil where they are not.
  let heldOut: Demonstrations?
  /// What the model's description asks for and the runtime leaves out.
  public let notices: [String]

  /// Checks a run for so many ranks and opens its data.
  ///
  /// - Throws: `ConfigurationError` naming what cannot be.
  public init(_ run: RunFile, ranks: Int) throws(ConfigurationError) {
    self.run = run
    let architecture = run.model.architecture
    try run.checkRuntime()
    placed = try run.placed(ranks: ranks)
    let choice = try run.tokenizerChoice()
    tokenizer = try run.tokenizer(by: choice)
    var (evaluation, heldOut): (EvaluationSequences?, Demonstrations?)
    switch (run.objective, run.policy) {
    case (.grpo, let settings?):
      try settings.rewards?.rewards.check()
      material = .policy(try PolicyMaterial(run, settings, tokenizer?.tokenizer ?? .bytes))
      guard run.evaluation == nil || settings.heldOut != nil else {
        throw ConfigurationError(
          file: run.file, keyPath: "evaluation", rule: "needs grpo.held-out to evaluate on")
      }
    case (.demonstrations, _):
      material = .demonstrations(
        try run.demonstrations(run.data.training, tokenizer, seed: run.seed))
      guard run.evaluation == nil || run.data.evaluation != nil else {
        throw ConfigurationError(
          file: run.file, keyPath: "evaluation", rule: "needs data.evaluation to evaluate on")
      }
      if let path = run.data.evaluation {
        heldOut = try run.demonstrations([path], tokenizer, seed: nil)
      }
    default:
      let tokens: TokenSource
      (tokens, evaluation) = try Self.tokens(of: run, choice, tokenizer)
      material = .tokens(tokens)
    }
    (self.evaluation, self.heldOut) = (evaluation, heldOut)
    notices =
      architecture.notices + [run.idleKeysNotice].compactMap { $0 } + run.notices(on: tokenizer)
      + [run.lengthNotice].compactMap { $0 } + material.notices + (heldOut?.notices ?? [])
  }

  /// Texts, token files and rows, and what of them is kept for evaluation.
  private static func tokens(
    of run: RunFile, _ choice: TokenizerChoice, _ tokenizer: NamedTokenizer?
  ) throws(ConfigurationError) -> (TokenSource, EvaluationSequences?) {
    let vocabulary = run.model.architecture.vocabularySize
    var data = try TokenData.open(
      run.data.training, form: run.data.form, tokenizer: tokenizer?.tokenizer ?? .bytes,
      width: run.data.width)
    try data.check(vocabulary: vocabulary)
    var held: TokenData?
    if let path = run.data.evaluation {
      let own = try choice.tokenizer(of: path, form: .automatic, fallback: tokenizer)
      try own?.require(tokenizer, of: data.file, for: path)
      held = try TokenData.open(
        [path], tokenizer: own?.tokenizer ?? .bytes, width: run.data.width)
      try held?.check(vocabulary: vocabulary)
    } else if run.data.holdOut > 0 {
      guard case .stream(let stream) = data else {
        throw ConfigurationError(
          file: run.file, keyPath: "data.hold-out", rule: "only a stream can be divided, not rows")
      }
      let (rest, last) = stream.holdingOut(run.data.holdOut)
      (data, held) = (.stream(rest), .stream(last))
    }
    let length = run.plan.sequenceLength
    let training = try TokenSource(data, sequenceLength: length, seed: run.seed)
    guard run.evaluation == nil || held != nil else {
      throw ConfigurationError(
        file: run.file, keyPath: "evaluation",
        rule: "needs data.evaluation or data.hold-out to evaluate on")
    }
    guard run.evaluation != nil, let held else { return (training, nil) }
    let evaluation = try EvaluationSequences(held, sequenceLength: length)
    guard evaluation.wholeCount > 0 else {
      throw ConfigurationError(
        file: held.file, rule: "has no whole sequence of \(length + 1) tokens to evaluate on")
    }
    return (training, evaluation)
  }
}

/// What a run learns from, by its objective.
public enum Material: Sendable {
  case tokens(TokenSource)
  case demonstrations(Demonstrations)
  case policy(PolicyMaterial)

  /// What people should know of its files.
  var notices: [String] {
    switch self {
    case .tokens: []
    case .demonstrations(let demonstrations): demonstrations.notices
    case .policy(let policy): policy.notices
    }
  }

  /// What tells it from other material, for resuming.
  var identity: String {
    get throws(ConfigurationError) {
      switch self {
      case .tokens(let source): try source.identity
      case .demonstrations(let demonstrations): demonstrations.identity
      case .policy(let policy): policy.identity
      }
    }
  }
}

extension PreparedRun {
  /// The sequences of language modelling; nil for another objective.
  public var training: TokenSource? {
    if case .tokens(let source) = material { source } else { nil }
  }
}

extension PreparedRun {
  /// Refuses a checkpoint whose tokens mean other texts than the run's.
  func checkTokenizer(of checkpoint: CheckpointReader?) throws(ConfigurationError) {
    guard let checkpoint, let tokenizer else { return }
    try NamedTokenizer(inFolder: checkpoint.path)?
      .require(tokenizer, of: run.data.training[0], for: checkpoint.path)
  }
}

extension RunFile {
  /// Demonstrations of some files.
  fileprivate func demonstrations(
    _ paths: [String], _ tokenizer: NamedTokenizer?, seed: UInt64?
  ) throws(ConfigurationError) -> Demonstrations {
    let tokenizer = tokenizer?.tokenizer ?? .bytes
    return try Demonstrations(
      paths, weights: paths.count == data.weights.count ? data.weights : [],
      length: plan.sequenceLength, tokenizer: tokenizer,
      ends: try completionEnds(by: tokenizer), vocabulary: model.architecture.vocabularySize,
      seed: seed)
  }
}

extension RunFile {
  /// Sequences that the model is not made for; where positions are learned, the plan refuses them.
  fileprivate var lengthNotice: String? {
    let positions = model.architecture.maximumPositions
    guard plan.sequenceLength > positions else { return nil }
    return "plan.sequence-length: sequences of \(plan.sequenceLength) tokens, beyond the model's "
      + "\(positions)"
  }
}

extension RunFile {
  /// Refuses by name what the CPU runtime does not compute.
  func checkRuntime() throws(ConfigurationError) {
    let architecture = model.architecture
    try architecture.checkRuntime(file: file, key: "model", use: "trained")
    guard let refusal = plan.refusalOnProcessors(for: architecture) else { return }
    throw ConfigurationError(file: file, keyPath: "plan.\(refusal.key)", rule: refusal.rule)
  }

  /// The plan on the model, after it was found to admit every batch of the ramp.
  func placed(ranks: Int) throws(ConfigurationError) -> PlacedPlan {
    do throws(PlanError) {
      for size in batch.batches {
        var smaller = plan
        smaller.globalBatch = size
        _ = try smaller.validated(for: model.architecture, on: .ranks(ranks))
      }
      return try plan.validated(for: model.architecture, on: .ranks(ranks))
    } catch {
      throw ConfigurationError(file: file, keyPath: "plan", rule: "\(error)")
    }
  }
}

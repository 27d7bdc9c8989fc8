import Documents
import Foundation
import Models
import Plans

/// A run whose every part was looked at before its first step: plan, data, checkpoints' folder.
public struct PreparedRun: Sendable {
  public let run: RunFile
  /// The plan on the model, at the final batch.
  public let placed: PlacedPlan
  /// What the data are encoded by; nil where nothing says it, as beside token files of other programs.
  public let tokenizer: NamedTokenizer?
  public let training: TokenSource
  /// nil where nothing is evaluated.
  public let evaluation: EvaluationSequences?
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
    let vocabulary = architecture.vocabularySize
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
    training = try TokenSource(data, sequenceLength: length, seed: run.seed)
    guard run.evaluation == nil || held != nil else {
      throw ConfigurationError(
        file: run.file, keyPath: "evaluation",
        rule: "needs data.evaluation or data.hold-out to evaluate on")
    }
    evaluation =
      if run.evaluation != nil, let held {
        try EvaluationSequences(held, sequenceLength: length)
      } else { nil }
    if let evaluation, evaluation.wholeCount == 0 {
      throw ConfigurationError(
        file: held?.file ?? run.file,
        rule: "has no whole sequence of \(length + 1) tokens to evaluate on")
    }
    notices =
      architecture.notices + [run.idleKeysNotice].compactMap { $0 } + run.notices(on: tokenizer)
  }
}

extension RunFile {
  /// Refuses by name what the CPU runtime does not compute.
  func checkRuntime() throws(ConfigurationError) {
    func failure(_ key: String, _ rule: String) -> ConfigurationError {
      ConfigurationError(file: file, keyPath: key, rule: rule)
    }
    let families: [Architecture.Family] = [.gpt2, .llama, .deepseekV3]
    guard families.contains(model.architecture.family) else {
      throw failure(
        "model",
        "\(model.architecture.family.rawValue) cannot be trained; "
          + "\(families.map(\.rawValue).joined(separator: ", ")) can")
    }
    for (key, degree) in [
      ("tensor-parallel", plan.tensorParallel), ("context-parallel", plan.contextParallel),
    ] where degree != 1 {
      throw failure("plan.\(key)", "is \(degree), and the CPU runtime takes 1 only")
    }
    guard plan.expertTensorParallel == 1 else {
      throw failure(
        "plan.expert-tensor-parallel",
        "is \(plan.expertTensorParallel); train runs experts whole (1), over data-parallel ranks")
    }
    guard plan.documents == nil else {
      throw failure("plan.documents", "is for devices: CPU ranks attend over whole sequences")
    }
    guard plan.redundantExperts == 0 else {
      throw failure(
        "plan.redundant-experts",
        "is \(plan.redundantExperts), and the CPU runtime has one place for each expert")
    }
    guard plan.zeroStage.rawValue <= 1 else {
      throw failure(
        "plan.zero-stage", "is \(plan.zeroStage.rawValue), and the CPU runtime takes 0 and 1 only")
    }
    if let group = plan.shardingRanks {
      throw failure(
        "plan.sharding-group",
        "is \(group), and the CPU runtime divides state among all data ranks alone")
    }
    if let limit = plan.nodesPerToken,
      let mixture = model.architecture.feedForwards.compactMap(\.mixture).first,
      limit < (mixture.groups > 1 ? mixture.groupsPerToken : mixture.expertsPerToken)
    {
      throw failure(
        "plan.nodes-per-token",
        "is \(limit), and the CPU runtime routes by the model's own groups alone")
    }
    var precision = plan.precision
    precision.name = PrecisionRecipe.float32.name
    precision.scaleBlock = PrecisionRecipe.float32.scaleBlock
    guard precision == .float32 else {
      throw failure(
        "plan.precision", "is \(plan.precision.name), and the CPU runtime takes float32 only")
    }
    for (key, isFused) in [
      ("fused-attention", plan.fusedAttention), ("fused-head", plan.fusedHead ?? true),
    ] where !isFused {
      throw failure("plan.\(key)", "is false, and the CPU runtime has the fused kernel only")
    }
    guard plan.loss != .native else {
      throw failure("plan.loss", "is native, and the CPU runtime has the fused kernel only")
    }
    try checkDeviceMeans()
    guard !plan.dropout else {
      throw failure("plan.dropout", "is true, and the CPU runtime has no dropout")
    }
  }

  /// Refuses what only devices do with parameters, gradients and memory.
  private func checkDeviceMeans() throws(ConfigurationError) {
    func failure(_ keyPath: String, _ rule: String) -> ConfigurationError {
      ConfigurationError(file: file, keyPath: keyPath, rule: rule)
    }
    if let lora = plan.lora {
      throw failure(
        "plan.lora", "has rank \(lora.rank), and the CPU runtime trains the model itself")
    }
    guard plan.frozen.isEmpty else {
      throw failure(
        "plan.frozen", "names \(plan.frozen[0].rawValue), and the CPU runtime trains everything")
    }
    guard plan.gradientAccumulationFusion != false else {
      throw failure(
        "plan.gradient-accumulation-fusion",
        "is false, and the CPU runtime's products add to the sums of gradients")
    }
    guard plan.optimizer == .adamW else {
      throw failure(
        "plan.optimizer", "is \(plan.optimizer.rawValue), and the CPU runtime has AdamW only")
    }
    guard plan.offload.isNothing else {
      throw failure("plan.offload", "moves memory to a host, and CPU ranks lie there already")
    }
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

  /// The plan of the step that begins after `seen` sequences.
  public func plan(after seen: Int) -> Plan {
    var plan = plan
    plan.globalBatch = batch.batch(after: seen)
    return plan
  }
}

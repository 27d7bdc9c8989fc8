import Checkpoints
import Documents
import Foundation
import Models

extension RunReader {
  /// What is trained: a name or path, or a table with the weights of further losses.
  func readModel(
    _ clock: RunClock, _ objective: RunFile.Objective
  ) throws(ConfigurationError) -> RunFile.ModelSettings {
    let keys = keys.model
    let settings: Table
    let name: String?
    switch try table.either(keys) {
    case .plain(let written): (settings, name) = (table.withDefaults(keys), written)
    case .table(let table): (settings, name) = (table, try table.optional(keys.configuration))
    default: preconditionFailure("a model must be there")
    }
    let checkpoint = try settings.optional(keys.checkpoint).map(resolved)
    guard let source = name ?? checkpoint else {
      throw settings.error("needs a config or a checkpoint")
    }
    if let checkpoint, let newest = CheckpointFolder(path: checkpoint).latest,
      !FileManager.default.fileExists(atPath: "\(checkpoint)/config.json")
    {
      throw settings.error(
        "is the folder of a run's checkpoints, and the newest changes: name one, such as \(newest)",
        at: keys.checkpoint)
    }
    var (architecture, configuration, file) = try readArchitecture(source)
    // What a run says takes the place of what the model's file asks for; a policy has rewards alone.
    if settings.contains(keys.balanceLoss) || objective == .grpo {
      architecture.joinedBalance = 0
    }
    let mixtures = architecture.feedForwards.compactMap(\.mixture)
    let hasBias = mixtures.contains(where: \.correctionBias)
    // DeepSeek-V3's own values where the model has the part (arXiv 2412.19437 section 4.2).
    let isLanguage = objective == .language
    let isPolicy = objective == .grpo
    let prediction = try piecewise(
      settings, keys.multiTokenPrediction, clock,
      default: architecture.multiTokenPrediction > 0 && isLanguage ? 0.3 : 0)
    let speed = try piecewise(
      settings, keys.biasSpeed, clock, default: hasBias && !isPolicy ? 1e-3 : 0)
    let balance = try settings.value(
      keys.balanceLoss, default: hasBias && !isPolicy ? 1e-4 : 0)
    try refuse(
      settings, keys.multiTokenPrediction.plain, if: !prediction.isZero && !isLanguage,
      "is for the objective language: prediction modules are not trained here")
    try refuse(
      settings, keys.balanceLoss, if: balance > 0 && isPolicy,
      "is not for the objective grpo, whose gradients come of rewards alone")
    try refuse(
      settings, keys.biasSpeed.plain, if: !speed.isZero && isPolicy,
      "is not for the objective grpo, whose routers keep their biases")
    try refuse(
      settings, keys.multiTokenPrediction.plain,
      if: !prediction.isZero && architecture.multiTokenPrediction == 0,
      "the model has no prediction module")
    try refuse(
      settings, keys.biasSpeed.plain, if: !speed.isZero && !hasBias,
      "the model has no router with a correction bias")
    try refuse(
      settings, keys.balanceLoss, if: balance > 0 && mixtures.isEmpty, "the model has no experts")
    return RunFile.ModelSettings(
      architecture: prediction.isZero ? architecture.withoutMultiTokenPrediction : architecture,
      withDrafts: architecture, configuration: configuration, file: file, checkpoint: checkpoint,
      predictionWeight: prediction, balanceWeight: balance, biasSpeed: speed)
  }

  private func refuse(
    _ table: Table, _ key: Key<Double>, if unwanted: Bool, _ rule: String
  ) throws(ConfigurationError) {
    if unwanted { throw table.error(rule, at: key) }
  }

  /// The model with its `config.json` and that file's path: one that ships, a file, or a folder with one.
  private func readArchitecture(
    _ name: String
  ) throws(ConfigurationError) -> (Architecture, [UInt8], file: String?) {
    if let text = Architecture.shippedText(named: name) {
      return (try Architecture.named(name), Array(text.utf8), nil)
    }
    let path = resolved(name)
    for file in ["\(path)/config.json", path] {
      guard let opened = try? InputFile(path: file) else { continue }
      let architecture = try Architecture.named(file)
      do throws(CheckpointError) {
        return (architecture, try opened.allBytes(limit: 1 << 20), file)
      } catch {
        throw ConfigurationError(file: file, rule: error.rule)
      }
    }
    // Says that there is no such file, or which name is near.
    let isPath = name.hasSuffix(".json") || name.contains("/")
    return (try Architecture.named(isPath ? path : name), [], nil)
  }

  /// A number, or a list of numbers with the length until which each holds.
  private func piecewise(
    _ settings: Table, _ key: EitherKey<Double, PieceKeys>, _ clock: RunClock,
    default fallback: Double
  ) throws(ConfigurationError) -> Piecewise {
    let tables: [Table]
    switch try settings.either(key) {
    case nil: return Piecewise(fallback)
    case .plain(let value): return Piecewise(value)
    case .table(let table): tables = [table]
    case .tables(let list): tables = list
    }
    var pieces: [Piecewise.Piece] = []
    for piece in tables {
      let value = try piece.required(key.value)
      let until = try length(piece, key.until, clock)
      guard until ?? .max > pieces.last?.until ?? -1, pieces.isEmpty || pieces.last?.until != nil
      else { throw piece.error("must lie behind the piece before", at: key.until) }
      pieces.append(.init(value: value, until: until))
    }
    guard !pieces.isEmpty else { throw settings.error("must have an item", at: key.plain) }
    return Piecewise(pieces: pieces)
  }

  /// What is trained on: a path, or a table.
  func readData(
    _ objective: RunFile.Objective
  ) throws(ConfigurationError) -> RunFile.DataSettings {
    let keys = keys.data
    let data: Table
    var paths: [String] = []
    switch try table.either(keys) {
    case .plain(let path): (data, paths) = (table.withDefaults(keys), [path])
    case .table(let table): (data, paths) = (table, try table.required(keys.training))
    default: (data, paths) = (table.withDefaults(keys), [try table.required(keys.plain)])
    }
    let tokenizer = try data.optional(keys.tokenizer)
    let holdOut = try data.value(keys.holdOut)
    let evaluation = try data.optional(keys.evaluation)
    guard holdOut == 0 || evaluation == nil else {
      throw data.error("hold-out and evaluation exclude each other", at: keys.evaluation)
    }
    let settings = RunFile.DataSettings(
      training: paths.map(resolved), weights: try data.optional(keys.weights) ?? [],
      form: try data.value(keys.form),
      width: try data.optional(keys.width),
      tokenizer: tokenizer.map { $0 == "bytes" ? $0 : resolved($0) }, holdOut: holdOut,
      evaluation: evaluation.map(resolved))
    if objective == .demonstrations {
      try checkDemonstrations(settings, data)
    } else {
      try checkActs(settings, data)
    }
    return settings
  }
}

// MARK: - Learning rate

extension RunReader {
  enum ScheduleName: String, CaseIterable {
    case constant, cosine
    case deepSeekV3 = "deepseek-v3"
  }

  /// A number, a named schedule with its peak, or phases.
  func readRate(_ clock: RunClock, steps: Int) throws(ConfigurationError) -> LearningRate {
    let keys = keys.learningRate
    let rate: Table
    switch try table.either(keys) {
    case .plain(let value): return .constant(value)
    case .table(let table): rate = table
    default: preconditionFailure("a rate must be there")
    }
    if rate.contains(keys.phases) {
      return LearningRate(phases: try readPhases(rate, keys.phases, clock, steps))
    }
    let peak = try rate.required(keys.peak)
    let warmUp = try length(rate, keys.warmUp, clock) ?? 0
    guard warmUp <= steps else {
      throw rate.error("is longer than the run's \(steps) steps", at: keys.warmUp)
    }
    switch try rate.value(keys.schedule) {
    case .constant: return .constant(peak, warmUp: warmUp)
    case .cosine:
      let end = try length(rate, keys.until, clock) ?? steps
      guard end >= warmUp else { throw rate.error("lies within the warm-up", at: keys.until) }
      return .cosine(
        peak, warmUp: warmUp, steps: end,
        final: try rate.value(keys.final, default: peak / 10))
    case .deepSeekV3: return .deepSeekV3(peak, warmUp: warmUp, steps: steps)
    }
  }

  private func readPhases(
    _ rate: Table, _ keys: TableKey<PhaseKeys>, _ clock: RunClock, _ steps: Int
  ) throws(ConfigurationError) -> [LearningRate.Phase] {
    var phases: [LearningRate.Phase] = []
    var start = 0
    for phase in try rate.tables(keys) {
      let end = try length(phase, keys.until, clock) ?? max(steps, start)
      guard end >= start else { throw phase.error("lies before the phase before", at: keys.until) }
      let to = try phase.required(keys.to)
      let from = try phase.value(keys.from, default: phases.last?.to ?? to)
      phases.append(
        .init(steps: end - start, from: from, to: to, shape: try phase.value(keys.shape)))
      start = end
    }
    guard !phases.isEmpty else { throw rate.error("must have an item", at: keys) }
    return phases
  }
}

import Documents
import Models

extension RunReader {
  /// What is trained: a name or path, or a table with the weights of further losses.
  func readModel(_ clock: RunClock) throws(ConfigurationError) -> RunFile.ModelSettings {
    guard let field = table.field("model") else {
      throw table.error("required key is missing", at: "model")
    }
    let settings = field.isTable ? try table.table("model") : nil
    let name =
      settings == nil
      ? try table.required("model", .string) : try settings?.optional("config", .string)
    let checkpoint = try settings?.optional("checkpoint", .string).map(resolved)
    guard let source = name ?? checkpoint else {
      throw field.error("needs a config or a checkpoint")
    }
    let (architecture, configuration, file) = try readArchitecture(source)
    let mixtures = architecture.feedForwards.compactMap(\.mixture)
    let hasBias = mixtures.contains(where: \.correctionBias)
    // DeepSeek-V3's own values where the model has the part (arXiv 2412.19437 section 4.2).
    let prediction = try piecewise(
      settings, "multi-token-prediction", clock,
      default: architecture.multiTokenPrediction > 0 ? 0.3 : 0)
    let speed = try piecewise(settings, "bias-speed", clock, default: hasBias ? 1e-3 : 0)
    let balance =
      try settings?.optional("balance-loss", .number(in: 0...1e6)) ?? (hasBias ? 1e-4 : 0)
    if let settings {
      try refuse(
        settings, "multi-token-prediction",
        if: !prediction.isZero && architecture.multiTokenPrediction == 0,
        "the model has no prediction module")
      try refuse(
        settings, "bias-speed", if: !speed.isZero && !hasBias,
        "the model has no router with a correction bias")
      try refuse(
        settings, "balance-loss", if: balance > 0 && mixtures.isEmpty, "the model has no experts")
    }
    return RunFile.ModelSettings(
      architecture: prediction.isZero ? architecture.withoutMultiTokenPrediction : architecture,
      configuration: configuration, file: file, checkpoint: checkpoint,
      predictionWeight: prediction, balanceWeight: balance, biasSpeed: speed)
  }

  private func refuse(
    _ table: Table, _ key: String, if unwanted: Bool, _ rule: String
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
    _ settings: Table?, _ key: String, _ clock: RunClock, default fallback: Double
  ) throws(ConfigurationError) -> Piecewise {
    guard let settings, let field = settings.field(key), !field.isNull else {
      return Piecewise(fallback)
    }
    guard field.isList else {
      return Piecewise(try settings.required(key, .number(in: 0...1e6)))
    }
    var pieces: [Piecewise.Piece] = []
    for piece in try settings.tables(key) {
      let value = try piece.required("value", .number(in: 0...1e6))
      let until = try length(piece, "until", clock)
      guard until ?? .max > pieces.last?.until ?? -1, pieces.isEmpty || pieces.last?.until != nil
      else { throw piece.error("must lie behind the piece before", at: "until") }
      pieces.append(.init(value: value, until: until))
    }
    guard !pieces.isEmpty else { throw field.error("must have an item") }
    return Piecewise(pieces: pieces)
  }

  /// What is trained on: a path, or a table.
  func readData() throws(ConfigurationError) -> RunFile.DataSettings {
    guard let field = table.field("data") else {
      throw table.error("required key is missing", at: "data")
    }
    guard field.isTable else {
      return RunFile.DataSettings(
        training: [resolved(try table.required("data", .string))], form: .automatic, width: nil,
        tokenizer: "bytes", holdOut: 0, evaluation: nil)
    }
    let data = try table.table("data")
    guard let training = data.field("training") else {
      throw data.error("required key is missing", at: "training")
    }
    let paths =
      training.isList
      ? try data.required("training", .list(of: .string, count: 1...100_000))
      : [try data.required("training", .string)]
    let tokenizer = try data.value("tokenizer", .string, default: "bytes")
    let holdOut = try data.value("hold-out", .number(in: 0...0.9), default: 0)
    let evaluation = try data.optional("evaluation", .string)
    guard holdOut == 0 || evaluation == nil else {
      throw data.error("hold-out and evaluation exclude each other", at: "evaluation")
    }
    return RunFile.DataSettings(
      training: paths.map(resolved), form: try data.value("form", .choice(), default: .automatic),
      width: try data.optional("type", .choice()),
      tokenizer: tokenizer == "bytes" ? tokenizer : resolved(tokenizer), holdOut: holdOut,
      evaluation: evaluation.map(resolved))
  }
}

// MARK: - Learning rate

extension RunReader {
  private enum ScheduleName: String, CaseIterable {
    case constant, cosine
    case deepSeekV3 = "deepseek-v3"
  }

  /// A number, a named schedule with its peak, or phases.
  func readRate(_ clock: RunClock, steps: Int) throws(ConfigurationError) -> LearningRate {
    guard let field = table.field("learning-rate") else {
      throw table.error("required key is missing", at: "learning-rate")
    }
    let rates = 0.0...1e3
    guard field.isTable else {
      return .constant(try table.required("learning-rate", .number(in: rates)))
    }
    let rate = try table.table("learning-rate")
    if rate.contains("phases") { return LearningRate(phases: try readPhases(rate, clock, steps)) }
    let peak = try rate.required("peak", .number(in: rates))
    let warmUp = try length(rate, "warm-up", clock) ?? 0
    guard warmUp <= steps else {
      throw rate.error("is longer than the run's \(steps) steps", at: "warm-up")
    }
    switch try rate.value("schedule", .choice(ScheduleName.self), default: .constant) {
    case .constant: return .constant(peak, warmUp: warmUp)
    case .cosine:
      let end = try length(rate, "until", clock) ?? steps
      guard end >= warmUp else { throw rate.error("lies within the warm-up", at: "until") }
      return .cosine(
        peak, warmUp: warmUp, steps: end,
        final: try rate.value("final", .number(in: rates), default: peak / 10))
    case .deepSeekV3: return .deepSeekV3(peak, warmUp: warmUp, steps: steps)
    }
  }

  private func readPhases(
    _ rate: Table, _ clock: RunClock, _ steps: Int
  ) throws(ConfigurationError) -> [LearningRate.Phase] {
    var phases: [LearningRate.Phase] = []
    var start = 0
    for phase in try rate.tables("phases") {
      let end = try length(phase, "until", clock) ?? max(steps, start)
      guard end >= start else { throw phase.error("lies before the phase before", at: "until") }
      let rates = 0.0...1e3
      let to = try phase.required("to", .number(in: rates))
      let from = try phase.value("from", .number(in: rates), default: phases.last?.to ?? to)
      phases.append(
        .init(
          steps: end - start, from: from, to: to,
          shape: try phase.value("shape", .choice(), default: .linear)))
      start = end
    }
    guard !phases.isEmpty else { throw rate.error("must have an item", at: "phases") }
    return phases
  }
}

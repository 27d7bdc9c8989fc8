import Documents
import Foundation
import Models
import Plans

extension RunFile {
  /// Reads a run file.
  ///
  /// Relative paths of what is read are looked up beside the file first, then in the working
  /// directory; relative paths of what is written start from the working directory.
  ///
  /// - Parameters:
  ///   - overrides: values that replace the file's, each `key=value`, such as `plan.zero-stage=1`; where
  ///     the file names its plan, those of the plan replace values of that plan.
  /// - Throws: `ConfigurationError` with file, line, key and rule.
  public static func read(
    path: String, overrides: [String] = []
  ) throws(ConfigurationError) -> RunFile {
    let phases = try readPhases(path: path, overrides: overrides)
    guard phases.count == 1 else {
      throw ConfigurationError(
        file: path, keyPath: "phases",
        rule: "has \(phases.count) phases, and one alone is wanted here")
    }
    return phases[0]
  }

  /// Reads a run file with all of its phases, in order: one, where it has no list of them.
  ///
  /// A phase has what stands beside the list, with its own values in place of those of the same name. A
  /// later one starts from the last checkpoint of the one before, unless it names its model's.
  ///
  /// - Throws: `ConfigurationError` with file, line, key and rule.
  public static func readPhases(
    path: String, overrides: [String] = []
  ) throws(ConfigurationError) -> [RunFile] {
    let bytes: [UInt8]
    do throws(CheckpointError) {
      bytes = try InputFile(path: path).allBytes(limit: 1 << 20)
    } catch {
      throw ConfigurationError(file: path, rule: error.rule)
    }
    var sum = Checksum()
    sum.add(bytes)
    for override in overrides { sum.add(Array(override.utf8) + [0]) }
    var document = try Document(bytes: bytes, name: path)
    let key = RunKeys.phasesName
    func isOfPhases(_ override: String) -> Bool {
      ["[", ".", "="].contains { override.hasPrefix(key + $0) }
    }
    for override in overrides where isOfPhases(override) {
      try refuseName(override, in: document)
      try document.set([override])
    }
    let others = overrides.filter { !isOfPhases($0) }
    guard let variants = try document.variants(ofList: key) else {
      return [try read(document, path, others, sum)]
    }
    var phases: [RunFile] = []
    for variant in variants {
      let run = try read(variant.document, path, others, sum)
      phases.append(try run.asPhase(behind: phases, variant.own))
    }
    return phases
  }

  /// Refuses `phases.NAME.key=value`, which a list has no place for, with the place of the phase.
  private static func refuseName(
    _ override: String, in document: Document
  ) throws(ConfigurationError) {
    let key = RunKeys.phasesName
    let path = override.prefix { $0 != "=" }
    guard path.hasPrefix("\(key).") else { return }
    let parts = path.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
    let place = document.place(ofItemNamed: String(parts[1]), inList: key)
    let rest = parts.count > 2 ? ".\(parts[2])" : ""
    throw ConfigurationError(
      file: "--set", keyPath: String(path),
      rule: "is not a key: phases are a list, whose items are counted from 0",
      suggestion: "\(key)[\(place ?? 0)]\(rest)")
  }

  /// Reads the description of one phase.
  private static func read(
    _ document: Document, _ path: String, _ overrides: [String], _ sum: Checksum
  ) throws(ConfigurationError) -> RunFile {
    let url = URL(fileURLWithPath: path)
    var document = document
    let ofPlan = try document.setKeepingPlan(overrides)
    let table = try document.table()
    _ = table.field(RunKeys().phases)
    let reader = RunReader(
      table: table, path: path, folder: url.deletingLastPathComponent().path,
      planOverrides: ofPlan)
    let run = try reader.read(
      name: url.deletingPathExtension().lastPathComponent, checksum: sum.value)
    try table.finish()
    return run
  }
}

extension Document {
  /// Applies overrides of a run file, but for those that are for the plan that it names.
  ///
  /// - Returns: these, without `plan.` in front; none where the plan stands in the file itself.
  fileprivate mutating func setKeepingPlan(
    _ overrides: [String]
  ) throws(ConfigurationError) -> [String] {
    let prefix = "plan."
    var naming = self
    try naming.set(overrides.filter { !$0.hasPrefix(prefix) })
    guard let plan = try naming.table().field("plan"), !plan.isTable, !plan.isNull else {
      try set(overrides)
      return []
    }
    self = naming
    return overrides.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
  }
}

/// Reads the tables of a run file one after the other.
struct RunReader {
  let table: Table
  let path: String
  /// The file's own folder.
  let folder: String
  /// What the command line replaces of the plan that the file names, each `key=value`.
  let planOverrides: [String]
  let keys = RunKeys()

  func read(name: String, checksum: UInt64) throws(ConfigurationError) -> RunFile {
    let name = try table.value(keys.name, default: name)
    let seed = try table.value(keys.seed)
    let (plan, planFile, hasPrecision) = try readPlan()
    let batch = try readBatch(plan)
    let clock = RunClock(batch: batch, sequenceLength: plan.sequenceLength)
    let steps = try length(table, keys.steps, clock, try table.required(keys.steps))
    guard steps > 0 else {
      throw table.error(
        "expected the length of the run, such as 1000 or 10B tokens", at: keys.steps)
    }
    let objective = try table.value(keys.objective)
    let policy = try readPolicy(objective, plan, steps: steps)
    let data: RunFile.DataSettings
    if let policy { data = dataSettings(of: policy) } else { data = try readData(objective) }
    let checkpoints = try readCheckpoints()
    return RunFile(
      name: name, seed: UInt64(seed), model: try readModel(clock, objective),
      objective: objective, data: data, policy: policy, plan: plan,
      hasPrecision: hasPrecision, planFile: planFile, planOverrides: planOverrides,
      optimizer: try readOptimizer(),
      learningRate: try readRate(clock, steps: steps), batch: batch, steps: steps,
      evaluation: try readEvaluation(),
      checkpoints: checkpoints,
      recovery: try readRecovery(checkpoints),
      log: try readLog(hasRollouts: policy?.prompts != nil),
      file: path, checksum: checksum)
  }

  /// A path of something to read: beside the run file, or in the working directory.
  func resolved(_ name: String) -> String {
    guard !name.hasPrefix("/") else { return name }
    let beside = folder == "." ? name : "\(folder)/\(name)"
    return FileManager.default.fileExists(atPath: beside)
      || !FileManager.default.fileExists(atPath: name) ? beside : name
  }

  /// A length in steps, or in tokens, which is turned into steps; nil where the key is missing.
  func length(
    _ table: Table, _ key: Key<String>, _ clock: RunClock
  ) throws(ConfigurationError) -> Int? {
    guard let text = try table.optional(key) else { return nil }
    return try length(table, key, clock, text)
  }

  private func length(
    _ table: Table, _ key: Key<String>, _ clock: RunClock, _ text: String
  ) throws(ConfigurationError) -> Int {
    guard let length = clock.steps(of: text) else {
      throw table.error(
        "expected a length such as 2000, 2000 steps or 10B tokens (K, M, B, T for thousands, "
          + "millions, billions, trillions)", at: key)
    }
    return length
  }

  /// The plan, the path of its file where it has one of its own, and whether it says a precision.
  private func readPlan() throws(ConfigurationError) -> (Plan, file: String?, hasPrecision: Bool) {
    let name: String
    switch try table.either(keys.plan) {
    case .table(let table):
      let plan = try readPlan(table, name: "plan", folder: folder)
      return (plan, nil, table.contains("precision"))
    case .plain(let written): name = written
    default: preconditionFailure("a plan must be there")
    }
    let file = resolved(name)
    guard name.hasSuffix(".yaml") || name.contains("/") else {
      return (try Plan.named(name, overrides: planOverrides), nil, true)
    }
    let url = URL(fileURLWithPath: file)
    var document = try Document(file: file)
    try document.set(planOverrides)
    let own = try document.table()
    let plan = try readPlan(
      own, name: url.deletingPathExtension().lastPathComponent,
      folder: url.deletingLastPathComponent().path)
    try own.finish()
    return (plan, file, own.contains("precision"))
  }

  /// The runtime computes in 32 bits, so a plan that names no precision means that.
  private func readPlan(
    _ table: Table, name: String, folder: String
  ) throws(ConfigurationError) -> Plan {
    var plan = try Plan.read(table, name: name, folder: folder)
    if !table.contains("precision") { plan.precision = .float32 }
    return plan
  }

  private func readBatch(_ plan: Plan) throws(ConfigurationError) -> BatchRamp {
    let keys = keys.batchRamp
    guard let ramp = try table.optionalTable(keys) else {
      return BatchRamp(constant: plan.globalBatch)
    }
    let first = try ramp.required(keys.first)
    guard first <= plan.globalBatch else {
      throw ramp.error("exceeds the plan's global-batch \(plan.globalBatch)", at: keys.first)
    }
    let increment = try ramp.required(keys.increment)
    guard (plan.globalBatch - first) % increment == 0 else {
      throw ramp.error(
        "must divide the way from \(first) to the plan's global-batch \(plan.globalBatch)",
        at: keys.increment)
    }
    let text = try ramp.required(keys.over)
    let counts = RunClock(
      batch: BatchRamp(constant: 1), sequenceLength: plan.sequenceLength, unit: "sequences")
    guard let sequences = counts.steps(of: text), sequences > 0 else {
      throw ramp.error("expected a length such as 4000 sequences or 469B tokens", at: keys.over)
    }
    return BatchRamp(
      first: first, increment: increment, final: plan.globalBatch, sequences: sequences)
  }

  private func readOptimizer() throws(ConfigurationError) -> RunFile.OptimizerSettings {
    let keys = keys.optimizer
    let optimizer = try table.tableOrDefaults(keys)
    let betas = try optimizer.value(keys.betas)
    let clip = try optimizer.value(keys.clip)
    return RunFile.OptimizerSettings(
      beta1: betas[0], beta2: betas[1], epsilon: try optimizer.value(keys.epsilon),
      weightDecay: try optimizer.value(keys.weightDecay), decay: try optimizer.value(keys.decay),
      clip: clip == 0 ? nil : clip)
  }

  private func readEvaluation() throws(ConfigurationError) -> RunFile.EvaluationSettings? {
    let keys = keys.evaluation
    guard let evaluation = try table.optionalTable(keys) else { return nil }
    return RunFile.EvaluationSettings(
      every: try evaluation.required(keys.every),
      sequences: try evaluation.optional(keys.sequences))
  }

  private func readCheckpoints() throws(ConfigurationError) -> RunFile.CheckpointSettings? {
    let keys = keys.checkpoints
    guard let checkpoints = try table.optionalTable(keys) else { return nil }
    return RunFile.CheckpointSettings(
      folder: try checkpoints.required(keys.folder), every: try checkpoints.required(keys.every),
      keep: try checkpoints.value(keys.keep),
      isAsynchronous: try checkpoints.value(keys.asynchronous))
  }

  private func readLog(hasRollouts: Bool) throws(ConfigurationError) -> RunFile.LogSettings {
    let keys = keys.log
    let log = try table.tableOrDefaults(keys)
    let file = try log.optional(keys.file)
    let tensorboard = try log.optional(keys.tensorboard)
    if file == nil, tensorboard == nil, try log.optional(keys.every) != nil {
      throw log.error("has no effect without log.file or log.tensorboard", at: keys.every)
    }
    let samples = try log.optional(keys.samples)
    if samples != nil, !hasRollouts {
      throw log.error("has no effect without grpo.prompts", at: keys.samples)
    }
    return RunFile.LogSettings(
      file: file, every: try log.value(keys.every), tensorboard: tensorboard, samples: samples)
  }
}

/// Turns lengths that people write into steps.
struct RunClock {
  var batch: BatchRamp
  var sequenceLength: Int
  /// What a bare number counts.
  var unit = "steps"

  /// `2000`, `2000 steps`, `10B tokens` or `1.5T tokens`; nil for anything else.
  func steps(of text: String) -> Int? {
    let words = text.split(separator: " ")
    guard (1...2).contains(words.count) else { return nil }
    var digits = words[0][...]
    let factors: [Character: Double] = ["K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12]
    let factor = digits.last.flatMap { factors[$0] }
    if factor != nil { digits = digits.dropLast() }
    guard digits.allSatisfy({ "0123456789.eE+".contains($0) }), let number = Double(digits),
      number.isFinite
    else { return nil }
    let count = (number * (factor ?? 1)).rounded()
    guard count >= 0, count <= 1e15 else { return nil }
    switch words.count == 2 ? String(words[1]) : unit {
    case unit: return count <= 1e12 ? Int(count) : nil
    case "tokens":
      let sequences = (count / Double(sequenceLength)).rounded(.up)
      return batch.steps(untilSequences: Int(sequences))
    default: return nil
    }
  }
}

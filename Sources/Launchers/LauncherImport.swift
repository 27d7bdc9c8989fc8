import Documents
import Foundation
import Models
import Plans

/// Reads the files of a launcher and makes a model and a plan of them.
///
/// What a file is follows from what stands in it, not from its name. Nothing in a file is carried out, and no
/// other file is opened.
public struct LauncherImport {
  /// What a file was found to be.
  enum Content {
    case megatron([GivenOption])
    case torchtitan([GivenOption])
    case deepSpeed([GivenOption])
    case bridge([GivenOption])
    case recipe(BridgeRecipe)
    /// A model's `config.json`.
    case model(String, Document)
  }

  private let settings: ImportSettings
  /// What of the settings the files read.
  private let use: ImportUse
  /// What was found so far, with the files.
  private var found: [(file: String, content: Content)] = []

  private init(_ settings: ImportSettings) {
    (self.settings, use) = (settings, ImportUse(settings))
  }

  /// The job that files describe together: one or several of one launcher, and a model's `config.json` where
  /// the launcher names none.
  ///
  /// - Throws: `ConfigurationError` with file, line, option and rule.
  public static func job(
    files: [String], _ settings: ImportSettings
  ) throws(ConfigurationError) -> ImportedJob {
    var texts: [(name: String, text: String)] = []
    for file in files { texts.append((file, try textFile(file))) }
    return try job(texts: texts, settings)
  }

  /// The same of texts that messages call by names.
  public static func job(
    texts: [(name: String, text: String)], _ settings: ImportSettings
  ) throws(ConfigurationError) -> ImportedJob {
    var job = try unchecked(texts: texts, settings)
    job.objection = try objection(to: job, file: texts.first?.name ?? "")
    return job
  }

  /// The same before both files are read back.
  static func unchecked(
    texts: [(name: String, text: String)], _ settings: ImportSettings
  ) throws(ConfigurationError) -> ImportedJob {
    var reader = LauncherImport(settings)
    for (name, text) in texts {
      // The mark that Windows begins UTF-8 with says nothing.
      let isMarked = text.unicodeScalars.first == "\u{FEFF}"
      let plain = isMarked ? String(text.unicodeScalars.dropFirst()) : text
      let bare = CommentedJSON.withoutComments(plain) ?? plain
      reader.found.append((name, try reader.content(of: bare, file: name)))
    }
    try reader.use.check()
    return try reader.job()
  }

  /// Reads both files back, and holds the plan against the model.
  ///
  /// - Returns: why the plan cannot be simulated, where it is what the launcher is told.
  private static func objection(
    to job: ImportedJob, file: String
  ) throws(ConfigurationError) -> String? {
    func failure(_ what: String, _ rule: String) -> ConfigurationError {
      ConfigurationError(file: file, rule: "\(what) that it describes: \(rule)")
    }
    let architecture: Architecture
    do throws(ConfigurationError) {
      architecture = try Architecture.read(
        Document(text: job.model, name: "config.json"), name: job.name)
    } catch { throw failure("the model", "\(error)") }
    let plan: Plan
    do throws(ConfigurationError) {
      plan = try Plan.read(Document(text: job.plan, name: "plan.yaml"), name: job.name)
    } catch { throw failure("the plan", "\(error)") }
    // A schedule file lies where the launcher found it; whether it fits is for whoever has it.
    if case .file = plan.schedule { return nil }
    do throws(PlanError) {
      _ = try plan.validated(for: architecture)
      return nil
    } catch { return "\(error)" }
  }

  // MARK: - What a file is

  private func content(of text: String, file: String) throws(ConfigurationError) -> Content {
    if MegatronFile.isLog(text) { return .megatron(MegatronFile.log(text, file: file)) }
    if BridgeRecipe.isLikely(text) {
      return .recipe(try BridgeRecipe(text, file: file, job: use.chosenJob()))
    }
    if TOML.isLikely(text), !MegatronFile.isScript(text) {
      let options = try TorchTitanJob.options(text, file: file)
      guard options.contains(where: { TorchTitanJob.isOption($0.name) }) else {
        throw ConfigurationError(
          file: file,
          rule: "is TOML, and has none of torchtitan's tables: model, training, parallelism")
      }
      return .torchtitan(options)
    }
    if !text.hasPrefix("#!") {
      do throws(ConfigurationError) {
        let document = try Document(text: text, name: file)
        if let content = try content(of: document, file: file) { return content }
      } catch {
        // What begins as JSON is meant as such; anything else may be a script.
        if text.trimmed.hasPrefix("{")
          || [".json", ".yaml", ".yml"].contains(where: file.hasSuffix)
        {
          throw error
        }
      }
    }
    if MegatronFile.isScript(text), !TorchTitanJob.isStarted(by: text) {
      return .megatron(try MegatronFile.script(text, file: file, use))
    }
    let options = try TorchTitanJob.commandOptions(text, file: file, use)
    if !options.isEmpty { return .torchtitan(options) }
    throw ConfigurationError(
      file: file,
      rule:
        "is nothing that is known here: arguments of Megatron-LM, torchtitan's TOML, DeepSpeed's JSON, a "
        + "YAML or a recipe of Megatron-Bridge or NeMo, or a model's config.json")
  }

  private func content(
    of document: Document, file: String
  ) throws(ConfigurationError) -> Content? {
    guard let table = try? document.table(toleratesUnknownKeys: true) else { return nil }
    let keys = table.keys
    let isModel = keys.contains("model_type") || keys.contains("text_config")
    if isModel { return .model(file, document) }
    if !DeepSpeedJob.marks.isDisjoint(with: keys) {
      return .deepSpeed(DeepSpeedJob.options(document, file: file))
    }
    if BridgeFile.isLikely(keys) {
      return .bridge(
        try BridgeFile.options(document, file: file, use))
    }
    return try arguments(in: table, document, file: file).map { .megatron($0) }
  }

  /// Megatron's arguments in a table: by themselves, under `MODEL_ARGS`, or several jobs by their names.
  private func arguments(
    in table: Table, _ document: Document, file: String
  ) throws(ConfigurationError) -> [GivenOption]? {
    let leaves = try YAMLReferences.values(of: document, file: file, use)
    func known(_ key: Substring) -> Bool { MegatronOptions.isKnown("--" + key.drop { $0 == "-" }) }
    func options(under prefix: String) -> [GivenOption] {
      leaves.compactMap { value in
        guard value.path.hasPrefix(prefix) else { return nil }
        let key = String(value.path.dropFirst(prefix.count))
        let (name, values) = MegatronOptions.canonical(key, [value.text])
        return GivenOption(
          name: name, spelling: key, values: values, file: file, line: value.line,
          written: value.written)
      }
    }
    if table.keys.contains("MODEL_ARGS") { return options(under: "MODEL_ARGS.") }
    // Other trainers share a word or two (`micro_batch_size`); theirs are mostly not Megatron's.
    let own = table.keys.count { known($0[...]) }
    if own >= 2, 2 * own >= table.keys.count { return options(under: "") }
    let jobs = table.keys.filter { key in
      leaves.contains { value in
        value.path.hasPrefix("\(key).") && known(value.path.dropFirst(key.count + 1))
      }
    }
    guard !jobs.isEmpty else { return nil }
    guard let job = use.chosenJob() ?? (jobs.count == 1 ? jobs[0] : nil) else {
      throw ConfigurationError(
        file: file,
        rule: "holds \(jobs.count) jobs: choose one with --job, such as \(jobs[0])")
    }
    guard jobs.contains(job) else {
      throw ConfigurationError(file: file, rule: "holds no job '\(job)'", suggestion: jobs[0])
    }
    return options(under: "\(job).")
  }

  // MARK: - The job

  private func job() throws(ConfigurationError) -> ImportedJob {
    let launchers = found.filter { if case .model = $0.content { false } else { true } }
    guard let first = launchers.first else {
      throw ConfigurationError(
        file: found.first?.file ?? "",
        rule: "is a model: a launcher's file goes with it, or sluice simulate --model reads it")
    }
    var options: [GivenOption] = []
    for (file, content) in launchers {
      guard Self.kind(content) == Self.kind(first.content) else {
        throw ConfigurationError(
          file: file,
          rule: "is of \(Self.kind(content)), and \(first.file) of \(Self.kind(first.content))")
      }
      switch content {
      case .megatron(let own), .torchtitan(let own), .deepSpeed(let own), .bridge(let own):
        options += own
      case .recipe(let recipe): options += recipe.options
      case .model: break
      }
    }
    if case .torchtitan = first.content { options = try TorchTitanJob.joined(options) }
    let given = GivenOptions(file: first.file, options)
    let name = jobName(ofFile: first.file)
    switch first.content {
    case .torchtitan:
      let why = "the flavour that torchtitan is told is the model"
      try refuse("--model", settings.model, why)
      try refuse("--vocab-size", settings.vocabulary, why)
      var job = TorchTitanJob(given, settings)
      return try job.read()
    case .deepSpeed:
      guard let model = try model() else {
        throw ConfigurationError(
          file: first.file,
          rule:
            "does not say which model it trains: give its config.json beside it, or --model NAME")
      }
      try refuse("--vocab-size", settings.vocabulary, Self.isOfModel)
      var job = DeepSpeedJob(given, settings, model: model)
      return try job.read()
    case .megatron, .model:
      var job = MegatronJob(given, settings, name: name)
      job.knownModel = try model().map { ($0.text, ModelFacts($0.architecture)) }
      if job.knownModel != nil { try refuse("--vocab-size", settings.vocabulary, Self.isOfModel) }
      return try job.read()
    case .bridge, .recipe: return try bridge(first.content, given, name)
    }
  }

  private static let isOfModel = "the model's config.json says how many tokens there are"

  /// Refuses what the command line says and nothing takes.
  private func refuse(
    _ option: String, _ value: (some CustomStringConvertible)?, _ why: String
  ) throws(ConfigurationError) {
    guard let value else { return }
    throw ConfigurationError(file: option, value: "\(value)", rule: "has no effect: \(why)")
  }

  private func bridge(
    _ content: Content, _ given: GivenOptions, _ name: String
  ) throws(ConfigurationError) -> ImportedJob {
    var job = MegatronJob(given, settings, name: name)
    job.launcher = "Megatron-Bridge"
    var recipeModel: String?
    var isRecipe = false
    if case .recipe(let recipe) = content {
      (recipeModel, isRecipe) = (recipe.model, true)
      if let function = recipe.function { job.name = function }
    }
    try BridgeFile.complete(given, isRecipe: isRecipe)
    if let known = try model(orShipped: given.contains("num-layers") ? nil : recipeModel) {
      try refuse("--vocab-size", settings.vocabulary, Self.isOfModel)
      job.knownModel = (known.text, ModelFacts(known.architecture))
      given.imply(
        "model", known.architecture.name, "the model of the recipe, with its published sizes")
      if settings.sequenceLength == nil, !given.contains("seq-length") {
        // The recipes' own length (recipes' `seq_length` and tokens of their benchmarks).
        given.addDefault(
          "seq-length", known.architecture.name.hasPrefix("llama-3") ? "8192" : "4096")
      }
    } else if !given.contains("num-layers") {
      throw ConfigurationError(
        file: given.file,
        rule:
          "does not describe the model that it trains: give its config.json beside it, or --model NAME"
      )
    }
    return try job.read()
  }

  /// The model that a file or the command line names; nil where neither does.
  private func model(
    orShipped name: String? = nil
  ) throws(ConfigurationError) -> (text: String, architecture: Architecture)? {
    for (file, content) in found {
      guard case .model(let path, let document) = content else { continue }
      let architecture = try Architecture.read(document, name: Self.name(ofFile: path))
      return (try textFile(file), architecture)
    }
    guard let name = settings.model ?? name else { return nil }
    let architecture = try Architecture.named(name)
    if let text = Architecture.shippedText(named: name) { return (text, architecture) }
    let isFolder = FileManager.default.fileExists(atPath: "\(name)/config.json")
    return (try textFile(isFolder ? "\(name)/config.json" : name), architecture)
  }

  /// A job that is chosen by its name is called so; one by its line, by its file and the line.
  private func jobName(ofFile file: String) -> String {
    guard let job = settings.job else { return Self.name(ofFile: file) }
    return Self.plain(Int(job) == nil ? job : "\(Self.name(ofFile: file))-\(job)")
  }

  private static func kind(_ content: Content) -> String {
    switch content {
    case .megatron: "Megatron-LM"
    case .torchtitan: "torchtitan"
    case .deepSpeed: "DeepSpeed"
    case .bridge: "Megatron-Bridge"
    case .recipe: "Megatron-Bridge's recipes"
    case .model: "a model"
    }
  }

  /// A file's name without folder and ending; that of its folder where it is called as all are.
  private static func name(ofFile path: String) -> String {
    let url = URL(fileURLWithPath: path)
    let own = url.deletingPathExtension().lastPathComponent
    let isPlain = ["config", "model_config", "ds_config", "run_config"].contains(own)
    return plain(isPlain ? url.deletingLastPathComponent().lastPathComponent : own)
  }

  private static func plain(_ text: String) -> String {
    String(text.map { $0.isLetter || $0.isNumber || "-_.".contains($0) ? $0 : "-" })
  }
}

import ArgumentParser
import Documents
import Foundation
import Launchers
import Reports

/// `sluice import`: a launcher's files as a model and a plan.
struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract:
      "Make a model and a plan of what a launcher is told, and say what each option became.",
    discussion: """
      Read are arguments of Megatron-LM (text, shell scripts, what a run prints, tables), torchtitan's TOML, \
      DeepSpeed's JSON beside the model's config.json, and YAML or recipes of Megatron-Bridge and NeMo; which \
      of them a file is follows from its content. Nothing is ever carried out.

      Example:
        sluice import pretrain.sh --gpus 1024 --output job
        sluice simulate --model job --plan job/plan.yaml --cluster h100-2048
        sluice import ds_config.json config.json --gpus 64 --seq-length 4096
        sluice import train.sh --define TP=8 --define PP=4
      """)

  @Argument(help: "The files of one job.", completion: .file())
  var files: [String]

  @Option(help: "GPUs of the job; by default what the files say, else a node of 8.")
  var gpus: Int?

  @Option(help: "Tokens of the vocabulary, where the files name a tokenizer alone.")
  var vocabSize: Int?

  @Option(help: "Tokens in a sequence, where the files do not say it.")
  var seqLength: Int?

  @Option(
    help:
      "The model, where the files do not describe it: a name, a config.json or a folder with one.")
  var model: String?

  @Option(help: "Which job, where a file holds several: its name, or the line of a launch.")
  var job: String?

  @Option(
    help: ArgumentHelp(
      "A variable that a script or a YAML takes from outside; may be repeated.",
      valueName: "name=value"))
  var define: [String] = []

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("Write config.json and plan.yaml into a folder.", valueName: "folder"),
    completion: .directory)
  var output: String?

  @Flag(help: "Replace files of these names in the folder.")
  var overwrite = false

  @Flag(help: "Print the model, the plan and the options as JSON.")
  var json = false

  func run() throws {
    var settings = ImportSettings()
    for (name, value, most) in [
      ("gpus", gpus, 1 << 20), ("vocab-size", vocabSize, 1 << 24),
      ("seq-length", seqLength, 1 << 24),
    ] { if let value { try checked(name, value, in: 1...most) } }
    (settings.ranks, settings.vocabulary, settings.sequenceLength) = (gpus, vocabSize, seqLength)
    (settings.model, settings.job) = (model, job)
    for text in define {
      guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
        throw CommandError("--define \(text): expected NAME=VALUE")
      }
      settings.definitions[String(text[..<equals])] = String(text[text.index(after: equals)...])
    }
    if output == nil, overwrite { throw CommandError("--overwrite has no effect without --output") }
    let places = try output.map { try self.places(in: $0) }
    let job = try LauncherImport.job(files: files, settings)
    let report = try ImportReport(job, files: places?.map(\.name))
    if let output, let places {
      try makeFolder(output)
      try OutputFile.write(job.model, to: places[0])
      try OutputFile.write(job.plan, to: places[1])
    }
    try show(json ? try jsonText(report) : report.text)
  }

  /// Where both files go; files that are there are refused.
  private func places(in folder: String) throws -> [OutputPath] {
    let paths = ["\(folder)/config.json", "\(folder)/plan.yaml"]
    for path in paths where !overwrite && FileManager.default.fileExists(atPath: path) {
      throw ConfigurationError(
        file: path, rule: "is there already: --overwrite replaces it, or name another folder")
    }
    let places = try paths.map { path throws(ConfigurationError) in
      try OutputPath(path, besides: files, makingFolders: true)
    }
    return places
  }

  private func makeFolder(_ folder: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw ConfigurationError(
        file: folder, rule: "cannot be made: \(error.localizedDescription)", status: .storage)
    }
  }
}

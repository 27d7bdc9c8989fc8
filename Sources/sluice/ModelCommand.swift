import ArgumentParser
import Documents
import Models
import Reports

/// `sluice model`: what a model consists of.
struct ModelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model",
    abstract: "Count a model's parameters, training FLOPs and cache, from its config.json.",
    discussion: """
      Example:
        sluice model deepseek-v3
        sluice model meta-llama/Llama-3.1-70B
        sluice model ~/checkpoints/my-model/config.json --sequence 8192 --json
      """)

  @Argument(
    help: """
      A model that ships (see --list), by Hugging Face's name or a near spelling too; a config.json or a \
      folder with one.
      """,
    completion: .model)
  var model: String?

  @Option(
    help: """
      The length of sequences at which attention is counted, in tokens; by default 4,096 or what the \
      model takes.
      """)
  var sequence: Int?

  @Option(
    name: .customLong("set"),
    help: "Replace a value of the file, as key=value; may be repeated.")
  var overrides: [String] = []

  @Flag(help: "List the models that ship, with their parameters.")
  var list = false

  @Flag(help: "Print the file of a model that ships, to copy and change.")
  var print = false

  @Flag(help: "Print the counts as JSON.")
  var json = false

  func run() throws {
    let listing = try Listing.chosen(
      list: list, print: print, name: model,
      others: [
        ("--sequence", sequence != nil), ("--set", !overrides.isEmpty), ("--json", json),
      ])
    if listing == .list {
      let models = try Architecture.shippedNames.map { try Architecture.named($0) }
      return try show(ModelReport.list(models))
    }
    guard let model else { throw CommandError("name a model, or use --list") }
    if listing == .print {
      guard let text = Architecture.shippedText(named: model) else {
        _ = try Architecture.named(model)
        throw CommandError("\(model) is a file of yours; --print shows what ships")
      }
      return try show(text)
    }
    let own = withoutPrefix("model", overrides)
    let architecture = try Architecture.named(model, overrides: own)
    if let sequence, !(1...1 << 24).contains(sequence) {
      throw CommandError("--sequence \(sequence): must be from 1 to 16,777,216")
    }
    if let sequence, architecture.position == .learned, sequence > architecture.maximumPositions {
      throw CommandError(
        "--sequence \(sequence): exceeds the model's \(architecture.maximumPositions) learned positions"
      )
    }
    let report = ModelReport(
      architecture, sequence: sequence ?? min(4096, architecture.maximumPositions),
      Inputs(model: .init(name: architecture.name, given: model, overrides: own)))
    try show(json ? try jsonText(report) : report.text)
  }
}

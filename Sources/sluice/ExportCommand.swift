import ArgumentParser
import Documents
import Foundation
import Launchers
import Models
import Plans
import Reports

/// `sluice export`: a plan as a launcher is told it.
struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write a plan and its model as arguments of Megatron-LM or as torchtitan's TOML.",
    discussion: """
      What the launcher cannot be told is said on standard error, a line each.

      Example:
        sluice export plan.yaml --model llama-3.1-70b --to megatron
        sluice export plan.yaml --model job --to torchtitan --output job.toml
      """)

  @Argument(
    help: "The plan: a name (see sluice plan --list) or a file.",
    completion: .plan)
  var plan: String

  @Option(help: "The launcher: megatron or torchtitan.")
  var to: LauncherExport.Target

  @OptionGroup var place: PlaceOptions

  @Option(
    name: .shortAndLong, help: ArgumentHelp("Write to a file.", valueName: "file"),
    completion: .file())
  var output: String?

  @Flag(help: "Replace a file of this name.")
  var overwrite = false

  @Flag(help: "Print the arguments and what they leave unsaid as JSON.")
  var json = false

  func run() throws {
    if output == nil, overwrite { throw CommandError("--overwrite has no effect without --output") }
    if json { try refuse([("--output", output != nil)], beside: "--json") }
    let path = try output.map { path throws(ConfigurationError) in
      try OutputPath.free(
        path, besides: place.inputFiles + InputFiles.reached(from: [plan]), overwrites: overwrite)
    }
    let scene = try place.scene(plan: plan).resolved()
    let export = try LauncherExport(
      scene.plan, model: config(), scene.architecture, to: to)
    guard !json else {
      let placed = try scene.plan.validated(for: scene.architecture)
      return try show(try jsonText(Figures(export, try scene.inputs(for: placed.plan))))
    }
    for line in export.unsaid { note("sluice: not said: \(line)\n") }
    try show(export.text, in: path)
  }

  /// What is exported, with what it was computed from.
  private struct Figures: Encodable {
    var target: LauncherExport.Target
    var text: String
    var ranks: Int
    var unsaid: [String]
    var inputs: Inputs

    init(_ export: LauncherExport, _ inputs: Inputs) {
      (target, text, ranks) = (export.target, export.text, export.ranks)
      (unsaid, self.inputs) = (export.unsaid, inputs)
    }
  }

  /// The model's own file, with what the command line replaced.
  private func config() throws(ConfigurationError) -> Document {
    var document =
      if let text = Architecture.shippedText(named: place.model) {
        try Document(text: text, name: "\(place.model).json")
      } else if FileManager.default.fileExists(atPath: "\(place.model)/config.json") {
        try Document(file: "\(place.model)/config.json")
      } else {
        try Document(file: place.model)
      }
    try document.set(place.own("model"))
    return document
  }
}

extension LauncherExport.Target: ExpressibleByArgument {}

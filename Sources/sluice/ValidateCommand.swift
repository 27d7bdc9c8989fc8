import ArgumentParser
import Foundation
import Validation

/// `sluice validate`: everything published that the project holds, beside what it computes.
struct ValidateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "validate",
    abstract: "Recompute published figures and print prediction, publication and error.",
    discussion: """
      Each table names its source and which data its constants were fitted to; bad rows are included.

      Example: sluice validate deepseek-v3 megatron
      """)

  @Argument(
    help: ArgumentHelp(
      "The parts to compute, all if none is named.",
      discussion: Validation.parts.map(\.name).joined(separator: ", ")))
  var parts: [String] = []

  @Flag(help: "Print JSON with every row; errors are shares.")
  var json = false

  @Flag(help: "Print one Markdown line for each table.")
  var summary = false

  @Option(help: "Rows printed of each table; of longer ones the worst.")
  var rows = 24

  func validate() throws {
    let names = Validation.parts.map(\.name)
    for part in parts where !names.contains(part) {
      throw ValidationError(
        "there is no part '\(part)'; there are \(names.joined(separator: ", "))")
    }
    guard rows >= 0 else { throw ValidationError("--rows: expected 0 or more, found \(rows)") }
  }

  func run() throws {
    let chosen = Validation.parts.filter { parts.isEmpty || parts.contains($0.name) }
    if json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      encoder.nonConformingFloatEncodingStrategy = .convertToString(
        positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
      let tables = try chosen.flatMap { try $0.tables() }
      try show(String(decoding: try encoder.encode(tables), as: UTF8.self) + "\n")
    } else if summary {
      try show(ValidationTable.markdownHeader + "\n")
      for table in try chosen.flatMap({ try $0.tables() }) {
        try show(table.markdown + "\n")
      }
    } else {
      for part in chosen {
        for table in try part.tables() { try show(table.text(rowLimit: rows) + "\n") }
      }
    }
  }
}

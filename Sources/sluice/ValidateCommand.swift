import ArgumentParser
import Foundation
import Reports
import Validation

/// `sluice validate`: everything published that the project holds, beside what it computes.
struct ValidateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "validate",
    abstract:
      "Recompute published figures and print prediction, publication and error with its sign.",
    discussion: """
      Each table names its source, which data its constants were fitted to, and whether something \
      was decided after a look at its figures; the columns [a], [b] ... show the figures before \
      that, or another reading. Bad rows are included.

      Example:
        sluice validate deepseek-v3 megatron
        sluice validate deepseek-v3 --set plan.expert-load.seed=2
      """)

  @Argument(
    help: ArgumentHelp(
      "The parts to compute, all if none is named.",
      discussion: Validation.parts.map(\.name).joined(separator: ", ")))
  var parts: [String] = []

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      """
      Replace a value of the plan or the cluster of every published run whose file takes the key; \
      may be repeated.
      """, valueName: "plan.key=value"))
  var overrides: [String] = []

  @Flag(help: "Print JSON with every row and the files behind it.")
  var json = false

  @Flag(help: "Print one Markdown line for each table and each of its columns.")
  var summary = false

  @Option(help: "Rows printed of each table, 24 by default; of longer ones the worst.")
  var rows: Int?

  @Option(
    help: ArgumentHelp(
      """
      A table of layouts that were measured (docs/validation.md), for the part layouts, which is left out \
      without it.
      """, valueName: "file"))
  var layouts: String?

  @OptionGroup var reporting: ReportOptions

  func validate() throws {
    let names = Validation.parts.map(\.name)
    for part in parts where !names.contains(part) {
      throw ValidationError(
        "there is no part '\(part)'; there are \(names.joined(separator: ", "))")
    }
    if parts.contains(Validation.layoutsPart), layouts == nil {
      throw ValidationError("the part layouts needs --layouts FILE")
    }
    if layouts != nil, !parts.isEmpty, !parts.contains(Validation.layoutsPart) {
      throw ValidationError(
        "--layouts has nothing to act on: the part layouts is not among \(parts.joined(separator: ", "))"
      )
    }
    if let rows, rows < 0 { throw ValidationError("--rows: expected 0 or more, found \(rows)") }
  }

  func run() throws {
    let others = [("--summary", summary), ("--rows", rows != nil)]
    if json { try refuse(others, beside: "--json") }
    if summary { try refuse([others[1]], beside: "--summary") }
    let reportPath = try reporting.path(besides: [])
    let isTerminal = isatty(STDERR_FILENO) == 1
    let report = try ValidationReport(parts: parts, overrides: overrides, layouts: layouts) {
      part in
      if isTerminal { note("\r\u{1B}[K\(part) ...") }
    }
    if isTerminal { note("\r\u{1B}[K") }
    if json {
      try show(jsonText(report))
    } else {
      try show(
        summary ? report.markdown : try ReportPage(validation: report, rows: rows ?? 24).text)
    }
    try reporting.write(ReportPage(validation: report), to: reportPath)
  }
}

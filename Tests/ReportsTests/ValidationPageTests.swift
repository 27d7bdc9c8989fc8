import Reports
import Testing
import Validation

/// The page of recomputed publications, for a terminal.
@Suite struct ValidationPageTests {
  private static func report(_ tables: [ValidationTable]) throws -> ValidationReport {
    var report = try ValidationReport(parts: ["schedules"])
    report.tables = tables
    (report.correlations, report.choices) = ([], [])
    return report
  }

  private static var table: ValidationTable {
    var table = ValidationTable(
      "name", title: "Title", source: "paper", basis: .chosenAfter, fittedTo: "tables",
      rows: [
        ValidationRow("first", prediction: 2, publication: 1, unit: "s"),
        ValidationRow("second", prediction: nil, publication: 1, unit: "s", note: "too large"),
        ValidationRow("third", prediction: 0.9, publication: 1, unit: "s"),
      ])
    table.columns = [
      ValidationColumn(
        kind: .before, title: "before it", choice: "something", overrides: ["plan.a=1"])
    ]
    for (index, other) in [1.5, nil, 1].enumerated() { table.rows[index].others = [other] }
    table.findings = ["best of all: this"]
    return table
  }

  /// Source, basis, what was chosen, all errors with their signs, the worst rows with other readings.
  @Test func tablesAreTold() throws {
    let text = try ReportPage(validation: Self.report([Self.table]), rows: 2).text
    let lines = text.split(separator: "\n").map(String.init)
    for line in [
      "Title  [name]", "source: paper", "chosen-after; constants fitted to: tables",
      "chosen after a look: something", "best of all: this",
      "3 rows, 1 refused: +45.0 % in the mean, 55.0 % without signs, +100.0 % at worst",
      "[a] before it (plan.a=1): +25.0 % in the mean, 25.0 % without signs, +50.0 % at worst",
      "  Rows     sluice  published        error   [a]    error  note",
      "  first      2.00       1.00  s  +100.0 %  1.50  +50.0 %",
      "  second  refused       1.00  s         –     –        –  too large",
      "  and 1 row more, which --json shows",
    ] { #expect(lines.contains(line), "\(line) in\n\(text)") }
    #expect(!text.contains("third"))
    #expect(try ReportPage(validation: Self.report([Self.table]), rows: 3).text.contains("third"))
  }

  /// Overrides are said, with the runs on which they act.
  @Test func overridesAreSaid() throws {
    var report = try Self.report([Self.table])
    report.overrides = [(text: "plan.a=1", uses: 2)]
    let text = try ReportPage(validation: report).text
    #expect(text.contains("--set: plan.a=1 acts on 2 published runs."))
  }
}

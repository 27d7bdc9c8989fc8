import Documents
import Foundation
import Testing
import Validation

@Suite struct PrintingTests {
  private var table: ValidationTable {
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
    return table
  }

  @Test func errorsHaveSigns() throws {
    let errors = table.errors
    #expect(errors.count == 2 && table.refusedCount == 1)
    #expect(abs(errors.mean - 0.45) < 1e-12 && abs(errors.meanAbsolute - 0.55) < 1e-12)
    #expect(errors.worst == 1)
    #expect(abs(table.errors(inColumn: 0).mean - 0.25) < 1e-12)
    #expect(ValidationErrors([0.1, -0.4]).worst == -0.4)
    #expect(ValidationErrors([]).worst == nil)
  }

  /// How errors are told: shares with a digit, points with two, the worst with its sign.
  @Test func errorsAreTold() {
    #expect(
      table.errors.text(.share)
        == "+45.0 % in the mean, 55.0 % without signs, +100.0 % at worst")
    #expect(table.absent == ", 1 refused")
    #expect(table.columns[0].text == "before it (plan.a=1)")
    #expect(
      table.errors(inColumn: 0).text(.share)
        == "+25.0 % in the mean, 25.0 % without signs, +50.0 % at worst")
    #expect(ValidationErrors([-0.15]).text(.points).hasSuffix("-0.15 points at worst"))
  }

  @Test func json() throws {
    let report = try Computed.report("deepseek-v3")
    let data = try JSONEncoder().encode(report)
    let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let inputs = try #require(object["inputs"] as? [String: Any])
    #expect(inputs["parts"] as? [String] == ["deepseek-v3"])
    #expect(inputs["version"] as? String == Version.current)
    let tables = try #require(object["tables"] as? [[String: Any]])
    let step = try #require(tables.first { $0["name"] as? String == "v3-step" })
    #expect(step["kind"] as? String == "chosen-after")
    let errors = try #require(step["errors"] as? [String: Double])
    #expect(errors["mean"] == report.tables.first { $0.name == "v3-step" }?.errors.mean)
    let columns = try #require(step["columns"] as? [[String: Any]])
    #expect(columns[0]["kind"] as? String == "before")
    #expect(columns[0]["overrides"] as? [String] == ["plan.fused-head=true"])
    let row = try #require((step["rows"] as? [[String: Any]])?.first)
    let files = try #require(row["inputs"] as? [String: Any])
    #expect(files["cluster"] as? String == "h800-2048" && files["plan"] as? String == "deepseek-v3")
    #expect((row["columns"] as? [[String: Double]])?.count == columns.count)
    #expect((step["derived_rows"] as? [Any])?.count == 8)
  }

  @Test func summary() throws {
    let report = try Computed.report("schedules")
    #expect(
      report.markdown.contains(
        "| DualPipe README; arXiv 2412.19437 table 2 | 16 | exact | 0.0 % | 0.0 % | 0.0 % |"))
    let vTrain = try Computed.report("vtrain").markdown
    #expect(vTrain.contains("| – before the loss operator by operator | `plan.fused-loss=true` |"))
    #expect(vTrain.contains("| order of steps, Spearman | runs | kind | now | before |"))
  }
}

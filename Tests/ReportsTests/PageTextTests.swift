import Foundation
import Reports
import TestSupport
import Testing

/// A page for a terminal: what it shows of the page, how it lays it out, and that it tells nothing of its own.
@Suite struct PageTextTests {
  private static func page(_ blocks: [ReportBlock]) -> ReportPage {
    var page = ReportPage("simulate", verdict: "It is so.", json: "{}")
    page.sections = [.init("Section", lead: "Point at a box.", blocks)]
    return page
  }

  private static func table(_ title: String, _ rows: [[String]], width: Int = 2) -> ReportTable {
    var table = ReportTable(
      title, [.init("row", isText: true)] + (1..<width).map { .init("c\($0)") })
    for row in rows { table.add(row.map { ReportFigure($0, Double($0)) }) }
    return table
  }

  /// Verdict, remarks, what was set, figures, paragraphs and tables, what was assumed; no leads, no pictures.
  @Test func partsStandInTheirOrder() {
    var page = Self.page([.text(["A paragraph."]), .table(Self.table("things", [["a", "1"]]))])
    page.remarks = ["A remark."]
    page.facts = [.init("Step", ReportFigure("1.5 s", 1.5), note: "a note")]
    page.inputs = [
      .init("Plan", "p"), .init("Set", "plan.a=1", in: .head),
      .init("Assumed", "2 choices", details: ["this", "that"], in: .foot),
    ]
    #expect(
      page.text == """
        It is so.
        A remark.
        Set: plan.a=1.

          Step  1.5 s  a note

        Section
        A paragraph.

          things  c1
          a        1

        Assumed: this; that.

        """)
  }

  /// Tables that fit beside each other stand so, wide ones go on below behind their first column.
  @Test func tablesShareALineOrBreak() {
    let two = Self.page([
      .table(Self.table("left", [["a", "1"]])), .table(Self.table("right", [["b", "2"]])),
    ]).text
    #expect(two.contains("  left  c1    right  c1\n  a      1    b       2\n"))
    let cells = (1..<30).map { "\($0)00000" }
    let wide = Self.page([.table(Self.table("wide", [["a"] + cells], width: 30))]).text
    let lines = wide.split(separator: "\n")
    #expect(lines.allSatisfy { $0.count <= 100 })
    #expect(lines.filter { $0.hasPrefix("  a ") }.count == 3)
    for cell in cells { #expect(wide.contains(cell)) }
  }

  /// Names of rows that leave no room for the columns stand last, once.
  @Test func longNamesStandLast() {
    let name = String(repeating: "word ", count: 14) + "end"
    let cells = (1..<8).map { "\($0)00000" }
    let text = Self.page([.table(Self.table("wide", [[name] + cells], width: 8))]).text
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 })
    #expect(text.components(separatedBy: "end").count == 2)
    #expect(text.contains("100000  200000"))
  }

  /// Neighbours that are alike are one row; of the others the ends and the one that must be shown are.
  @Test func positionsAreThinned() {
    var table = ReportTable("Memory", [.init("position"), .init("peak")])
    for position in 0..<60 {
      table.add([
        ReportFigure("\(position)", Double(position)),
        ReportFigure(position < 4 ? "7" : "\(100 + position)"),
      ])
    }
    table.isThinned = true
    table.rows[33].isKept = true
    let text = Self.page([.table(table)]).text
    #expect(text.contains("     0–3     7\n") && text.contains("      59   159\n"))
    #expect(text.contains("      33   133\n"))
    #expect(text.contains("more, which --json shows"))
    #expect(text.split(separator: "\n").count < 18)
  }

  /// What belongs to a picture, and columns for which there is no room, stay away; bars stand for one.
  @Test func asidesStayAway() {
    var aside = Self.table("aside", [["x", "1"]])
    aside.isAside = true
    var table = Self.table("things", [["a", "1", "5"], ["b", "2", "6"]], width: 3)
    table.columns[1].isAside = true
    table.bars = 1
    table.shown = 1
    var choice = ReportChoice("Which", [("first", [.table(Self.table("inside", [["y", "9"]]))])])
    choice.isAside = true
    let text = Self.page([.table(aside), .choice(choice), .table(table)]).text
    #expect(!text.contains("aside") && !text.contains("inside"))
    #expect(text.contains("  things  c2\n  a        5  ████████████\n  and 1 row more"))
    choice.isAside = false
    #expect(Self.page([.choice(choice)]).text.contains("inside  c1\n"))
  }

  /// Every number that a terminal shows is on the page that a browser shows.
  @Test(arguments: [
    "simulate --tokens 14.8T",
    "compare megatron-sc21-7.5b megatron-sc21-7.5b "
      + "--model megatron-7.5b --cluster a100-selene",
    "calibrate --shipped h100", "validate schedules",
    "sweep --set plan.global-batch=7680,15360",
  ])
  func textTellsNothingOfItsOwn(_ line: String) throws {
    let folder = try ScratchFolder()
    let place = folder.path + "/page.html"
    let run = try Command.run("\(line) --report \(place)")
    #expect(run.status == 0, "\(run.errors)")
    let html = try String(contentsOfFile: place, encoding: .utf8).replacing("\u{A0}", with: " ")
    let body = html.components(separatedBy: "<script type=\"application/json\"")[0]
    let shown = Set(Self.numbers(body))
    let missing = Self.numbers(run.output).filter { !shown.contains($0) }
    #expect(missing.isEmpty, "\(missing)")
    #expect(Self.numbers(run.output).count > 6)
  }

  /// Numbers with a point, which only a figure has.
  private static func numbers(_ text: String) -> [String] {
    text.split { !$0.isNumber && $0 != "." && $0 != "," }.map(String.init)
      .map { $0.trimmingCharacters(in: .punctuationCharacters) }
      .filter { $0.contains(".") && $0.first?.isNumber == true }
  }
}

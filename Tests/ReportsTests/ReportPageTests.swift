import Documents
import Foundation
import Reports
import TestSupport
import Testing

/// Pages to look at, as text; what a browser makes of them is tested by `make test-report`.
@Suite struct ReportPageTests {
  static let hostile = "</script><b title=\"x\">'&\u{0}\u{202E}"

  /// A page whose every word is hostile.
  static func page() throws -> ReportPage {
    var page = try ReportPage("simulate", verdict: hostile, figures: ["name": hostile])
    page.words = ["sluice", hostile]
    page.remarks = [hostile]
    page.facts = [.init(hostile, ReportFigure(hostile, 1.5, key: hostile), note: hostile)]
    page.inputs = [.init(hostile, hostile, details: [hostile])]
    var table = ReportTable(hostile, [.init(hostile), .init(hostile, isText: true)])
    table.add([ReportFigure("1.500", 1.5, key: "a.b"), ReportFigure(hostile)])
    let lanes = LanePicture(
      hostile, description: hostile,
      rows: [.init(hostile, [.init(hostile, 0, 5_000_000, .pass(.forward))])], duration: 9_000_000)
    let bars = BarPicture(
      hostile, description: hostile,
      bars: [(label: hostile, parts: [.init(hostile, 2, .accent)])], text: { _ in hostile })
    page.sections = [
      .init(
        hostile, lead: hostile,
        [
          .table(table), .picture(lanes), .picture(bars), .text([hostile]),
          .folded(hostile, [hostile]),
          .choice(ReportChoice(hostile, [(hostile, [.text([hostile])]), (hostile, [])])),
        ])
    ]
    return page
  }

  /// Whatever a file says stays text: no tag, no attribute, no end of a script.
  @Test func hostileNamesStayText() throws {
    let html = try Self.page().html
    #expect(!html.contains("<b title"))
    #expect(html.components(separatedBy: "</script>").count == 4)
    #expect(!html.contains("\u{0}"))
    // Nothing turns the direction of what follows; JSON for programs keeps it.
    let shown = html.components(separatedBy: "<script type=\"application/json\"")[0]
    #expect(!shown.unicodeScalars.contains("\u{202E}"))
    #expect(html.contains("&lt;b title=&quot;x&quot;&gt;&#39;&amp;"))
  }

  /// The page's style and program are the files on disk, byte for byte: what is embedded loses no quote, no
  /// backslash, no end of a line.
  @Test(arguments: ["report.css", "report.js"]) func assetsAreWhole(name: String) throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let file = try Data(contentsOf: root.appending(path: "Sources/Reports/Assets/\(name)"))
    #expect(file.count > 1000)
    #expect(Data(try Self.page().html.utf8).range(of: file) != nil)
  }

  /// The figures in the page are those that were given, whole.
  @Test func figuresReadBack() throws {
    let html = try Self.page().html
    let start = try #require(html.range(of: "id=\"figures\">"))
    let end = try #require(html[start.upperBound...].range(of: "</script>"))
    let data = Data(html[start.upperBound..<end.lowerBound].utf8)
    let figures = try JSONDecoder().decode([String: String].self, from: data)
    #expect(figures == ["name": Self.hostile])
  }

  /// The file asks for nothing: no address but those that name SVG's elements.
  @Test func nothingIsAskedFor() throws {
    let html = try Self.page().html
    let addresses = html.components(separatedBy: "http").dropFirst().map { $0.prefix(30) }
    #expect(
      addresses.allSatisfy { $0.hasPrefix("://www.w3.org/2000/svg") || $0.hasPrefix("-equiv=") })
    for word in ["src=", "@import", "url(", "fetch(", "XMLHttpRequest", "<link"] {
      #expect(!html.contains(word), "\(word)")
    }
  }

  /// Boxes of one colour are one path; each begins where the last one does and then its distance.
  @Test func boxesHoldTheirTimes() {
    let picture = LanePicture(
      "p", description: "p",
      rows: [
        .init(
          "r",
          [
            .init("a", 1_000_000, 3_000_000, .optimizer),
            .init("b", 7_000_000, 8_000_000, .optimizer),
          ])
      ], duration: 10_000_000)
    var writer = PageWriter()
    let html = picture.html(&writer)
    #expect(html.contains("d=\"m1 0h2v18h-2zm6 0h1v18h-1z\""))
    #expect(html.contains("data-i=\"0 1\""))
    #expect(writer.namesJSON == "[\"a\",\"b\"]")
  }

  /// Memory is never drawn lower than it is, however many moments fall together.
  @Test func peaksSurviveThinning() throws {
    let samples = (0..<5000).map { index in
      AreaPicture.Sample(
        time: Int64(index) * 1_000_000, bytes: [1 << 20, index == 3333 ? 77 << 20 : 5 << 20])
    }
    let picture = AreaPicture(
      title: "m", description: "m",
      areas: [("parameters", .parameters), ("activations", .activations)], samples: samples,
      duration: 5_000_000_000)
    var writer = PageWriter()
    let html = picture.html(&writer)
    #expect(html.contains("V78"))
    #expect(html.utf8.count < 20_000)
  }

  /// A word of the command line is quoted as a shell wants it.
  @Test(arguments: [
    ("a.yaml", "a.yaml"), ("", "''"), ("a b", "'a b'"), ("it's", "'it'\\''s'"),
    ("plan.key=1", "plan.key=1"), ("<x>", "'<x>'"),
  ])
  func wordsAreQuoted(word: String, shown: String) {
    #expect(ReportPage.quoted(word) == shown)
  }

  /// Passes can be told apart by readers who see two colours of three.
  @Test func coloursAreToldApart() {
    let passes: [(Double, Double, Double)] = [
      (0x2f, 0x6f, 0xd6), (0xc2, 0x57, 0x0c), (0x0f, 0x7f, 0x6b), (0x7d, 0x52, 0xc4),
    ]
    for (index, one) in passes.enumerated() {
      for other in passes[(index + 1)...] {
        for matrix in Self.deficiencies {
          let (a, b) = (Self.seen(one, matrix), Self.seen(other, matrix))
          let distance = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
          #expect(distance > 0.1, "\(one) and \(other)")
        }
      }
    }
  }

  /// Protanopia and deuteranopia at full strength on linear RGB: Machado, Oliveira and Fernandes, "A
  /// Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, table 1.
  private static let deficiencies: [[[Double]]] = [
    [
      [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
      [-0.003882, -0.048116, 1.051998],
    ],
    [
      [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
      [-0.011820, 0.042940, 0.968881],
    ],
  ]

  private static func seen(
    _ colour: (Double, Double, Double), _ matrix: [[Double]]
  ) -> [Double] {
    let linear = [colour.0, colour.1, colour.2].map { part -> Double in
      let share = part / 255
      return share <= 0.04045 ? share / 12.92 : pow((share + 0.055) / 1.055, 2.4)
    }
    return matrix.map { row in zip(row, linear).reduce(0) { $0 + $1.0 * $1.1 } }
  }
}

/// What `--report` writes and refuses to write, from the outside.
@Suite struct ReportCommandTests {
  @Test func aScheduleIsWritten() throws {
    let folder = try ScratchFolder()
    let place = folder.path + "/d.html"
    let run = try Command.run("schedule dualpipe --ranks 4 --microbatches 8 --report \(place)")
    #expect(run.status == 0, "\(run.errors)")
    let html = try String(contentsOfFile: place, encoding: .utf8)
    #expect(html.hasPrefix("<!DOCTYPE html>") && html.contains("dualpipe on 4 ranks"))
    #expect(html.utf8.count < 200_000)
  }

  @Test func nothingThatIsReadIsReplaced() throws {
    let folder = try ScratchFolder()
    let plan = folder.path + "/plan.yaml"
    let printed = try Command.run("plan deepseek-v3 --print")
    try printed.output.write(toFile: plan, atomically: true, encoding: .utf8)
    let run = try Command.run("simulate --plan \(plan) --report \(plan)")
    #expect(run.status == 1)
    #expect(run.errors.contains("is read or written by the same command"))
    #expect(try String(contentsOfFile: plan, encoding: .utf8) == printed.output)
  }

  @Test func aFolderThatIsNotThereIsRefused() throws {
    let run = try Command.run(
      "schedule 1f1b --ranks 2 --microbatches 2 --report /no/such/folder/a.html")
    #expect(run.status == 4)
    #expect(run.output.isEmpty && run.errors.contains("there is no folder /no/such/folder"))
  }

  #if MPI
    /// Models side by side on a suite have a page, whose figures are those of `--json`; a name stays text.
    @Test func aSuiteIsWritten() throws {
      let folder = try ScratchFolder()
      let (prompts, answers) = (folder.path + "/p.jsonl", folder.path + "/a.jsonl")
      let place = folder.path + "/s.html"
      let suite = [
        "evaluate", "--suite", "rules", "--task", "copy", "--tier", "1", "--questions", "4",
      ]
      let asked = try Command.run(suite + ["--prompts", "-o", prompts])
      #expect(asked.status == 0, "\(asked.errors)")
      let lines = try String(contentsOfFile: prompts, encoding: .utf8).split(separator: "\n")
      let made = try lines.map { line in
        let value = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        return "{\"id\": \"\(value?["id"] ?? "")\", \"completion\": \"no\"}\n"
      }
      try made.joined().write(toFile: answers, atomically: true, encoding: .utf8)
      let run = try Command.run(suite + ["--answers", "<b>=\(answers)", "--report", place])
      #expect(run.status == 0, "\(run.errors)")
      let html = try String(contentsOfFile: place, encoding: .utf8)
      #expect(html.contains("0.0\u{A0}% of the answers of &lt;b&gt; are right."))
      #expect(html.contains("data-k=\"rows.2.pass_at1.share\"") && !html.contains("<b>"))
      // What is read is never written over.
      let again = try Command.run(suite + ["--answers", "a=\(answers)", "--report", answers])
      #expect(again.status == 1 && again.errors.contains("is read or written by the same command"))
      let none = try Command.run(suite + ["--prompts", "-o", prompts, "--report", place])
      #expect(none.status == 1 && none.errors.contains("--report has no effect beside --prompts"))
    }
  #endif

  @Test func aProbeHasNoReport() throws {
    let run = try Command.run("calibrate --probe --report a.html")
    #expect(run.status != 0 && run.errors.contains("--report has nothing to act on"))
  }
}

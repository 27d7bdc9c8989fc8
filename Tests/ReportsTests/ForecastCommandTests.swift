import Foundation
import Testing

/// `sluice forecast` as people use it.
@Suite struct ForecastCommandTests {
  private static let top = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../..").standardizedFileURL
  private static let example =
    top.appendingPathComponent("examples/deepseek-v3-run.yaml").path

  private func run(_ words: [String]) throws -> Command {
    try Command.run(
      ["forecast", Self.example, "--step-seconds", "20", "--runs", "100"] + words)
  }

  private func json(_ words: [String] = []) throws -> [String: Any] {
    let result = try run(["--json"] + words)
    #expect(result.status == 0, "\(result.errors)")
    let tree = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
    return try #require(tree as? [String: Any])
  }

  private func number(_ table: [String: Any], _ path: String...) throws -> Double {
    var value: Any = table
    for key in path { value = try #require((value as? [String: Any])?[key], "\(key)") }
    return try #require(value as? NSNumber).doubleValue
  }

  /// What was lost and what was done are the wall's time; money and hours follow from it.
  @Test func figuresBelongTogether() throws {
    let figures = try json()
    let mean = try number(figures, "wall_seconds", "mean")
    let lost = try #require(figures["lost_seconds"] as? [String: Double])
    #expect(
      Set(lost.keys) == [
        "detection", "restart", "recomputation", "checkpoint", "straggler", "idle",
      ])
    let productive = try number(figures, "productive_seconds")
    #expect(abs((productive + lost.values.reduce(0, +)) / mean - 1) < 1e-9)
    #expect(abs(try number(figures, "goodput") - productive / mean) < 1e-12)
    #expect(abs(try number(figures, "gpu_hours") / (mean * 2048 / 3600) - 1) < 1e-12)
    #expect(abs(try number(figures, "us_dollars") / (mean * 4096 / 3600) - 1) < 1e-12)
    let (p5, p95) = (
      try number(figures, "wall_seconds", "p5"), try number(figures, "wall_seconds", "p95")
    )
    #expect(p5 < mean && mean < p95)
    let phases = try #require(figures["phases"] as? [[String: Any]])
    let ofPhases = try phases.reduce(0) { try $0 + number($1, "wall_seconds") }
    #expect(phases.count == 5 && abs(ofPhases / mean - 1) < 1e-9)
  }

  /// Seeds decide, threads do not.
  @Test func theSameBytes() throws {
    let first = try run(["--json", "--threads", "1"]).output
    #expect(try run(["--json", "--threads", "3"]).output == first)
    #expect(try run(["--json", "--seed", "2"]).output != first)
  }

  /// Failures at given times are those of every run.
  @Test func givenTimes() throws {
    let scratch = try Scratch()
    let file = try scratch.write("# two kills\n100000\n3 d  # the second\n", "kills.txt")
    let figures = try json(["--failure-times", file])
    #expect(try number(figures, "failures") == 2)
    #expect(try number(figures, "wall_seconds", "p5") == number(figures, "wall_seconds", "p95"))
    // Lines may end as on Windows.
    let windows = try scratch.write("# two kills\r\n100000\r\n\r\n3 d\r\n", "windows.txt")
    let same = try json(["--failure-times", windows])
    #expect(try number(same, "wall_seconds", "mean") == number(figures, "wall_seconds", "mean"))
    let bad = try scratch.write("100\nsoon\n", "bad.txt")
    let refused = try run(["--failure-times", bad])
    #expect(refused.status == 1 && refused.errors.contains("bad.txt:2: \"soon\": expected a time"))
  }

  /// A run that never ends says so, and what it never did; without a form there is none.
  @Test func whatNeverEndsIsGivenUp() throws {
    let scratch = try Scratch()
    let file = try scratch.write(
      """
      model: llama-3.1-8b
      data: {training: none.bin, type: uint32, tokenizer: bytes}
      plan: {data-parallel: 256, tensor-parallel: 8, global-batch: 512, sequence-length: 4096}
      steps: 1000
      learning-rate: 1e-4
      """, "run.yaml")
    let words = [
      "forecast", file, "--step-seconds", "20", "--runs", "2",
      "--set", "cluster.failures.causes=[{name: a, of: device, rate: 2000}]",
    ]
    // With checkpoints the first order has a value, far below nothing.
    let often = try Command.run(
      words + ["--json", "--set", "checkpoints={folder: none, every: 9}"])
    #expect(often.status == 0 && !often.output.contains("first_order_goodput"), "\(often.errors)")
    let text = try Command.run(words)
    let line = text.output.replacing("\n", with: " ")
    #expect(text.status == 0 && line.contains("was given up: "), "\(text)")
    #expect(line.contains("does not end: none of 2 runs did.") && !line.contains(" takes "))
    let result = try Command.run(words + ["--json"])
    let tree = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
    let figures = try #require(tree as? [String: Any])
    #expect(try number(figures, "undone_seconds") > 0)
    #expect(try number(figures, "unfinished_runs") == 2)
    #expect(try number(figures, "goodput") < 0.01)
    // What was given up is no duration, and no first order is left of it.
    #expect(figures["wall_seconds"] == nil && figures["first_order_goodput"] == nil)
    #expect(try number(figures, "elapsed_seconds") > 0)
    #expect((figures["sensitivities"] as? [Any])?.isEmpty == true)
    #expect(figures["best_cadence_seconds"] == nil && figures["cadence_seconds"] == nil)
  }

  /// Some runs end: the first line says how many, and only their time is told.
  @Test func someRunsEnd() throws {
    let scratch = try Scratch()
    let file = try scratch.write(
      """
      model: llama-3.1-8b
      data: {training: none.bin, type: uint32, tokenizer: bytes}
      plan: {data-parallel: 1, tensor-parallel: 8, global-batch: 16, sequence-length: 128}
      steps: 10
      learning-rate: 1e-4
      """, "run.yaml")
    // Half of the runs meet no failure; one behind takes longer than anybody waits.
    let words = [
      "forecast", file, "--step-seconds", "10", "--runs", "40", "--set",
      "cluster.failures={causes: [{name: a, of: job, rate: 600000}], detection: 240 h, repair: 0 s, "
        + "requeue: 0 s, start: 0 s, start-per-rank: 0 s}",
    ]
    let result = try Command.run(words + ["--json"])
    let tree = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
    let figures = try #require(tree as? [String: Any], "\(result.errors)")
    let unfinished = try number(figures, "unfinished_runs")
    #expect(unfinished > 0 && unfinished < 40)
    #expect(try number(figures, "wall_seconds", "p95") < 200)
    #expect(try number(figures, "elapsed_seconds") > 10_000)
    let text = try Command.run(words).output.replacing("\n", with: " ")
    #expect(text.contains("ends in only \(40 - Int(unfinished)) of 40 runs"), "\(text)")
  }

  /// Silent corruption is no stop: the closed forms are not called exact beside it, and say what they leave out.
  @Test func corruptionIsNoStop() throws {
    let silent = try run([]).output.replacing("\n", with: " ")
    #expect(silent.contains("silent corruption taken for a stop") && !silent.contains("exact exp"))
    let stops = try run(["--set", "cluster.failures.causes=[{name: a, of: node, rate: 1}]"]).output
    #expect(stops.contains("Daly's exact expectation") && stops.contains("least exact expectation"))
    #expect(!stops.contains("corruption"))
  }

  /// Simulated steps say what they assume: in this run that nothing of the file says a precision.
  @Test func stepsSayWhatTheyAssume() throws {
    let scratch = try Scratch()
    let text = """
      model: llama-3.1-8b
      data: {training: none.bin, type: uint32, tokenizer: bytes}
      plan: {data-parallel: 1, tensor-parallel: 8, global-batch: 16, sequence-length: 128}
      steps: 10
      learning-rate: 1e-4
      """
    let file = try scratch.write(text, "run.yaml")
    func assumptions(_ words: [String]) throws -> [String] {
      let result = try Command.run(["forecast", file, "--runs", "3", "--json"] + words)
      let tree = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
      return try #require((tree as? [String: Any])?["assumptions"] as? [String], "\(result.errors)")
    }
    let said = try assumptions([])
    let precision = "precision float32, as of a run file that says none"
    #expect(said.contains("layers per stage 32") && said.contains(precision), "\(said)")
    #expect(!(try assumptions(["--set", "plan.precision=bf16"])).contains(precision))
    #expect(!(try assumptions(["--step-seconds", "1"])).contains(precision))
    // Of a ramp whose batches differ what holds for some is said with them.
    let ramp = try assumptions(
      ["--set", "batch-ramp={from: 8, increment: 8, over: 16 sequences}"])
    #expect(ramp.contains("layers per stage 32"), "\(ramp)")
  }

  @Test func theCheaperPriceCostsLess() throws {
    let dear = try number(json(), "us_dollars")
    #expect(abs(try number(json(["--price", "1"]), "us_dollars") / dear - 0.5) < 1e-12)
  }

  /// Every key that is printed is on the page of JSON.
  @Test func everyKeyIsOnThePage() throws {
    let page = try String(
      contentsOf: Self.top.appendingPathComponent("docs/json-and-statuses.md"), encoding: .utf8)
    func keys(_ value: Any) -> Set<String> {
      if let table = value as? [String: Any] {
        return table.reduce(into: Set(table.keys)) { all, entry in
          if entry.key != "inputs" { all.formUnion(keys(entry.value)) }
        }
      }
      return ((value as? [Any]) ?? []).reduce(into: []) { $0.formUnion(keys($1)) }
    }
    for key in keys(try json()).sorted() { #expect(page.contains("`\(key)`"), "\(key)") }
  }

  @Test func pagesFitATerminalAndReportsAreWritten() throws {
    let scratch = try Scratch()
    let report = scratch.file("run.html")
    let result = try run(["--report", report])
    #expect(result.status == 0, "\(result.errors)")
    for line in result.output.split(separator: "\n") { #expect(line.count <= 100, "\(line)") }
    for word in ["goodput", "What would help", "Best cadence", "Young's", "extension-128k"] {
      #expect(result.output.contains(word), "\(word)")
    }
    let html = try String(contentsOfFile: report, encoding: .utf8)
    #expect(html.contains("Where the time goes") && html.contains("What would help"))
  }

  /// Times stand in a unit in which the run's own says something, from a fraction of a second to months.
  static let lengths: [(step: Double, steps: Int, whole: String, part: String)] = [
    (1e-5, 2, "ms", "ms"), (0.5, 80, "s", "s"), (10, 80, "min", "s"), (600, 80, "hours", "min"),
    (6000, 80, "days", "hours"),
  ]

  @Test(arguments: lengths.indices) func timesStandInUnitsThatSaySomething(index: Int) throws {
    let row = Self.lengths[index]
    let scratch = try Scratch()
    let file = try scratch.write(
      """
      model: llama-3.1-8b
      data: {training: none.bin, type: uint32, tokenizer: bytes}
      plan: {data-parallel: 1, tensor-parallel: 8, global-batch: 16, sequence-length: 128}
      steps: \(row.steps)
      learning-rate: 1e-4
      """, "short.yaml")
    let report = scratch.file("short.html")
    let words = [
      "forecast", file, "--step-seconds", "\(row.step)", "--runs", "20",
      "--set", "cluster.failures=null", "--report", report,
    ]
    let result = try Command.run(words)
    #expect(result.status == 0, "\(result.errors)")
    let seconds = row.step * Double(row.steps)
    let size = ["ms": 1e-3, "s": 1, "min": 60, "hours": 3600, "days": 86_400]
    let whole = String(format: "%.2f", seconds / (size[row.whole] ?? 1))
    let text = result.output.replacing("\n  ", with: " ").replacing("\n", with: " ")
    #expect(text.contains("takes \(whole) \(row.whole);"), "\(result.output)")
    let part = String(
      format: row.part == row.whole ? "%.3f" : "%.2f", seconds / (size[row.part] ?? 1))
    #expect(try text.contains(Regex("Where the time goes +\(row.part) +share")), "\(text)")
    #expect(try text.contains(Regex("steps +\(part) +100.0 %")), "\(text)")
    #expect(!text.contains(" 0.00 days") && !text.contains("GPU-hours 0.0 "), "\(text)")
    let html = try String(contentsOfFile: report, encoding: .utf8)
    #expect(html.contains("\(whole) \(row.whole)"))
  }

  static let refused: [(words: [String], rule: String)] = [
    (["--runs", "0"], "--runs 0"), (["--price=-1"], "--price -1"),
    (["--step-seconds", "0"], "--step-seconds 0"),
    (["--set", "recovery.spare=1"], "did you mean spares?"),
    (["--set", "cluster.failures.detect=1 s"], "failures.detect"),
    (["--cluster", "h801-2048"], "did you mean h800-2048?"),
    (["--failure-times", "/no/such/file"], "/no/such/file"),
    (["--borrow-kernels", "h100-2048"], "has no effect with --step-seconds"),
    (
      ["--set", "cluster.slow-hosts={share: 0.1, speed: 0.9, seed: 1}"],
      "slow-hosts of h800-2048 would have no effect"
    ),
    (["--report", example], "deepseek-v3-run.yaml"),
    // A cluster too small for the plan is so whatever a step takes.
    (["--set", "cluster.nodes=4"], "needs 2048 ranks"),
  ]

  @Test(arguments: refused.indices) func oneLineSaysWhatIsWrong(index: Int) throws {
    let (words, rule) = Self.refused[index]
    let result = try run(words)
    #expect(result.status != 0 && result.output.isEmpty)
    #expect(result.errors.contains(rule), "\(result.errors)")
    #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
  }
}

import Documents
import Foundation
import MessagePassing
import TestSupport
import Testing
import Training

/// Logs of runs that go on, begin anew or meet another run's log: no line is lost but those that are made
/// again.
@Suite struct MetricsLogTests: SmallRuns {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  private func log(
    _ run: String, after step: Int, _ earlier: MetricsLog.EarlierLines = .removed,
    steps: ClosedRange<Int>
  ) throws -> String? {
    let log = try MetricsLog(
      path: folder.file("deep/log.jsonl"), LogHeader(run: run, afterStep: step, inputs: "{}"),
      earlier)
    for step in steps { try log.write(StepMetrics(step: step)) }
    return log.notice
  }

  private func header(_ run: String, after step: Int) -> String {
    "{\"run\": \"\(run)\", \"after_step\": \(step), \"inputs\": {}}"
  }

  private func lines(_ steps: ClosedRange<Int>) -> [String] {
    steps.map { StepMetrics(step: $0).line }
  }

  @Test func resumingTakesLaterLinesOut() throws {
    #expect(try log("a", after: 0, steps: 1...5) == nil)
    let path = folder.file("deep/log.jsonl")
    var bytes = try contents(of: path)
    bytes += Array("{\"step\": 6, \"los".utf8)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    #expect(try log("b", after: 3, .continued(run: "a"), steps: 4...6) == nil)
    let whole = [header("a", after: 0)] + lines(1...3) + [header("b", after: 3)]
    #expect(try lines(of: "deep/log.jsonl") == whole + lines(4...6))
    // The second part was lost with its checkpoints: the first one's run goes on once more.
    #expect(try log("c", after: 3, .continued(run: "a"), steps: 4...4) == nil)
    #expect(
      try lines(of: "deep/log.jsonl")
        == [header("a", after: 0)] + lines(1...3) + [header("c", after: 3)] + lines(4...4))
    #expect(try log("c", after: 0, .continued(run: "a"), steps: 1...1) == nil)
    #expect(try lines(of: "deep/log.jsonl") == [header("c", after: 0)] + lines(1...1))
    #expect(try log("d", after: 0, steps: 1...1) == nil)
    #expect(try names("deep") == ["log.jsonl"])
  }

  @Test(arguments: [
    MetricsLog.EarlierLines.setAside, .continued(run: "other"), .continued(run: ""),
  ])
  func anotherRunsLogKeepsItsLines(earlier: MetricsLog.EarlierLines) throws {
    var texts: [[UInt8]] = []
    for name in ["log.jsonl.earlier", "log.jsonl.earlier-2", "log.jsonl.earlier-3"] {
      _ = try log(name, after: 0, steps: 1...5)
      texts.append(try contents(of: folder.file("deep/log.jsonl")))
      let notice = try log("mine", after: 2, earlier, steps: 3...3)
      #expect(notice?.hasSuffix("or does not say of which, and stays as \(name)") == true)
      #expect(try lines(of: "deep/log.jsonl") == [header("mine", after: 2)] + lines(3...3))
    }
    for (name, text) in zip(try names("deep").dropFirst(), texts) {
      #expect(try contents(of: folder.file("deep/\(name)")) == text)
    }
    #expect(try names("deep").count == 4)
  }

  /// Whatever stands between two lines, the log goes on behind the last one that is whole.
  @Test(arguments: ["{\"step\": 4, \"lo", "{\"step\": 4x}", "{\"step\": 4}}", "{\"step\": }", "4"])
  func aLineThatIsNone(line: String) throws {
    #expect(try log("a", after: 0, steps: 1...3) == nil)
    let path = folder.file("deep/log.jsonl")
    let whole = try contents(of: path)
    let bytes = whole + Array((line + "\n" + lines(5...6).joined(separator: "\n") + "\n").utf8)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    #expect(try log("a", after: 9, .continued(run: "a"), steps: 10...10) == nil)
    #expect(
      try lines(of: "deep/log.jsonl")
        == [header("a", after: 0)] + lines(1...3) + [header("a", after: 9)] + lines(10...10))
  }

  /// Lines without a header, of an older sluice, could be anybody's.
  @Test func linesOfNobodyStay() throws {
    let old = try folder.write(lines(1...5).joined(separator: "\n") + "\n", to: "log.jsonl")
    let log = try MetricsLog(
      path: old, LogHeader(run: "a", afterStep: 3), .continued(run: "a"))
    #expect(log.notice?.hasSuffix("log.jsonl.earlier") == true)
    #expect(try lines(of: "log.jsonl.earlier") == lines(1...5))
  }

  // MARK: - Whole runs

  /// The folder of checkpoints is gone or another one, and the log is there.
  @Test func beginningAnewKeepsTheLog() throws {
    try train(try run(), .anew)
    let before = try contents(of: folder.file("log.jsonl"))
    let notices = try train(try run(["FOLDER/out": "FOLDER/other"]), .resumingIfAny)
    #expect(notices.contains { $0.hasSuffix("stays as log.jsonl.earlier") }, "\(notices)")
    #expect(try contents(of: folder.file("log.jsonl.earlier")) == before)
    #expect(try steps(of: "log.jsonl").count == 3)
  }

  /// A run that goes on is pointed to the log of another run, which has come further.
  @Test func goingOnLeavesAnothersLog() throws {
    try train(try run(), .anew)
    let elsewhere = ["FOLDER/out": "FOLDER/other", "log.jsonl": "other.jsonl"]
    try train(try run(elsewhere.merging(["0.01": "0.02", "steps: 3": "steps: 9"]) { $1 }), .anew)
    let before = try contents(of: folder.file("other.jsonl"))
    let wrong = try run(["log.jsonl": "other.jsonl", "steps: 3": "steps: 5"])
    let notices = try train(wrong, .resuming)
    #expect(notices.contains { $0.hasSuffix("stays as other.jsonl.earlier") }, "\(notices)")
    #expect(try contents(of: folder.file("other.jsonl.earlier")) == before)
    #expect(try steps(of: "other.jsonl").count == 2)
    #expect(try steps(of: "log.jsonl").count == 3)
  }

  /// The disk of a real kind that is always full.
  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
  func aDeviceIsNoLog() throws {
    let error = #expect(throws: CheckpointError.self) {
      try MetricsLog(path: "/dev/full", LogHeader(run: "a", afterStep: 0))
    }
    #expect(error?.kind == .system)
    #expect(error?.description.hasPrefix("/dev/full: cannot be written: is a device") == true)
  }
}

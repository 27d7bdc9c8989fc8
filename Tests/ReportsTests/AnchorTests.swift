import Foundation
import Testing

/// Steps that measured runs are held against.
@Suite struct AnchorTests {
  private func anchored(_ options: String) throws -> [String: Any] {
    let result = try Command.run("simulate --json \(options)")
    #expect(result.status == 0, "\(result.errors)")
    let figures = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
    return try #require((figures as? [String: Any])?["anchored"] as? [String: Any])
  }

  private func interval(_ value: Any?) throws -> (low: Double, middle: Double, high: Double) {
    let parts = try #require(value as? [String: Double])
    return (try #require(parts["low"]), try #require(parts["middle"]), try #require(parts["high"]))
  }

  /// A run that took what was simulated moves nothing; one that took longer moves the next.
  @Test func anchorsMoveWhatFollows() throws {
    let plain = try anchored("--interval")
    let step = try #require(plain["simulated_seconds"] as? Double)
    let before = try interval(plain["step_seconds"])
    #expect(abs(before.middle / step - 1) < 1e-9 && before.low < step && before.high > step)
    let same = try anchored("--anchor deepseek-v3 --measured \(step)s")
    let after = try interval(same["step_seconds"])
    #expect(abs(after.middle / step - 1) < 1e-6)
    #expect(after.high - after.low < before.high - before.low)
    let slower = try anchored("--anchor deepseek-v3 --measured \(1.05 * step)s")
    let moved = try interval(slower["step_seconds"])
    #expect(moved.middle > 1.03 * step && moved.middle < 1.05 * step)
    #expect(moved.low < 1.05 * step && moved.high > 1.05 * step)
  }

  /// A measured step by itself: its MFU, and what each factor would have to be.
  @Test func aMeasurementByItself() throws {
    let result = try Command.run("simulate --measured 20s")
    #expect(result.status == 0, "\(result.errors)")
    for part in ["Measured 20.000 s is an MFU of ", "computation would have to take ", "90 %"] {
      #expect(result.output.contains(part), "\(result.output)")
    }
  }

  @Test func tablesOfAnchors() throws {
    let scratch = try Scratch()
    let path = scratch.file("anchors.csv")
    try "# measured\ndeepseek-v3, 19.6s\n".write(
      toFile: path, atomically: true, encoding: .utf8)
    let read = try anchored("--anchors \(path)")
    let written = try anchored("--anchor deepseek-v3 --measured 19.6s")
    #expect(
      try interval(read["step_seconds"]).middle == interval(written["step_seconds"]).middle)
  }

  /// A table without a run, and one whose step no device could have done.
  @Test(arguments: [
    ("", "anchors.csv: holds no measured run"), ("# none yet\n\n", "holds no measured run"),
    ("deepseek-v3, 1us\n", "anchors.csv: line 1: 1us: is shorter than the "),
    ("deepseek-v3\r\n", "anchors.csv: line 1: expected a plan, a comma and its step"),
  ])
  func refusedTables(text: String, message: String) throws {
    let scratch = try Scratch()
    let path = try scratch.write(text, "anchors.csv")
    let result = try Command.run("simulate --anchors \(path)")
    #expect(result.status == 1 && result.output.isEmpty, "\(result)")
    #expect(result.errors.contains(message), "\(result.errors)")
  }

  @Test(arguments: [
    ("--measured 1us", "--measured 1us: is shorter than the "),
    ("--anchor deepseek-v3 --measured 1us", "--measured 1us: is shorter than the "),
    ("--anchor deepseek-v3", "every --anchor needs a --measured"),
    ("--measured 1s --measured 2s", "need as many --anchor"),
    ("--measured 0s", "--measured 0s: must be above 0"),
    ("--measured 7", "--measured 7: "), ("--measured-memory 7GiB", "is that of an --anchor"),
  ])
  func refusals(options: String, message: String) throws {
    let result = try Command.run("simulate \(options)")
    #expect(result.status == 1 && result.errors.contains(message), "\(result.errors)")
  }
}

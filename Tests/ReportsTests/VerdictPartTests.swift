import Foundation
import Testing

/// The parts that a step's verdict names exclude each other and are the whole step.
@Suite struct VerdictPartTests {
  @Test(arguments: [
    "simulate", "simulate --model llama-3.1-8b --cluster h100-2048 --plan llama-3.1-8b",
    "simulate --model zero-bubble-6.2b --cluster a100-roce --plan zero-bubble-6.2b",
  ])
  func partsAddUp(_ line: String) throws {
    let page = try Command.run(line)
    let text = page.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    let sentence = try #require(
      text.firstMatch(of: /The step at position 0: ([^.;]+(?:\.\d+[^.;]+)*)(;[^;]*bubble)?\./))
    let shares = sentence.output.1.matches(of: /([\d.]+) %/).compactMap { Double($0.output.1) }
    #expect(shares.count >= 2 && abs(shares.reduce(0, +) - 100) < 0.11 * Double(shares.count))
    let object = try CommandTests.json(try Command.run("\(line) --json"))
    let step = try #require(object["step_seconds"] as? Double)
    let busy = try #require(object["busy_seconds"] as? Double)
    let kinds = try #require(object["communication_seconds"] as? [String: [String: Double]])
    let others = kinds.values.reduce(0) { $0 + ($1["exposed"] ?? 0) + ($1["waiting"] ?? 0) }
    #expect(busy + others <= step * (1 + 1e-9) && busy + others > 0.9 * step)
    #expect(shares.contains { abs($0 - 100 * busy / step) < 0.051 })
  }
}

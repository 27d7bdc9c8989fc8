import Foundation
import TestSupport
import Testing

@Suite struct BenchmarkTests {
  /// The benchmark runs every kernel and ends each line with a hash of its result.
  @Test func theBenchmarkRuns() throws {
    let program = Launch.program("bench-kernels", beside: Bundle.module)
    let outcome = try Launch.run([program, "--smoke"])
    #expect(outcome.status == 0, "\(outcome.output)")
    let lines = outcome.output.split(separator: "\n").filter { $0.contains("ms  ") }
    #expect(lines.count > 10, "\(outcome.output)")
    for line in lines {
      let hash = line.split(separator: " ").last.flatMap { UInt64($0, radix: 16) }
      #expect(hash != nil, "\(line)")
    }
  }
}

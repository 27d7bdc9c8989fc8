import Foundation

/// Runs simulations and prints a line for each: what was done, how fast, memory, and a checksum.
struct Bench {
  /// Whether small cases are run, once each, for a test that everything works.
  let isSmoke: Bool

  /// Processor time of this process in seconds: what others run on the machine is left out.
  static func processorTime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// The most memory that this process has held, in MB.
  static func peakMemory() -> Double {
    var usage = rusage()
    getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_maxrss) * 1024 / 1e6
  }

  /// Runs `body`, which says what it did, a few times and prints the shortest time.
  ///
  /// - Parameter limit: what the project wants it to take, in seconds.
  @discardableResult
  func run(
    _ name: String, repeats: Int = 1, limit: Double? = nil, _ body: () throws -> Done
  ) rethrows -> Double {
    var best = Double.infinity
    var done = Done(checksum: 0)
    for _ in 0..<(isSmoke ? 1 : repeats) {
      let start = Self.processorTime()
      done = try body()
      best = min(best, Self.processorTime() - start)
    }
    var parts = ["\(name): \(text(best * 1e3)) ms"]
    if let limit { parts.append("limit \(text(limit * 1e3)) ms") }
    if done.operations > 0 {
      parts.append("\(done.operations) operations")
      parts.append("\(text(Double(done.operations) / best / 1e6)) M per second")
    }
    parts.append("peak memory so far \(text(Self.peakMemory())) MB")
    parts.append("checksum \(done.checksum)")
    print(parts.joined(separator: ", "))
    return best
  }

  private func text(_ value: Double) -> String { String(format: "%.4g", value) }
}

/// What a run did.
struct Done {
  /// The step, or the collective, in picoseconds.
  var checksum: Int64
  /// Operations that were walked one by one; 0 where that is not the question.
  var operations = 0
}

import Foundation

/// What a program that has ended left behind.
struct Outcome {
  var status: Int32
  /// Standard output and standard error as they came.
  var output: String
  var seconds: Double

  /// Where the text first appears, in characters from the start; nil when it does not.
  func position(of text: String) -> Int? {
    output.range(of: text).map { output.distance(from: output.startIndex, to: $0.lowerBound) }
  }
}

/// Starts programs and waits for them.
enum Launch {
  /// Whether Open MPI's launcher is on the path.
  static let hasMPI = (try? run(["sh", "-c", "command -v mpirun"]).status) == 0

  /// The executable that the package builds beside the test bundle.
  static var rankChecks: String {
    Bundle.module.bundleURL.deletingLastPathComponent().appending(path: "rank-checks").path
  }

  /// Starts `rank-checks` on this machine.
  static func rankChecks(ranks: Int, _ arguments: String...) throws -> Outcome {
    let launcher = ["mpirun", "--oversubscribe", "-n", "\(ranks)"]
    return try run(launcher + [rankChecks] + arguments)
  }

  /// Runs a command found on the path; one that takes over a minute is ended, with status 124.
  static func run(_ command: [String], meanwhile: () throws -> Void = {}) throws -> Outcome {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["timeout", "--kill-after=5", "60"] + command
    process.environment = ProcessInfo.processInfo.environment.merging([
      "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    ]) { $1 }
    // A file and not a pipe: a daemon that outlives mpirun would keep a pipe open.
    let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try Data().write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    let output = try FileHandle(forWritingTo: file)
    process.standardOutput = output
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    let clock = ContinuousClock()
    let start = clock.now
    try process.run()
    try meanwhile()
    process.waitUntilExit()
    let bytes = try Data(contentsOf: file)
    return Outcome(
      status: process.terminationStatus, output: String(decoding: bytes, as: UTF8.self),
      seconds: start.duration(to: clock.now) / .seconds(1))
  }
}

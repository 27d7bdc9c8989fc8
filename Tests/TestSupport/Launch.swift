import Foundation

/// What a program that has ended left behind.
public struct Outcome: Sendable {
  /// As a shell has it: above 128 a signal ended the program.
  public var status: Int32
  /// Standard output and standard error as they came.
  public var output: String

  /// How often the text appears.
  public func count(of text: String) -> Int { output.ranges(of: text).count }
}

/// A program that runs, and what it has written so far.
public struct Running {
  /// The process that was started, which waits for the program.
  public var process: Int32
  fileprivate var file: URL

  public var output: String {
    String(decoding: (try? Data(contentsOf: file)) ?? Data(), as: UTF8.self)
  }

  /// Waits until the program has written the text; false when it has not for as long as a hang.
  public func waitFor(_ text: String) -> Bool { Launch.wait { output.contains(text) } }
}

/// Starts programs and waits for them.
public enum Launch {
  /// Whether Open MPI's launcher is on the path.
  public static let hasMPI = (try? run(["sh", "-c", "command -v mpirun"]).status) == 0

  /// What takes longer hangs: what tests start takes seconds, and minutes on a machine that others use.
  public static let hangLimit = Duration.seconds(240)

  /// An executable that the package builds beside a test bundle.
  public static func program(_ name: String, beside bundle: Bundle) -> String {
    bundle.bundleURL.deletingLastPathComponent().appending(path: name).path
  }

  /// Looks every so many milliseconds whether something has become true; false when it has not for as long as a hang.
  public static func wait(
    milliseconds: Double = 20, until isTrue: () throws -> Bool
  ) rethrows -> Bool {
    let end = ContinuousClock.now + hangLimit
    while try !isTrue() {
      guard ContinuousClock.now < end else { return false }
      Thread.sleep(forTimeInterval: milliseconds / 1000)
    }
    return true
  }

  /// Runs a command found on the path; one that hangs is ended, with status 124.
  public static func run(
    _ command: [String], meanwhile: (Running) throws -> Void = { _ in }
  ) throws -> Outcome {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments =
      ["timeout", "--kill-after=5", "\(hangLimit.components.seconds)"] + command
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
    try process.run()
    let running = Running(process: process.processIdentifier, file: file)
    do {
      try meanwhile(running)
    } catch {
      process.terminate()
      process.waitUntilExit()
      throw error
    }
    process.waitUntilExit()
    let signal: Int32 = process.terminationReason == .uncaughtSignal ? 128 : 0
    return Outcome(status: signal + process.terminationStatus, output: running.output)
  }
}

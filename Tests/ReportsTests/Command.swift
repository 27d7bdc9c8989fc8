import Foundation

/// Runs the `sluice` that was built with the tests.
struct Command {
  var status: Int32
  var output: String
  var errors: String

  static let path =
    Bundle.module.bundleURL.deletingLastPathComponent().appending(path: "sluice").path

  /// A command line, split at its spaces.
  static func run(_ line: String) throws -> Command {
    try run(line.split(separator: " ").map(String.init))
  }

  /// Runs a shell command in which `$SLUICE` is the program.
  static func shell(_ line: String) throws -> Command {
    try run(["-c", line], of: "/bin/sh")
  }

  static func run(
    _ arguments: [String], in folder: String? = nil, of program: String = path
  ) throws -> Command {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(["SLUICE": path]) { $1 }
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    process.standardInput = FileHandle.nullDevice
    try process.run()
    // What goes wrong is short, so it waits in its pipe while the output is read.
    let printed = output.fileHandleForReading.readDataToEndOfFile()
    let said = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Command(
      status: process.terminationReason == .exit ? process.terminationStatus : -1,
      output: String(decoding: printed, as: UTF8.self),
      errors: String(decoding: said, as: UTF8.self))
  }
}

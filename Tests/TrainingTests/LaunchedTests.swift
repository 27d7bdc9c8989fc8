import Foundation
import Plans
import Testing
import Training

/// Training under mpirun, held against ranks as threads bit by bit.
@Suite(.serialized) struct LaunchedTests {
  static let hasMPI = (try? run(["sh", "-c", "command -v mpirun"]))?.status == 0

  /// Runs a command found on the path; one that takes over a minute is ended.
  static func run(_ command: [String]) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["timeout", "--kill-after=5", "60"] + command
    process.environment = ProcessInfo.processInfo.environment.merging([
      "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    ]) { $1 }
    let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try Data().write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    let output = try FileHandle(forWritingTo: file)
    process.standardOutput = output
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: try Data(contentsOf: file), as: UTF8.self))
  }

  typealias Case = ParallelTests.Case

  @Test(
    .enabled(if: LaunchedTests.hasMPI),
    arguments: [
      (Case(data: 2, pipeline: 2, schedule: "zbv", stagesPerRank: 2), "gpt2-8-layers"),
      (Case(data: 2, expert: 2, pipeline: 2, schedule: "dualpipe"), "deepseek-v3-8-layers"),
    ])
  func processesAndThreadsGiveTheSameBits(split: Case, name: String) throws {
    let model = try ReferenceModel(name)
    let folder = Bundle.module.bundleURL.appending(path: "Fixtures/checkpoints/\(name)").path
    let program = Bundle.module.bundleURL.deletingLastPathComponent()
      .appending(path: "training-checks").path
    let (status, output) = try Self.run(
      [
        "mpirun", "--oversubscribe", "-n", "\(split.data * split.pipeline)", program, "train",
        folder, "dp=\(split.data)", "ep=\(split.expert)", "pp=\(split.pipeline)",
        "vpp=\(split.stagesPerRank)", "schedule=\(split.schedule)",
      ])
    #expect(status == 0, "\(output)")
    let found = output.split(separator: "\n").filter { $0.hasPrefix("loss ") }
      .compactMap { UInt64($0.split(separator: " ")[2]) }
    let expected = try model.train(split.plan(model), steps: 3)[0].losses.map(\.bitPattern)
    #expect(found == expected, "\(output)")
  }
}

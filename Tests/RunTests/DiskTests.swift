import Foundation
import TestSupport
import Testing

/// A disk that takes no more: one clear message, status 4, and the newest checkpoint good.
///
/// That is the one before the checkpoint that it does not take, and that of the step whose log or
/// trace it refuses.
@Suite(.serialized, .enabled(if: Program.canTrain)) struct DiskTests {
  private func expectRefusal(_ outcome: Outcome, _ reason: String, _ scene: Scene) {
    #expect(outcome.status == 4, "\(outcome.output)")
    let lines = outcome.output.split(separator: "\n").filter { $0.hasPrefix("sluice: ") }
    #expect(lines.count == 1, "\(outcome.output)")
    #expect(lines.first?.contains("cannot be written: \(reason)") == true, "\(outcome.output)")
    #expect(scene.ranks().isEmpty)
    #expect(scene.checkpoints() == ["step-00000002"])
  }

  static let canMount: Bool = {
    guard getuid() == 0, let folder = try? ScratchFolder() else { return false }
    let mounted = try? Launch.run(["mount", "-t", "tmpfs", "tmpfs", folder.path]).status
    defer { _ = try? Launch.run(["umount", folder.path]) }
    return mounted == 0
  }()

  /// A disk of 2 MB holds one checkpoint of 1.2 MB and not two.
  @Test(.enabled(if: DiskTests.canMount, "needs the right to mount a tmpfs: skipped"))
  func fullDiskIsSaid() throws {
    let scene = try Scene("gpt2-tiny", plan: "data-parallel: 2", steps: 1_000_000)
    let disk = scene.path("out")
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
    #expect(try Launch.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk]).status == 0)
    defer { _ = try? Launch.run(["umount", "--lazy", disk]) }
    let outcome = try Program.sluice("train", scene.run, "--ranks", "2")
    expectRefusal(outcome, "No space left on device", scene)
    #expect(try Launch.run(["mount", "-o", "remount,size=20m", disk]).status == 0)
    try scene.expectGoodCheckpoint()
  }

  /// The same by a limit on the size of files, set once there is a checkpoint; needs no rights.
  @Test func limitOnFilesIsSaid() throws {
    let scene = try Scene(
      "gpt2-tiny", plan: "data-parallel: 2", steps: 1_000_000, checkpointEvery: 200)
    let outcome = try Program.sluice("train", scene.run, "--ranks", "2") { _ in
      try scene.waitForCheckpoint()
      for rank in scene.ranks() {
        let limit = try Launch.run(["prlimit", "--fsize=100000", "--pid", "\(rank)"])
        #expect(limit.status == 0, "\(limit.output)")
      }
    }
    #expect(outcome.status == 4, "\(outcome.output)")
    #expect(outcome.output.contains("cannot be written: File too large"), "\(outcome.output)")
    #expect(scene.ranks().isEmpty)
    try scene.expectGoodCheckpoint()
  }

  /// A limit on the size of files that a checkpoint stays below, and a log or a trace exceeds.
  private static let limit = "--fsize=1500000"

  private func expectEnd(_ outcome: Outcome, of file: String) {
    #expect(outcome.status == 4, "\(outcome.output)")
    let lines = outcome.output.split(separator: "\n").filter { $0.hasPrefix("sluice: ") }
    #expect(lines.count == 1, "\(outcome.output)")
    #expect(
      lines.first?.contains("\(file): cannot be written: File too large") == true,
      "\(outcome.output)")
    #expect(outcome.output.contains("ended since an output is lost"), "\(outcome.output)")
  }

  /// The log is full in the middle of a run: the step that it does not take is in a checkpoint.
  @Test(arguments: [("gradient-lanes: 2", 1), ("data-parallel: 2", 2)])
  func aFullLogLosesNoStep(plan: String, ranks: Int) throws {
    let scene = try Scene(
      "gpt2-tiny", plan: plan, steps: 1_000_000, checkpointEvery: 1_000_000)
    // A single rank is this process itself, and is not told how many there are.
    let command =
      [Program.path, "train", scene.run] + (ranks > 1 ? ["--ranks", "\(ranks)"] : [])
    let first = try Launch.run(command + ["--stop-after", "2"])
    #expect(first.status == 0, "\(first.output)")
    let path = scene.path("log.jsonl")
    var lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    let again = lines[1]
    let missing = 1_600_000 / (again.utf8.count + 1)
    lines.insert(contentsOf: Array(repeating: again, count: missing), at: 1)
    let long = lines.joined(separator: "\n") + "\n"
    try long.write(toFile: path, atomically: true, encoding: .utf8)
    let outcome = try Launch.run(command + ["--resume"]) { _ in
      // Its header and some steps.
      try #require(
        Launch.wait {
          let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
          return size ?? 0 > long.utf8.count + 12_000
        })
      let running = scene.ranks()
      #expect(running.count == ranks)
      for rank in running {
        let limit = try Launch.run(["prlimit", Self.limit, "--pid", "\(rank)"])
        #expect(limit.status == 0, "\(limit.output)")
      }
    }
    expectEnd(outcome, of: "log.jsonl")
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let last = text.split(separator: "\n").last?.firstMatch(of: /"step": ([0-9]+)/)
    let step = try #require(last.flatMap { Int($0.1) }) + 1
    let name = String("0000000\(step)".suffix(8))
    #expect(scene.checkpoints() == ["step-00000002", "step-\(name)"])
    try scene.expectGoodCheckpoint(ranks: ranks)
  }

  /// So is the step whose trace finds no room.
  @Test func aLostTraceLosesNoStep() throws {
    let scene = try Scene(
      "gpt2-tiny", plan: "gradient-lanes: 2", steps: 1000, checkpointEvery: 1000)
    let outcome = try Launch.run([
      "prlimit", Self.limit, Program.path, "train", scene.run, "--trace", scene.path("trace.json"),
      "--set", "plan.global-batch=512",
    ])
    expectEnd(outcome, of: "trace.json")
    #expect(!FileManager.default.fileExists(atPath: scene.path("trace.json")))
    #expect(scene.checkpoints() == ["step-00000002"])
  }
}

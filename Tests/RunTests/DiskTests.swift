import Foundation
import TestSupport
import Testing

/// A disk that takes no more in the middle of a checkpoint: one clear message, status 4, and the
/// checkpoint before it good.
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
}

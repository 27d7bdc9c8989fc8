import Foundation
import TestSupport
import Testing

/// Signals end a run with a checkpoint and a true status, whichever process or thread they reach.
@Suite(.serialized, .enabled(if: Program.canTrain)) struct SignalTests {
  static let signals: [(Int32, Int32)] = [
    (SIGINT, 6), (SIGTERM, 6), (SIGHUP, 6), (SIGUSR2, 6), (SIGUSR1, 0),
  ]

  private func endlessScene(_ plan: String) throws -> Scene {
    try Scene("gpt2-tiny", plan: plan, steps: 1_000_000)
  }

  /// A process that OpenBLAS has given a thread of its own before sluice's first instruction.
  static let withPool = ["env", "OPENBLAS_NUM_THREADS=2"]

  /// Whether a signal of some process, as the system says, is held back by sluice's own threads
  /// (`SigBlk`) and met by a handler in those that were there before (`SigCgt`).
  private func holds(_ process: Int32, _ signal: Int32) -> Bool {
    let text = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
    let lines = text.split(separator: "\n")
    return ["SigBlk:", "SigCgt:"].allSatisfy { name in
      let line = lines.first { $0.hasPrefix(name) }
      let mask = line.flatMap {
        UInt64($0.dropFirst(name.count).trimmingCharacters(in: .whitespaces), radix: 16)
      }
      return (mask ?? 0) >> (signal - 1) & 1 == 1
    }
  }

  @Test(arguments: signals)
  func onePlainRankObeys(signal: Int32, status: Int32) throws {
    let scene = try endlessScene("gradient-lanes: 2")
    let outcome = try Launch.run(Self.withPool + [Program.path, "train", scene.run]) { _ in
      try scene.waitForCheckpoint()
      kill(try #require(scene.ranks().first), signal)
    }
    #expect(outcome.status == status, "\(outcome.output)")
    try scene.expectGoodCheckpoint(ranks: 1)
  }

  /// As soon as the process runs sluice's own code a signal is kept; while it is still being loaded the
  /// system's default action ends it, and nothing had begun.
  @Test(arguments: [SIGINT, SIGTERM]) func theFirstMomentCounts(signal: Int32) throws {
    let scene = try endlessScene("gradient-lanes: 2")
    let outcome = try Launch.run(Self.withPool + [Program.path, "train", scene.run]) { _ in
      try #require(
        Launch.wait(milliseconds: 0.2) { scene.ranks().first.map { holds($0, signal) } ?? false })
      kill(try #require(scene.ranks().first), signal)
    }
    #expect(outcome.status == 6, "\(outcome.output)")
    #expect(scene.checkpoints() == ["step-00000000"], "\(outcome.output)")
    #expect(outcome.output.contains("ended by a signal after step 0"), "\(outcome.output)")
    try scene.expectGoodCheckpoint(ranks: 1)
  }

  /// At any early moment: ended before sluice's first instruction, where nothing had begun; from there on a
  /// checkpoint and the status for it, for one seed in two after some time with the signal held.
  @Test(arguments: 1...4) func earlySignals(seed: Int) throws {
    let scene = try endlessScene("gradient-lanes: 2")
    var generator = SplitMix64(state: UInt64(seed))
    let delay = UInt32.random(in: 0...200_000, using: &generator)
    var isHeld = false
    let outcome = try Launch.run(Self.withPool + [Program.path, "train", scene.run]) { _ in
      try #require(Launch.wait(milliseconds: 1) { !scene.ranks().isEmpty })
      let process = try #require(scene.ranks().first)
      if seed.isMultiple(of: 2) {
        try #require(Launch.wait(milliseconds: 0.2) { holds(process, SIGTERM) })
      }
      usleep(delay)
      isHeld = holds(process, SIGTERM)
      kill(process, SIGTERM)
    }
    #expect(isHeld || !seed.isMultiple(of: 2), "\(delay) µs later the signal is held no more")
    if !isHeld, outcome.status == 143 {
      #expect(scene.checkpoints().isEmpty)
    } else {
      #expect(outcome.status == 6, "\(delay) µs: \(outcome.output)")
      try scene.expectGoodCheckpoint(ranks: 1)
    }
  }

  /// The ranks are told when all of them can hear it, whenever sluice hears it.
  @Test(arguments: signals) func launcherObeysAtOnce(signal: Int32, status: Int32) throws {
    let scene = try endlessScene("data-parallel: 2")
    let outcome = try Program.sluice("train", scene.run, "--ranks", "2") { _ in
      try #require(
        Launch.wait(milliseconds: 0.2) {
          scene.launchers().last.map { holds($0, signal) } ?? false
        })
      kill(try #require(scene.launchers().last), signal)
    }
    #expect(outcome.status == status, "\(outcome.output)")
    #expect(scene.checkpoints() == ["step-00000000"], "\(outcome.output)")
    try scene.expectGoodCheckpoint()
  }

  /// An `mpirun` whose ranks stand still before their first instruction, as a folder to put in front of the path.
  private func mpirunOfStoppedRanks(in scene: Scene) throws -> String {
    let folder = scene.path("stopped")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let script = """
      #!/bin/sh
      # Arguments one by one to the end of the list, a shell that stops itself in front of the program.
      for word in "$@"; do
        shift
        [ "$word" = "\(Program.path)" ] && set -- "$@" sh -c 'kill -STOP $$; exec "$0" "$@"'
        set -- "$@" "$word"
      done
      PATH=${PATH#*:} exec mpirun "$@"
      """
    let file = folder + "/mpirun"
    try script.write(toFile: file, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file)
    return folder
  }

  private func isStopped(_ process: Int32) -> Bool {
    let text = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
    return text.contains(/State:\s+T/)
  }

  /// A rank that stands still before it has begun can hear nothing: the second signal ends mpirun, and is said.
  @Test func aSecondSignalEndsAtOnce() throws {
    let scene = try endlessScene("data-parallel: 2")
    let path = try mpirunOfStoppedRanks(in: scene)
    let outside = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    let command = ["env", "PATH=\(path):\(outside)", Program.path, "train", scene.run]
    let outcome = try Launch.run(command + ["--ranks", "2"]) { _ in
      try #require(Launch.wait { scene.ranks().count(where: isStopped) == 2 })
      for _ in 0..<2 {
        usleep(500_000)
        kill(try #require(scene.launchers().last), SIGTERM)
      }
    }
    #expect(outcome.status == 6, "\(outcome.output)")
    #expect(outcome.output.contains("a second signal was passed on"), "\(outcome.output)")
    #expect(scene.checkpoints().isEmpty)
    #expect(scene.ranks().isEmpty)
  }

  /// A signal to one rank, or to the mpirun that sluice has started.
  @Test(arguments: [true, false]) func rankOrMpirunIsTold(isRank: Bool) throws {
    let scene = try endlessScene("data-parallel: 2")
    let outcome = try Program.sluice("train", scene.run, "--ranks", "2") { _ in
      try scene.waitForCheckpoint()
      kill(try #require(isRank ? scene.ranks().last : scene.launchers().first), SIGTERM)
    }
    #expect(outcome.status == 6, "\(outcome.output)")
    try scene.expectGoodCheckpoint()
  }

  /// The user's own mpirun, which binds no rank to one core: each has a thread of OpenBLAS's.
  @Test(arguments: [(SIGTERM, 6), (SIGUSR1, 0)] as [(Int32, Int32)])
  func ranksOfOwnMpirunObey(signal: Int32, status: Int32) throws {
    let scene = try endlessScene("data-parallel: 2")
    let command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-np", "2", Program.path]
    let outcome = try Launch.run(Self.withPool + command + ["train", scene.run]) { _ in
      try scene.waitForCheckpoint()
      kill(try #require(scene.ranks().first), signal)
    }
    #expect(outcome.status == status, "\(outcome.output)")
    try scene.expectGoodCheckpoint()
  }
}

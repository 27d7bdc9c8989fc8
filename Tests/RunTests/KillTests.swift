import Foundation
import TestSupport
import Testing

/// `kill -9` of anything at any time: all ranks gone, a status of the table, the last checkpoint good.
@Suite(.serialized, .enabled(if: Program.canTrain)) struct KillTests {
  /// When somebody is killed.
  enum Moment: String {
    /// From the moment that ranks exist: the start of Swift, of MPI, of the run.
    case startUp
    /// After the first checkpoint, most likely in a step.
    case step
    /// While a checkpoint grows.
    case checkpoint
  }

  static let plan = "data-parallel: 2"

  /// Steps without an end, every second with a checkpoint.
  private func endlessScene() throws -> Scene {
    try Scene("gpt2-tiny", plan: Self.plan, steps: 1_000_000)
  }

  private func wait(for moment: Moment, of scene: Scene) throws {
    try #require(Launch.wait { scene.ranks().count == 2 })
    switch moment {
    case .startUp: break
    case .step: try scene.waitForCheckpoint()
    case .checkpoint:
      try scene.waitForCheckpoint()
      try #require(Launch.wait(milliseconds: 1) { scene.hasGrowingCheckpoint })
    }
  }

  private func expectGone(_ scene: Scene) {
    #expect(Launch.wait { scene.ranks().isEmpty && scene.launchers().isEmpty })
    #expect(scene.ranks().isEmpty)
  }

  /// Either there is a checkpoint and a run goes on from it, or there is none and that is said.
  private func expectSoundFolder(_ scene: Scene) throws {
    if !scene.checkpoints().isEmpty { return try scene.expectGoodCheckpoint() }
    let outcome = try Program.sluice("train", scene.run, "--ranks", "2", "--resume")
    #expect(outcome.status == 4 && outcome.output.contains("holds no checkpoint to resume"))
  }

  /// Seeds give the victim, and how long after the moment it is killed: up to 300 ms.
  @Test(arguments: [Moment.startUp, .step, .checkpoint], 1...2)
  func killedRankEndsAll(moment: Moment, seed: Int) throws {
    let scene = try endlessScene()
    var generator = SplitMix64(state: UInt64(seed))
    let victim = Int.random(in: 0..<2, using: &generator)
    let delay = UInt32.random(in: 0...300, using: &generator)
    let outcome = try Program.sluice("train", scene.run, "--ranks", "2") { _ in
      try wait(for: moment, of: scene)
      if moment != .checkpoint { usleep(delay * 1000) }
      let ranks = scene.ranks()
      try #require(ranks.count == 2)
      kill(ranks[victim], SIGKILL)
    }
    #expect(outcome.status == 5, "seed \(seed): \(outcome.output)")
    // In sluice's words first, then in mpirun's.
    let lines = outcome.output.split(separator: "\n")
    let own = lines.firstIndex { $0.hasPrefix("sluice: ") }
    let launcher = lines.firstIndex { $0.hasPrefix("-----") }
    #expect(own != nil, "seed \(seed): \(outcome.output)")
    if let own, let launcher { #expect(own < launcher, "seed \(seed): \(outcome.output)") }
    expectGone(scene)
    try expectSoundFolder(scene)
  }

  /// Where mpirun misses a rank's end, sluice ends it.
  ///
  /// It may miss that of a rank which is killed while it connects; here it is stopped meanwhile.
  @Test func rankThatMpirunMissesEndsAll() throws {
    let scene = try endlessScene()
    let outcome = try Program.sluice("train", scene.run, "--ranks", "2") { _ in
      try wait(for: .step, of: scene)
      kill(try #require(scene.launchers().first), SIGSTOP)
      kill(try #require(scene.ranks().first), SIGKILL)
    }
    #expect(outcome.status == 5, "\(outcome.output)")
    #expect(outcome.output.contains("a rank was gone"), "\(outcome.output)")
    expectGone(scene)
    try expectSoundFolder(scene)
  }

  /// A rank that is stopped while it starts, where no message has a limit yet: with `--elastic` another start
  /// is made with what is left, without it the run ends.
  @Test(arguments: [false, true]) func rankThatDoesNotStartEndsAll(isElastic: Bool) throws {
    let scene = try endlessScene()
    let outcome = try Launch.run(
      [Program.path, "train", scene.run, "--ranks", "2", "--start-timeout", "8"]
        + (isElastic ? ["--elastic", "--minimum-ranks", "2"] : [])
    ) { _ in
      try #require(Launch.wait(milliseconds: 1) { scene.ranks().count == 2 })
      kill(try #require(scene.ranks().last), SIGSTOP)
    }
    #expect(outcome.status == 5, "\(outcome.output)")
    #expect(outcome.output.contains("not all ranks had started within 8 s"), "\(outcome.output)")
    expectGone(scene)
  }

  /// mpirun is killed: its ranks see it, and sluice says so.
  @Test(arguments: [Moment.startUp, .step])
  func killedMpirunEndsAll(moment: Moment) throws {
    let scene = try endlessScene()
    let outcome = try Program.sluice("train", scene.run, "--ranks", "2") { _ in
      try wait(for: moment, of: scene)
      kill(try #require(scene.launchers().first), SIGKILL)
    }
    #expect(outcome.status == 5, "\(outcome.output)")
    #expect(outcome.output.contains("mpirun was ended by signal 9"), "\(outcome.output)")
    expectGone(scene)
    try expectSoundFolder(scene)
  }

  /// The sluice that started mpirun is killed: the system ends mpirun, and that the ranks.
  @Test(
    .enabled(
      if: (try? Launch.run(["sh", "-c", "command -v setpriv"]).status) == 0,
      "setpriv (util-linux) is not installed"), arguments: [Moment.startUp, .step])
  func killedLauncherEndsAll(moment: Moment) throws {
    let scene = try endlessScene()
    let outcome = try Program.sluice("train", scene.run, "--ranks", "2") { _ in
      try wait(for: moment, of: scene)
      kill(try #require(scene.launchers().last), SIGKILL)
    }
    #expect(outcome.status == 137, "\(outcome.output)")
    expectGone(scene)
    try expectSoundFolder(scene)
  }

  /// The same under the user's own mpirun.
  @Test func killedOwnMpirunEndsAll() throws {
    let scene = try endlessScene()
    let command = ["mpirun", "--oversubscribe", "-np", "2", Program.path, "train", scene.run]
    let outcome = try Launch.run(command) { _ in
      try wait(for: .step, of: scene)
      kill(try #require(scene.launchers().first), SIGKILL)
    }
    #expect(outcome.status == 137, "\(outcome.output)")
    expectGone(scene)
    try scene.expectGoodCheckpoint()
  }
}

import TestSupport
import Testing

/// Runs that go on where a host of two is lost.
@Suite(
  .serialized,
  .enabled(
    if: Program.canTrain && TwoHosts.areAvailable, "needs root, mpirun, and `ip netns`: skipped"))
struct TwoHostsElasticTests {
  private let batch = ["--set", "plan.global-batch=12"]

  private func scene() throws -> Scene {
    try Scene("gpt2-tiny", plan: "data-parallel: 4", steps: 120, checkpointEvery: 10)
  }

  /// The losses of a run on one host that nothing happens to.
  private func calmLosses() throws -> [String] {
    let calm = try scene()
    let outcome = try Launch.run(
      [Program.path, "train", calm.run, "--ranks", "4", "--set", "plan.gradient-lanes=12"] + batch)
    #expect(outcome.status == 0, "\(outcome.output)")
    return try calm.losses()
  }

  private func command(_ scene: Scene) -> [String] {
    [
      Program.path, "train", scene.run, "--ranks", "4", "--hosts", TwoHosts.places, "--elastic",
      "--timeout", "5",
    ] + batch
  }

  /// All that runs on the second host is killed: the run goes on, and takes its places back.
  @Test func aKilledHost() throws {
    let scene = try scene()
    let hosts = try TwoHosts()
    let outcome = try hosts.runOnFirst(command(scene)) { _ in
      try #require(Launch.wait { scene.checkpoints().contains("step-00000010") })
      hosts.killSecond()
    }
    #expect(outcome.status == 0, "\(outcome.output)")
    #expect(outcome.output.contains("going on with 3 of 4 ranks"), "\(outcome.output)")
    #expect(outcome.output.contains("ran on 4 → 3 → 4 ranks"), "\(outcome.output)")
    #expect(try scene.losses() == calmLosses())
  }

  /// Behind a cut cable a host is left out with all of its ranks, and taken back when it answers again.
  @Test func aCutCable() throws {
    let scene = try scene()
    let hosts = try TwoHosts()
    let outcome = try hosts.runOnFirst(command(scene)) { running in
      try #require(Launch.wait { scene.checkpoints().contains("step-00000010") })
      try hosts.cutCable()
      try #require(running.waitFor("going on with"))
      try hosts.plugCable()
    }
    #expect(outcome.status == 0, "\(outcome.output)")
    #expect(
      outcome.output.contains("and host \(TwoHosts.second) does not answer"), "\(outcome.output)")
    #expect(outcome.output.contains("going on with 2 of 4 ranks: DP2"), "\(outcome.output)")
    #expect(
      outcome.output.firstMatch(of: /ran on 4 → 2 (→ 2 )*→ 4 ranks/) != nil, "\(outcome.output)")
    #expect(try scene.losses() == calmLosses())
  }

  @Test(arguments: [
    (["--hosts", "one"], "expected hosts with their places"),
    (["--hosts", "one:2,one:2"], "expected hosts with their places"),
    (["--hosts", "one:2,two:1"], "has 3 places, and the run has 4 ranks"),
    (["--hosts", "one:2,two:2", "--dry-run"], "--hosts"),
  ])
  func hostsThatCannotBe(words: [String], rule: String) throws {
    let scene = try scene()
    let outcome = try Launch.run(
      [Program.path, "train", scene.run, "--ranks", "4"] + words + batch)
    #expect(outcome.status != 0 && outcome.output.contains(rule), "\(outcome.output)")
  }
}

import Foundation
import Plans
import TestSupport
import Testing
import Training

/// Training under mpirun, held against ranks as threads bit by bit.
@Suite(.serialized) struct LaunchedTests {
  typealias Case = ParallelTests.Case

  @Test(
    .enabled(if: Launch.hasMPI),
    arguments: [
      (Case(data: 2, pipeline: 2, schedule: "zbv", stagesPerRank: 2), "gpt2-8-layers"),
      (Case(data: 2, expert: 2, pipeline: 2, schedule: "dualpipe"), "deepseek-v3-8-layers"),
    ])
  func processesAndThreadsGiveTheSameBits(split: Case, name: String) throws {
    let model = try ReferenceModel(name)
    let folder = Bundle.module.bundleURL.appending(path: "Fixtures/checkpoints/\(name)").path
    let program = Launch.program("training-checks", beside: Bundle.module)
    let outcome = try Launch.run(
      [
        "mpirun", "--oversubscribe", "-n", "\(split.data * split.pipeline)", program, "train",
        folder, "dp=\(split.data)", "ep=\(split.expert)", "pp=\(split.pipeline)",
        "vpp=\(split.stagesPerRank)", "schedule=\(split.schedule)",
      ])
    #expect(outcome.status == 0, "\(outcome.output)")
    let found = outcome.output.split(separator: "\n").filter { $0.hasPrefix("loss ") }
      .compactMap { UInt64($0.split(separator: " ")[2]) }
    let expected = try model.train(split.plan(model), steps: 3)[0].losses.map(\.bitPattern)
    #expect(found == expected, "\(outcome.output)")
  }

  /// The benchmarks run, alone and on two ranks, and the bits of their losses repeat.
  @Test(
    .enabled(if: Launch.hasMPI),
    arguments: ["gpt-10m", "gpt-124m", "gpt-8-layers", "tiny-deepseek-v3"])
  func theBenchmarkRuns(model: String) throws {
    let program = Launch.program("bench-training", beside: Bundle.module)
    func checksum(_ launcher: [String], _ options: [String] = []) throws -> Substring {
      let outcome = try Launch.run(launcher + [program, "--smoke", model] + options)
      #expect(outcome.status == 0, "\(outcome.output)")
      let line = outcome.output.split(separator: "\n").first { $0.contains("checksum") }
      return try #require(line, "\(outcome.output)")
    }
    #expect(try checksum([]) == checksum([]))
    guard model == "gpt-10m" else { return }
    // With as many lanes of gradients the bits of the loss do not depend on where the stages lie.
    for (schedule, lanes) in [("1f1b", 1), ("dualpipe", 2)] {
      let options = ["microbatch=1", "lanes=\(lanes)"]
      let pair = try checksum(
        ["mpirun", "--oversubscribe", "-n", "2"], options + ["pp=2", "schedule=\(schedule)"])
      #expect(try pair == checksum([], options), "\(schedule)")
    }
  }
  /// So do those of rollouts, whose completions are the same bits on one rank and on two.
  @Test(.enabled(if: Launch.hasMPI), arguments: ["digits", "gpt-10m", "tiny-deepseek-v3"])
  func theRolloutBenchmarkRuns(model: String) throws {
    let program = Launch.program("bench-training", beside: Bundle.module)
    func lines(_ launcher: [String], _ options: [String] = []) throws -> [Substring] {
      let outcome = try Launch.run(launcher + [program, "--smoke", "grpo", model] + options)
      #expect(outcome.status == 0, "\(outcome.output)")
      let lines = outcome.output.split(separator: "\n")
      #expect(lines.contains { $0.contains("% of it") }, "\(outcome.output)")
      return lines
    }
    let alone = try lines([])
    let pair = try lines(["mpirun", "--oversubscribe", "-n", "2"], ["dp=2"])
    let checksum = try #require(alone.first { $0.contains("checksum") })
    #expect(pair.contains(checksum))
    #expect(pair.contains { $0.contains("2 ranks are") })
  }
}

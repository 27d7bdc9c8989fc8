import Clusters
import Models
import Plans
import Simulation
import Testing

@Suite struct SeededStepTests {
  private static func step(_ load: String) throws -> PlannedStep {
    try PlannedStep(
      architecture: .named("mixtral-8x7b"), cluster: .shipped("h800-2048", overrides: ["nodes=2"]),
      plan: .read(
        .init(
          text: """
            data-parallel: 8
            pipeline-parallel: 2
            expert-parallel: 8
            global-batch: 64
            sequence-length: 1024
            schedule: 1f1b
            expert-load: \(load)
            """, name: "plan"), name: "plan"))
  }

  /// Several seeds at once are the steps of each by itself, with means and the sample's deviation.
  @Test(arguments: [
    "", ", correlation: {layers: 1, microbatches: 1}", ", correlation: {microbatches: 1}",
  ])
  func seedsAreStepsOfTheirOwn(correlation: String) throws {
    let step = try Self.step("{deviation: 0.1, seed: 5\(correlation)}")
    let results = step.run(seeds: 3, threads: 2)
    let alone = try (5...7).map {
      try Self.step("{deviation: 0.1, seed: \($0)\(correlation)}").simulation.run()
    }
    #expect(results.map(\.step) == alone.map(\.step))
    #expect(Set(results.map(\.step)).count == 3)
    for (result, other) in zip(results, alone) { #expect(result.ranks == other.ranks) }
    let report = step.report(results, replaysAllocator: false)
    let seconds = alone.map { Double($0.step) / 1e12 }
    let mean = seconds.reduce(0, +) / 3
    let squares = seconds.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    #expect(report.seeds == 3 && abs(report.stepSeconds - mean) < 1e-12)
    #expect(abs(report.stepSecondsDeviation - (squares / 2).squareRoot()) < 1e-12)
    let split = report.split
    let parts =
      split.forward + split.bubble + split.backward + split.backwardInput + split.backwardWeight
      + split.overlapped + split.optimizer
    #expect(abs(parts - mean) < 1e-9)
  }

  /// What every stream moves and waits for is a mean too, copies to the host among them.
  @Test func streamsAreMeans() throws {
    let lines = [
      "schedule: 1f1b", "pipeline-parallel: 2", "data-parallel: 16", "expert-parallel: 8",
      "global-batch: 64", "sequence-length: 1024", "expert-load: {deviation: 0.3, seed: 5}",
      "offload: {activations: 0.5}",
    ]
    let step = try PlannedStep(
      architecture: .named("qwen3-235b-a22b", overrides: ["num_hidden_layers=4"]),
      cluster: .named("h800-2048"),
      plan: .read(.init(text: lines.joined(separator: "\n"), name: "plan"), name: "plan"))
    let results = step.run(seeds: 3, threads: 2)
    let all = step.report(results, replaysAllocator: false)
    let alone = results.map { step.report([$0], replaysAllocator: false) }
    #expect(all.host.total > 0)
    for path in [
      \StepReport.expert, \.pipeline, \.data, \.tensor, \.context, \.host,
    ] as [KeyPath<StepReport, StepReport.Communication>] {
      for part in [
        \StepReport.Communication.total, \.hidden, \.exposed, \.waiting,
      ] as [KeyPath<StepReport.Communication, Double>] {
        let mean = alone.reduce(0) { $0 + $1[keyPath: path][keyPath: part] } / 3
        #expect(abs(all[keyPath: path][keyPath: part] - mean) < 1e-12)
      }
    }
  }

  /// One seed is the step as it always was.
  @Test func oneSeedIsThePlans() throws {
    let step = try Self.step("{deviation: 0.1, seed: 5}")
    let report = step.report(step.run(seeds: 1), replaysAllocator: true)
    #expect(report == step.report(replaysAllocator: true))
    #expect(report.seeds == 1 && report.stepSecondsDeviation == 0)
  }

  /// Without a deviation there is nothing that seeds could change.
  @Test func whatIsNotDrawnHasNoSeeds() throws {
    #expect(try Self.step("{deviation: 0.1}").isDrawn)
    #expect(try !Self.step("balanced").isDrawn)
    #expect(try !Self.step("{deviation: 0}").isDrawn)
  }
}

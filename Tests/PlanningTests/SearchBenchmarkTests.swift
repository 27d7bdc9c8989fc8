import Clusters
import Foundation
import Models
import Planning
import Plans
import Simulation
import TestSupport
import Testing

/// The benchmark of the search searches what it says.
@Suite struct SearchBenchmarkTests {
  /// A space that is simulated whole: no bound lies above a simulation, and the search names the same plans.
  @Test func aSmallSpaceIsExact() throws {
    let benchmark = try Launch.run([
      Launch.program("bench-search", beside: Bundle.module), "--spaces", "--smoke",
    ])
    let output = benchmark.output
    #expect(benchmark.status == 0, "\(output)")
    #expect(
      output.contains(" 0 bounds above them") && output.contains("names the same ten"),
      "\(output)")
    let count = output.split(separator: " ").compactMap { Int($0) }.first
    #expect(try #require(count) > 100, "\(output)")
  }

  @Test func theChecksumsAreTheSteps() throws {
    let benchmark = try Launch.run([
      Launch.program("bench-search", beside: Bundle.module), "--smoke",
    ])
    let output = benchmark.output
    #expect(benchmark.status == 0, "\(output)")
    let sums = output.split(separator: "\n").compactMap {
      $0.split(separator: " ").last.flatMap { Int64($0) }
    }
    #expect(sums.count == 2, "\(output)")

    let architecture = try Architecture.named("llama-3.1-8b")
    let cluster = try Cluster.named("h100-2048")
    var settings = SearchSettings()
    settings.globalBatch = 64
    settings.sequenceLength = 4096
    settings.listed = ["schedule=1f1b", "microbatch-size=1", "recompute=none,full"]
    let space = try SearchSpace(settings, devices: 16, for: architecture, on: cluster)
    let outcome = try PlanSearch(space, for: architecture, on: cluster).run()
    let best = try #require(outcome.plans.first).report.stepSeconds
    #expect(sums.first == Int64((best * 1e12).rounded()))

    var steps = 0.0
    for seed in 0..<2 {
      steps += try PlannedStep(
        architecture: .named("deepseek-v3"), cluster: .named("h800-2048"),
        plan: .named(
          "deepseek-v3", overrides: ["expert-load={deviation: 0.075, seed: \(seed)}"])
      ).report().stepSeconds
    }
    #expect(sums.last == Int64(steps * 1e12))
  }
}

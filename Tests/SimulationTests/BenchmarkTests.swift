import Clusters
import Costs
import Foundation
import Models
import Plans
import Simulation
import TestSupport
import Testing

/// The benchmark of the simulator simulates what it says.
@Suite struct BenchmarkTests {
  /// The checksums of a smoke run by the names of its lines.
  private func smoke() throws -> [String: Int64] {
    let outcome = try Launch.run([
      Launch.program("bench-simulation", beside: Bundle.module), "--smoke",
    ])
    let output = outcome.output
    #expect(outcome.status == 0, "\(output)")
    var sums: [String: Int64] = [:]
    for line in output.split(separator: "\n") {
      let parts = line.split(separator: ": ", maxSplits: 1)
      let sum = try #require(line.split(separator: " ").last.flatMap { Int64($0) }, "\(line)")
      sums[String(try #require(parts.first))] = sum
    }
    return sums
  }

  private func step(_ plan: [String] = [], _ cluster: [String] = []) throws -> Int64 {
    try PlannedStep(
      architecture: .named("deepseek-v3"), cluster: .shipped("h800-2048", overrides: cluster),
      plan: .named("deepseek-v3", overrides: plan)
    ).simulation.run().step
  }

  @Test func theChecksumsAreTheSteps() throws {
    var sums = try smoke()
    func sum(_ name: String) throws -> Int64 {
      let found = sums.removeValue(forKey: name)
      return try #require(found, "\(name) of \(sums.keys.sorted())")
    }
    #expect(try sum("files read, step planned and simulated, folded") == step())
    let small = try step(["global-batch=4096"])
    #expect(try sum("folded, every operation walked") == small)
    #expect(try sum("2,048 ranks, folded") == small)
    #expect(try sum("2,048 ranks one by one, with replay") == small)
    let layers = [
      "nodes=16384", "network.layers=[{radix: 64}, {radix: 64}, {radix: 64}]",
      "network.latency.cross-pod=4.6 us",
    ]
    let large = try step(["data-parallel=8192", "global-batch=262144"], layers)
    #expect(try sum("131,072 ranks on three layers, folded") == large)
    // Sixty-four times the ranks on as many tokens each wait longer for their reductions only.
    #expect(large > small && large < small + small / 10)
    let planes = try sum("all-reduce of 1 GiB over 2,048 ranks, hierarchical, h800-2048")
    let thin = try sum("all-reduce of 1 GiB over 2,048 ranks, hierarchical, h800-2048-mrft")
    let cluster = try Cluster.shipped("h800-2048")
    let contention = CollectiveContention(cluster, try CollectiveConstants(cluster))
    let seconds = try #require(
      contention.time(
        .allReduce, by: .hierarchical, bytes: Double(1 << 30), over: Array(0..<2048))
    ).cost.seconds
    #expect(planes == Int64((seconds * 1e12).rounded()))
    // A ring crosses uplinks a third as wide seldom enough to lose nothing on them.
    #expect(abs(thin - planes) < planes / 100)
    // A direct exchange is bound by them: as the formulas say, more than twice as long.
    let full = try sum("all-to-all of 1 GiB over 512 ranks, 1 to 1 uplinks")
    let shared = try sum("all-to-all of 1 GiB over 512 ranks, 3 to 1 uplinks")
    for (time, uplinks) in [(full, 1), (shared, 3)] {
      let cluster = try Cluster.shipped(
        "h800-2048-mrft", overrides: ["network.layers[0].oversubscription=\(uplinks)"])
      let outcome = try #require(
        CollectiveContention(cluster, CollectiveConstants(cluster))
          .time(.allToAll, bytes: Double(1 << 30), over: Array(0..<512)))
      #expect(time == Int64((outcome.cost.seconds * 1e12).rounded()))
    }
    #expect(2 * full < shared)
    #expect(sums.isEmpty, "\(sums)")
  }
}

import Clusters
import Costs
import Foundation
import Models
import Plans
import Simulation

/// Speed of the simulator on the project's own figures; `--smoke` runs small cases once.
let bench = Bench(isSmoke: CommandLine.arguments.contains("--smoke"))
let only = CommandLine.arguments.dropFirst().first { !$0.hasPrefix("--") }

func planned(_ plan: [String] = [], _ cluster: [String] = []) throws -> PlannedStep {
  try PlannedStep(
    architecture: .named("deepseek-v3"),
    cluster: .shipped("h800-2048", overrides: cluster),
    plan: .named("deepseek-v3", overrides: plan))
}

/// Runs a part unless another one was asked for by name.
func part(_ name: String, _ body: () throws -> Void) rethrows {
  if only == nil || only == name { try body() }
}

/// A third layer joins pods of 2,048 nodes.
let threeLayers = [
  "nodes=16384", "network.layers=[{radix: 64}, {radix: 64}, {radix: 64}]",
  "network.latency.cross-pod=4.6 us",
]

try part("step") {
  try bench.run("files read, step planned and simulated, folded", repeats: 5, limit: 0.15) {
    let report = try planned().report()
    return Done(checksum: Int64((report.stepSeconds * 1e12).rounded()))
  }
}

let small = bench.isSmoke ? ["global-batch=4096"] : []

try part("walk") {
  var simulation = try planned(small).simulation
  simulation.replays = false
  bench.run("folded, every operation walked", repeats: 3) {
    let result = simulation.run()
    return Done(checksum: result.step, operations: result.walkedOperations)
  }
}

try part("folded") {
  let few = try planned(small).simulation
  let short = bench.run("2,048 ranks, folded", repeats: 5) { Done(checksum: few.run().step) }
  let batch = bench.isSmoke ? 4096 : 15_360
  let many = try planned(
    ["data-parallel=8192", "global-batch=\(64 * batch)"], threeLayers
  ).simulation
  bench.run("131,072 ranks on three layers, folded", repeats: 5, limit: 1.2 * short) {
    Done(checksum: many.run().step)
  }
}

try part("explicit") {
  var simulation = try planned(small).simulation
  simulation.isExplicit = true
  bench.run("2,048 ranks one by one, with replay", limit: 3) {
    Done(checksum: simulation.run().step)
  }
}

try part("explicit-walk") {
  var simulation = try planned(small).simulation
  simulation.isExplicit = true
  simulation.replays = false
  if !bench.isSmoke {
    bench.run("2,048 ranks one by one, every operation walked", limit: 20) {
      let result = simulation.run()
      return Done(checksum: result.step, operations: result.walkedOperations)
    }
  }
}

try part("all-to-all") {
  for oversubscription in [1, 3] {
    let cluster = try Cluster.shipped(
      "h800-2048-mrft", overrides: ["network.layers[0].oversubscription=\(oversubscription)"])
    let contention = CollectiveContention(cluster, try CollectiveConstants(cluster))
    bench.run("all-to-all of 1 GiB over 512 ranks, \(oversubscription) to 1 uplinks") {
      let outcome = contention.time(.allToAll, bytes: Double(1 << 30), over: Array(0..<512))
      return Done(checksum: Int64(((outcome?.cost.seconds ?? 0) * 1e12).rounded()))
    }
  }
}

try part("all-reduce") {
  for name in ["h800-2048", "h800-2048-mrft"] {
    let cluster = try Cluster.shipped(
      name, overrides: name == "h800-2048" ? [] : ["network.layers[0].oversubscription=3"])
    let contention = CollectiveContention(cluster, try CollectiveConstants(cluster))
    let title = "all-reduce of 1 GiB over 2,048 ranks, hierarchical, \(cluster.name)"
    bench.run(title, repeats: 5, limit: 0.05) {
      let outcome = contention.time(
        .allReduce, by: .hierarchical, bytes: Double(1 << 30), over: Array(0..<2048))
      return Done(checksum: Int64(((outcome?.cost.seconds ?? .infinity) * 1e12).rounded()))
    }
  }
}

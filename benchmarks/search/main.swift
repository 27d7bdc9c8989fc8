import Clusters
import Foundation
import Models
import Planning
import Plans
import Simulation

/// Speed of the search on the project's own figures.
///
/// `--smoke` searches a small grid once; `--spaces` simulates ten spaces whole instead and holds the search
/// against them. Wall time, since threads are what a search has; the machine should be idle.
let isSmoke = CommandLine.arguments.contains("--smoke")
let only = CommandLine.arguments.dropFirst().first { !$0.hasPrefix("--") }

struct Case {
  var name: String
  var model: String
  var cluster: String
  var devices: Int
  var batch: Int
  var sequence: Int
  var listed: [String] = []
  /// What the project wants a search to take, seconds.
  var limit: Double
}

let cases =
  isSmoke
  ? [
    Case(
      name: "small", model: "llama-3.1-8b", cluster: "h100-2048", devices: 16, batch: 64,
      sequence: 4096, listed: ["schedule=1f1b", "microbatch-size=1", "recompute=none,full"],
      limit: 5)
  ]
  : [
    Case(
      name: "llama-70b", model: "llama-3.1-70b", cluster: "h100-2048", devices: 512, batch: 1024,
      sequence: 8192, limit: 5),
    Case(
      name: "deepseek-v3", model: "deepseek-v3", cluster: "h800-2048", devices: 2048,
      batch: 15_360, sequence: 4096, limit: 10),
  ]

/// The most memory that this process has held, in MB.
func peakMemory() -> Double {
  var usage = rusage()
  getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
  return Double(usage.ru_maxrss) * 1024 / 1e6
}

func text(_ value: Double) -> String { String(format: "%.4g", value) }

func seconds(_ body: () throws -> Void) rethrows -> Double {
  try ContinuousClock().measure(body) / .seconds(1)
}

/// Candidates that are decided without simulation, and all of a search.
func search(_ item: Case) throws {
  let architecture = try Architecture.named(item.model)
  let cluster = try Cluster.named(item.cluster)
  var settings = SearchSettings()
  settings.globalBatch = item.batch
  settings.sequenceLength = item.sequence
  settings.listed = item.listed
  let space = try SearchSpace(
    settings, devices: item.devices, for: architecture, on: cluster)
  var request = PlanSearch.Request()
  request.threads = ProcessInfo.processInfo.activeProcessorCount
  var outcome: SearchOutcome?
  let time = try seconds {
    outcome = try PlanSearch(space, for: architecture, on: cluster, request: request).run()
  }
  guard let outcome else { return }
  let counts = outcome.counts
  let best = outcome.plans.first.map { Int64(($0.report.stepSeconds * 1e12).rounded()) } ?? 0
  print(
    "\(item.name): \(counts.size) plans in \(text(time)) s (wanted: \(text(item.limit)) s) on "
      + "\(request.threads) threads, \(text(Double(counts.size) / time)) decided a second, "
      + "\(outcome.simulations) simulations and \(outcome.evenSimulations) with equal loads, "
      + "\(counts.outOfMemory) without room, "
      + "\(outcome.leastOpen == nil ? "with" : "without") proof, peak memory so far "
      + "\(text(peakMemory())) MB, checksum \(best)")
}

/// Whole simulations of one shape, with programs that are shared: 16 positions, 120 microbatches.
func simulate() throws {
  let architecture = try Architecture.named("deepseek-v3")
  let cluster = try Cluster.named("h800-2048")
  let book = LoweringBook()
  let count = isSmoke ? 2 : 40
  var sum = 0.0
  let time = try seconds {
    for number in 0..<count {
      let plan = try Plan.named(
        "deepseek-v3", overrides: ["expert-load={deviation: 0.075, seed: \(number)}"])
      var lowered = LoweredStages(sharing: book)
      let step = try PlannedStep(
        architecture: architecture, cluster: cluster, plan: plan, lowered: &lowered)
      sum += step.report().stepSeconds
    }
  }
  print(
    "simulations of DualPipe on 16 positions with 120 microbatches: "
      + "\(text(Double(count) / time)) a second on one thread, checksum \(Int64(sum * 1e12))")
}

if CommandLine.arguments.contains("--spaces") {
  let threads = ProcessInfo.processInfo.activeProcessorCount
  var isWhole = true
  for item in try spaces(isSmoke: isSmoke) where only == nil || only == item.name {
    isWhole = try isExact(item, threads: threads) && isWhole
    fflush(nil)
  }
  exit(isWhole ? 0 : 1)
}
for item in cases where only == nil || only == item.name {
  try search(item)
  fflush(nil)
}
if only == nil || only == "simulate" { try simulate() }

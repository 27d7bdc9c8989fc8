import Clusters
import Models
import Planning
import Plans

/// Spaces that are small enough to be simulated whole: no bound of their plans may lie above what one takes, and
/// a search has to name the plans that all simulations name.
struct Space {
  var name: String
  var architecture: Architecture
  var cluster: String
  var overrides: [String] = []
  var devices: Int
  var batch: Int
  var sequence: Int
  var listed: [String]
}

/// A model with fewer layers, each of its kinds still there.
private func shortened(_ name: String, to layers: Int) throws -> Architecture {
  var model = try Architecture.named(name)
  // Dense layers come first.
  let start = max(0, (model.feedForwards.firstIndex { $0.mixture != nil } ?? 1) - 1)
  model.layers = Array(model.layers[start..<start + layers])
  return model
}

private func small(positions: Int) -> Architecture {
  .gpt(
    name: "small", hidden: 2048, layers: 10, heads: 16, vocabulary: 32_000, positions: positions)
}

private let dense = small(positions: 4096)

/// Ten spaces of 2,000 plans and more; of the smoke test one of a hundred.
func spaces(isSmoke: Bool) throws -> [Space] {
  if isSmoke {
    return [
      Space(
        name: "small", architecture: dense, cluster: "h100-2048", devices: 8, batch: 16,
        sequence: 1024,
        listed: [
          "context-parallel=1", "microbatch-size=1", "recompute=none,full", "recompute-layers=1",
          "zero-stage=0,1", "schedule=1f1b,zbv,dualpipev", "layers-per-stage=even",
        ])
    ]
  }
  return try denseSpaces() + mixtureSpaces()
}

private func denseSpaces() throws -> [Space] {
  [
    Space(
      name: "dense, every schedule", architecture: dense, cluster: "h100-2048", devices: 16,
      batch: 64, sequence: 2048, listed: ["context-parallel=1", "recompute=none,full"]),
    Space(
      name: "dense on A100s", architecture: dense, cluster: "a100-selene", devices: 32, batch: 64,
      sequence: 2048, listed: ["microbatch-size=1,2", "recompute=none,full"]),
    Space(
      name: "dense, long sequences", architecture: small(positions: 16_384),
      cluster: "h100-2048", devices: 16, batch: 16, sequence: 16_384,
      listed: ["microbatch-size=1", "recompute=none,full"]),
    Space(
      name: "dense, recomputation", architecture: dense, cluster: "h800-2048", devices: 8,
      batch: 32, sequence: 4096,
      listed: ["schedule=1f1b,interleaved-1f1b,zb-h1,zbv", "zero-stage=0,1,2,3"]),
    Space(
      name: "llama-3.1-8b", architecture: try .named("llama-3.1-8b"), cluster: "h100-2048",
      devices: 32, batch: 64, sequence: 4096,
      listed: [
        "schedule=1f1b,interleaved-1f1b,dualpipev", "context-parallel=1", "microbatch-size=1,2",
        "recompute=none,[swiglu],full", "zero-stage=0,1,3",
      ]),
    Space(
      name: "unequal devices", architecture: dense, cluster: "h100-2048",
      overrides: ["device.jitter.lasting=0.05", "device.jitter.operation=0.1"], devices: 16,
      batch: 64, sequence: 2048,
      listed: ["context-parallel=1", "microbatch-size=1", "recompute=none,full"]),
  ]
}

private func mixtureSpaces() throws -> [Space] {
  let mixtral = try shortened("mixtral-8x7b", to: 8)
  let deepseek = try shortened("deepseek-v3", to: 4)
  return [
    Space(
      name: "mixture, balanced", architecture: mixtral, cluster: "h100-2048", devices: 16,
      batch: 32, sequence: 2048,
      listed: [
        "expert-load=balanced", "context-parallel=1", "microbatch-size=1",
        "schedule=1f1b,interleaved-1f1b,dualpipe,dualpipev", "recompute=none,full",
        "communication-sms=20", "zero-stage=0,1",
      ]),
    Space(
      name: "mixture with draws", architecture: mixtral, cluster: "h800-2048", devices: 16,
      batch: 32, sequence: 2048,
      listed: [
        "context-parallel=1", "microbatch-size=1", "schedule=1f1b,dualpipev",
        "recompute=none,full", "communication-sms=8,20", "zero-stage=0,1,2",
        "overlap.tensor-exchange=false",
      ]),
    Space(
      name: "latent attention with shared experts", architecture: deepseek, cluster: "h800-2048",
      devices: 16, batch: 32, sequence: 4096,
      listed: [
        "expert-parallel=1,8,16", "tensor-parallel=1,2", "context-parallel=1",
        "microbatch-size=1", "schedule=1f1b,zbv,dualpipe", "recompute=none,[swiglu],full",
        "communication-sms=20", "zero-stage=0,1,3",
      ]),
    Space(
      name: "slow links", architecture: mixtral, cluster: "h800-2048",
      overrides: ["node.link.bandwidth=40 GB/s", "node.link.reached=40 GB/s"], devices: 16,
      batch: 32, sequence: 2048,
      listed: [
        "expert-load=balanced", "context-parallel=1", "microbatch-size=1",
        "schedule=1f1b,dualpipe", "recompute=none,full", "communication-sms=20",
        "zero-stage=0,1,2,3", "overlap.tensor-exchange=false,bulk",
      ]),
  ]
}

/// Simulates a space whole and holds bounds and a search against it; false where something is not as it should be.
func isExact(_ item: Space, threads: Int) throws -> Bool {
  let cluster = try Cluster.named(item.cluster, overrides: item.overrides)
  var settings = SearchSettings()
  settings.globalBatch = item.batch
  settings.sequenceLength = item.sequence
  settings.listed = item.listed
  let space = try SearchSpace(
    settings, devices: item.devices, for: item.architecture, on: cluster)
  var all: ExhaustiveSearch?
  let time = seconds {
    all = ExhaustiveSearch(space, for: item.architecture, on: cluster, threads: threads)
  }
  guard let all, !all.plans.isEmpty else {
    print("\(item.name): NO PLAN of the space is one")
    return false
  }
  let tooHigh = all.plans.filter {
    $0.bound.seconds > $0.plan.report.stepSeconds
      || $0.bound.bytes > Double($0.plan.report.memory.peak)
  }
  for found in tooHigh.prefix(3) {
    print(
      "  bound above the simulation: \(found.plan.plan.name), \(found.bound.seconds) s for "
        + "\(found.plan.report.stepSeconds), \(found.bound.bytes) B for "
        + "\(found.plan.report.memory.peak)")
  }
  let gaps = all.plans.map { $0.plan.report.stepSeconds / $0.bound.seconds - 1 }.sorted()
  let bytes = all.plans.map { Double($0.plan.report.memory.peak) / $0.bound.bytes - 1 }.sorted()
  // A limit that half of them keep.
  let limit = all.middleBytes
  let expected = try all.best(10, within: limit)
  var request = PlanSearch.Request()
  request.memoryLimit = limit
  request.mostSimulations = nil
  request.threads = threads
  let outcome = try PlanSearch(space, for: item.architecture, on: cluster, request: request).run()
  let isSame =
    outcome.plans.map(\.plan.yaml) == expected.map(\.plan.yaml)
    && outcome.plans.map(\.report) == expected.map(\.report)
  let best = expected.first.map { Int64(($0.report.stepSeconds * 1e12).rounded()) } ?? 0
  print(
    "\(item.name): \(all.plans.count) plans simulated in \(text(time)) s, \(tooHigh.count) bounds "
      + "above them, gaps \(text(gaps[gaps.count / 2] * 100)) % in the middle and "
      + "\(text((gaps.last ?? 0) * 100)) % at most, of bytes \(text(bytes[bytes.count / 2] * 100)) "
      + "and \(text((bytes.last ?? 0) * 100)) %; the search "
      + "\(isSame ? "names the same ten" : "NAMES OTHERS") after \(outcome.simulations) "
      + "simulations, checksum \(best)")
  return tooHigh.isEmpty && isSame
}

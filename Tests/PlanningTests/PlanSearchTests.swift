import Clusters
import Models
import Plans
import Simulation
import Testing

import Planning

/// The search against all plans of small spaces, simulated one by one.
@Suite struct PlanSearchTests {
  /// A model and a grid that is small enough to be simulated whole.
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var architecture: Architecture
    var cluster: String
    var devices: Int
    var settings: SearchSettings
    /// Whether its plans are sought by memory, too.
    var ranksByMemory = false
    var testDescription: String { name }

    func space(on cluster: Cluster) throws -> SearchSpace {
      try SearchSpace(settings, devices: devices, for: architecture, on: cluster)
    }
  }

  static func settings(_ batch: Int, _ sequence: Int, _ listed: String...) -> SearchSettings {
    var settings = SearchSettings()
    settings.globalBatch = batch
    settings.sequenceLength = sequence
    settings.listed = listed
    return settings
  }

  private static let dense = Architecture.gpt(
    name: "small", hidden: 1024, layers: 7, heads: 16, vocabulary: 4096, positions: 1024)

  static let cases: [Case] = [
    Case(
      name: "dense, all schedules", architecture: dense, cluster: "h100-2048", devices: 16,
      settings: settings(
        32, 512, "tensor-parallel=1,2", "context-parallel=1", "microbatch-size=1,2",
        "zero-stage=0,3", "recompute=none,full")),
    Case(
      name: "dense, sharding", architecture: dense, cluster: "a100-selene", devices: 8,
      settings: settings(
        32, 1024, "schedule=1f1b,interleaved-1f1b", "context-parallel=1,2",
        "tensor-parallel=1,4", "layers-per-stage=even,balanced"), ranksByMemory: true),
    Case(
      name: "mixture", architecture: mixtral, cluster: "h100-2048", devices: 16,
      settings: settings(
        32, 1024, "tensor-parallel=1,2", "pipeline-parallel=1,2,4", "schedule=1f1b,dualpipev",
        "expert-parallel=1,2,8", "recompute=none,[rms-norm, swiglu]", "zero-stage=1,2",
        "microbatch-size=1", "communication-sms=8,20", "layers-per-stage=even")),
    Case(
      name: "groups of shards", architecture: dense, cluster: "h100-2048", devices: 32,
      settings: settings(
        32, 1024, "tensor-parallel=1,2", "context-parallel=1", "pipeline-parallel=1,2,4",
        "schedule=1f1b,zbv", "zero-stage=1,2,3", "microbatch-size=1", "recompute=none")),
    Case(
      name: "layers and exchanges", architecture: dense, cluster: "h800-2048", devices: 8,
      settings: settings(
        32, 1024, "tensor-parallel=2,4", "context-parallel=1", "schedule=1f1b,interleaved-1f1b",
        "zero-stage=0,1", "microbatch-size=1", "recompute-layers=1,2",
        "overlap.tensor-exchange=false,bulk,chunked")),
    Case(
      name: "merged pairs", architecture: mixtral, cluster: "h800-2048", devices: 16,
      settings: settings(
        32, 1024, "tensor-parallel=1,2", "pipeline-parallel=1,2",
        "schedule=1f1b,interleaved-1f1b,dualpipe", "expert-parallel=2,4", "recompute=none",
        "zero-stage=0,3", "microbatch-size=1", "dispatcher=deepep,all-to-all",
        "layers-per-stage=even", "communication-sms=20", "overlap.tensor-exchange=false")),
  ]

  /// Mixtral's blocks, four of them.
  private static var mixtral: Architecture {
    guard var model = try? Architecture.named("mixtral-8x7b") else { return dense }
    model.layerCount = 4
    model.feedForwards = Array(model.feedForwards.prefix(4))
    return model
  }

  /// No plan is there twice, no bound of any step of the search lies above what a plan takes, and the search
  /// finds what the simulation of all plans finds, in the same order.
  @Test(arguments: cases) func findsTheBest(_ item: Case) throws {
    let cluster = try Cluster.named(item.cluster)
    let space = try item.space(on: cluster)
    let exhaustive = ExhaustiveSearch(space, for: item.architecture, on: cluster)
    let all = exhaustive.plans
    #expect(all.count > 90)
    for found in all {
      let (plan, report) = (found.plan.plan, found.plan.report)
      #expect(found.bound.seconds <= report.stepSeconds, "\(plan.name) \(plan.layout.text)")
      #expect(
        found.bound.bytes <= Double(report.memory.peak), "\(plan.name) \(plan.layout.text)")
    }
    // Bounds that leave out slow devices, messages or channels lie further below.
    let tightest = all.map { $0.bound.seconds / $0.plan.report.stepSeconds }.max() ?? 0
    #expect(tightest > 0.93, "\(tightest)")
    // A limit that half of them keep.
    let limit = exhaustive.middleBytes
    var request = PlanSearch.Request()
    request.count = 12
    request.memoryLimit = limit
    request.mostSimulations = nil
    let outcome = try PlanSearch(
      space, for: item.architecture, on: cluster, request: request
    ).run()
    let expected = try exhaustive.best(12, within: limit)
    #expect(outcome.plans.count == 12 && outcome.leastOpen == nil)
    #expect(outcome.plans.map(\.plan.yaml) == expected.map(\.plan.yaml))
    #expect(outcome.plans.map(\.report) == expected.map(\.report))
    let counts = outcome.counts
    #expect(
      counts.size == counts.refused + counts.outOfMemory + counts.bounded + counts.simulated)
    #expect(counts.bounded >= 0 && outcome.simulations <= all.count)
    // Loads are drawn for mixtures alone; what equal ones rule out is not simulated with drawn ones.
    let isMixture = item.architecture.feedForwards.contains { $0.mixture != nil }
    #expect((outcome.evenSimulations > 0) == isMixture)
    if isMixture { try expectSameInParts(outcome, item, space, on: cluster, request) }
    expectNoPlanTwice(all, item)
    if item.ranksByMemory { try expectLeastMemory(all, item, space, on: cluster) }
  }

  /// Parts that are searched first share what is known, but not costs for other multiprocessors.
  private func expectSameInParts(
    _ whole: SearchOutcome, _ item: Case, _ space: SearchSpace, on cluster: Cluster,
    _ request: PlanSearch.Request
  ) throws {
    var request = request
    request.largeSize = 1
    let parts = try PlanSearch(
      space, for: item.architecture, on: cluster, request: request
    ).run()
    #expect(parts.leastOpen == nil && parts.evenSimulations > whole.evenSimulations / 2)
    #expect(parts.plans.map(\.report) == whole.plans.map(\.report))
  }

  private func expectNoPlanTwice(_ all: [ExhaustiveSearch.Found], _ item: Case) {
    let plans = all.map { found in
      var plan = found.plan.plan
      if let layout = try? plan.stageLayout(of: item.architecture) {
        plan.layout = .units(layout.stages.map(\.count))
      }
      return plan
    }
    #expect(Set(plans).count == plans.count)
  }

  /// By memory the smallest peak comes first, whatever its step takes.
  private func expectLeastMemory(
    _ all: [ExhaustiveSearch.Found], _ item: Case, _ space: SearchSpace, on cluster: Cluster
  ) throws {
    var request = PlanSearch.Request()
    request.objective = .memory
    request.mostSimulations = nil
    let outcome = try PlanSearch(
      space, for: item.architecture, on: cluster, request: request
    ).run()
    let peaks = all.map(\.plan.report.memory.peak).sorted()
    #expect(outcome.plans.map(\.report.memory.peak) == Array(peaks.prefix(10)))
  }

  @Test func threadsDoNotMatter() throws {
    let item = Self.cases[0]
    let cluster = try Cluster.named(item.cluster)
    let space = try item.space(on: cluster)
    var outcomes: [SearchOutcome] = []
    for threads in [1, 2, 3] {
      var request = PlanSearch.Request()
      request.threads = threads
      outcomes.append(
        try PlanSearch(space, for: item.architecture, on: cluster, request: request).run())
    }
    for other in outcomes.dropFirst() {
      #expect(other.plans == outcomes[0].plans && other.front == outcomes[0].front)
      #expect(other.counts == outcomes[0].counts)
      #expect(other.simulations == outcomes[0].simulations)
    }
  }

  /// What is written reads back as the same plan, and its step is the one that was reported.
  @Test func writtenPlansAreThePlans() throws {
    let item = Self.cases[2]
    let cluster = try Cluster.named(item.cluster)
    let outcome = try PlanSearch(
      try item.space(on: cluster), for: item.architecture, on: cluster
    ).run()
    #expect(!outcome.plans.isEmpty)
    for found in outcome.plans {
      let read = try Plan.read(
        .init(text: found.plan.yaml, name: "best.yaml"), name: "best",
        world: .devices(cluster.rankCount))
      #expect(read == found.plan)
      let step = try PlannedStep(
        architecture: item.architecture, cluster: cluster, plan: read)
      #expect(step.report(replaysAllocator: true) == found.report)
    }
  }

  /// A search that ends early says how fast a plan could still be.
  @Test func endsEarly() throws {
    let item = Self.cases[0]
    let cluster = try Cluster.named(item.cluster)
    var request = PlanSearch.Request()
    request.mostSimulations = 1
    let outcome = try PlanSearch(
      try item.space(on: cluster), for: item.architecture, on: cluster, request: request
    ).run()
    let open = try #require(outcome.leastOpen)
    // What was simulated until then is listed, with its allocator replayed.
    #expect(!outcome.plans.isEmpty && outcome.plans.count <= outcome.simulations)
    #expect(outcome.plans.allSatisfy { $0.report.memory.reservation != nil })
    #expect(open > 0)
    request.mostSimulations = nil
    let whole = try PlanSearch(
      try item.space(on: cluster), for: item.architecture, on: cluster, request: request
    ).run()
    let best = try #require(whole.plans.first)
    #expect(best.report.stepSeconds <= (outcome.plans.first?.report.stepSeconds ?? .infinity))
  }

  /// Steps that take longer than allowed are none, and the least of them is told.
  @Test func nothingIsFastEnough() throws {
    let item = Self.cases[1]
    let cluster = try Cluster.named(item.cluster)
    var request = PlanSearch.Request()
    request.longestStep = 1e-6
    let outcome = try PlanSearch(
      try item.space(on: cluster), for: item.architecture, on: cluster, request: request
    ).run()
    #expect(outcome.plans.isEmpty && outcome.simulations == 0)
    #expect(try #require(outcome.leastSlow) > 1e-6)
  }

  /// An interrupted search says so, and does no more.
  @Test func interrupted() throws {
    let item = Self.cases[1]
    let cluster = try Cluster.named(item.cluster)
    var request = PlanSearch.Request()
    request.isInterrupted = { true }
    let outcome = try PlanSearch(
      try item.space(on: cluster), for: item.architecture, on: cluster, request: request
    ).run()
    #expect(outcome.isInterrupted && outcome.plans.isEmpty && outcome.simulations == 0)
    let counts = outcome.counts
    #expect(counts.size == counts.refused + counts.outOfMemory + counts.bounded)
  }

  /// A grid with more alternatives has a best plan that is no slower.
  @Test func moreAlternativesAreNoWorse() throws {
    var item = Self.cases[4]
    let cluster = try Cluster.named(item.cluster)
    func best(_ item: Case) throws -> Double {
      let outcome = try PlanSearch(
        try item.space(on: cluster), for: item.architecture, on: cluster
      ).run()
      return try #require(outcome.plans.first).report.stepSeconds
    }
    let whole = try best(item)
    item.settings.listed.removeLast()
    item.settings.listed.append("overlap.tensor-exchange=false")
    #expect(try whole <= best(item))
  }

  /// The constant that decides between two plans is found where they meet: one moves nothing over NVLink.
  @Test func constantsChangeTheWinner() throws {
    let item = Self.cases[0]
    let cluster = try Cluster.named(item.cluster)
    let outcome = try PlanSearch(
      try item.space(on: cluster), for: item.architecture, on: cluster
    ).run()
    let doubt = SearchDoubt(outcome.plans, of: item.architecture, threads: 1) { key, factor in
      key == "device.launch.host"
        ? try? Cluster.named(item.cluster, overrides: ["device.launch.host=\(5 * factor) us"]) : nil
    }
    for change in doubt.changes() {
      #expect(change.constant.key == "device.launch.host")
      #expect(change.constant.range.contains(change.factor) && change.step < change.stepBefore)
      #expect(change.winner.yaml != outcome.plans[0].plan.yaml)
    }
  }

  @Test func nothingFits() throws {
    let item = Self.cases[0]
    let cluster = try Cluster.named(item.cluster)
    var request = PlanSearch.Request()
    request.memoryLimit = 1 << 20
    let outcome = try PlanSearch(
      try item.space(on: cluster), for: item.architecture, on: cluster, request: request
    ).run()
    #expect(outcome.plans.isEmpty && outcome.simulations == 0)
    #expect(try #require(outcome.leastOverflow) > 0x1p20)
  }
}

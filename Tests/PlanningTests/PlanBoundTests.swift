import Clusters
import Models
import Plans
import Simulation
import Testing

import Planning

/// Bounds where what makes them sharp is far stronger than on clusters that ship: none may lie above a step.
@Suite struct PlanBoundTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var architecture: Architecture
    var cluster: String
    var overrides: [String]
    var devices: Int
    var settings: SearchSettings
    /// Plans that the space has at least.
    var atLeast: Int
    var testDescription: String { name }
  }

  private static let dense = Architecture.gpt(
    name: "small", hidden: 1024, layers: 7, heads: 16, vocabulary: 4096, positions: 1024)

  /// Mixtral's first layers, with experts of these widths.
  private static func mixture(_ widths: Int...) -> Architecture {
    guard var model = try? Architecture.named("mixtral-8x7b"),
      case .mixture(let mixture) = model.feedForwards[0]
    else { return dense }
    model.feedForwards = widths.map { width in
      var own = mixture
      own.expertWidth = width
      return .mixture(own)
    }
    return model
  }

  static let cases: [Case] = [
    // A stage with exchanges that nothing hides meets one with kernels that hide them.
    Case(
      name: "pairs of unlike mixtures", architecture: mixture(64, 14336), cluster: "h800-2048",
      overrides: ["node.link.bandwidth=20 GB/s", "node.link.reached=20 GB/s"], devices: 16,
      settings: PlanSearchTests.settings(
        32, 1024, "tensor-parallel=1", "pipeline-parallel=2", "schedule=dualpipe",
        "expert-parallel=2,4,8", "zero-stage=0,1,3", "microbatch-size=1", "recompute=none",
        "dispatcher=deepep,all-to-all", "layers-per-stage=even", "communication-sms=20"),
      atLeast: 4),
    // Another order of segments hides more than the published one.
    Case(
      name: "pairs by a list", architecture: mixture(4096, 4096, 4096, 4096),
      cluster: "h800-2048", overrides: [], devices: 16,
      settings: PlanSearchTests.settings(
        32, 1024, "tensor-parallel=1", "pipeline-parallel=2", "schedule=dualpipe",
        "expert-parallel=4", "zero-stage=0,1", "microbatch-size=1", "recompute=none",
        "dispatcher=deepep", "layers-per-stage=even", "communication-sms=20",
        "pair-order=[b:attention, b:combine, f:attention, f:dispatch, b:experts, b:dispatch, "
          + "f:experts, f:combine]"), atLeast: 1),
    // Kernels of slow devices hide more, and so do waits for them.
    Case(
      name: "unequal devices beside reductions", architecture: dense, cluster: "h100-2048",
      overrides: [
        "device.jitter.lasting=0.2", "device.jitter.operation=0.2",
      ], devices: 16,
      settings: PlanSearchTests.settings(
        64, 512, "tensor-parallel=1,2", "context-parallel=1", "schedule=1f1b,zbv",
        "microbatch-size=1", "zero-stage=2,3", "recompute=none", "layers-per-stage=even"),
      atLeast: 4),
    // Half of the device goes to each collective, tensor exchanges among them.
    Case(
      name: "wide channels", architecture: dense, cluster: "h100-2048",
      overrides: ["node.collectives.ring.multiprocessors=56"], devices: 16,
      settings: PlanSearchTests.settings(
        64, 512, "tensor-parallel=1,2", "context-parallel=1,2", "schedule=1f1b",
        "microbatch-size=1", "zero-stage=2,3", "recompute=none,full", "layers-per-stage=even"),
      atLeast: 8),
    // Groups with two ranks and one on a node take few channels, where those of whole nodes would take half of the
    // device.
    Case(
      name: "few channels",
      architecture: (try? .named("llama-3.1-8b")) ?? dense,
      cluster: "h100-2048", overrides: ["node.collectives.ring.multiprocessors=56"], devices: 16,
      settings: PlanSearchTests.settings(
        16, 8192, "tensor-parallel=4,8", "context-parallel=1", "pipeline-parallel=1",
        "schedule=1f1b", "microbatch-size=1", "zero-stage=2,3", "recompute=none",
        "overlap.tensor-exchange=false"), atLeast: 4),
    // A half for the input cuts the exchanges that a whole backward runs beside its weight products: kernels of
    // chunks draw less, and under a power cap run at a higher clock.
    Case(
      name: "halves beside chunks",
      architecture: .gpt(
        name: "small", hidden: 2048, layers: 10, heads: 16, vocabulary: 32_000, positions: 16_384),
      cluster: "h100-2048", overrides: [], devices: 16,
      settings: PlanSearchTests.settings(
        16, 16_384, "tensor-parallel=8", "context-parallel=1", "pipeline-parallel=2",
        "schedule=zb-h1,zb-h2,zb-1p", "microbatch-size=1", "zero-stage=0", "recompute=none",
        "layers-per-stage=even", "overlap.tensor-exchange=chunked"), atLeast: 3),
  ]

  @Test(arguments: cases) func noBoundLiesAboveAStep(_ item: Case) throws {
    let cluster = try Cluster.named(item.cluster, overrides: item.overrides)
    let space = try SearchSpace(
      item.settings, devices: item.devices, for: item.architecture, on: cluster)
    let all = ExhaustiveSearch(space, for: item.architecture, on: cluster).plans
    #expect(all.count >= item.atLeast)
    for found in all {
      #expect(
        found.bound.seconds <= found.plan.report.stepSeconds,
        "\(found.plan.plan.name) \(found.plan.plan.layout.text)")
    }
  }

  /// The least loss counts first, then the next, and what finds no kernel is waited for.
  @Test func hidingCostsTheLeastFirst() {
    var room = HidingRoom()
    // Of a kernel of 2 s beside a collective a quarter is lost, the lower end of whose class is 0.25; of
    // one of 1 s nothing.
    room.add([(without: 1.5, with: 2)])
    room.add([(without: 1, with: 1)])
    #expect(room.loss(hiding: 0.5) == 0)
    #expect(room.loss(hiding: 2) == 0.25)
    #expect(room.loss(hiding: 4) == 0.5 + 1)
    // Twice as many kernels hide twice as much.
    #expect((2.0 * room).loss(hiding: 2) == 0)
  }

  /// A kernel that loses half of its speed by itself, and nothing where another collective has slowed it
  /// already, may lose nothing.
  @Test func wavesMayHideALoss() {
    var room = HidingRoom()
    room.add([(without: 1, with: 2), (without: 2, with: 2)])
    #expect(room.loss(hiding: 2) == 0)
    #expect(room.loss(hiding: 3) == 1)
  }

  /// The least bound of a space of dense plans on a cluster with these values.
  private func least(_ settings: SearchSettings, devices: Int, _ override: String) throws -> Double
  {
    let cluster = try Cluster.named("h100-2048", overrides: [override])
    let space = try SearchSpace(settings, devices: devices, for: Self.dense, on: cluster)
    let all = ExhaustiveSearch(space, for: Self.dense, on: cluster).plans
    return try #require(all.map(\.bound.seconds).min())
  }

  /// Messages count: of four positions three there and three back before the first one is through.
  @Test func messagesCount() throws {
    let settings = PlanSearchTests.settings(
      64, 512, "tensor-parallel=1", "context-parallel=1", "pipeline-parallel=4", "schedule=1f1b",
      "microbatch-size=1", "zero-stage=0", "recompute=none", "layers-per-stage=even")
    let short = try least(settings, devices: 4, "node.link.latency=1 us")
    let long = try least(settings, devices: 4, "node.link.latency=1001 us")
    #expect(long - short >= 6 * 1000e-6 * 0.999)
  }

  /// The slowest of eight devices counts: with a spread of a fifth its kernels take 1.28 times as long, since
  /// the largest of eight normal numbers has a mean of 1.424; reductions and the update behind them do not.
  @Test func slowDevicesCount() throws {
    let settings = PlanSearchTests.settings(
      512, 512, "tensor-parallel=1", "context-parallel=1", "pipeline-parallel=1", "schedule=1f1b",
      "microbatch-size=1", "zero-stage=0", "recompute=none", "layers-per-stage=even")
    let even = try least(settings, devices: 8, "device.jitter.lasting=0.0001")
    let uneven = try least(settings, devices: 8, "device.jitter.lasting=0.2")
    #expect(uneven > 1.15 * even && uneven < 1.2848 * even)
  }

  /// Kernels beside a tensor group's exchanges have the multiprocessors that those leave.
  @Test func channelsCount() throws {
    let settings = PlanSearchTests.settings(
      64, 512, "tensor-parallel=2", "context-parallel=1", "pipeline-parallel=1", "schedule=1f1b",
      "microbatch-size=1", "zero-stage=0", "recompute=none", "layers-per-stage=even",
      "overlap.tensor-exchange=bulk")
    let few = try least(settings, devices: 2, "node.collectives.ring.multiprocessors=1")
    let many = try least(settings, devices: 2, "node.collectives.ring.multiprocessors=100")
    #expect(many > 1.001 * few)
  }

  /// Where a forward and a backward go one after the other nothing hides their exchanges: a bound has them and the
  /// kernels, that of merged pairs the longer of the two, which on slow links are exchanges.
  @Test func waitsOfSerialPairsCount() throws {
    let model = Self.mixture(4096, 4096, 4096, 4096)
    let cluster = try Cluster.named(
      "h800-2048", overrides: ["node.link.bandwidth=20 GB/s", "node.link.reached=20 GB/s"])
    func least(_ merged: Bool) throws -> Double {
      let settings = PlanSearchTests.settings(
        64, 1024, "tensor-parallel=1", "pipeline-parallel=2", "schedule=dualpipe",
        "expert-parallel=4", "zero-stage=1", "microbatch-size=1", "recompute=none",
        "dispatcher=deepep", "layers-per-stage=even", "communication-sms=20",
        "overlap.expert-exchange=\(merged)")
      let space = try SearchSpace(settings, devices: 16, for: model, on: cluster)
      let all = ExhaustiveSearch(space, for: model, on: cluster).plans
      for found in all { #expect(found.bound.seconds <= found.plan.report.stepSeconds) }
      return try #require(all.map(\.bound.seconds).min())
    }
    #expect(try least(false) > 1.03 * least(true))
  }
}

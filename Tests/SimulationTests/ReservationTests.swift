import Clusters
import Models
import Plans
import Simulation
import Testing

/// What a step's memory is to the allocator, and whether it fits.
@Suite struct ReservationTests {
  private static func report(
    _ more: [String] = [], cluster: [String] = []
  ) throws -> StepReport {
    let plan = ["data-parallel: 8", "global-batch: 16", "sequence-length: 2048", "zero-stage: 1"]
    return try PlannedStep(
      architecture: .named("llama-3.1-8b", overrides: ["num_hidden_layers=4"]),
      cluster: .named("h800-2048", overrides: cluster),
      plan: .read(
        .init(text: (plan + more).joined(separator: "\n"), name: "plan"), name: "plan")
    ).report(replaysAllocator: true)
  }

  /// Segments hold what is live at the peak, and growing ones hardly more.
  @Test func segmentsHoldThePeak() throws {
    let usual = try #require(try Self.report().memory.reservation)
    let peak = try Self.report().memory.peak
    let growing = try #require(try Self.report(["expandable-segments: true"]).memory.reservation)
    #expect(usual.fits && growing.fits)
    #expect(usual.reserved >= peak && growing.reserved >= peak)
    #expect(growing.reserved <= usual.reserved)
    #expect(Double(growing.reserved) < 1.1 * Double(peak))
  }

  /// A device that holds peak and reserve has room; one that holds a little less has not.
  @Test func theReserveDecides() throws {
    let report = try Self.report()
    let (peak, reserve) = (report.memory.peak, report.memory.reserve)
    #expect(reserve == 1 << 30)
    let reserved = try #require(report.memory.reservation).reserved
    let roomy = try Self.report(cluster: ["device.memory.size=\(reserved + reserve) B"])
    #expect(roomy.fits && roomy.memory.reservation?.reserved == reserved)
    let full = try Self.report(cluster: ["device.memory.size=\(peak + reserve - (1 << 20)) B"])
    #expect(!full.fits)
    let spared = try Self.report(
      ["memory-reserve: 0 B"], cluster: ["device.memory.size=\(reserved) B"])
    #expect(spared.fits)
  }

  /// Megatron-LM holds a dummy gradient for every shape of a weight, however many layers have it, and the
  /// workspaces of Transformer Engine's products and of PyTorch's, one for each thread; tensor ranks hold their
  /// parts.
  @Test(arguments: [1, 2]) func frameworksHoldBuffers(tensor: Int) throws {
    let degrees = ["tensor-parallel: \(tensor)"]
    let plain = try Self.report(degrees)
    let megatron = try Self.report(degrees + ["framework: megatron-lm"])
    // Queries with keys and values, their output, gate with up, down, head.
    let rows = [(6144, 4096), (4096, 4096), (28672, 4096), (14336, 4096), (128_256, 4096)]
    let dummies = rows.reduce(0) { $0 + 2 * $1.0 * $1.1 / tensor }
    let workspaces = 3 * (32 << 20) + 1024
    #expect(plain.memory.workspace.isEmpty)
    #expect(megatron.memory.workspace.map(\.bytes) == [dummies, workspaces])
    #expect(megatron.memory.peak == plain.memory.peak + dummies + workspaces)
    let reserved = try #require(megatron.memory.reservation).reserved
    #expect(reserved >= megatron.memory.peak)
  }

  /// The fullest rank's own rows are replayed: what is reserved covers its peak and grows with the heat, and a device
  /// between what equal and what counted rows need has room for the former alone.
  @Test(arguments: [[5, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0, 0]])
  func hotExpertsAreReserved(counts: [Int]) throws {
    let balanced = try ExpertCountsTests.step(nil).report(replaysAllocator: true).memory
    let step = try ExpertCountsTests.step(counts)
    let hot = step.report(replaysAllocator: true).memory
    let (even, own) = (try #require(balanced.reservation), try #require(hot.reservation))
    #expect(hot.peak > balanced.peak)
    #expect(even.reserved >= balanced.peak && own.reserved >= hot.peak)
    #expect(own.reserved > even.reserved)
    let report = step.report(replaysAllocator: true)
    #expect(step.fits(report, within: own.reserved + hot.reserve))
    #expect(!step.fits(report, within: hot.peak + hot.reserve - 1))
  }

  /// Equal counts are the balanced plan to the byte.
  @Test func equalCountsReserveTheSame() throws {
    let balanced = try ExpertCountsTests.step(nil).report(replaysAllocator: true).memory
    let equal = try ExpertCountsTests.step(Array(repeating: 900, count: 8))
      .report(replaysAllocator: true).memory
    #expect(equal.peak == balanced.peak && equal.reservation == balanced.reservation)
  }

  /// Full of what is cached, the allocator gives it back and goes on.
  @Test func cachedMemoryIsGivenBack() throws {
    let report = try Self.report()
    let reserved = try #require(report.memory.reservation).reserved
    let size = report.memory.reserve + reserved - (2 << 20)
    let bounded = try Self.report(cluster: ["device.memory.size=\(size) B"])
    let reservation = try #require(bounded.memory.reservation)
    #expect(reservation.reserved <= size - bounded.memory.reserve || !reservation.fits)
    #expect(reservation.reserved >= bounded.memory.peak || !reservation.fits)
  }
}

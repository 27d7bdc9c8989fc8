import Models
import Plans
import Testing

/// Plans of thousands of devices, made small for CPU ranks.
@Suite struct ScalingTests {
  /// The published plan of DeepSeek-V3 on 4 and 8 ranks: DualPipe on as many pipeline ranks as there are,
  /// microbatches in proportion, nothing that CPU ranks refuse.
  @Test(arguments: [(1, nil, 0), (4, 4, 1), (8, 8, 1)])
  func dualPipe(ranks: Int, pipeline: Int?, data: Int) throws {
    let architecture = try Architecture.named("deepseek-v3")
    let plan = try Plan.named("deepseek-v3", world: .devices(2048))
    guard let pipeline else {
      // DualPipe needs two ranks.
      #expect(throws: PlanError.self) {
        _ = try plan.scaled(toRanks: ranks, for: architecture)
      }
      return
    }
    let scaled = try plan.scaled(toRanks: ranks, for: architecture)
    #expect(scaled.plan.schedule == plan.schedule)
    #expect(scaled.plan.pipelineParallel == pipeline && scaled.plan.dataParallel == data)
    // 120 microbatches on 16 ranks are 8 rounds.
    #expect(scaled.plan.microbatchCount == 8 * pipeline)
    #expect(scaled.plan.precision == .float32 && scaled.plan.expertParallel == 1)
    #expect(scaled.plan.worldSize == ranks)
    #expect(scaled.changes.contains { $0.hasPrefix("expert-parallel 64 becomes 1") })
    #expect(!scaled.changes.contains { $0.hasPrefix("schedule") })
  }

  /// Data ranks that a pipeline leaves share the experts.
  @Test func expertsStaySpread() throws {
    let architecture = try Architecture.named("mixtral-8x7b")
    var plan = Plan()
    (plan.dataParallel, plan.tensorParallel, plan.pipelineParallel) = (8, 4, 2)
    (plan.expertParallel, plan.expertTensorParallel) = (8, 1)
    (plan.globalBatch, plan.sequenceLength, plan.zeroStage) = (64, 4096, .parameters)
    plan.shardingGroup = 4
    let scaled = try plan.scaled(toRanks: 8, for: architecture)
    #expect(scaled.plan.pipelineParallel == 2 && scaled.plan.dataParallel == 4)
    #expect(scaled.plan.expertParallel == 4 && scaled.plan.tensorParallel == 1)
    #expect(scaled.plan.zeroStage == .optimizer && scaled.plan.shardingGroup == nil)
    for part in [
      "tensor-parallel 4 becomes 1", "zero-stage 3 becomes 1", "sharding-group 4 is dropped",
      "sequence-length 4096 becomes 128",
    ] {
      #expect(scaled.changes.contains(part), "\(scaled.changes)")
    }
  }

  /// What is written reads back as the same plan.
  @Test func readsBack() throws {
    let architecture = try Architecture.named("deepseek-v3")
    let plan = try Plan.named("deepseek-v3", world: .devices(2048))
    let scaled = try plan.scaled(toRanks: 4, for: architecture).plan
    let read = try Plan.read(
      .init(text: scaled.yaml, name: "small.yaml"), name: "small", world: .ranks(4))
    #expect(read == scaled)
  }
}

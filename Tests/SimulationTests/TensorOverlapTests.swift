import Clusters
import Costs
import Engines
import Models
import Plans
import Programs
import Simulation
import Testing

/// Tensor exchanges beside products: Llama-3.1-70B on eight tensor ranks of one node.
@Suite struct TensorOverlapTests {
  static func step(
    _ exchange: String, sequence: Int = 8_192, cluster: [String] = [], more: [String] = []
  ) throws -> PlannedStep {
    let text = """
      tensor-parallel: 8
      sequence-parallel: true
      pipeline-parallel: 8
      global-batch: 8
      sequence-length: \(sequence)
      overlap: {tensor-exchange: \(exchange)}
      """
    return try PlannedStep(
      architecture: .named("llama-3.1-70b"),
      cluster: .shipped("h100-2048", overrides: cluster),
      plan: .read(.init(text: text, name: "plan"), name: "plan", overrides: more))
  }

  /// At 8,192 tokens nearly all that can be hidden is, and it saves time; what bulk hides lies between.
  @Test func longSequencesHideTheirExchanges() throws {
    let reports = try ["false", "bulk", "chunked"].map { try Self.step($0).report() }
    #expect(reports[0].tensor.hidden == 0)
    #expect(reports[1].stepSeconds < reports[0].stepSeconds)
    #expect(reports[2].stepSeconds < reports[1].stepSeconds)
    let share = reports.map { $0.tensor.exposed / reports[0].tensor.total }
    #expect(share[1] < 0.75)
    #expect(share[2] < 0.3, "\(share)")
    // The work is the same.
    let work = reports.map { $0.mfuCausal * $0.stepSeconds }
    #expect(abs(work[2] / work[0] - 1) < 1e-9)
  }

  /// At 256 tokens starts and launches of chunks cost more than their exchanges did.
  @Test func shortSequencesLose() throws {
    let seconds = try ["false", "bulk", "chunked"].map {
      try Self.step($0, sequence: 256).report().stepSeconds
    }
    #expect(seconds[2] > seconds[0])
    #expect(seconds[2] > seconds[1])
  }

  @Test func trueIsChunkedWithSequenceParallelismElseBulk() throws {
    let names = ["true", "chunked"]
    let steps = try names.map { try Self.step($0).simulation.run().step }
    #expect(steps[0] == steps[1])
    let alone = try ["true", "bulk", "false"].map {
      try Self.step($0, more: ["sequence-parallel=false"]).simulation.run().step
    }
    #expect(alone[0] == alone[1])
    #expect(alone[0] < alone[2])
    let error = #expect(throws: PlanError.self) {
      try Self.step("chunked", more: ["sequence-parallel=false"])
    }
    #expect(error.map { "\($0)".contains("no gathers and scatters to cut") } == true)
  }

  /// At most two gathered inputs and the partial sums of others are held beside what is held anyway.
  @Test func chunksHoldLittleMore() throws {
    let memory = try ["false", "chunked"].map { try Self.step($0).report().memory.peak }
    let gathered = 8_192 * 8_192 * 2
    #expect(abs(memory[1] - memory[0]) <= 3 * gathered)
  }

  private struct Spans {
    var list: [Timeline.Span]
    var program: Program

    func span(ofOperation index: Int) throws -> Timeline.Span {
      try #require(list.first { $0.kind == .operation(Int32(index)) })
    }
  }

  private static func forward(_ step: PlannedStep) throws -> Spans {
    var simulation = step.simulation
    simulation.keepsSpans = true
    let result = simulation.run()
    let item = try #require(
      result.ranks[1].items.first {
        if case .run(let action) = $0.item { action.pass == .forward } else { false }
      })
    return Spans(list: item.spans, program: step.input.stages[1].forward)
  }

  /// From the copy of its own rows to the last product, and from the first product to the sum, a chunked
  /// product takes what the closed form of `TensorProductCost` says.
  @Test(arguments: [1_024, 4_096, 8_192]) func aChunkedProductTakesItsClosedForm(sequence: Int)
    throws
  {
    let step = try Self.step(
      "chunked", sequence: sequence,
      cluster: ["device.launch.host=0 us", "device.power-cap=null", "device.jitter=null"])
    let device = try DeviceModel(step.cluster.device)
    let cost = try #require(
      TensorProductCost(step.cluster, device, CollectiveConstants(step.cluster)))
    let group = CollectiveGroup(ranks: 8, ranksPerNode: 8)
    let spans = try Self.forward(step)
    let operations = spans.program.operations
    let products = operations.indices.filter {
      if case .matmul = operations[$0].kernel { true } else { false }
    }
    // Queries, keys and values of ten heads, behind the copy of the rows; the way back, before the sum.
    let (first, second) = (products[0] - 1, products[8])
    let gathered =
      try spans.span(ofOperation: products[7]).end
      - spans.span(ofOperation: first).start
    let scattered =
      try spans.span(ofOperation: products[15] + 1).end
      - spans.span(ofOperation: second).start
    let wide = cost.inChunks(
      .gather, MatmulShape(m: sequence, n: 1_280, k: 8_192), group: group)
    let deep = cost.inChunks(
      .scatter, MatmulShape(m: sequence, n: 8_192, k: 1_024), group: group)
    #expect(abs(Double(gathered) * 1e-12 / wide - 1) < 1e-6)
    #expect(abs(Double(scattered) * 1e-12 / deep - 1) < 1e-6)
  }

  /// Without a limit by exchange or by product, time is the other's: products one behind the other, or one
  /// product behind the last chunk.
  @Test func theLongerOfBothDecides() throws {
    func cost(_ overrides: [String]) throws -> TensorProductCost {
      let cluster = try Cluster.shipped(
        "h100-2048", overrides: ["device.launch.host=0 us"] + overrides)
      return try #require(
        TensorProductCost(cluster, DeviceModel(cluster.device), CollectiveConstants(cluster)))
    }
    let group = CollectiveGroup(ranks: 8, ranksPerNode: 8)
    let one = CollectiveGroup(ranks: 1, ranksPerNode: 1)
    let shape = MatmulShape(m: 8_192, n: 3_584, k: 8_192)
    let part = MatmulShape(m: 1_024, n: 3_584, k: 8_192)
    let fast = try cost(["node.collectives.direct.link-start=0 us"])
    let chunk = fast.inChunks(.gather, part, group: one)
    // The copy of the own rows comes first, and no chunk is waited for.
    let cluster = try Cluster.shipped("h100-2048")
    let device = try DeviceModel(cluster.device)
    let bytes = 1_024.0 * 8_192 * 2
    let copy = device.launchGap + StreamingCost(device).cost(.copy, bytes: 2 * bytes).seconds
    #expect(abs(fast.inChunks(.gather, shape, group: group) - copy - 8 * chunk) < 1e-12)
    let slow = try cost(["node.collectives.direct.link-start=1 ms"])
    let step =
      1e-3
      + CollectiveCost(try CollectiveConstants(cluster))
      .secondsOfSend(bytes: bytes, insideNode: true)
    #expect(abs(slow.inChunks(.gather, shape, group: group) - copy - 7 * step - chunk) < 1e-9)
  }
}

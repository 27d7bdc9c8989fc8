import Clusters
import Costs
import Foundation
import Models
import Plans
import Programs
import Simulation
import Testing

/// Experts over all ranks of a pipeline position, those of tensor and context groups among them.
@Suite struct FoldingTests {
  static let tokens = 4_096

  /// Qwen3-235B: 94 layers of 128 experts, 8 for each token, each with three matrices of 4,096 by 1,536.
  static let expertParameters = 94 * 128 * 3 * 4_096 * 1_536

  /// A plan of the fixtures.
  static func plan(_ name: String, _ more: [String] = []) throws -> Plan {
    let folder = try #require(Bundle.module.resourceURL).appending(path: "Fixtures/plans")
    let text = try String(contentsOf: folder.appending(path: "\(name).yaml"), encoding: .utf8)
    return try .read(.init(text: text, name: name), name: name, overrides: more)
  }

  static func step(
    _ name: String = "tp2-ep32-pp2", _ more: [String] = [], model: String = "qwen3-235b-a22b",
    cluster: String = "h800-2048"
  ) throws -> PlannedStep {
    try PlannedStep(
      architecture: .named(model), cluster: .named(cluster), plan: plan(name, more))
  }

  private func bytes(_ step: PlannedStep, _ transfer: Transfer, stage: Int = 0) -> Int {
    step.input.balancedRows[stage](transfer.rows) * transfer.bytesPerRow
  }

  // MARK: Plans that run

  @Test(arguments: [
    ("tp2-ep32-pp2", "qwen3-235b-a22b", "h800-2048", 64),
    ("tp8-on-4-key-value-heads", "qwen3-235b-a22b", "h800-2048", 128),
    ("million-tokens-cp8", "llama-3.1-8b", "h100-2048", 8),
  ])
  func publicPlansRun(name: String, model: String, cluster: String, ranks: Int) throws {
    let report = try Self.step(name, model: model, cluster: cluster).report()
    #expect(report.ranks == ranks)
    #expect(report.stepSeconds > 0 && report.mfuCausal > 0.01 && report.mfuCausal < 1)
  }

  /// Qwen3-235B on 256 and 512 ranks, whose experts lie on all 32 ranks of a position, or on half of 64.
  @Test(arguments: [(16, 1), (32, 2)])
  func qwenOnEightPositions(data: Int, copies: Int) throws {
    let step = try Self.step(
      "tp2-ep32-pp2", ["pipeline-parallel=8", "data-parallel=\(data)", "global-batch=512"])
    #expect(step.placed.mesh.worldSize == 16 * data)
    #expect(step.placed.mesh.expertDataParallel == copies)
    #expect(step.report().stepSeconds > 0)
  }

  // MARK: Conservation

  /// Ranks together hold every expert as often as there are expert data ranks, in parameters, in gradients'
  /// elements and, whatever the copies, once in the optimizer's state.
  @Test(arguments: [(32, 1), (16, 1), (16, 2), (8, 1), (8, 4)])
  func everyExpertIsHeldByItsCopies(expert: Int, slices: Int) throws {
    let step = try Self.step(
      "tp2-ep32-pp2", ["expert-parallel=\(expert)", "expert-tensor-parallel=\(slices)"])
    let copies = 32 / (expert * slices)
    let parameters = step.input.stages.flatMap(\.parameters).filter(\.isExpert)
    let held = 32 * parameters.reduce(0) { $0 + $1.elements }
    #expect(held == copies * Self.expertParameters)
    let segments = step.input.stages.flatMap(\.segments).filter { $0.group == .expertGradient }
    for segment in segments {
      #expect(segment.copies == copies)
      #expect(segment.shards.reduce(0) { $0 + $1.count } == segment.elements)
    }
    #expect(segments.reduce(0) { $0 + $1.elements } * 32 == copies * Self.expertParameters)
  }

  // MARK: What is exchanged

  /// Of a sequence of 4,096 a rank sends its half, each token once to every rank that holds one of its
  /// eight experts: by counting the ways to choose none of a rank's four.
  @Test func bytesOfADispatch() throws {
    let step = try Self.step()
    var miss = 1.0
    for index in 0..<8 { miss *= Double(128 - 4 - index) / Double(128 - index) }
    let rows = Int((Double(Self.tokens / 2) * 32 * (1 - miss)).rounded())
    let balanced = step.input.balancedRows[0]
    #expect(balanced.received.allSatisfy { $0 == rows })
    #expect(balanced.routed.allSatisfy { $0 == Self.tokens / 2 * 8 })
    // BF16 rows, and number and weight of each chosen expert.
    let dispatches = step.input.stages[0].forward.transfers.filter {
      if case .dispatch = $0.kind { true } else { false }
    }
    #expect(dispatches.count == 47)
    for transfer in dispatches { #expect(transfer.bytesPerRow == 2 * 4_096 + 8 * 8) }
    // Of the 32 ranks 8 lie in each node.
    let exchange = ExchangeCost(try ExchangeConstants(step.cluster))
    let transfer = try #require(dispatches.first)
    let price = step.pricing.price(ofExchange: transfer, rows: balanced, isOverlapped: false)
    let routing = ExpertRouting(experts: 128, expertsPerToken: 8)
    let shape = ExchangeShape(
      .dispatch, tokens: Self.tokens / 2, rowBytes: Double(2 * 4_096 + 64),
      reach: routing.reach(ranks: 32, ranksPerNode: 8), ranks: 32, ranksPerNode: 8)
    let alone = exchange.parts(shape).payload.seconds
    #expect((price.payload / alone - 1).magnitude < 1e-2)
    #expect(step.pricing.crossesNodes(transfer))
  }

  /// A group of eight ranks with slices of two spans two nodes; folded it stays in one.
  @Test func foldingKeepsAGroupInItsNode() throws {
    let more = ["expert-parallel=8", "recompute=none"]
    let folded = try Self.step("tp2-ep32-pp2", more)
    let tied = try Self.step("tp2-ep32-pp2", more + ["expert-tensor-parallel=2"])
    func dispatch(_ step: PlannedStep) throws -> Transfer {
      try #require(
        step.input.stages[0].forward.transfers.first {
          if case .dispatch = $0.kind { true } else { false }
        })
    }
    #expect(try !folded.pricing.crossesNodes(dispatch(folded)))
    #expect(try tied.pricing.crossesNodes(dispatch(tied)))
    let (one, two) = (folded.simulation.run(), tied.simulation.run())
    #expect(one.ranks[0].flops == two.ranks[0].flops)
    #expect(one.ranks[0].expert.total < two.ranks[0].expert.total)
    #expect(one.ranks[0].tensor.total < two.ranks[0].tensor.total)
  }

  /// Where the ranks of a tensor group have the same tokens, each sends its half, and the results are
  /// gathered behind the combine; the gradient is gathered in front of it.
  @Test(arguments: Plan.Dispatcher.allCases)
  func withoutSequenceParallelismEachRankSendsItsPart(dispatcher: Plan.Dispatcher) throws {
    let more = ["recompute=none", "dispatcher=\(dispatcher.rawValue)"]
    let divided = try Self.step("tp2-ep32-pp2", more)
    let whole = try Self.step("tp2-ep32-pp2", more + ["sequence-parallel=false"])
    #expect(divided.input.balancedRows == whole.input.balancedRows)
    let stage = whole.input.stages[0]
    for program in [stage.forward, stage.backward] {
      let gathers = program.transfers.filter { $0.kind == .allGather(.tensor) }
      #expect(gathers.count == 47)
      for transfer in gathers {
        #expect(bytes(whole, transfer) == Self.tokens / 2 * 4_096 * 2)
      }
    }
    #expect(whole.report().stepSeconds > 0)
  }

  // MARK: Every rank by itself

  /// One rank for all or every rank by itself: the same step.
  @Test(arguments: [(2, 8, 1), (2, 4, 1), (2, 4, 4), (2, 2, 8), (4, 2, 1)])
  func foldedEqualsExplicit(tensor: Int, expert: Int, slices: Int) throws {
    for more in [[]] + ExpertTensorTests.drawn + [["context-parallel=2"]] {
      var simulation = try ExpertTensorTests.step(
        slices: slices, tensor: tensor, expert: expert, more
      ).simulation
      let alike = simulation.run()
      simulation.isExplicit = true
      let explicit = simulation.run()
      #expect(explicit.step == alike.step, "\(more)")
      #expect(explicit.ranks.allSatisfy { $0.split == alike.ranks[0].split }, "\(more)")
    }
  }
}

import Clusters
import Costs
import Models
import Plans
import Programs
import Simulation
import Testing

/// Experts whose matrices are cut over a tensor-parallel group: Mixtral on two nodes.
@Suite struct ExpertTensorTests {
  static let tokens = 2048

  static func step(
    slices: Int, tensor: Int = 2, expert: Int = 4, _ more: [String] = [],
    cluster: [String] = []
  ) throws -> PlannedStep {
    let text = """
      data-parallel: 8
      tensor-parallel: \(tensor)
      expert-parallel: \(expert)
      expert-tensor-parallel: \(slices)
      global-batch: 16
      sequence-length: \(tokens)
      zero-stage: 1
      dispatcher: deepep
      communication-sms: 20
      """
    return try PlannedStep(
      architecture: .named("mixtral-8x7b"),
      cluster: .named("h800-2048", overrides: cluster),
      plan: .read(.init(text: text, name: "plan"), name: "plan", overrides: more))
  }

  private func bytes(_ step: PlannedStep, _ use: Buffer.Use) -> Int {
    let stage = step.input.stages[0]
    return stage.buffers.filter { $0.scope == .stage && $0.use == use }
      .reduce(0) { $0 + step.input.balancedRows[0]($1.rows) * $1.bytesPerRow }
  }

  /// Mixtral's experts: 32 layers of 8, each with three matrices of 4,096 by 14,336.
  static let expertParameters = 32 * 8 * 3 * 4_096 * 14_336

  /// Whole experts see the tokens of one rank, halves those of two; both do the same products and own
  /// the same optimizer state, and halves have half of the parameters.
  @Test func workIsTheSameAndParametersAreDivided() throws {
    let (whole, half) = (try Self.step(slices: 1), try Self.step(slices: 2))
    let (one, two) = (whole.simulation.run(), half.simulation.run())
    #expect(one.ranks[0].flops == two.ranks[0].flops)
    for (use, width) in [(Buffer.Use.parameter, 2), (.gradient, 4)] {
      let saved = bytes(whole, use) - bytes(half, use)
      #expect(saved == Self.expertParameters / 4 / 2 * width, "\(use)")
    }
    #expect(bytes(whole, .optimizer) == bytes(half, .optimizer))
  }

  /// The ranks that add up an expert's gradient are those that the mesh says.
  @Test func copiesAreTheMeshs() throws {
    for (tensor, slices, expert) in [(1, 1, 4), (2, 1, 4), (2, 2, 4), (4, 2, 2), (4, 4, 8)] {
      let step = try Self.step(slices: slices, tensor: tensor, expert: expert)
      let setting = LoweringSetting(step.placed.plan, target: .device)
      let group = step.placed.mesh.expertGradientGroup(
        ofStage: 0, placement: step.placed.schedule.placement, rank: 0)
      #expect(setting.expertCopies == group.count)
      #expect(setting.expertCopies == 8 * tensor / (expert * slices))
    }
  }

  /// Per layer: tokens with their routing gathered before the experts, results scattered behind, and
  /// the gradients of both on the way back; as many bytes as rows say, and the time of their bytes.
  @Test(arguments: [1, 4]) func collectivesMoveWhatIsGathered(expert: Int) throws {
    let step = try Self.step(slices: 2, expert: expert)
    let stage = step.input.stages[0]
    let rows = step.input.balancedRows[0]
    // Without expert parallelism a rank's own rows; else what the exchange brings.
    let own = expert == 1 ? Self.tokens / 2 : rows.received[0]
    // Two experts for each token: numbers and weights of four bytes, gradients of the weights.
    let hidden = 2 * 4_096
    let expected: [(TransferKind, Int)] = [
      (.allGather(.expertTensor), own * (hidden + 16)),
      (.reduceScatter(.expertTensor), 2 * own * hidden),
    ]
    let backward: [(TransferKind, Int)] = [
      (.allGather(.expertTensor), own * hidden),
      (.reduceScatter(.expertTensor), 2 * own * (hidden + 8)),
    ]
    let collectives = CollectiveCost(try CollectiveConstants(step.cluster))
    let group = CollectiveGroup(ranks: 2, ranksPerNode: 2)
    for (program, wanted) in [(stage.forward, expected), (stage.backward, backward)] {
      for (kind, bytes) in wanted {
        let found = program.transfers.filter { $0.kind == kind }
        #expect(found.count == 32)
        for var transfer in found {
          #expect(rows(transfer.rows) * transfer.bytesPerRow == bytes)
          transfer.rows = .fixed(rows(transfer.rows))
          let seconds = step.pricing.seconds(ofCollective: transfer, stage: 0)
          let whole = kind == .allGather(.expertTensor) ? 2 * bytes : bytes
          #expect(
            seconds == collectives.allGather(bytes: Double(whole), group: group).seconds)
        }
      }
    }
    let whole = try Self.step(slices: 1, expert: expert).input.stages[0]
    #expect(
      !whole.forward.transfers.contains { $0.kind == .allGather(.expertTensor) })
  }

  /// Faster links inside the node are never slower, and slices add communication in the tensor group.
  @Test func linksCount() throws {
    let base = try Self.step(slices: 2).simulation.run()
    let faster = try Self.step(slices: 2, cluster: ["node.link.bandwidth=450 GB/s"])
      .simulation.run()
    let whole = try Self.step(slices: 1).simulation.run()
    #expect(faster.step < base.step)
    #expect(faster.ranks[0].tensor.total < base.ranks[0].tensor.total)
    #expect(base.ranks[0].tensor.total > whole.ranks[0].tensor.total)
  }

  /// Drawn loads with every dispatcher.
  static let drawn = Plan.Dispatcher.allCases.map {
    ["dispatcher=\($0.rawValue)", "expert-load={deviation: 0.2, seed: 3}"]
  }

  /// One rank for all or every rank by itself: the same step, drawn loads and context groups included.
  @Test(arguments: [1, 2]) func foldedEqualsExplicit(slices: Int) throws {
    for more in [[]] + Self.drawn + [["context-parallel=2"]] {
      var simulation = try Self.step(slices: slices, more).simulation
      let folded = simulation.run()
      simulation.isExplicit = true
      let explicit = simulation.run()
      #expect(explicit.ranks.count == (more == ["context-parallel=2"] ? 32 : 16))
      #expect(explicit.step == folded.step, "\(more)")
      #expect(explicit.ranks.allSatisfy { $0.split == folded.ranks[0].split }, "\(more)")
    }
  }

  /// Where every rank of a tensor group has all tokens, each sends its part of them, and what comes for its
  /// slices is the same.
  @Test func slicesWithoutTheSequenceDivided() throws {
    let divided = try Self.step(slices: 2)
    let whole = try Self.step(slices: 2, ["sequence-parallel=false"])
    #expect(whole.input.balancedRows == divided.input.balancedRows)
    var simulation = whole.simulation
    let folded = simulation.run()
    simulation.isExplicit = true
    #expect(simulation.run().step == folded.step)
  }
}

import Models
import Plans
import Programs
import Simulation
import Testing

/// Keys and values gathered, or passed around a ring beside the attention to them.
@Suite struct ContextRingTests {
  private static func setting(
    _ ranks: Int, _ exchange: Plan.ContextExchange, recomputation: Recomputation = .none
  ) -> LoweringSetting {
    var setting = LoweringSetting(
      sequences: 2, sequenceLength: 128, context: ranks, target: .device,
      recomputation: recomputation, fusedHead: false)
    setting.contextExchange = exchange
    return setting
  }

  private static func layer(
    _ ranks: Int, _ exchange: Plan.ContextExchange, recomputation: Recomputation = .none
  ) -> StageProgram {
    StageProgram(
      units: [.layer(0)], of: Inputs.gpt(layers: 1),
      setting(ranks, exchange, recomputation: recomputation))
  }

  private static func shapes(_ program: Program) -> [AttentionShape] {
    program.operations.compactMap {
      if case .attention(let shape, _, _) = $0.kernel { shape } else { nil }
    }
  }

  private static func shifts(_ program: Program) -> [Transfer] {
    program.transfers.filter { $0.kind == .shift(.context) }
  }

  /// A rank attends to as many pairs of query and key as with everything gathered: half of its rows of the
  /// square, one part a rank, whether counted from the blocks or for both chunks of every rank.
  @Test(arguments: [2, 4, 8]) func everyPairOnce(ranks: Int) {
    let blocks = Self.shapes(Self.layer(ranks, .ring).forward)
    #expect(blocks.count == ranks && blocks.allSatisfy { $0.ringRanks == 1 })
    func pairs(_ shapes: [AttentionShape]) -> Int {
      shapes.reduce(0) { $0 + ($1.isCausal ? 1 : 2) * $1.queries * $1.keys }
    }
    let gathered = Self.shapes(Self.layer(ranks, .gather).forward)
    #expect(pairs(blocks) == pairs(gathered))
    // Rank r holds chunks r and 2·ranks − 1 − r; a chunk sees all chunks before it whole and half of itself.
    let chunk = 128 / (2 * ranks)
    for rank in 0..<ranks {
      let halves = [rank, 2 * ranks - 1 - rank].reduce(0) { $0 + 2 * $1 + 1 }
      #expect(pairs(blocks) == halves * chunk * chunk)
    }
  }

  /// Keys and values go on once for each other rank, forward and backward; their gradients once more, home.
  @Test(arguments: [2, 4, 8]) func bytesByClosedForm(ranks: Int) {
    let program = Self.layer(ranks, .ring)
    let (forward, backward) = (Self.shifts(program.forward), Self.shifts(program.backward))
    #expect(forward.count == ranks - 1 && backward.count == 2 * ranks - 1)
    for shift in forward + backward {
      #expect(shift.rows == .fixed(2 * 128 / ranks))
      // Keys and values of 32 columns each, in 32 bits.
      #expect(shift.bytesPerRow == 2 * 32 * 4)
    }
    #expect(Self.shifts(program.backwardInput).count == 2 * ranks - 1)
    let weightHalf = program.backwardWeight
    #expect(
      weightHalf.steps.allSatisfy { step in
        if case .start(let index) = step {
          weightHalf.transfers[Int(index)].kind != .shift(.context)
        } else {
          true
        }
      })
    #expect(program.forward.transfers.allSatisfy { $0.kind != .allGather(.context) })
  }

  /// With torchtitan keys and values are gathered for all query heads, and gradients go back in 32 bits; PyTorch's operators
  /// merge each other rank's block: 38 bytes a number in 16 bits.
  @Test(arguments: [2, 4, 8]) func gatheredForAllHeads(ranks: Int) throws {
    let architecture = try Architecture.named(
      "llama-3.1-8b", overrides: ["num_hidden_layers=1"])
    func program(_ repeats: Bool) -> StageProgram {
      var setting = LoweringSetting(
        sequences: 1, sequenceLength: 128, context: ranks, recipe: .bfloat16, target: .device,
        fusedHead: false)
      setting.repeatsKeyHeads = repeats
      return StageProgram(units: [.layer(0)], of: architecture, setting)
    }
    func bytes(_ program: Program, _ kind: TransferKind) -> Int {
      program.transfers.filter { $0.kind == kind }.reduce(0) { $0 + $1.bytesPerRow }
    }
    let (plain, repeated) = (program(false), program(true))
    // 8 heads of keys for 32 of queries, 128 wide: keys and values of 1,024 columns each.
    #expect(bytes(plain.forward, .allGather(.context)) == 2 * 2 * 1_024)
    #expect(bytes(repeated.forward, .allGather(.context)) == 4 * 2 * 2 * 1_024)
    #expect(bytes(plain.backward, .reduceScatter(.context)) == 2 * 2 * 1_024)
    #expect(bytes(repeated.backward, .reduceScatter(.context)) == 4 * 2 * 4 * 1_024)
    func merged(_ program: StageProgram) -> Int {
      program.forward.operations.reduce(0) { sum, operation in
        guard case .convert(let kind, _, let columns, let from, let to) = operation.kernel else {
          return sum
        }
        let (read, written) = (from.bytes(columns: columns), to.bytes(columns: columns))
        return sum + read + (kind == .add ? 2 : 1) * written
      }
    }
    // A cast at both ends; 4,096 columns.
    #expect(merged(repeated) - merged(plain) == 4_096 * (38 * (ranks - 1) + 2 * 6))
  }

  /// A device's blocks are all added to a sum that begins with zeros; keys and values are copied to travel, and the half of
  /// each other rank's block that is attended to once more.
  @Test(arguments: [2, 4, 8]) func blocksAreCopiedAndMerged(ranks: Int) {
    let (ring, gathered) = (Self.layer(ranks, .ring), Self.layer(ranks, .gather))
    func count(_ program: Program, _ isCounted: (Kernel) -> Int) -> Int {
      program.operations.reduce(0) { $0 + isCounted($1.kernel) }
    }
    func copied(_ program: Program) -> Int {
      count(program) {
        guard case .convert(.copy, .fixed(let rows), let columns, _, _) = $0 else { return 0 }
        return rows * columns
      }
    }
    let numbers = 2 * 128 / ranks * 32
    for (own, plain) in [(ring.forward, gathered.forward), (ring.backward, gathered.backward)] {
      #expect(copied(own) - copied(plain) == 2 * numbers + (ranks - 1) * numbers)
    }
    func merges(_ kernel: Kernel) -> Int { if case .add = kernel { 1 } else { 0 } }
    func cleared(_ kernel: Kernel) -> Int {
      if case .clear(let count) = kernel { count } else { 0 }
    }
    #expect(count(ring.forward, merges) - count(gathered.forward, merges) == ranks)
    #expect(count(ring.forward, cleared) == numbers && count(gathered.forward, cleared) == 0)
  }

  /// Every block is on its way while the one before is attended to.
  @Test func sendsStandInFrontOfTheirAttention() {
    var events = ""
    let program = Self.layer(4, .ring).forward
    for step in program.steps {
      switch step {
      case .start(let index) where program.transfers[Int(index)].kind == .shift(.context):
        events += "s"
      case .wait(let index) where program.transfers[Int(index)].kind == .shift(.context):
        events += "w"
      case .compute(let index):
        if case .attention = program.operations[Int(index)].kernel { events += "a" }
      default: break
      }
    }
    #expect(events == "sawsawsawa")
  }

  /// Run again in the backward, the core goes around once more.
  @Test func recomputationGoesAroundAgain() {
    let ranks = 4
    for recomputation in [Recomputation.selective, .full] {
      let program = Self.layer(ranks, .ring, recomputation: recomputation)
      #expect(Self.shifts(program.backward).count == 3 * ranks - 2)
    }
  }

  private func step(
    _ exchange: Plan.ContextExchange, collective: Double
  ) throws -> RankResult {
    var plan = Inputs.plan("1f1b", pipeline: 1, microbatches: 2)
    plan.contextParallel = 4
    plan.contextExchange = exchange
    var pricing = FlatPricing()
    pricing.collective = collective
    return try StepSimulation(
      Inputs.input(Inputs.gpt(layers: 2), plan), pricing: pricing
    ).run().ranks[0]
  }

  /// A send that takes no longer than the attention to a block is hidden in the forward; gathered keys and
  /// values are waited for.
  @Test func aShortSendIsHidden() throws {
    let gathered = try step(.gather, collective: 1e-6)
    let ring = try step(.ring, collective: 1e-6)
    #expect(gathered.context.exposed > 0)
    #expect(ring.context.total > gathered.context.total)
    #expect(ring.context.exposed == 0)
    // A longer one shows by what is longer.
    #expect(try step(.ring, collective: 3e-6).context.exposed > 0)
  }

  /// On a cluster, hidden sends make long sequences faster than gathering.
  @Test func longSequencesAreFaster() throws {
    func step(_ exchange: String) throws -> PlannedStep {
      let text = """
        data-parallel: 1
        context-parallel: 8
        global-batch: 1
        sequence-length: 131072
        context-exchange: \(exchange)
        """
      return try PlannedStep(
        architecture: .named("llama-3.1-8b", overrides: ["num_hidden_layers=2"]),
        cluster: .named("h800-2048"),
        plan: .read(.init(text: text, name: "plan"), name: "plan"))
    }
    let (ring, gathered) = (try step("ring").simulation.run(), try step("gather").simulation.run())
    let (own, whole) = (ring.ranks[0], gathered.ranks[0])
    #expect(own.context.exposed < whole.context.exposed / 4)
    #expect(ring.step < gathered.step)
    #expect(abs(own.causalFLOPs / whole.causalFLOPs - 1) < 1e-12)
  }

  @Test func whatIsNotARingIsRefused() throws {
    func refusal(_ lines: String) -> String? {
      do {
        let text = "context-parallel: 4\ndata-parallel: 1\nglobal-batch: 1\n" + lines
        let plan = try Plan.read(.init(text: text, name: "plan"), name: "plan")
        _ = try plan.validated(for: .named("llama-3.1-8b"))
        return nil
      } catch { return "\(error)" }
    }
    let ring = "context-exchange: ring\n"
    #expect(refusal(ring + "sequence-length: 64") == nil)
    #expect(refusal(ring + "sequence-length: 60")?.contains("two chunks of the sequence") == true)
    #expect(
      refusal(ring + "sequence-length: 64\nfused-attention: false")?.contains("fused kernel")
        == true)
  }
}

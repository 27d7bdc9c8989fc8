import Models
import Plans
import Programs
import Testing

/// What is computed again, and what is kept for it.
@Suite struct RecomputationTests {
  private static func stage(
    _ units: [Unit], of architecture: Architecture, _ recomputation: Recomputation
  ) -> StageProgram {
    StageProgram(
      units: units, of: architecture,
      LoweringSetting(
        sequences: 1, sequenceLength: 8, recipe: .bfloat16, target: .device,
        recomputation: recomputation, fusedHead: false))
  }

  /// Bytes that live from a forward to its backward, with rows of exchanges as they are on one rank.
  private static func kept(_ stage: StageProgram) -> Int {
    var alive: Set<BufferID> = []
    for step in stage.forward.steps {
      if case .acquire(let id) = step { alive.insert(id) }
      if case .release(let id) = step { alive.remove(id) }
    }
    return alive.reduce(0) { sum, id in
      let buffer = stage.buffers[Int(id.index)]
      return sum + rows(buffer.rows) * buffer.bytesPerRow
    }
  }

  private static func rows(_ rows: Rows) -> Int {
    switch rows {
    case .fixed(let count): count
    case .routed: 16
    default: 8
    }
  }

  private static func again(_ stage: StageProgram) -> Double {
    stage.backward.operations.filter(\.isRecomputed).reduce(0) {
      $0 + $1.kernel.flops(rows: rows)
    }
  }

  /// Products of Megatron's keep their rank's part of what was gathered over the tensor group, in a layer that is
  /// run again too: beside its two gathers, two for the products' inputs, and two of gradients.
  @Test(arguments: [Recipe.bfloat16, .deepSeekFloat8]) func gathersBehindARerun(recipe: Recipe) {
    let model = TinyModels.llama()
    func gathers(_ recomputation: Recomputation, again: Bool, splits: Bool = false) -> [Int] {
      var setting = TensorChunkTests.setting(2, recomputation, splits: splits, recipe: recipe)
      setting.gathersAgainBehindReruns = again
      let stage = StageProgram(units: [model.units[1]], of: model, setting)
      return [stage.forward, stage.backward].map { program in
        program.transfers.count { $0.kind == .allGather(.tensor) }
      }
    }
    #expect(gathers(.none, again: false) == [2, 4])
    #expect(gathers(.none, again: true) == [2, 4])
    #expect(gathers(.full, again: false) == [2, 4])
    #expect(gathers(.full, again: true) == [2, 6])
    #expect(gathers(.firstLayers(1), again: true) == [2, 6])
    // In chunks come only the gathers in front of a product that reads them at once.
    #expect(gathers(.full, again: true, splits: true)[1] == 2)
  }

  /// Of a stage's layers the first ones keep their inputs and are run again, the others keep everything.
  @Test(arguments: 0...4) func firstLayersAreRunAgain(count: Int) {
    let architecture = TinyModels.llama(layers: 4)
    let units = Array(architecture.units[1...4])
    func stage(_ recomputation: Recomputation) -> StageProgram {
      Self.stage(units, of: architecture, recomputation)
    }
    let (none, full) = (stage(.none), stage(.full))
    let some = count == 0 ? none : stage(.firstLayers(count))
    #expect(4 * Self.again(some) == Double(count) * Self.again(full))
    let spared = Self.kept(none) - Self.kept(full)
    #expect(spared > 0 && 4 * (Self.kept(none) - Self.kept(some)) == count * spared)
  }

  /// Frameworks run their layers again, and nothing beside them: not the norm in front of the head.
  @Test(arguments: TinyModels.all) func allLayersAreAllThatIsRunAgain(architecture: Architecture) {
    let full = Self.stage(architecture.units, of: architecture, .full)
    #expect(full == Self.stage(architecture.units, of: architecture, .firstLayers(1_000)))
    #expect(full != Self.stage(architecture.units, of: architecture, .none))
    #expect(full.backward.operations.allSatisfy { !$0.isRecomputed || $0.layer >= 0 })
  }

  /// A block's products are run again, and of what it computes nothing is kept; attention is left alone.
  @Test func blocksAreRunAgain() {
    let architecture = TinyModels.deepSeek()
    for (part, layer) in [(Recomputation.Module.mlp, 1), (.moe, 2)] {
      let unit = [architecture.units[layer]]
      let none = Self.stage(unit, of: architecture, .none)
      let some = Self.stage(unit, of: architecture, .modules([part]))
      let forward = none.forward.operations.filter { $0.phase == .feedForward || part == .moe }
      let products = forward.reduce(0.0) { sum, operation in
        if case .attention = operation.kernel { return sum }
        let isOfBlock = operation.phase != .attention || isOfMixture(operation.kernel)
        return isOfBlock ? sum + operation.kernel.flops(rows: Self.rows) : sum
      }
      #expect(products > 0 && Self.again(some) == products)
      #expect(Self.kept(some) < Self.kept(none))
      let other: Recomputation.Module = part == .mlp ? .moe : .mlp
      #expect(Self.stage(unit, of: architecture, .modules([other])).backward == none.backward)
    }
  }

  /// Keys, attention's output and the second of a gated block's two products are run again.
  ///
  /// Keys, the residual and the block's product are not kept. Nothing else changes: the same products forward,
  /// the same gradients.
  @Test func everySecondProductIsRunAgain() throws {
    let architecture = TinyModels.llama(layers: 1)
    let unit = [architecture.units[1]]
    let none = Self.stage(unit, of: architecture, .none)
    let some = Self.stage(unit, of: architecture, .modules([.alternateProducts]))
    func flops(_ program: Program) -> Double {
      program.operations.reduce(0) {
        $0 + ($1.isRecomputed ? 0 : $1.kernel.flops(rows: Self.rows))
      }
    }
    #expect(flops(some.forward) == flops(none.forward))
    #expect(flops(some.backward) == flops(none.backward))
    #expect(
      some.parameters.reduce(0) { $0 + $1.rows * $1.columns }
        == none.parameters.reduce(0) { $0 + $1.rows * $1.columns })
    let block = try #require(architecture.feedForwards[0].dense)
    #expect(block.gated)
    let width = block.width
    let hidden = architecture.hiddenSize
    guard case .multiHead(let heads) = architecture.layers[0].attention else {
      Issue.record("queries, keys and values have products of their own")
      return
    }
    let keys = heads.keyValueHeads * heads.headSize
    // Eight tokens; queries of all heads are as wide as the model.
    #expect(Self.again(some) == Double(2 * 8 * hidden * (keys + hidden + width)))
    #expect(Self.kept(none) - Self.kept(some) == 2 * 8 * (keys + hidden + width))
  }

  /// The router's product, whose phase is that of attention in the published trace.
  private func isOfMixture(_ kernel: Kernel) -> Bool {
    if case .matmul(let product) = kernel { product.n == 8 } else { false }
  }

  /// One word for norms of either kind.
  @Test(arguments: TinyModels.all) func normIsEitherKind(architecture: Architecture) {
    var kind = Recomputation.Module.layerNorm
    if case .rmsNorm = architecture.normalization { kind = .rmsNorm }
    let word = Self.stage(architecture.units, of: architecture, .modules([.norm]))
    #expect(word == Self.stage(architecture.units, of: architecture, .modules([kind])))
  }

  /// A head in parts holds a part's logits, does the same products and leaves nothing but what the backward
  /// reads.
  @Test func headsInPartsHoldAPart() {
    var architecture = TinyModels.llama()
    architecture.vocabularySize = 128
    var setting = LoweringSetting(
      sequences: 1, sequenceLength: 16, recipe: .bfloat16, target: .device, fusedHead: true)
    let units = Array(architecture.units.suffix(1))
    let whole = StageProgram(units: units, of: architecture, setting)
    setting.chunksHead = true
    let parts = StageProgram(units: units, of: architecture, setting)
    func flops(_ program: Program) -> Double {
      program.operations.reduce(0) { $0 + $1.kernel.flops(rows: Self.rows) }
    }
    // 16 rows over 128 / 32 = 4 parts.
    let logits = parts.buffers.first { $0.name == "logits of a tile" }
    #expect(logits?.rows == .fixed(4) && logits?.bytesPerRow == 2 * 128)
    let heads = parts.forward.operations.count {
      if case .headLoss(let tokens, _, _, _) = $0.kernel { tokens == 4 } else { false }
    }
    #expect(heads == 4)
    #expect(flops(parts.forward) == flops(whole.forward))
    #expect(Self.kept(parts) == Self.kept(whole))
    #expect(!whole.buffers.contains { $0.name == "logits of a tile" })
  }
}

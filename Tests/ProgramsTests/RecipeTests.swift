import Models
import Plans
import Programs
import Testing

/// Every key of a precision changes the programs where it should, and leaves them runnable.
@Suite struct RecipeTests {
  /// A recipe with some formats changed.
  struct Change: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var recipe: PrecisionRecipe

    init(
      _ testDescription: String, of base: PrecisionRecipe,
      _ change: (inout PrecisionRecipe) -> Void
    ) {
      self.testDescription = testDescription
      recipe = base
      change(&recipe)
    }
  }

  static let changes: [Change] = [
    Change("float32 on a device", of: .float32) { _ in },
    Change("tf32", of: .tensorFloat32) { _ in },
    Change("float16", of: .float16) { _ in },
    Change("BF16 dispatch under FP8", of: .deepSeekFP8) { $0.dispatch = .bfloat16 },
    Change("FP8 dispatch alone", of: .bfloat16) { $0.dispatch = .e4m3 },
    Change("E5M6 dispatch", of: .deepSeekFP8) { $0.dispatch = .e5m6 },
    Change("16-bit exchange of float32", of: .float32) {
      $0.dispatch = .bfloat16
      $0.combine = .float16
    },
    Change("FP8 combine", of: .deepSeekFP8) { $0.combine = .e4m3 },
    Change("E5M6 combine", of: .bfloat16) { $0.combine = .e5m6 },
    Change("BF16 weights under FP8", of: .deepSeekFP8) { $0.linearWeights = .bfloat16 },
    Change("float32 weights", of: .bfloat16) { $0.linearWeights = .float32 },
    Change("float32 tables", of: .bfloat16) { $0.otherParameters = .float32 },
    Change("float32 tables under FP8", of: .deepSeekFP8) { $0.otherParameters = .float32 },
    Change("FP8 head", of: .bfloat16) { $0.headOperands = .e4m3 },
    Change("BF16 inputs under FP8", of: .deepSeekFP8) { $0.keptLinearInputs = .bfloat16 },
    Change("E5M6 inputs under FP8", of: .deepSeekFP8) { $0.keptLinearInputs = .e5m6 },
    Change("FP8 inputs", of: .bfloat16) { $0.keptLinearInputs = .e4m3 },
    Change("BF16 products under FP8", of: .deepSeekFP8) {
      $0.linearOperands = .bfloat16
      $0.linearWeights = .bfloat16
    },
    Change("kept wide", of: .deepSeekFP8) {
      $0.keptAttentionOutputs = .bfloat16
      $0.keptActivationInputs = .bfloat16
    },
    Change("float32 sends", of: .bfloat16) { $0.pipelineSends = .float32 },
    Change("FP8 sends", of: .deepSeekFP8) { $0.pipelineSends = .e4m3 },
    Change("BF16 reduction", of: .bfloat16) { $0.gradientReduction = .bfloat16 },
    Change("BF16 gradients", of: .bfloat16) {
      $0.gradients = .bfloat16
      $0.gradientReduction = .bfloat16
    },
    Change("float32 gather", of: .deepSeekFP8) { $0.parameterGather = .float32 },
    Change("blocks of 32", of: .deepSeekFP8) { $0.scaleBlock = 32 },
    Change("a scale a tensor", of: .tensorFP8) { _ in },
    Change("a tensor's own scale", of: .tensorFP8) { $0.scaling = .current },
    Change("16-bit gathers under a scale a tensor", of: .tensorFP8) {
      $0.tensorGather = .bfloat16
    },
    Change("BF16 inputs under a scale a tensor", of: .tensorFP8) {
      $0.keptLinearInputs = .bfloat16
      $0.tensorGather = .bfloat16
    },
    Change("E5M6 kept under a scale a tensor", of: .tensorFP8) {
      $0.keptAttentionOutputs = .e5m6
    },
    Change("FP8 head under a scale a tensor", of: .tensorFP8) { $0.headOperands = .e4m3 },
    Change("weights in FP8 alone", of: .tensorFP8) { $0.keepsFloat8Weights = true },
    Change("mxfp8", of: .microFP8) { _ in },
  ]

  static func settings(_ recipe: PrecisionRecipe) -> [LoweringSetting] {
    let recomputations: [Recomputation] = [
      .none, .full, .selective, .modules([.rmsNorm, .latentUpProjection, .swiGLU, .gelu]),
    ]
    var list: [LoweringSetting] = []
    for recomputation in recomputations {
      for (tensor, expert, expertTensor, sequenceParallel, zero) in [
        (1, 1, 1, false, 1), (1, 2, 1, false, 3), (2, 2, 1, false, 2), (2, 2, 2, true, 3),
        (2, 1, 1, true, 0),
      ] {
        list.append(
          LoweringSetting(
            sequences: 2, sequenceLength: 8, tensor: tensor, expert: expert,
            expertTensor: expertTensor, sequenceParallel: sequenceParallel,
            recipe: Recipe(recipe), target: .device, recomputation: recomputation,
            fusedHead: recipe.headOperands != .e4m3 && zero != 0, zeroStage: zero,
            gradientCopies: 4, expertCopies: 4 / expert))
      }
    }
    return list
  }

  /// A machine that keeps books can run every recipe: nothing is read that was not written, or is left.
  ///
  /// Of a whole model, a layer between others and the end; `StageProgramTests` cuts models everywhere.
  @Test(arguments: TinyModels.all, changes)
  func buffersLiveAsLongAsTheyAreUsed(model: Architecture, change: Change) {
    for setting in Self.settings(change.recipe) {
      let cuts = StageProgramTests.stages(of: model)
      for units in [cuts[0], cuts[3], cuts[5]] {
        let stage = StageProgram(units: units, of: model, setting)
        for halves in [false, true] {
          var books = Bookkeeper(stage) { StageProgramTests.rows($0, setting) }
          books.runStep(halves: halves)
          check(books.leftovers == [], "\(books.leftovers) \(model.name) \(units) \(setting)")
        }
        expectFormats(stage, setting.recipe, model)
      }
    }
  }

  /// Operations read operands in the formats that they compute in, and conversions what they say.
  private func expectFormats(_ stage: StageProgram, _ recipe: Recipe, _ model: Architecture) {
    func format(_ id: BufferID) -> Format { stage.buffers[Int(id.index)].format }
    let programs = [
      stage.forward, stage.backward, stage.backwardInput, stage.backwardWeight, stage.reduce,
      stage.settle,
    ]
    for operation in programs.flatMap(\.operations) {
      let inputs = Array(operation.inputs)
      switch operation.kernel {
      case .matmul(let product), .groupedMatmul(let product, _):
        for (place, id) in inputs.prefix(2).enumerated() {
          let isWeight = place == 1 && product.pass != .backwardWeight
          check(
            Self.isRead(stage.buffers[Int(id.index)], by: product, isWeight: isWeight, recipe),
            "operand \(place) of \(operation) of \(model.name)")
        }
      case .convert(let kind, _, _, let from, let to) where kind != .attentionPrepare:
        guard let input = inputs.first, kind != .transpose else { continue }
        if inputs.first == operation.outputs.first { continue }
        check(format(input) == from, "\(operation) reads \(format(input))")
        check(
          operation.outputs.allSatisfy { format($0) == to || format($0) == .byte },
          "\(operation) writes \(operation.outputs.map(format))")
      default: continue
      }
    }
  }

  /// Whether a buffer holds what a product reads: its own format, as it is stored.
  ///
  /// The gradient of a router's logits stays in 32 bits, as they are. Where FP8 copies of weights are kept,
  /// the working copy stands for its own.
  private static func isRead(
    _ operand: Buffer, by product: Matmul, isWeight: Bool, _ recipe: Recipe
  ) -> Bool {
    if operand.name == "router logits gradient", !product.format.isFloat8 {
      return operand.format == .float32
    }
    if isWeight, product.format.isFloat8, recipe.keepsQuantizedWeights,
      operand.use == .parameter, operand.scope == .stage
    {
      return operand.format == recipe.linearWeight
    }
    return operand.format == (product.format == .tensorFloat32 ? .float32 : product.format)
  }

  /// Each key's own bytes are those of its format, where the stage has them.
  @Test func formatsAreWhereTheyBelong() throws {
    let model = try #require(TinyModels.all.first { $0.multiTokenPrediction > 0 })
    func stage(_ change: (inout PrecisionRecipe) -> Void) -> StageProgram {
      var recipe = PrecisionRecipe.bfloat16
      change(&recipe)
      return StageProgram(
        units: Array(model.units[1..<3]), of: model,
        LoweringSetting(
          sequences: 2, sequenceLength: 8, expert: 2, recipe: Recipe(recipe), target: .device,
          fusedHead: false, gradientCopies: 4, expertCopies: 2))
    }
    let base = stage { _ in }
    func bytes(_ stage: StageProgram, _ use: Buffer.Use) -> Int {
      stage.buffers.filter { $0.scope == .stage && $0.use == use }.reduce(0) {
        if case .fixed(let rows) = $1.rows { $0 + rows * $1.bytesPerRow } else { $0 }
      }
    }
    let linear = bytes(stage { $0.linearWeights = .float32 }, .parameter) - bytes(base, .parameter)
    let others =
      bytes(stage { $0.otherParameters = .float32 }, .parameter) - bytes(base, .parameter)
    #expect(linear > others && others > 0 && linear + others == bytes(base, .parameter))
    let sends = stage { $0.pipelineSends = .float32 }
    for id in [sends.input, sends.output, sends.inputGradient, sends.outputGradient] {
      #expect(id.map { sends.buffers[Int($0.index)].format } == .float32)
    }
    let reduced = stage { $0.gradientReduction = .bfloat16 }
    for (narrow, wide) in zip(reduced.reduce.transfers, base.reduce.transfers) {
      #expect(2 * narrow.bytesPerRow == wide.bytesPerRow && narrow.rows == wide.rows)
    }
    #expect(!base.reduce.transfers.isEmpty && reduced.reduce.operations.count > 0)
    let gathered = stage { $0.parameterGather = .float32 }
    for (wide, narrow) in zip(gathered.update.transfers, base.update.transfers) {
      #expect(wide.bytesPerRow == 2 * narrow.bytesPerRow)
    }
  }

  /// The core is run again behind its projection's backward, fused or not, and what only it needed is not
  /// kept.
  @Test(arguments: TinyModels.all, [true, false])
  func theAttentionCoreIsRunAgain(model: Architecture, isFused: Bool) {
    func stage(_ recomputation: Recomputation) -> StageProgram {
      StageProgram(
        units: Array(model.units[1..<3]), of: model,
        LoweringSetting(
          sequences: 2, sequenceLength: 8, recipe: .bfloat16, target: .device,
          recomputation: recomputation, fusedAttention: isFused))
    }
    let kept = stage(.none)
    for again in [stage(.selective), stage(.modules([.attentionCore]))] {
      let cores = again.backward.operations.filter {
        if case .attention(_, isFused, .forward) = $0.kernel { $0.isRecomputed } else { false }
      }
      #expect(cores.count == 2)
      func microbatch(_ stage: StageProgram) -> Set<String> {
        Set(stage.buffers.filter { $0.scope == .microbatch }.map(\.name))
      }
      let gone = microbatch(kept).subtracting(microbatch(again))
      #expect(gone == [isFused ? "logarithms of sums" : "probabilities"], "\(gone)")
      // The same kernels; the numbers of the buffers move with the one that is gone.
      #expect(
        again.forward.operations.map(\.kernel) == kept.forward.operations.map(\.kernel))
    }
  }
}

extension Bookkeeper {
  /// One microbatch: forward, backward in one or in halves, and what crosses the stage's ends.
  mutating func runStep(halves: Bool) {
    receive(stage.input)
    run(stage.forward)
    send(stage.output)
    receive(stage.outputGradient)
    if halves {
      run(stage.backwardInput)
      send(stage.inputGradient)
      run(stage.backwardWeight)
    } else {
      run(stage.backward)
      send(stage.inputGradient)
    }
  }
}

import Models
import Programs
import Testing

/// Models of every arrangement of parts, lowered for a device.
@Suite struct FamilyLoweringTests {
  /// Shapes that differ in their parts, each with few layers of every kind that it has.
  private static func model(_ name: String) throws -> Architecture {
    var model = try Architecture.named(name)
    model.layerCount = min(model.layerCount, name.hasPrefix("nemotron") ? 9 : 5)
    // Enough for all experts that a token chooses, and fast to lower.
    for index in model.layers.indices {
      guard case .mixture(let mixture) = model.layers[index].feedForward else { continue }
      var few = Mixture(
        routedExperts: 16, expertsPerToken: mixture.expertsPerToken,
        expertWidth: mixture.expertWidth, sharedExperts: mixture.sharedExperts,
        sharedWidth: mixture.sharedWidth, correctionBias: mixture.correctionBias)
      (few.gated, few.routerBias) = (mixture.gated, mixture.routerBias)
      (few.expertBias, few.sharedGate) = (mixture.expertBias, mixture.sharedGate)
      model.layers[index].feedForward = .mixture(few)
    }
    return model
  }

  private static let names = [
    "qwen2.5-0.5b", "qwen3-8b", "mistral-7b-v0.1", "gemma-2-9b", "gemma-3-27b", "gpt-neox-20b",
    "olmo-2-7b", "gpt-oss-20b", "glm-4.5-air", "llama-4-scout", "qwen3-next-80b-a3b",
    "nemotron-h-8b", "phi-3-mini", "kimi-k2", "gpt2",
  ]

  private static func stage(_ model: Architecture, length: Int) -> StageProgram {
    StageProgram(
      units: model.units, of: model,
      LoweringSetting(
        sequences: 1, sequenceLength: length, recipe: .bfloat16, target: .device,
        fusedHead: false))
  }

  /// A stage of all units holds what the closed forms count.
  @Test(arguments: names) func programsHoldTheParameters(name: String) throws {
    let model = try Self.model(name)
    let stage = Self.stage(model, length: 64)
    let uses = stage.parameters.filter { parameter in
      let isCopy =
        parameter.roles == [.predictionTokenEmbedding] || parameter.roles == [.predictionHead]
      return !isCopy && !(parameter.roles == [.head] && model.tiedEmbeddings)
    }
    let counts = model.parameterCounts
    let prediction = model.predictionParameterCounts
    #expect(
      uses.reduce(0) { $0 + $1.elements }
        == counts.total + counts.correctionBiases + prediction.total + prediction.correctionBiases)
  }

  /// Every trained tensor gets a gradient from some kernel of the backward.
  @Test(arguments: names) func everyTensorGetsAGradient(name: String) throws {
    let model = try Self.model(name)
    let stage = Self.stage(model, length: 64)
    let written = Set(stage.backward.operations.flatMap { operation in operation.outputs })
    for parameter in stage.parameters where parameter.isTrained {
      #expect(written.contains(parameter.gradient), "\(parameter.roles)")
    }
  }

  /// Attention's FLOPs in programs are those that the model counts, windows and chunks among them; a sparse
  /// choice's scores are apart.
  @Test(arguments: ["mistral-7b-v0.1", "gemma-2-9b", "gpt-oss-20b", "llama-4-scout", "qwen3-8b"])
  func attentionIsWhatTheModelCounts(name: String) throws {
    let model = try Self.model(name)
    let length = 12_288
    let stage = Self.stage(model, length: length)
    let flops = stage.forward.operations.reduce(0.0) { sum, operation in
      guard case .attention = operation.kernel else { return sum }
      return sum + operation.kernel.flops { _ in 0 }
    }
    let counted = model.trainingFlops(sequence: length, causal: false).attention
    #expect(abs(flops / (Double(counted) / 3 * Double(length)) - 1) < 1e-6)
  }

  /// An indexer's scores, the gradients of the chosen ones and attention to these are what the model
  /// counts; maps that it reads detached inputs by have a gradient of their weights and none of inputs.
  @Test func indexersAreWhatTheModelCounts() throws {
    var model = try Architecture.named("deepseek-v3").withoutMultiTokenPrediction
    model.layerCount = 2
    for index in model.layers.indices {
      guard case .latent(var shape) = model.layers[index].attention else { continue }
      shape.indexer = Latent.Indexer(heads: 64, headSize: 128, chosen: 512)
      model.layers[index].attention = .latent(shape)
    }
    let length = 4096
    let stage = StageProgram(
      units: [.layer(0), .layer(1)], of: model,
      LoweringSetting(
        sequences: 1, sequenceLength: length, recipe: .bfloat16, target: .device,
        fusedHead: false))
    var flops = 0.0
    var products: [Pass: Int] = [:]
    for operation in stage.forward.operations + stage.backward.operations {
      switch operation.kernel {
      case .attention(let shape, _, let pass):
        #expect(shape.computedQuerySize == 512 + 64 && shape.computedValueSize == 512)
        if pass == .forward { flops += 3 * shape.forwardFLOPs }
      case .index: flops += operation.kernel.flops { _ in 0 }
      case .matmul(let matmul) where matmul.n == 64 && matmul.k == model.hiddenSize:
        products[matmul.pass, default: 0] += 1
      default: break
      }
    }
    let counted = model.trainingFlops(sequence: length, causal: false).attention * length
    #expect(abs(flops / Double(counted) - 1) < 1e-6)
    #expect(products == [.forward: 2, .backwardWeight: 2])
    let written = Set(stage.backward.operations.flatMap { operation in operation.outputs })
    for parameter in stage.parameters where parameter.isTrained {
      #expect(written.contains(parameter.gradient), "\(parameter.roles)")
    }
  }

  /// Queries and keys behind norms of their own are turned in the layers that turn them, and in no other.
  @Test func layersWithoutARotationHaveNone() throws {
    var model = try Self.model("qwen3-8b")
    model.layerCount = 3
    model.layers[1].rotates = false
    let turns = Self.stage(model, length: 64).forward.operations.count { operation in
      if case .rotate = operation.kernel { true } else { false }
    }
    #expect(turns == 2 * 2)
  }

  /// Blocks beside each other share one gather and one sum over a tensor group.
  @Test func parallelBlocksAreSummedOnce() throws {
    func sums(_ arrangement: Layer.Arrangement) throws -> Int {
      var model = try Self.model("gpt-neox-20b")
      model.layerCount = 1
      model.layers[0].arrangement = arrangement
      let stage = StageProgram(
        units: [.layer(0)], of: model,
        LoweringSetting(
          sequences: 1, sequenceLength: 64, tensor: 2, recipe: .bfloat16, target: .device,
          fusedHead: false))
      return stage.forward.transfers.count
    }
    #expect(try sums(.sequential) == 2)
    #expect(try sums(.parallel) == 1 && sums(.parallelOneNorm) == 1)
  }

  /// The chunks of a scan: scores, sums and states by their sizes.
  @Test func scansAreProductsOfChunks() {
    let block = Recurrence(
      kind: .stateSpace, heads: 8, headSize: 4, keyHeads: 2, stateSize: 16, convolution: 4,
      chunk: 32)
    let scan = ScanShape(sequences: 2, tokens: 70, block: block)
    #expect(scan.chunks == 6)
    let tokens = 6.0 * 32
    let scores = 2 * tokens * 32 * 16 * 2
    let sums = 2 * tokens * 32 * 4 * 8
    let states = 2 * 2 * tokens * 16 * 4 * 8
    #expect(scan.forwardFLOPs == scores + sums + states)
    #expect(scan.stateElements == 6 * 8 * 16 * 4)
  }
}

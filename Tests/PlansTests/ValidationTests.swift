import Models
import Plans
import Schedules
import Testing

@Suite("What makes a plan invalid")
struct ValidationTests {
  static let base: Plan = {
    var plan = Plan()
    plan.dataParallel = 4
    plan.pipelineParallel = 2
    plan.expertParallel = 2
    plan.globalBatch = 32
    plan.sequenceLength = 32
    return plan
  }()

  /// A change of a good plan, and the rule that it breaks in words.
  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var words: String
    var world = World.devices(8)
    var change: @Sendable (inout Plan) -> Void
  }

  static let cases = [
    Case(testDescription: "dp 0", words: "data-parallel is 0") { $0.dataParallel = 0 },
    Case(testDescription: "negative batch", words: "at least 1") { $0.globalBatch = -8 },
    Case(testDescription: "overflow", words: "64 bits") {
      $0.dataParallel = 1 << 40
      $0.tensorParallel = 1 << 40
    },
    Case(testDescription: "cluster", words: "8 ranks (data 4 x pipeline 2)", world: .devices(7)) {
      _ in
    },
    Case(testDescription: "ranks", words: "16 are running", world: .ranks(16)) { _ in },
    Case(testDescription: "batch", words: "not a multiple") { $0.globalBatch = 30 },
    Case(testDescription: "microbatch", words: "microbatch-size 3") { $0.microbatchSize = 3 },
    Case(testDescription: "heads", words: "tensor-parallel 3 does not divide the number of heads") {
      $0.tensorParallel = 3
      $0.dataParallel = 2
      $0.pipelineParallel = 1
    },
    Case(
      testDescription: "ep in a position",
      words:
        "expert-parallel 3 does not divide the 4 ranks of a pipeline position (tensor-parallel 1 "
        + "x context-parallel 1 x data-parallel 4); the nearest that does is 2"
    ) { $0.expertParallel = 3 },
    Case(
      testDescription: "ep beside etp",
      words: "expert-parallel 2 times expert-tensor-parallel 4 does not divide the 4 ranks"
    ) { $0.expertTensorParallel = 4 },
    Case(
      testDescription: "ep in experts", words: "the number of routed experts, which is 8",
      world: .devices(12)
    ) {
      $0.dataParallel = 6
      $0.expertParallel = 3
      $0.globalBatch = 36
    },
    Case(
      testDescription: "etp",
      words: "expert-tensor-parallel 7 does not divide the 4 ranks of a pipeline position"
    ) { $0.expertTensorParallel = 7 },
    Case(
      testDescription: "sequence of experts",
      words: "does not divide the sequence of a context rank",
      world: .devices(16)
    ) {
      $0.tensorParallel = 2
      $0.sequenceLength = 33
    },
    Case(testDescription: "cp", words: "context-parallel 3 does not divide", world: .devices(24)) {
      $0.contextParallel = 3
    },
    Case(testDescription: "sp alone", words: "above 1") { $0.sequenceParallel = true },
    Case(testDescription: "stages", words: "more than the 6 units", world: .devices(28)) {
      $0.pipelineParallel = 7
    },
    Case(testDescription: "vpp", words: "more than the 6 units") {
      $0.stagesPerRank = 4
      $0.schedule = .named("interleaved-1f1b")
    },
    Case(testDescription: "counts", words: "lists 3 stages and the plan has 2") {
      $0.layout = .layers([1, 1, 1])
    },
    Case(testDescription: "sum", words: "add up to the model's 3 layers") {
      $0.layout = .layers([1, 1])
    },
    Case(testDescription: "units", words: "add up to the model's 6 units") {
      $0.layout = .units([3, 4])
    },
    Case(testDescription: "balanced", words: "planning") { $0.layout = .balanced },
    Case(testDescription: "1f1b with two stages", words: "schedule 1f1b") { $0.stagesPerRank = 2 },
    Case(testDescription: "dualpipe microbatches", words: "schedule dualpipe") {
      $0.schedule = .named("dualpipe")
      $0.globalBatch = 8
    },
    Case(testDescription: "dualpipe stages", words: "mirrored") {
      $0.schedule = .named("dualpipe")
      $0.stagesPerRank = 2
    },
    Case(testDescription: "unknown schedule", words: "zigzag") { $0.schedule = .named("zigzag") },
    Case(testDescription: "no file", words: "cannot be opened") {
      $0.schedule = .file("/nowhere/a.csv", isBidirectional: false)
    },
    Case(testDescription: "folder", words: "not a file") {
      $0.schedule = .file("/", isBidirectional: false)
    },
    Case(testDescription: "file of another pipeline", words: "has 4 microbatches and the plan 8") {
      $0.schedule = .file(fixture("two-ranks.csv"), isBidirectional: false)
    },
    Case(testDescription: "file that is none", words: "schedule") {
      $0.schedule = .file(fixture("tiny-deepseek-v3.json"), isBidirectional: false)
    },
    Case(testDescription: "layer norm", words: "no such part") {
      $0.recomputation = .modules([.layerNorm])
    },
    Case(testDescription: "lanes 3", words: "divide the step's 32 microbatches") {
      $0.gradientLanes = 3
      $0.expertParallel = 1
    },
    Case(testDescription: "lanes 12 of spread experts", words: "power of two") {
      $0.gradientLanes = 12
      $0.expertParallel = 2
    },
    Case(testDescription: "lanes 64", words: "divide the step's 32 microbatches") {
      $0.gradientLanes = 64
    },
    Case(testDescription: "lanes 2", words: "multiple of 4") { $0.gradientLanes = 2 },
    Case(testDescription: "lanes of both directions", words: "two directions") {
      $0.gradientLanes = 4
      $0.schedule = .named("dualpipe")
    },
    Case(testDescription: "no SM left", words: "leaves none") { $0.communicationSMs = 132 },
    Case(testDescription: "too many SMs", words: "exceeds the device's 132") {
      $0.computationSMs = 133
    },
    Case(testDescription: "negative SMs", words: "not be negative") { $0.communicationSMs = -1 },
    Case(testDescription: "exchange on no SM", words: "none for the exchange") {
      $0.communicationSMs = 0
    },
  ]

  @Test func theBaseIsGood() throws {
    let model = try Architecture.named(fixture("tiny-deepseek-v3.json"))
    let placed = try Self.base.validated(for: model, on: .devices(8), multiprocessors: 132)
    #expect(placed.layout.stages.count == 2 && placed.schedule.microbatchCount == 8)
  }

  @Test(arguments: cases)
  func isRefused(broken: Case) throws {
    let model = try Architecture.named(fixture("tiny-deepseek-v3.json"))
    var plan = Self.base
    broken.change(&plan)
    do {
      _ = try plan.validated(for: model, on: broken.world, multiprocessors: 132)
      Issue.record("accepted")
    } catch {
      #expect(error.description.contains(broken.words), "\(error)")
      #expect(!error.description.contains("\n"))
    }
  }

  @Test func expertsNeedAMixture() throws {
    let model = try Architecture.named("llama-3.1-8b")
    var plan = Self.base
    #expect(throws: PlanError.needsExperts(key: "expert-parallel above 1")) {
      try plan.validated(for: model)
    }
    plan.expertParallel = 1
    plan.nodesPerToken = 4
    #expect(throws: PlanError.needsExperts(key: "nodes-per-token")) {
      try plan.validated(for: model)
    }
    plan.nodesPerToken = nil
    plan.recomputation = .modules([.latentUpProjection])
    #expect(throws: PlanError.self) { try plan.validated(for: model) }
    plan.recomputation = .modules([.rmsNorm, .swiGLU, .attentionCore])
    #expect(try plan.validated(for: model).schedule.ranks.count == 2)
  }

  /// Each tensor rank holds some of the key and value heads, or each head lies on as many ranks.
  @Test func keyAndValueHeadsDivideOrAreReplicated() throws {
    var model = try Architecture.named("llama-3.1-8b")
    var plan = Plan()
    plan.sequenceLength = 8192
    for tensor in [8, 16, 32] {
      plan.tensorParallel = tensor
      #expect(try plan.validated(for: model).mesh.worldSize == tensor)
    }
    model.attention = .multiHead(MultiHead(heads: 24, keyValueHeads: 8, headSize: 128))
    plan.tensorParallel = 12
    #expect(throws: PlanError.keyValueHeads(tensorParallel: 12, heads: 8)) {
      try plan.validated(for: model)
    }
  }

  /// Experts over all ranks of a position, those of tensor and context groups among them.
  @Test func expertsFoldOverAPosition() throws {
    let model = try Architecture.named("mixtral-8x7b")
    var plan = Self.base
    plan.tensorParallel = 2
    plan.sequenceParallel = true
    for (expert, slices, copies) in [(8, 1, 1), (4, 2, 1), (4, 1, 2), (2, 4, 1)] {
      plan.expertParallel = expert
      plan.expertTensorParallel = slices
      #expect(try plan.validated(for: model).mesh.expertDataParallel == copies)
    }
  }

  @Test(arguments: [(12, 5, 4), (12, 7, 6), (12, 100, 12), (1, 3, 1), (16, 12, 8), (7, 6, 7)])
  func nearestDivisors(whole: Int, value: Int, nearest: Int) {
    #expect(Plan.divisor(of: whole, nearest: value) == nearest)
  }

  @Test func learnedPositionsLimitTheSequence() throws {
    var plan = Plan()
    plan.sequenceLength = 2049
    #expect(throws: PlanError.sequenceTooLong(sequence: 2049, positions: 2048)) {
      try plan.validated(for: Architecture.named("gpt-3-175b"))
    }
  }

  /// Every plan that ships is valid for its model on the published number of devices.
  @Test(
    arguments: zip(
      Plan.shippedNames,
      [
        ("deepseek-v3", 2048, 120), ("llama-3.1-8b", 64, 8), ("llama-3.1-70b", 512, 32),
        ("megatron-22b", 8, 1), ("megatron-22b", 8, 1),
        ("megatron-175b", 64, 64), ("megatron-175b", 64, 64), ("megatron-530b", 280, 280),
        ("megatron-530b", 280, 280), ("megatron-1t", 512, 512), ("megatron-1t", 512, 512),
        ("megatron-1.7b", 32, 1),
        ("megatron-3.6b", 64, 1),
        ("megatron-7.5b", 128, 1),
        ("megatron-18b", 256, 4),
        ("megatron-39b", 512, 12),
        ("megatron-76b", 1024, 28),
        ("megatron-145b", 1536, 48),
        ("megatron-310b", 1920, 144),
        ("megatron-530b", 2520, 280),
        ("megatron-1t", 3072, 512),
      ]))
  func whatShipsIsValid(name: String, run: (model: String, devices: Int, microbatches: Int)) throws
  {
    let plan = try Plan.named(name, world: .devices(run.devices))
    let placed = try plan.validated(
      for: Architecture.named(run.model), on: .ranks(run.devices), multiprocessors: 132)
    #expect(placed.mesh.worldSize == run.devices)
    #expect(placed.schedule.microbatchCount == run.microbatches)
    #expect(placed.layout.stages.count == placed.schedule.stageCount)
  }

  @Test func aScheduleFileIsUsed() throws {
    var plan = Self.base
    plan.globalBatch = 16
    plan.schedule = .file(fixture("two-ranks.csv"), isBidirectional: false)
    let placed = try plan.validated(
      for: Architecture.named(fixture("tiny-deepseek-v3.json")), on: .ranks(8))
    #expect(placed.schedule.microbatchCount == 4 && placed.schedule.stageCount == 2)
  }

  /// The embedding and the head of DeepSeek-V3 have copies in the prediction module, which lies on
  /// the last stage; under DualPipe positions 0 and 15 hold both ends.
  @Test func copiesOfSharedTensorsReduceTogether() throws {
    let model = try Architecture.named("deepseek-v3")
    let placed = try Plan.named("deepseek-v3").validated(for: model, on: .devices(2048))
    let embedding = try #require(model.parameters(of: .embedding).first)
    #expect(placed.stages(holding: embedding) == [0, 15])
    #expect(placed.gradientGroup(of: embedding, rank: 0).count == 256)
    let copy = try #require(
      model.parameters(of: .multiTokenPrediction(0)).first { $0.sharedWith != nil })
    #expect(placed.gradientGroup(of: copy, rank: 0) == placed.gradientGroup(of: embedding, rank: 0))
    let head = try #require(model.parameters(of: .head).last)
    #expect(placed.stages(holding: head) == [15])
    let expert = try #require(model.parameters(of: .layer(5)).first { $0.expert == 255 })
    #expect(placed.gradientGroup(of: expert, rank: 128 + 63).count == 4)
    #expect(placed.stages(ofRank: 128 + 63) == [1, 14])
  }

  @Test func tiedHeadsReduceOverBothEnds() throws {
    let model = Architecture.gpt(
      name: "small", hidden: 64, layers: 6, heads: 4, vocabulary: 65, positions: 64)
    var plan = Plan()
    plan.pipelineParallel = 4
    plan.dataParallel = 2
    plan.globalBatch = 16
    plan.sequenceLength = 64
    let placed = try plan.validated(for: model, on: .ranks(8))
    let head = try #require(model.parameters(of: .head).last)
    #expect(placed.stages(holding: head) == [0, 3])
    #expect(placed.gradientGroup(of: head, rank: 0) == [0, 6, 1, 7])
    let norm = try #require(model.parameters(of: .head).first)
    #expect(placed.stages(holding: norm) == [3])
    #expect(placed.gradientGroup(of: norm, rank: 6) == [6, 7])
  }
}

@Suite("Formats and recomputation")
struct PrecisionTests {
  /// DeepSeek's wire format: 7,168 numbers and 56 scales of 4 bytes; 14,336 bytes in BF16.
  @Test func rowBytes() {
    #expect(NumberFormat.e4m3.rowBytes(columns: 7168, scaleBlock: 128) == 7392)
    #expect(NumberFormat.bfloat16.rowBytes(columns: 7168, scaleBlock: 128) == 14_336)
    #expect(NumberFormat.float32.rowBytes(columns: 3, scaleBlock: 128) == 12)
    #expect(NumberFormat.e5m6.rowBytes(columns: 256, scaleBlock: 128) == 384 + 8)
    #expect(NumberFormat.e4m3.rowBytes(columns: 1, scaleBlock: 128) == 5)
  }

  @Test func recipesByName() {
    for recipe in PrecisionRecipe.all {
      #expect(PrecisionRecipe.named(recipe.name) == recipe)
    }
    #expect(PrecisionRecipe.named("fp4") == nil)
    #expect(PrecisionRecipe.deepSeekFP8.moments == .bfloat16)
    #expect(PrecisionRecipe.deepSeekFP8.masterWeights == .float32)
    #expect(PrecisionRecipe.float32.masterWeights == nil)
  }

  @Test func whatIsRecomputed() {
    #expect(Recomputation.full.includes(layerOfStage: 7) && Recomputation.full.modules.isEmpty)
    #expect(!Recomputation.full.includes(.norm))
    #expect(Recomputation.modules([.norm]).includes(.rmsNorm))
    #expect(Recomputation.selective.modules == [.attentionCore])
    #expect(!Recomputation.none.includes(.swiGLU))
    #expect(Recomputation.modules([.swiGLU]).includes(.swiGLU))
  }
}

import Clusters
import Documents
import Foundation
import Models
import Plans
import Schedules
import Testing

func fixture(_ name: String) -> String {
  Bundle.module.bundleURL.appendingPathComponent("Fixtures/\(name)").path
}

func plan(_ lines: String..., world: World = .unknown) throws -> Plan {
  let text = (["global-batch: 64", "sequence-length: 32"] + lines).joined(separator: "\n")
  return try Plan.read(Document(text: text, name: "plan.yaml"), name: "plan", world: world)
}

@Suite("Reading plans")
struct PlanReadingTests {
  @Test(arguments: Plan.shippedNames)
  func whatShipsReadsPrintsAndReadsAgain(name: String) throws {
    let shipped = try Plan.named(name)
    #expect(shipped.name == name && shipped.source != nil)
    let text = try #require(Plan.shippedText(named: name))
    #expect(try Plan.read(Document(text: text, name: "copy"), name: "copy") == shipped)
    let printed = try Document(text: shipped.yaml, name: "printed")
    #expect(try Plan.read(printed, name: "other") == shipped)
  }

  /// A library multiplies operands of one format; that it is for another is told with its line.
  @Test func theLibraryIsForTheFormatOfLinearMaps() throws {
    let named = try plan("precision: fp8-deepseek", "library: fp8-2025-02")
    #expect(named.library == .fp8February2025)
    #expect(try plan("precision: fp8-deepseek").library == nil)
    for lines in ["library: fp8-2025-04", "precision: fp8-deepseek\nlibrary: bf16"] {
      let error = #expect(throws: ConfigurationError.self) { try plan(lines) }
      #expect(error?.keyPath == "library")
    }
    let misspelt = #expect(throws: ConfigurationError.self) {
      try plan("precision: fp8-deepseek", "library: fp8-2025-4")
    }
    #expect(misspelt?.line == 4 && misspelt?.suggestion == "fp8-2025-04")
  }

  /// Left out, DeepEP carries rows whose nodes are limited, by the plan or by the model's router, and an
  /// all-to-all others; what is no dispatcher is refused with the nearest one.
  @Test func theDispatcherFollowsTheLimitOnNodes() throws {
    let free = try Architecture.named("qwen3-235b-a22b")
    let limited = try Architecture.named("deepseek-v3")
    let silent = try plan("expert-parallel: 8")
    #expect(silent.dispatcher == nil)
    #expect(silent.dispatcher(for: free) == .allToAll)
    #expect(silent.dispatcher(for: limited) == .deepEP)
    let two = try plan("expert-parallel: 8", "nodes-per-token: 2")
    #expect(two.dispatcher(for: free) == .deepEP)
    for dispatcher in Plan.Dispatcher.allCases {
      let said = try plan("expert-parallel: 8", "dispatcher: \(dispatcher.rawValue)")
      #expect(said.dispatcher(for: free) == dispatcher)
      #expect(said.dispatcher(for: limited) == dispatcher)
    }
    let wrong = #expect(throws: ConfigurationError.self) { try plan("dispatcher: alltoall") }
    #expect(wrong?.line == 3 && wrong?.suggestion == "all-to-all", "\(wrong as Any)")
    let flex = #expect(throws: ConfigurationError.self) {
      try plan("moe-token-dispatcher-type: all-to-all")
    }
    #expect(flex?.suggestion == "dispatcher", "\(flex as Any)")
  }

  @Test func everySettingSurvivesPrinting() throws {
    var recipe = PrecisionRecipe.deepSeekFP8
    recipe.name = "mine"
    recipe.combine = .e4m3
    recipe.masterWeights = nil
    recipe.scaleBlock = 64
    var plan = Plan()
    plan.name = "a \"quoted\" \\ name"
    plan.source = "note: with # signs"
    plan.dataParallel = 6
    plan.tensorParallel = 4
    plan.contextParallel = 2
    plan.pipelineParallel = 8
    plan.expertParallel = 3
    plan.expertTensorParallel = 2
    plan.sequenceParallel = true
    plan.stagesPerRank = 3
    plan.zeroStage = .gradients
    plan.microbatchSize = 5
    plan.globalBatch = 90
    plan.sequenceLength = 77
    plan.schedule = .file("/somewhere/else.csv", isBidirectional: false)
    plan.sendMode = .eager
    plan.precision = recipe
    plan.library = .fp8February2025
    plan.recomputation = .modules([.rmsNorm, .swiGLU])
    plan.layout = .units([1, 2, 3])
    plan.dispatcher = .allToAll
    plan.nodesPerToken = 4
    plan.communicationSMs = 20
    plan.computationSMs = 112
    plan.overlap.tensorExchange = .yes
    plan.overlap.gradientReduction = false
    plan.expertLoad = .counts(file: "/counts.csv")
    plan.documents = PackedDocuments(.file("/lengths.txt"), packing: .whole, mask: .none)
    plan.gradientLanes = 8
    plan.collectiveAlgorithm = .hierarchical
    let read = try Plan.read(Document(text: plan.yaml, name: "printed"), name: "x")
    #expect(read == plan)
    plan.schedule = .named("v-half")
    plan.passTimes = PassCosts(
      forward: 18_546, backwardInput: 18_097, backwardWeight: 9_321, transfer: 0)
    for layout in [Plan.Layout.even, .balanced, .layers([0, 2]), .evenUnits] {
      for recomputation in [Recomputation.none, .full, .selective] {
        plan.layout = layout
        plan.recomputation = recomputation
        plan.documents = PackedDocuments(.distribution(mean: 600, deviation: 1.5, seed: 4))
        for correlation in [
          Plan.LoadCorrelation(), .init(layers: 1), .init(layers: 0.5, microbatches: 0.25),
        ] {
          plan.expertLoad = .deviation(0.075, seed: 7, correlation: correlation)
          #expect(try Plan.read(Document(text: plan.yaml, name: "printed"), name: "x") == plan)
        }
      }
    }
  }

  @Test func theShippedPlanOfDeepSeekV3() throws {
    let plan = try Plan.named("deepseek-v3")
    #expect(plan.worldSize == 2048 && plan.microbatchCount == 120 && plan.stageCount == 16)
    #expect(plan.isBidirectional && plan.zeroStage == .optimizer)
    #expect(plan.precision == .deepSeekFP8 && plan.sendMode == .batched)
    #expect(plan.recomputation == .modules([.rmsNorm, .latentUpProjection, .swiGLU]))
    #expect(plan.communicationSMs == 20 && plan.computationSMs == 112)
    #expect(plan.dispatcher == .deepEP)
    #expect(plan.expertLoad == .deviation(0.075, seed: 1))
    let placed = try plan.validated(
      for: Architecture.named("deepseek-v3"), on: .devices(2048), multiprocessors: 132)
    #expect(placed.layout.layers(ofStage: 0) == [0, 1, 2, 3])
    #expect(placed.layout.stages[15] == [.layer(60), .head, .multiTokenPrediction(0)])
  }

  /// Only the schedules whose open code waits for groups of messages batch them, unless the plan
  /// says so.
  @Test func sendsFollowTheSchedule() throws {
    for name in ScheduleName.allCases {
      let isDual = name == .dualPipe || name == .dualPipeV
      let unsaid = try plan("schedule: \(name.rawValue)")
      #expect(unsaid.sendMode == nil && unsaid.sends == (isDual ? .batched : .eager))
      for mode in Plan.SendMode.allCases {
        let said = try plan("schedule: \(name.rawValue)\nsend-mode: \(mode.rawValue)")
        #expect(said.sends == mode)
        #expect(try Plan.read(Document(text: said.yaml, name: "printed"), name: "x") == said)
      }
    }
    #expect(try plan("").sends == .eager)
  }

  @Test func overridesReplaceValues() throws {
    let plan = try Plan.named(
      "deepseek-v3",
      overrides: ["expert-parallel=32", "expert-load=balanced", "overlap.expert-exchange=false"])
    #expect(plan.expertParallel == 32 && plan.expertLoad == .balanced)
    #expect(plan.overlap.expertExchange == false && plan.overlap.pipelineSends == nil)
  }

  // MARK: - Omitted degrees

  @Test func dataParallelFillsTheWorld() throws {
    #expect(try plan("pipeline-parallel: 4", world: .devices(64)).dataParallel == 16)
    #expect(try plan("tensor-parallel: 8", world: .ranks(8)).dataParallel == 1)
    #expect(try plan("tensor-parallel: 8").dataParallel == 1)
    #expect(try plan("data-parallel: 2", world: .devices(64)).worldSize == 2)
  }

  @Test func theOneMissingDegreeFollowsFromTheRanks() throws {
    let pipeline = try plan("data-parallel: 2", "tensor-parallel: 2", world: .ranks(16))
    #expect(pipeline.pipelineParallel == 4)
    let tensor = try plan("data-parallel: 2", "pipeline-parallel: 2", world: .ranks(16))
    #expect(tensor.tensorParallel == 4 && tensor.sequenceParallel)
    #expect(try plan("data-parallel: 16", world: .ranks(16)).worldSize == 16)
    let error = failure { try plan("data-parallel: 2", world: .ranks(16)) }
    #expect(error?.rule.contains("leave 8") == true)
  }

  @Test func whatDoesNotDivideTheWorldIsRefused() {
    let error = failure { try plan("pipeline-parallel: 3", world: .devices(64)) }
    #expect(error?.rule.contains("pipeline 3, 3 in all, does not divide 64 devices") == true)
    let ranks = failure { try plan("data-parallel: 3", "tensor-parallel: 2", world: .ranks(4)) }
    #expect(ranks?.rule.contains("pipeline-parallel is missing") == true)
  }

  @Test func usualStagesPerRankFollowTheSchedule() throws {
    #expect(try plan("schedule: zbv").stagesPerRank == 2)
    #expect(try plan("schedule: dualpipev").stagesPerRank == 2)
    #expect(try plan("schedule: dualpipe").stagesPerRank == 1)
    #expect(try plan("schedule: 1f1b").stagesPerRank == 1)
    #expect(try plan("schedule: interleaved-1f1b", "stages-per-rank: 3").stagesPerRank == 3)
  }

  @Test func precisionCanBeChangedFormatByFormat() throws {
    let recipe = try plan("precision: {base: fp8-deepseek, combine: e4m3, master-weights: none}")
      .precision
    var expected = PrecisionRecipe.deepSeekFP8
    expected.combine = .e4m3
    expected.masterWeights = nil
    #expect(recipe == expected)
  }

  @Test func pathsStartFromThePlansFolder() throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("plan-paths-\(ProcessInfo.processInfo.processIdentifier)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("mine.yaml")
    let text = "global-batch: 4\nsequence-length: 8\nschedule-file: orders/a.csv\n"
    try Data(text.utf8).write(to: file)
    let plan = try Plan.named(file.path)
    #expect(plan.name == "mine")
    let path = folder.appendingPathComponent("orders/a.csv").path
    // A file that is not there has one direction until its schedule is asked for.
    #expect(plan.schedule == .file(path, isBidirectional: false))
    #expect(throws: PlanError.self) { try plan.pipelineSchedule() }
  }

  /// A file whose microbatches come from both ends counts copies of stages as DualPipe does: gradients are
  /// reduced over both, and optimizer state is shared out over both.
  @Test func aFileOfTwoDirectionsHasTwoCopies() throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("plan-directions-\(ProcessInfo.processInfo.processIdentifier)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    for (name, copies) in [(ScheduleName.dualPipe, 2), (.oneForwardOneBackward, 1)] {
      let order = try name.schedule(ranks: 4, stagesPerRank: nil, microbatches: 8)
      let file = folder.appendingPathComponent("\(name.rawValue).csv")
      try Data(order.csv.utf8).write(to: file)
      let text = "pipeline-parallel: 4\ndata-parallel: 3\nglobal-batch: 24\nsequence-length: 8\n"
      let own = folder.appendingPathComponent("\(name.rawValue).yaml")
      try Data((text + "schedule-file: \(file.path)\n").utf8).write(to: own)
      let plan = try Plan.named(own.path)
      #expect(plan.schedule == .file(file.path, isBidirectional: copies == 2))
      #expect(plan.replicas == 3 * copies)
      #expect(try plan.pipelineSchedule().placement == order.placement)
    }
  }

  // MARK: - Refusals

  /// The line, the key that is blamed and a word of the rule.
  @Test(arguments: [
    ("tensor-paralel: 2", "tensor-paralel", "unknown key"),
    ("data-parallel: 0", "data-parallel", "from 1"),
    ("data-parallel: -4", "data-parallel", "from 1"),
    ("data-parallel: 2.5", "data-parallel", "whole number"),
    ("data-parallel: 99999999999999999999", "data-parallel", "from 1"),
    ("zero-stage: 4", "zero-stage", "from 0 to 3"),
    ("schedule: 1f2b", "schedule", "expected one of gpipe, 1f1b"),
    ("precision: fp16", "precision", "expected one of float32, tf32, float16, bf16, fp8-"),
    ("precision: {base: bf16, combin: e4m3}", "precision.combin", "unknown key"),
    ("recompute: some", "recompute", "expected one of none, full, selective"),
    ("recompute: [swiglu, silu]", "recompute[1]", "expected one of rms-norm"),
    ("recompute: [swiglu, swiglu]", "recompute", "twice"),
    ("layers-per-stage: best", "layers-per-stage", "even, balanced"),
    ("layers-per-stage: [4, x]", "layers-per-stage[1]", "whole number"),
    ("overlap: {expert-exchanges: true}", "overlap.expert-exchanges", "unknown key"),
    ("overlap: {expert-exchange: maybe}", "overlap.expert-exchange", "true or false"),
    ("expert-load: {deviation: 0.1, counts: a.csv}", "expert-load", "either"),
    ("expert-load: {deviation: 7}", "expert-load.deviation", "from 0"),
    ("expert-load: uneven", "expert-load", "balanced"),
    ("send-mode: late", "send-mode", "batched, eager"),
    ("units-per-stage: eve", "units-per-stage", "expected one of even"),
    ("pass-times: {forward: 1 ms}", "pass-times.backward-input", "required key is missing"),
    (
      "pass-times: {forward: 0 ms, backward-input: 1 ms, backward-weight: 1 ms, transfer: 0 ms}",
      "pass-times.forward", "must be from"
    ),
    ("pass-times: {forward: 5}", "pass-times.forward", "unit"),
    ("collective-algorithm: star", "collective-algorithm", "ring, tree"),
  ])
  func wrongLinesAreRefused(line: String, key: String, word: String) {
    let error = failure { try plan(line) }
    #expect(error?.keyPath == key, "\(error.map(String.init(describing:)) ?? "accepted")")
    #expect(error?.rule.contains(word) == true, "\(error?.rule ?? "accepted")")
    #expect(error?.line == 3 && error?.file == "plan.yaml")
  }

  private static let times =
    "pass-times: {forward: 2 ms, backward-input: 2 ms, backward-weight: 1 ms, transfer: 0 ms}"

  /// What the rest of the plan leaves without effect is refused with its line.
  @Test func keysWithoutEffectAreRefused() throws {
    for name in ScheduleName.allCases {
      let lines = ["schedule: \(name.rawValue)", Self.times]
      guard !name.isPlanned else {
        #expect(try plan(lines[0], lines[1]).passTimes?.forward == 2_000)
        continue
      }
      let error = failure { try plan(lines[0], lines[1]) }
      #expect(error?.keyPath == "pass-times" && error?.line == 4, "\(name)")
      #expect(error?.rule.hasPrefix("the order of \(name.rawValue) is the same") == true)
    }
    #expect(failure { try plan("schedule-file: a.csv", Self.times) }?.keyPath == "pass-times")
    let group = "tensor-parallel: 2\nsequence-parallel: false\nscatter-pipeline-sends: true"
    #expect(try plan(group, "pipeline-parallel: 2").scattersPipelineSends)
    let scattered = failure { try plan(group) }
    #expect(scattered?.keyPath == "scatter-pipeline-sends" && scattered?.line == 5)
    let tree = "collective-algorithm: tree"
    for zero in 1...3 {
      for algorithm in [tree, "collective-algorithm: in-switch"] {
        let error = failure { try plan("zero-stage: \(zero)", "data-parallel: 2", algorithm) }
        #expect(error?.keyPath == "collective-algorithm" && error?.line == 5)
        #expect(error?.rule.contains("ring or hierarchical") == true)
      }
    }
    #expect(try plan("data-parallel: 2", tree).collectiveAlgorithm == .tree)
    #expect(try plan("zero-stage: 1", "data-parallel: 1", tree).collectiveAlgorithm == .tree)
    #expect(try plan("zero-stage: 1", "context-parallel: 2", "data-parallel: 1").replicas == 2)
  }

  /// A precision remembers of which recipe it is made, printed and read again, too.
  @Test func precisionsRememberTheirBase() throws {
    let made = try plan("precision: {base: fp8-deepseek, name: mine, combine: e4m3}")
    #expect(made.precision.base == "fp8-deepseek" && made.precision.name == "mine")
    #expect(made.precision.ownFormats(fusesHead: false).map(\.key) == ["combine"])
    #expect(try Plan.read(Document(text: made.yaml, name: "printed"), name: "x") == made)
    #expect(try plan("precision: tf32").precision.ownFormats(fusesHead: false).isEmpty)
  }

  @Test func exclusiveKeysAreRefused() {
    let layout = failure { try plan("layers-per-stage: [1]", "units-per-stage: [3]") }
    #expect(layout?.keyPath == "units-per-stage" && layout?.line == 4)
    let schedule = failure { try plan("schedule: 1f1b", "schedule-file: a.csv") }
    #expect(schedule?.keyPath == "schedule-file")
    let loss = failure { try plan("fused-head: true", "fused-loss: false") }
    #expect(loss?.keyPath == "fused-loss" && loss?.line == 4)
    let words = failure { try plan("fused-loss: true", "loss: fused") }
    #expect(words?.keyPath == "loss" && words?.line == 4)
    let parts = failure { try plan("loss: chunked", "fused-head: true") }
    #expect(parts?.keyPath == "fused-head" && parts?.line == 4)
    let layers = failure { try plan("recompute: selective", "recompute-layers: 2") }
    #expect(layers?.keyPath == "recompute-layers" && layers?.line == 4)
    for pair in ["[norm, rms-norm]", "[gelu, mlp]"] {
      #expect(failure { try plan("recompute: \(pair)") }?.keyPath == "recompute")
    }
  }

  /// A plan's words for loss and recomputation, each read back from what is printed.
  @Test func lossAndRecomputedLayersAreWords() throws {
    #expect(try plan("fused-loss: false").loss == .native)
    for loss in Plan.Loss.allCases {
      let made = try plan("loss: \(loss.rawValue)")
      #expect(made.loss == loss)
      #expect(try Plan.read(Document(text: made.yaml, name: "printed"), name: "x") == made)
    }
    for text in ["recompute-layers: 3", "recompute: full\nrecompute-layers: 3"] {
      let made = try plan(text)
      #expect(made.recomputation == .firstLayers(3))
      #expect(try Plan.read(Document(text: made.yaml, name: "printed"), name: "x") == made)
    }
    let parts = try plan("recompute: [moe, norm, mlp]")
    #expect(parts.recomputation == .modules([.norm, .mlp, .moe]))
    let alternate = try plan("recompute: [alternate-products, swiglu]")
    #expect(alternate.recomputation == .modules([.swiGLU, .alternateProducts]))
  }

  @Test func missingKeysAndNamesAreNamed() throws {
    let error = failure {
      try Plan.read(Document(text: "global_batch: 4", name: "p.yaml"), name: "p")
    }
    #expect(error?.keyPath == "global-batch" && error?.rule.contains("missing") == true)
    #expect(failure { try Plan.named("deepsek-v3") }?.suggestion == "deepseek-v3")
    #expect(failure { try Plan.named("./nowhere.yaml") }?.rule.contains("opened") == true)
    #expect(failure { try plan("tensor-paralel: 2") }?.suggestion == "tensor-parallel")
    let product = ["data", "tensor", "pipeline", "context"].map { "\($0)-parallel: 1048576" }
    #expect(
      failure { try plan(product[0], product[1], product[2], product[3]) }?
        .rule.contains("64 bits") == true)
  }
}

func failure(_ body: () throws -> Plan) -> ConfigurationError? {
  do {
    _ = try body()
    return nil
  } catch {
    return error as? ConfigurationError
  }
}

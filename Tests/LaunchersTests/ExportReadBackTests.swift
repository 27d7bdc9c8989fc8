import Documents
import Models
import Plans
import TestSupport
import Testing

import Launchers

/// Whatever a plan says comes back from a launcher's file, or the export names its key.
@Suite struct ExportReadBackTests {
  /// A value of a key that the base plan does not have, and what it makes of the plan.
  struct Change: Sendable {
    var key: String
    var value: String
    var effect: @Sendable (Plan) -> String
  }

  private static func change(
    _ key: String, _ value: String, _ effect: @escaping @Sendable (Plan) -> String
  ) -> Change { Change(key: key, value: value, effect: effect) }

  static let changes: [Change] = [
    change("tensor-parallel", "4") { "\($0.tensorParallel)" },
    change("sequence-parallel", "false") { "\($0.sequenceParallel)" },
    change("context-parallel", "2") { "\($0.contextParallel)" },
    change("context-exchange", "ring") {
      $0.contextParallel > 1 ? $0.contextExchange?.rawValue ?? "gather" : "nothing is exchanged"
    },
    change("zero-stage", "3") { "\($0.zeroStage)" },
    change("zero-stage", "0") { "\($0.zeroStage)" },
    change("microbatch-size", "2") { "\($0.microbatchSize)" },
    change("schedule", "gpipe") { "\($0.schedule)" },
    change("schedule", "zbv") { "\($0.schedule)" },
    change("schedule", "interleaved-1f1b") { "\($0.schedule)" },
    change("scatter-pipeline-sends", "true") { "\($0.scattersPipelineSends)" },
    change("layers-per-stage", "[10, 22]") { "\(layers($0))" },
    change("recompute", "full") { "\($0.recomputation)" },
    change("recompute", "selective") { "\($0.recomputation.modules)" },
    change("recompute", "[rms-norm, swiglu]") { "\($0.recomputation)" },
    change("recompute-layers", "3") { "\($0.recomputation)" },
    change("framework", "torchtitan") { "\($0.framework)" },
    change("framework", "megatron-lm") { "\($0.framework)" },
    change("execution", "compiled") { "\($0.execution)" },
    change("execution", "eager") { "\($0.execution)" },
    change("attention-library", "flash-2") { "\($0.attentionLibrary?.rawValue ?? "")" },
    change("attention-library", "cudnn") { "\($0.attentionLibrary?.rawValue ?? "")" },
    change("fused-attention", "false") { "\($0.fusedAttention)" },
    change("loss", "native") { "\($0.loss)" },
    change("loss", "chunked") { "\($0.loss)" },
    change("dropout", "true") { "\($0.dropout)" },
    change("cuda-graphs", "true") { "\($0.cudaGraphs)" },
    change("optimizer", "adamw-foreach") { "\($0.optimizer)" },
    change("precision", "mxfp8") { "\($0.precision.scaling) \($0.precision.linearOperands)" },
    change("precision", "float16") { "\($0.precision.activations)" },
    change("gradient-accumulation-fusion", "false") { "\($0.fusesGradientSums)" },
    change("memory-reserve", "2 GB") { "\($0.memoryReserve)" },
    change("expandable-segments", "true") { "\($0.expandsSegments)" },
    change("gradient-lanes", "8") { "\($0.gradientLanes ?? 0)" },
    change("frozen", "[embedding]") { "\($0.frozen)" },
    change("lora", "{rank: 8}") { "\($0.lora?.rank ?? 0)" },
    change("offload", "{optimizer: 0.5}") { "\($0.offload)" },
    change("computation-sms", "100") { "\($0.computationSMs ?? 0)" },
    change("collective-algorithm", "tree") { "\($0.collectiveAlgorithm?.rawValue ?? "")" },
    change("overlap.gradient-reduction", "false") { "\($0.overlaps(.gradientReduction))" },
  ]

  /// Other keys by which the same is said.
  private static let others = [
    "recompute": ["recompute-layers"], "recompute-layers": ["recompute"],
    "fused-attention": ["attention-library"],
  ]

  private static func model() throws -> Architecture { try .named("llama-3-8b") }

  private static func layers(_ plan: Plan) -> [Int] {
    guard let model = try? model() else { return [] }
    return (try? plan.validated(for: model))?.layout.layerCounts ?? []
  }

  private static func plan(_ changes: [Change]) throws -> Plan {
    let text = """
      data-parallel: 4
      pipeline-parallel: 2
      tensor-parallel: 2
      zero-stage: 1
      global-batch: 32
      sequence-length: 4096
      """
    return try Plan.read(
      Document(text: text, name: "plan"), name: "plan",
      overrides: changes.map { "\($0.key)=\($0.value)" })
  }

  /// Keys whose values come back otherwise and that no sentence names.
  private static func silent(
    _ changes: [Change], _ target: LauncherExport.Target
  ) throws -> [String]? {
    let model = try model()
    let config = try Document(
      text: Architecture.shippedText(named: "llama-3-8b") ?? "", name: "llama-3-8b.json")
    guard let plan = try? plan(changes), (try? plan.validated(for: model)) != nil else {
      return nil
    }
    let export = try LauncherExport(plan, model: config, model, to: target)
    // What the launcher itself would refuse is told as a whole.
    if export.unsaid.contains(where: { $0.hasPrefix("the file as a whole: ") }) { return [] }
    let again = try ImportTests.plan(ImportTests.job(export.text, ranks: export.ranks))
    return Self.changes.filter { change in
      let keys = [change.key] + (others[change.key] ?? [])
      return change.effect(plan) != change.effect(again)
        && !export.unsaid.contains { sentence in
          keys.contains { sentence.hasPrefix($0 + ":") || sentence.hasPrefix($0 + ".") }
        }
    }.map(\.key)
  }

  /// Every value by itself; most are admitted, and differ from the base plan's.
  @Test(arguments: LauncherExport.Target.allCases)
  func everyKeyComesBackOrIsNamed(target: LauncherExport.Target) throws {
    var exported = 0
    let base = try Self.plan([])
    for change in Self.changes {
      guard let silent = try Self.silent([change], target) else { continue }
      exported += 1
      #expect(silent.isEmpty, "\(change.key)=\(change.value): \(silent)")
      #expect(
        try change.effect(Self.plan([change])) != change.effect(base)
          || change.key == "context-exchange",
        "\(change.key)=\(change.value) changes nothing")
    }
    #expect(exported > 25, "\(exported)")
  }

  /// Several at once.
  @Test(arguments: LauncherExport.Target.allCases)
  func severalKeysComeBackOrAreNamed(target: LauncherExport.Target) throws {
    var random = SplitMix64(state: 5)
    var exported = 0
    for _ in 0..<60 {
      let chosen = (0..<3).map { _ in Self.changes.randomElement(using: &random)! }
      guard let silent = try Self.silent(chosen, target) else { continue }
      exported += 1
      #expect(
        silent.isEmpty, "\(chosen.map { "\($0.key)=\($0.value)" }): \(silent)")
    }
    #expect(exported > 10, "\(exported)")
  }

  /// Fused kernels, loss, attention and framework have no words in torchtitan's file.
  @Test func whatTorchtitanCannotBeTold() throws {
    let model = try Architecture.named("llama-3.1-70b")
    let config = try Document(
      text: Architecture.shippedText(named: "llama-3.1-70b") ?? "", name: "llama-3.1-70b.json")
    // What the ready plan recomputes is what a search found last.
    let export = try LauncherExport(
      Plan.named("llama-3.1-70b", overrides: ["recompute=none"]), model: config, model,
      to: .torchtitan)
    for sentence in [
      "execution: fused comes back as eager", "loss: fused comes back as native",
      "attention-library: left open comes back as flash-2",
      "framework: plain comes back as torchtitan",
    ] {
      #expect(export.unsaid.contains(sentence), "\(sentence): \(export.unsaid)")
    }
    #expect(export.text.contains("mode = \"none\""))
    let again = try ImportTests.job(export.text, ranks: export.ranks)
    #expect(try ImportTests.plan(again).recomputation == Recomputation.none)
    let parts = try LauncherExport(
      Plan.named("llama-3.1-70b", overrides: ["recompute=[rms-norm, swiglu]"]), model: config,
      model, to: .torchtitan)
    let line = try #require(parts.unsaid.first { $0.hasPrefix("recompute: ") })
    #expect(line.contains("alternate-products"), "\(line)")
  }

  /// Every second layer of a stage is run again, one stage a rank or several; `none` is a word of its own.
  @Test(arguments: [
    (1, "1F1B", 40), (2, "1F1B", 20), (4, "1F1B", 10), (8, "1F1B", 5), (2, "GPipe", 20),
    (2, "Interleaved1F1B", 10), (2, "ZBVZeroBubble", 10),
  ])
  func everySecondLayer(pipeline: Int, schedule: String, layers: Int) throws {
    func text(_ mode: String) -> String {
      """
      [model]
      flavor = "70B"
      [training]
      local_batch_size = 16
      [parallelism]
      tensor_parallel_degree = 8
      pipeline_parallel_degree = \(pipeline)
      pipeline_parallel_schedule = "\(schedule)"
      [activation_checkpoint]
      mode = "\(mode)"
      selective_ac_option = "2"
      """
    }
    let ranks = 8 * pipeline
    let job = try ImportTests.job(text("selective"), ranks: ranks)
    #expect(try ImportTests.plan(job).recomputation == .firstLayers(layers))
    let none = try ImportTests.job(text("none"), ranks: ranks)
    #expect(try ImportTests.plan(none).recomputation == Recomputation.none)
    let option = try #require(none.options.first { $0.option.hasSuffix("selective_ac_option") })
    #expect(option.sense == .costless)
  }
}

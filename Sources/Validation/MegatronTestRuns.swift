import Foundation
import Simulation

// NVIDIA/Megatron-LM tests/functional_tests: each test's own arguments; where they are silent, Megatron's defaults:
// learned positions, GELU, biases, tied embeddings, dropout 0.1, unfused loss, 50,257 tokens padded to a multiple of 128
// times the tensor degree. The last rank alone logs the figure. One node's GPUs where their number is not published.

/// The arguments of one of Megatron-LM's tests.
private struct TestArguments {
  var values: [String: String]

  func has(_ name: String) -> Bool { values[name] == "true" }
  func number(_ name: String) -> Int? { values[name].flatMap { Int($0) } }

  /// What a test has that no key or family describes; nil if it has nothing such.
  var undescribed: String? {
    let flags = [
      ("num-experts", "experts in GPT blocks"),
      ("multi-latent-attention", "latent attention in GPT"),
      ("fp8-format", "FP8 beside what the family does not have"),
      ("swiglu", "SwiGLU in a GPT block"),
      ("squared-relu", "a squared ReLU"), ("disable-bias-linear", "a GPT without biases"),
      ("export-kd-cfg", "distillation"),
      ("num-distributed-optimizer-instances", "a sharding group"),
      ("defer-embedding-wgrad-compute", "deferred gradients of the embedding"),
    ]
    if let flag = flags.first(where: { values[$0.0] != nil }) { return flag.1 }
    if values["position-embedding-type"] == "rope" { return "rotary positions in GPT" }
    if values["normalization"] == "RMSNorm" { return "RMS norms in GPT" }
    if values["optimizer"] == "muon" { return "Muon" }
    return nil
  }

  /// All tests by their folders.
  static let all: [String: TestArguments] = {
    let bytes = PackageResources.memory_megatron_tests_arguments_json
    let values = try? JSONDecoder().decode([String: [String: String]].self, from: Data(bytes))
    return (values ?? [:]).mapValues(TestArguments.init)
  }()
}

extension DescribedRun {
  /// Megatron-LM's tests, one row for every kind of GPU.
  package static var megatronTests: [DescribedRun] {
    PublishedTable.memoryTests.rows.map { row in
      let folder = testFolder(row)
      return DescribedRun(row, name: "\(folder) \(row["gpu"])") { row throws(NotDescribed) in
        guard let arguments = TestArguments.all[folder] else {
          throw NotDescribed("its arguments are not published")
        }
        if let reason = arguments.undescribed { throw NotDescribed(reason) }
        return testRun(row, arguments)
      }
    }
  }

  /// `gpt/gpt3_mcore_te_tp1_pp1…`, a part of the source's path.
  private static func testFolder(_ row: PublishedRow) -> String {
    let parts = row["source"].split(separator: "/")
    guard let start = parts.firstIndex(of: "test_cases"), parts.count > start + 2 else { return "" }
    return parts[start + 1...start + 2].joined(separator: "/")
  }

  private static func testRun(_ row: PublishedRow, _ arguments: TestArguments) -> PublishedRun {
    let tensor = arguments.number("tensor-model-parallel-size") ?? 1
    let pipeline = arguments.number("pipeline-model-parallel-size") ?? 1
    let context = arguments.number("context-parallel-size") ?? 1
    let product = tensor * pipeline * context
    let node = row["gpu"].hasPrefix("GB") ? 4 : 8
    let gpus = Int(row["gpus"]) ?? (node + product - 1) / product * product
    let layers = arguments.number("num-layers") ?? 12
    let length = arguments.number("seq-length") ?? 1_024
    let chunk = arguments.number("num-layers-per-virtual-pipeline-stage")
    let degrees = RunDegrees(
      data: gpus / product, tensor: tensor, pipeline: pipeline, context: context,
      stagesPerRank: chunk.map { layers / pipeline / $0 } ?? 1,
      microbatch: arguments.number("micro-batch-size") ?? 1,
      globalBatch: arguments.number("global-batch-size") ?? row.integer("global_batch"),
      length: length)
    return PublishedRun(
      name: "", model: "megatron-1.7b",
      modelOverrides: testModel(arguments, layers: layers, tensor: tensor), cluster: "h100-2048",
      clusterOverrides: ["nodes=\(max(1, (gpus + 7) / 8))"], plan: "nemo-gpt-3-175b",
      planOverrides: degrees.overrides + testSettings(arguments, layers: layers, pipeline, tensor))
  }

  /// Megatron-Core's fusion is its own, called native, unless Transformer Engine's is asked for.
  private static func loss(_ arguments: TestArguments) -> String {
    guard arguments.has("cross-entropy-loss-fusion") else { return "native" }
    return arguments.values["cross-entropy-fusion-impl"] == "te" ? "fused" : "compiled"
  }

  private static func testModel(
    _ arguments: TestArguments, layers: Int, tensor: Int
  ) -> [String] {
    let multiple = 128 * tensor
    return [
      "n_embd=\(arguments.number("hidden-size") ?? 512)", "n_layer=\(layers)",
      "n_head=\(arguments.number("num-attention-heads") ?? 8)",
      "n_positions=\(arguments.number("max-position-embeddings") ?? 1_024)",
      "vocab_size=\((50_257 + multiple - 1) / multiple * multiple)",
      "tie_word_embeddings=\(!arguments.has("untie-embeddings-and-output-weights"))",
    ]
  }

  private static func testSettings(
    _ arguments: TestArguments, layers: Int, _ pipeline: Int, _ tensor: Int
  ) -> [String] {
    let shards = arguments.values["data-parallel-sharding-strategy"] == "optim_grads_params"
    // Megatron's own layers have attention as products with a softmax between them.
    let usesTransformerEngine = arguments.values["transformer-impl"] == "transformer_engine"
    let zero = shards ? 3 : arguments.has("use-distributed-optimizer") ? 1 : 0
    var settings = [
      "precision=\(arguments.has("fp16") ? "float16" : arguments.has("bf16") ? "bf16" : "float32")",
      "zero-stage=\(zero)", "loss-average=null",
      "dropout=\(arguments.values["hidden-dropout"] != "0.0")",
      "fused-attention=\(usesTransformerEngine && arguments.values["attention-backend"] != "unfused")",
      "fused-loss=null", "loss=\(loss(arguments))",
      "recompute=\(arguments.values["recompute-granularity"] ?? "none")",
      "gradient-accumulation-fusion=\(!arguments.has("no-gradient-accumulation-fusion"))",
      "sequence-parallel=\(tensor > 1 && arguments.has("sequence-parallel"))",
      "overlap.tensor-exchange=null",
      "framework=\(usesTransformerEngine ? "megatron-lm" : "megatron-local")",
    ]
    if let first = arguments.number("decoder-first-pipeline-num-layers"),
      let last = arguments.number("decoder-last-pipeline-num-layers")
    {
      let middle = (layers - first - last) / (pipeline - 2)
      let stages = [first] + [Int](repeating: middle, count: pipeline - 2) + [last]
      settings.append("layers-per-stage=\(stages)")
    }
    return settings
  }
}

extension ValidationTable {
  /// Peak memory of Megatron-LM's own tests.
  static func megatronTests(_ files: PublishedFiles) throws -> ValidationTable {
    let runs = try ComparedRun.simulate(DescribedRun.megatronTests, from: files)
    var table = predicted(
      "memory-megatron-tests", title: "Peak memory of Megatron-LM's functional tests",
      source: "NVIDIA/Megatron-LM tests/functional_tests d98e8a64", fittedTo: "nothing: counted",
      assumptions: [
        "the last rank's live bytes against what its allocator gave out; Megatron's defaults",
        "one node's GPUs where their number is not published",
      ],
      rows: runs.map { run in
        run.comparison(run.row.number("measured") / 1e9, unit: "GB") {
          let last = $0.stages.max { $0.position < $1.position }
          return Double(last?.memory.peak ?? 0) / 1e9
        }
      })
    table.axes = [
      axis("tensor ranks", of: runs, in: "tp", sharing: ["gpu", "pp", "precision"]),
      axis("pipeline ranks", of: runs, in: "pp", sharing: ["gpu", "tp", "precision"]),
    ]
    return table
  }
}

extension PublishedTable {
  /// The arguments of Megatron-LM's tests as they are published: JSON, a table a test.
  package static var testArguments: [UInt8] {
    PackageResources.memory_megatron_tests_arguments_json
  }
}

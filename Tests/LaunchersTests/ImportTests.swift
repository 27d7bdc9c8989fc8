import Documents
import Foundation
import Models
import Plans
import Testing

import Launchers

/// Files of launchers as models and plans.
@Suite struct ImportTests {
  static func fixture(_ name: String) throws -> String {
    let url = try #require(Bundle.module.url(forResource: "Fixtures/\(name)", withExtension: nil))
    return try String(contentsOf: url, encoding: .utf8)
  }

  static func job(
    _ text: String, name: String = "job.txt", ranks: Int? = nil, length: Int? = nil,
    model: String? = nil, job: String? = nil
  ) throws -> ImportedJob {
    var settings = ImportSettings()
    (settings.ranks, settings.sequenceLength) = (ranks, length)
    (settings.model, settings.job) = (model, job)
    return try LauncherImport.job(texts: [(name, text)], settings)
  }

  static func plan(_ job: ImportedJob) throws -> Plan {
    try Plan.read(Document(text: job.plan, name: "plan.yaml"), name: job.name)
  }

  static func model(_ job: ImportedJob) throws -> Architecture {
    try Architecture.read(Document(text: job.model, name: "config.json"), name: job.name)
  }

  /// What the error of an import says.
  static func refusal(_ text: String, ranks: Int? = nil) throws -> ConfigurationError {
    try #require(throws: ConfigurationError.self) { try job(text, ranks: ranks) }
  }

  // MARK: - Megatron-LM

  @Test func aScriptWithArrays() throws {
    let job = try Self.job(Self.fixture("gpt.sh"), name: "gpt.sh")
    let plan = try Self.plan(job)
    #expect(job.launcher == "Megatron-LM" && job.ranks == 1024 && job.objection == nil)
    #expect(plan.dataParallel == 8 && plan.tensorParallel == 8)
    #expect(plan.pipelineParallel == 16 && plan.stagesPerRank == 2)
    #expect(plan.schedule == .named("interleaved-1f1b") && plan.zeroStage == .optimizer)
    #expect(plan.recomputation == .selective && plan.dropout && plan.sequenceParallel)
    // FP16 without --accumulate-allreduce-grads-in-fp32 keeps gradients in FP16.
    #expect(plan.precision.gradients == .float16 && plan.precision.masterWeights == .float32)
    // GPT-3: 174.6 billion parameters with a vocabulary padded to 51,200.
    #expect(try Self.model(job).parameterCounts.total == 174_615_846_912)
    let line = try #require(job.options.first { $0.option == "--num-layers" })
    #expect(line.line == 2 && line.sense == .understood && line.value == "96")
    #expect(job.options.first { $0.option == "--train-iters" }?.sense == .costless)
    #expect(job.options.first { $0.option == "--hidden-dropout" }?.sense == .implied)
  }

  private static let small = """
    --num-layers 16 --hidden-size 512 --num-attention-heads 8 --seq-length 1024
    --max-position-embeddings 1024 --micro-batch-size 1 --global-batch-size 64 --bf16
    --pipeline-model-parallel-size 4

    """

  @Test(arguments: [
    ("--num-layers-per-virtual-pipeline-stage 2", 2, [2, 2, 2, 2, 2, 2, 2, 2]),
    ("--num-virtual-stages-per-pipeline-rank 2", 2, [2, 2, 2, 2, 2, 2, 2, 2]),
    ("--pipeline-model-parallel-layout 'Ettt|(tt|)*6tL'", 2, [3, 2, 2, 2, 2, 2, 2, 1]),
    (
      "--decoder-first-pipeline-num-layers 2 --decoder-last-pipeline-num-layers 4", 1, [2, 5, 5, 4]
    ),
    ("", 1, [4, 4, 4, 4]),
  ])
  func stagesAreSaidInThreeWays(_ options: String, _ stages: Int, _ layers: [Int]) throws {
    let job = try Self.job(Self.small + options, ranks: 8)
    let plan = try Self.plan(job)
    let placed = try plan.validated(for: Self.model(job))
    #expect(plan.stagesPerRank == stages && placed.layout.layerCounts == layers)
    #expect(plan.schedule == .named(stages == 1 ? "1f1b" : "interleaved-1f1b"))
  }

  @Test func stagesSaidTwiceAndOtherContradictionsAreRefused() throws {
    for (options, part) in [
      (
        "--num-virtual-stages-per-pipeline-rank 2\n--num-layers-per-virtual-pipeline-stage 2",
        "twice"
      ),
      ("--fp16", "excludes --bf16"),
      ("--overlap-param-gather", "--overlap-grad-reduce"),
      ("--recompute-granularity selective --recompute-method block", "granularity full"),
      ("--step-batch-size-schedule '0:8 1B:16'", "excludes"),
      ("--tp-comm-overlap --tensor-model-parallel-size 2", "--sequence-parallel"),
      ("--expert-model-parallel-size 2", "no experts"),
      ("--pipeline-model-parallel-layout 'Et|t|t|tL'", "has 4 layers"),
      ("--num-layers twelve", "whole number"), ("--swiglu --squared-relu", "excludes"),
      ("--hybrid-layer-pattern 'M*GM'", "gated delta rule"), ("--optimizer sgd", "does not count"),
      ("--tokenizer-type HuggingFaceTokenizer --tokenizer-model mine", "--vocab-size"),
      ("--hidden-size $H", "--define"),
    ] {
      let error = try Self.refusal(Self.small + options, ranks: 8)
      #expect(error.line != nil && error.description.contains(part), "\(error)")
    }
  }

  @Test func whatIsNotKnownIsSaidByName() throws {
    let job = try Self.job(Self.small + "--frobnicate 3 --tensor-model-paralel-size 2", ranks: 4)
    let unknown = job.options.filter { $0.sense == .unknown }
    #expect(unknown.map(\.option) == ["--frobnicate", "--tensor-model-paralel-size"])
    #expect(unknown[1].meaning.contains("--tensor-model-parallel-size"))
    #expect(unknown.allSatisfy { $0.line == 4 })
  }

  @Test func theLastOfAnOptionCounts() throws {
    let job = try Self.job(Self.small + "--num-layers 8", ranks: 4)
    #expect(try Self.model(job).layerCount == 8)
    #expect(job.options.contains { $0.value == "16" && $0.meaning.contains("the last counts") })
  }

  @Test func printedArgumentsAndTablesSayTheSame() throws {
    let printed = """
      using world size: 8
      ------------------------ arguments ------------------------
        bf16 ............................................ True
        global_batch_size ............................... 64
        hidden_size ..................................... 512
        max_position_embeddings ......................... 1024
        micro_batch_size ................................ 1
        num_attention_heads ............................. 8
      [default0]:  num_layers ........................... 16
        group_query_attention ........................... False
        num_query_groups ................................ 1
        pipeline_model_parallel_size .................... 4
        add_bias_linear ................................. True
        seq_length ...................................... 1024
        world_size ...................................... 8
        virtual_pipeline_model_parallel_size ............ None
      """
    let table = """
      ENV_VARS: {CUDA_DEVICE_MAX_CONNECTIONS: 1}
      MODEL_ARGS:
        --num-layers: 16
        --hidden-size: 512
        --num-attention-heads: 8
        --seq-length: 1024
        --max-position-embeddings: 1024
        --micro-batch-size: 1
        --global-batch-size: 64
        --bf16: true
        --pipeline-model-parallel-size: 4
      """
    let plain = try Self.job(Self.small, ranks: 8)
    for text in [printed, table] {
      let job = try Self.job(text, ranks: text == table ? 8 : nil)
      #expect(job.model == plain.model)
      #expect(try Self.plan(job) == Self.plan(plain))
    }
  }

  @Test func expertsAndLatentsAreCounted() throws {
    let text = """
      --num-layers 4 --hidden-size 512 --num-attention-heads 8 --seq-length 1024 --swiglu
      --max-position-embeddings 1024 --micro-batch-size 1 --global-batch-size 64 --bf16
      --normalization RMSNorm --disable-bias-linear --position-embedding-type rope
      --untie-embeddings-and-output-weights --vocab-size 1024 --ffn-hidden-size 2048
      --multi-latent-attention --qk-layernorm --q-lora-rank 192 --kv-lora-rank 64 --qk-head-dim 16
      --qk-pos-emb-head-dim 8 --v-head-dim 16 --num-experts 8 --moe-router-topk 2
      --moe-ffn-hidden-size 1024 --moe-layer-freq '([0]*1+[1]*3)'
      --moe-shared-expert-intermediate-size 1024 --expert-model-parallel-size 4
      --moe-router-score-function sigmoid --moe-router-enable-expert-bias --mtp-num-layers 1
      """
    let job = try Self.job(text, ranks: 8)
    let attention = 512 * 192 + 192 + 192 * 8 * 24 + 512 * 72 + 64 + 64 * 8 * 32 + 8 * 16 * 512
    let dense = 3 * 512 * 2048
    let mixture = 9 * 3 * 512 * 1024 + 8 * 512
    let expected = 2 * 1024 * 512 + 512 + 4 * (attention + 2 * 512) + dense + 3 * mixture
    let model = try Self.model(job)
    #expect(model.family.rawValue == "deepseek_v3" && model.multiTokenPrediction == 1)
    #expect(model.parameterCounts.total == expected)
    let plan = try Self.plan(job)
    #expect(plan.expertParallel == 4 && plan.dispatcher == .allGather)
  }
}

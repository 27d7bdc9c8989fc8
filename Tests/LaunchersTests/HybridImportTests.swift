import Documents
import Models
import Plans
import Testing

import Launchers

/// Layers of one block each, as Megatron-LM is told them, and vocabularies with rows that are added.
@Suite struct HybridImportTests {
  private static let common = """
    --disable-bias-linear --untie-embeddings-and-output-weights --position-embedding-type none
    --normalization RMSNorm --squared-relu --seq-length 4096 --max-position-embeddings 8192
    --micro-batch-size 1 --global-batch-size 64 --bf16 --vocab-size 131072 --group-query-attention

    """

  /// Nemotron-H-8B (Megatron-LM d98e8a64, `examples/post_training/modelopt/conf/nvidia`).
  private static let dense =
    common + """
      --hidden-size 4096 --ffn-hidden-size 21504 --num-attention-heads 32 --num-query-groups 8
      --mamba-head-dim 64 --mamba-num-heads 128 --mamba-num-groups 8 --mamba-state-dim 128

      """

  private static let pattern = "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-"

  /// Nemotron-3-Nano-30B-A3B, from the same folder.
  private static let experts =
    common + """
      --hidden-size 2688 --ffn-hidden-size 1856 --num-attention-heads 32 --num-query-groups 2
      --kv-channels 128 --mamba-num-heads 64 --mamba-head-dim 64 --num-experts 128
      --moe-router-topk 6 --moe-router-score-function sigmoid --moe-router-enable-expert-bias
      --moe-router-topk-scaling-factor 2.5 --moe-shared-expert-intermediate-size 3712
      --hybrid-layer-pattern MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME

      """

  /// The published models' totals, which transformers 5.24 counts from their configurations.
  @Test func publishedModels() throws {
    let first = try ImportTests.job(Self.dense + "--hybrid-layer-pattern \(Self.pattern)", ranks: 8)
    #expect(try ImportTests.model(first).parameterCounts.total == 8_100_852_736)
    let second = try ImportTests.job(Self.experts, ranks: 8)
    #expect(try ImportTests.model(second).parameterCounts.total == 31_577_937_344)
    #expect(first.objection == nil && second.objection == nil)
    #expect(!(first.options + second.options).contains { $0.sense == .unknown })
  }

  /// Both spellings; heads that are not said are twice the hidden size in heads of 64.
  @Test func theOlderSpellingAndImpliedSizes() throws {
    let plain = Self.common + "--hidden-size 4096 --ffn-hidden-size 21504 --num-attention-heads 32"
    let options = "\n--num-query-groups 8 --is-hybrid-model --num-layers 52\n"
    let job = try ImportTests.job(
      plain + options + "--hybrid-override-pattern \(Self.pattern)", ranks: 8)
    #expect(try ImportTests.model(job).parameterCounts.total == 8_100_852_736)
    #expect(job.options.contains { $0.option == "--mamba-num-heads" && $0.value == "128" })
  }

  /// Layers as Megatron-LM's `pattern_from_ratios` spreads them (d98e8a64).
  @Test(arguments: [
    (8, 0.25, 0.0, "MM*MM*MM"), (24, 0.08, 0.5, "M-M-M--*M-M-M-M-*M--M-M-"),
    (10, 0.25, 0.25, "MMM*-M*MM-"), (12, 0, 0.5, "M-M-M-M-M-M-"),
    (56, 0.08, 0.5, "M-M-M--M-M*-M-M-M-M--M*-M-M-M-M-M*--M-M-M-M-M*-M--M-M-M-"),
    (12, 1, 0, "************"),
  ])
  func shares(_ layers: Int, _ attention: Double, _ dense: Double, _ pattern: String) throws {
    let job = try ImportTests.job(
      Self.dense + "--num-layers \(layers) --hybrid-attention-ratio \(attention) "
        + "--hybrid-mlp-ratio \(dense)", ranks: 1)
    #expect(job.model.contains("\"\(pattern)\""), "\(job.model)")
  }

  /// Bars end stages, several of them a rank.
  @Test func stagesBetweenBars() throws {
    let bars = "M-M-M-M*-M-|M-M-M*-M-M-|M-M*-M-M-M-M|*-M-M-M-M-"
    for (ranks, stages) in [(2, 2), (4, 1)] {
      let job = try ImportTests.job(
        Self.dense + "--pipeline-model-parallel-size \(ranks) --hybrid-layer-pattern '\(bars)'",
        ranks: 8)
      let plan = try ImportTests.plan(job)
      let placed = try plan.validated(for: ImportTests.model(job))
      #expect(placed.layout.layerCounts == [11, 11, 12, 10] && plan.stagesPerRank == stages)
    }
  }

  /// What is told to Megatron-LM again is the same model on the same stages.
  @Test(arguments: ["M-M*|EM-", "M-M*EM-"])
  func roundTrip(_ pattern: String) throws {
    let ranks = pattern.contains("|") ? 2 : 1
    let options = Self.experts + "--hybrid-layer-pattern '\(pattern)'"
    let first = try ImportTests.job(
      options + " --pipeline-model-parallel-size \(ranks)", ranks: 8)
    let export = try LauncherExport(
      ImportTests.plan(first), model: Document(text: first.model, name: "config.json"),
      ImportTests.model(first), to: .megatron)
    let second = try ImportTests.job(export.text, ranks: export.ranks)
    #expect(try ImportTests.model(first).layers == ImportTests.model(second).layers)
    let layouts = try [first, second].map {
      try ImportTests.plan($0).validated(for: ImportTests.model($0)).layout.layerCounts
    }
    #expect(layouts[0] == layouts[1])
  }

  /// Nemotron-H by its own configuration, told to Megatron-LM.
  @Test func nemotronIsTold() throws {
    let config = """
      {"model_type": "nemotron_h", "hidden_size": 4096, "intermediate_size": 21504,
      "hybrid_override_pattern": "\(Self.pattern)", "num_attention_heads": 32,
      "num_key_value_heads": 8, "head_dim": 128, "mamba_num_heads": 128, "mamba_head_dim": 64,
      "vocab_size": 131072, "max_position_embeddings": 8192}
      """
    let document = try Document(text: config, name: "config.json")
    let architecture = try Architecture.read(document, name: "nemotron-h-8b")
    let plan = try ImportTests.plan(
      ImportTests.job(Self.dense + "--hybrid-layer-pattern \(Self.pattern)", ranks: 8))
    let export = try LauncherExport(plan, model: document, architecture, to: .megatron)
    let again = try ImportTests.job(export.text, ranks: export.ranks)
    #expect(try ImportTests.model(again).parameterCounts.total == 8_100_852_736)
  }

  @Test(arguments: [
    ("--hybrid-layer-pattern 'M*XM'", "a layer is M"),
    ("--hybrid-layer-pattern 'M*+M'", "latent attention"),
    ("--hybrid-layer-pattern 'M*EM'", "--num-experts says none"),
    ("--hybrid-layer-pattern 'M||M'", "without layers"),
    ("--hybrid-layer-pattern 'M*/M/*'", "the same layers"),
    ("--hybrid-layer-pattern 'M*' --hybrid-override-pattern 'M*'", "excludes"),
    ("--hybrid-layer-pattern 'M|*|M' --pipeline-model-parallel-size 2", "has 3 stages"),
    ("--hybrid-layer-pattern 'M*' --num-virtual-stages-per-pipeline-rank 2", "excludes a pattern"),
    ("--hybrid-layer-pattern 'M*' --mamba-num-groups 3", "must divide mamba-num-heads"),
    ("--hybrid-attention-ratio 0.25", "needs --num-layers"),
    ("--num-layers 8 --hybrid-attention-ratio 0.6 --hybrid-mlp-ratio 0.6", "exceed 1"),
    ("--num-layers 8 --is-hybrid-model", "needs --hybrid-layer-pattern"),
    (
      "--num-layers 8 --spec megatron.core.models.mamba.mamba_layer_specs mamba_stack_spec", "which"
    ),
  ])
  func contradictionsAreRefused(_ options: String, _ part: String) throws {
    let error = try ImportTests.refusal(Self.dense + options, ranks: 8)
    #expect(error.line != nil && error.description.contains(part), "\(error)")
  }

  /// Prediction modules of a pattern are left out, and the page says so.
  @Test func predictionModulesAreLeftOut() throws {
    let job = try ImportTests.job(
      Self.dense + "--hybrid-layer-pattern 'M*M-/*-/*-' --mtp-num-layers 2", ranks: 1)
    #expect(try ImportTests.model(job).layerCount == 4)
    let left = job.options.filter { $0.sense == .unmodelled && $0.meaning.contains("left out") }
    #expect(left.count == 2)
  }

  // MARK: - Vocabularies

  private static let llama = """
    --num-layers 2 --hidden-size 64 --num-attention-heads 2 --seq-length 128 --micro-batch-size 1
    --max-position-embeddings 128 --tensor-model-parallel-size 2

    """

  /// Rows of Pai-Megatron-Patch: Qwen2.5's 151,643 tokens and 293 or 421, Llama 3's 128,000 and 256.
  @Test(arguments: [
    ("--patch-tokenizer-type Qwen2Tokenizer --extra-vocab-size 293", 151_936),
    ("--patch-tokenizer-type Qwen2Tokenizer --extra-vocab-size 421", 152_064),
    ("--patch-tokenizer-type LLama3Tokenizer --extra-vocab-size 256", 128_256),
    ("--patch-tokenizer-type Qwen3Tokenizer --padded-vocab-size 151936", 151_936),
    ("--vocab-size 1000 --extra-vocab-size 24", 1024),
    // Without added rows Megatron-LM pads, to a multiple of 128 times the tensor group.
    ("--vocab-size 1000 --extra-vocab-size 0", 1024), ("--vocab-size 1100", 1280),
  ])
  func rowsThatAreAdded(_ options: String, _ rows: Int) throws {
    let job = try ImportTests.job(Self.llama + options, ranks: 2)
    #expect(try ImportTests.model(job).vocabularySize == rows)
    #expect(!job.options.contains { $0.sense == .unknown })
  }

  @Test func aPatchedTokenizerOfUnknownSize() throws {
    let error = try ImportTests.refusal(
      Self.llama + "--patch-tokenizer-type DeepSeekV2Tokenizer --extra-vocab-size 467", ranks: 2)
    #expect(error.line == 3 && error.description.contains("--vocab-size"))
  }
}

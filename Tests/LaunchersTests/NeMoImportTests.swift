import Documents
import Models
import Plans
import Testing

import Launchers

/// NeMo's YAML: references within it, its own keys, its tokenizers.
@Suite struct NeMoImportTests {
  private static func text(_ more: String = "", tokenizer: String = "") -> String {
    """
    trainer: {num_nodes: 1, devices: 8, precision: bf16, max_steps: 10}
    model:
      mcore_gpt: true
      micro_batch_size: 1
      global_batch_size: 8
      encoder_seq_length: 2048
      max_position_embeddings: ${.encoder_seq_length}
      num_layers: 2
      hidden_size: 64
      ffn_hidden_size: ${multiply:4, ${.hidden_size}}
      num_attention_heads: 4
      tokenizer: {\(tokenizer)}
    \(more)
    """
  }

  private static func job(
    _ text: String, _ definitions: [String: String] = [:]
  ) throws -> ImportedJob {
    var settings = ImportSettings()
    settings.definitions = definitions
    return try LauncherImport.job(texts: [("job.yaml", text)], settings)
  }

  private static func rule(_ text: String) throws -> String {
    try #require(throws: ConfigurationError.self) { try job(text) }.description
  }

  @Test func referencesAreLookedUp() throws {
    let model = try ImportTests.model(Self.job(Self.text()))
    #expect(model.maximumPositions == 2048)
    guard case .dense(let block) = model.feedForwards[0] else {
      Issue.record("no dense block")
      return
    }
    #expect(block.width == 256)
    let outer = Self.text().replacing("${.encoder_seq_length}", with: "${model.encoder_seq_length}")
    #expect(try ImportTests.model(Self.job(outer)).maximumPositions == 2048)
    let launcher = Self.text().replacing("${.enc", with: "${training.model.enc")
    #expect(try ImportTests.model(Self.job(launcher)).maximumPositions == 2048)
  }

  @Test func whatTheFileDoesNotSayIsDefined() throws {
    let text = Self.text().replacing("num_layers: 2", with: "num_layers: ${LAYERS}")
    #expect(try Self.rule(text).contains("${LAYERS} is not set"))
    #expect(try ImportTests.model(Self.job(text, ["LAYERS": "3"])).layerCount == 3)
    let usual = text.replacing("${LAYERS}", with: "${LAYERS:-5}")
    #expect(try ImportTests.model(Self.job(usual)).layerCount == 5)
    let plain = """
      MODEL_ARGS:
        --tensor-model-parallel-size: ${TP}
        --num-layers: 2
        --hidden-size: 64
        --num-attention-heads: 4
        --seq-length: 128
        --max-position-embeddings: 128
        --micro-batch-size: 1
      """
    #expect(try ImportTests.plan(Self.job(plain, ["TP": "2"])).tensorParallel == 2)
  }

  @Test func referencesThatLeadNowhere() throws {
    let circle = Self.text().replacing("hidden_size: 64", with: "hidden_size: ${.ffn_hidden_size}")
    #expect(try Self.rule(circle).contains("refers to itself"))
    let unknown = Self.text().replacing("multiply:", with: "eval:")
    #expect(
      try Self.rule(unknown).contains("${eval:4, ${.hidden_size}} is worked out by the launcher"))
  }

  @Test func theVocabularyIsNotGuessed() throws {
    func size(_ more: String, _ tokenizer: String) throws -> Int {
      try ImportTests.model(Self.job(Self.text(more, tokenizer: tokenizer))).vocabularySize
    }
    let qwen = "library: huggingface, type: Qwen/Qwen1.5-7B, model: null"
    #expect(try size("  override_vocab_size: 151936", qwen) == 151_936)
    #expect(try Self.rule(Self.text(tokenizer: qwen)).contains("--vocab-size N"))
    let piece = "library: sentencepiece, type: null, model: null"
    #expect(try Self.rule(Self.text(tokenizer: piece)).contains("--vocab-size N"))
    #expect(try size("", "library: huggingface, type: meta-llama/Meta-Llama-3.1-8B") == 128_256)
    #expect(try size("", "library: megatron, type: GPT2BPETokenizer") == 50_304)
  }

  @Test func ordinaryKeysAreKnown() throws {
    let more = """
        transformer_engine: true
        fsdp: false
        optim: {name: distributed_fused_adam, overlap_grad_sync: true, overlap_param_sync: true}
      """
    let job = try Self.job(Self.text(more))
    let plan = try ImportTests.plan(job)
    #expect(plan.overlap.gradientReduction == true && plan.overlap.parameterGather == true)
    #expect(job.options.filter { $0.sense == .unknown }.isEmpty)
    for (key, what) in [
      ("fsdp: true", "FSDP"), ("transformer_block_type: post_ln", "norms"),
      (
        "name: megatron_falcon_gpt\n  mcore_customization_config: {parallel_attention: true}",
        "parallel blocks"
      ),
    ] { #expect(try Self.rule(Self.text("  " + key)).contains(what), "\(key)") }
    let off = try Self.job(Self.text("  megatron_amp_O2: false"))
    #expect(off.options.first { $0.option == "model.megatron_amp_O2" }?.sense == .unmodelled)
  }
}

import Documents
import Foundation
import Models
import Testing

@Suite("Reading config.json")
struct ReadingTests {
  @Test(arguments: Architecture.shippedNames)
  func whatShipsCanBePrintedAndReadAgain(name: String) throws {
    let text = try #require(Architecture.shippedText(named: name))
    let document = try Document(text: text, name: "copy.json")
    #expect(try Architecture.read(document, name: name) == Architecture.named(name))
  }

  /// A name's text is the text of the model that the name finds.
  @Test func nearSpellingsHaveTheText() throws {
    #expect(Architecture.shippedText(named: "llama3-8b") != nil)
    #expect(
      Architecture.shippedText(named: "meta-llama/Llama-3.1-8B-Instruct")
        == Architecture.shippedText(named: "llama-3.1-8b"))
  }

  /// Command R7B's own file says parts that all of its family have; their absence is refused.
  @Test func partsThatCohereNames() throws {
    let file = try Document(file: fixture("families/command-r7b.json"), atMost: 1 << 20)
    let keys = ["use_gated_activation", "use_parallel_block", "use_embedding_sharing"]
    let own = try Architecture.read(file, name: "r7b")
    let text = try String(contentsOfFile: fixture("families/command-r7b.json"), encoding: .utf8)
    let parts = (keys + ["use_parallel_embedding"]).map { "\"\($0)\": true, " }.joined()
    let said = text.replacing("\"head_dim\"", with: parts + "\"head_dim\"")
    let same = try Architecture.read(Document(text: said, name: "config.json"), name: "r7b")
    #expect(said != text)
    #expect(same.parameterCounts.total == own.parameterCounts.total)
    for key in keys {
      let error = failure { try Architecture.read(file, name: "r7b", overrides: ["\(key)=false"]) }
      #expect(error?.keyPath == key)
    }
  }

  /// Hybrid layers in Megatron-Core's words.
  @Test(arguments: [
    ("hybrid_layer_pattern=M*", "hybrid_layer_pattern"),
    ("hybrid_layer_pattern=M*-X", "hybrid_layer_pattern"),
    ("hybrid_layer_pattern=M*-E", "hybrid_layer_pattern"),
    ("mamba_num_groups=3", "mamba_num_groups"),
  ])
  func hybridLayersAreRefused(_ change: String, _ key: String) throws {
    let text = """
      {"model_type": "megatron", "num_layers": 4, "hidden_size": 64, "num_attention_heads": 4,
      "vocab_size": 128, "max_position_embeddings": 128, "hybrid_layer_pattern": "M*-M",
      "mamba_num_heads": 8, "mamba_head_dim": 16, "mamba_num_groups": 2, "mamba_state_dim": 16}
      """
    let file = try Document(text: text, name: "config.json")
    #expect(try Architecture.read(file, name: "hybrid").layerCount == 4)
    let error = failure { try Architecture.read(file, name: "hybrid", overrides: [change]) }
    #expect(error?.keyPath == key, "\(String(describing: error))")
  }

  @Test func unknownNameNamesTheNearest() {
    let error = failure { try Architecture.named("deepseek-v4") }
    #expect(error?.suggestion == "deepseek-v3")
    #expect(error?.description.contains("mixtral-8x7b") == true)
    #expect(
      failure { try Architecture.named("/nowhere/config.json") }?.rule.contains("opened") == true)
  }

  @Test func unsupportedTypeListsTheSupported() {
    let error = failure { try read("{\n\"model_type\": \"mamba\"}") }
    #expect(error?.line == 2 && error?.keyPath == "model_type" && error?.value == "mamba")
    for family in Architecture.Family.allCases {
      #expect(error?.rule.contains(family.rawValue) == true)
    }
  }

  @Test(arguments: [
    ("Qwen/Qwen2.5-Coder-7B", "qwen2.5-7b"), ("Qwen/Qwen2.5-7B-Instruct-1M", "qwen2.5-7b"),
    ("meta-llama/Llama-Guard-3-8B", "llama-3-8b"), ("mixtral", "mixtral-8x7b or mixtral-8x22b"),
    ("qwen3-235b", "qwen3-235b-a22b"),
  ])
  func theNearestNameSharesWords(name: String, near: String) {
    #expect(failure { try Architecture.named(name) }?.suggestion == near)
  }

  /// Sizes beside an inner table without any: the class's defaults are not meant.
  @Test func innerTablesWithoutSizesAreRefused() throws {
    let text = try #require(Architecture.shippedText(named: "qwen3-0.6b"))
    let inner = text.replacing(
      "{", with: "{\n\"text_config\": {\"model_type\": \"qwen3\"},", maxReplacements: 1)
    #expect(failure { try read(inner) }?.keyPath == "text_config")
  }

  /// Each case changes one value of a model that ships and names the key that must be blamed.
  @Test(arguments: [
    ("llama-3.1-8b", "num_key_value_heads=5", "num_key_value_heads"),
    ("llama-3.1-8b", "num_attention_heads=48", "num_attention_heads"),
    ("llama-3.1-8b", "hidden_size=0", "hidden_size"),
    ("llama-3.1-8b", "hidden_size=-4096", "hidden_size"),
    ("llama-3.1-8b", "hidden_size=4096.5", "hidden_size"),
    ("llama-3.1-8b", "num_hidden_layers=99999999999999999999", "num_hidden_layers"),
    ("llama-3.1-8b", "hidden_act=relux", "hidden_act"),
    ("llama-3.1-8b", "head_dim=127", "head_dim"),
    ("llama-3.1-8b", "rope_scaling.high_freq_factor=0.5", "rope_scaling.high_freq_factor"),
    ("llama-3.1-8b", "rope_scaling.mscale_all_dim=1", "rope_scaling.mscale_all_dim"),
    ("llama-3.1-8b", "pad_token_id=128256", "pad_token_id"),
    ("llama-3.1-8b", "rope_scaling.factor=many", "rope_scaling.factor"),
    ("llama-3.1-8b", "rope_theta=0", "rope_theta"),
    ("llama-3.1-8b", "partial_rotary_factor=1.5", "partial_rotary_factor"),
    ("deepseek-v3", "n_group=7", "n_group"),
    ("deepseek-v3", "topk_group=9", "topk_group"),
    ("deepseek-v3", "num_experts_per_tok=129", "num_experts_per_tok"),
    ("deepseek-v3", "scoring_func=softmax", "scoring_func"),
    ("deepseek-v3", "topk_method=greedy", "topk_method"),
    ("deepseek-v3", "qk_rope_head_dim=63", "qk_rope_head_dim"),
    ("deepseek-v3", "first_k_dense_replace=62", "first_k_dense_replace"),
    ("deepseek-v3", "num_nextn_predict_layers=-1", "num_nextn_predict_layers"),
    ("gpt-3-175b", "n_head=95", "n_head"),
    ("gpt-3-175b", "activation_function=gelux", "activation_function"),
    ("gpt-3-175b", "add_cross_attention=true", "add_cross_attention"),
    ("gpt-3-175b", "attention_head_type=few", "attention_head_type"),
    ("mixtral-8x7b", "sliding_window=-1", "sliding_window"),
    ("gpt-oss-20b", "layer_types=[full_attention]", "layer_types"),
    ("gpt-oss-20b", "layer_types=[odd_attention]", "layer_types"),
    ("nemotron-h-8b", "hybrid_override_pattern=MXM", "hybrid_override_pattern"),
    ("nemotron-h-8b", "n_groups=7", "n_groups"),
    (
      "qwen3-next-80b-a3b",
      "linear_num_key_heads=5", "linear_num_key_heads"
    ),
    ("qwen2.5-7b", "layer_types=[sliding_attention]", "layer_types"),
    ("mixtral-8x7b", "num_experts_per_tok=9", "num_experts_per_tok"),
    ("qwen3-235b-a22b", "mlp_only_layers=[94]", "mlp_only_layers[0]"),
    ("qwen3-235b-a22b", "tie_word_embeddings=1", "tie_word_embeddings"),
  ])
  func impossibleValues(name: String, change: String, key: String) {
    let error = failure { try Architecture.named(name, overrides: [change]) }
    #expect(error?.keyPath == key, "\(error.map(String.init(describing:)) ?? "accepted")")
    #expect(error?.file == "--set")
  }

  /// A config.json may hold keys that say nothing about shapes; what is set by hand must act.
  @Test(arguments: [
    ("deepseek-v3", "n_routed_expert=8", "n_routed_expert", "n_routed_experts"),
    ("llama-3.1-8b", "num_layers=8", "num_layers", "num_hidden_layers"),
    (
      "deepseek-v3", "num_layers=8", "num_layers", "num_hidden_layers or num_nextn_predict_layers"
    ),
    ("deepseek-v3", "torch_dtype=float16", "torch_dtype", nil),
    ("deepseek-v3", "rope_scaling.facter=2", "rope_scaling.facter", "factor"),
    ("deepseek-v3", "mlp_bias=true", "mlp_bias", nil),
    ("gpt-3-175b", "num_hidden_layers=8", "num_hidden_layers", nil),
    ("qwen3-235b-a22b", "n_routed_experts=8", "n_routed_experts", nil),
  ])
  func overridesThatNothingReads(name: String, change: String, key: String, meant: String?) {
    let error = failure { try Architecture.named(name, overrides: [change]) }
    #expect(error?.file == "--set" && error?.keyPath == key)
    #expect(error?.rule == "nothing reads this key" && error?.suggestion == meant)
  }

  @Test(arguments: [
    ("llama-3.1-8b", "hidden_size"), ("llama-3.1-8b", "vocab_size"),
    ("gpt-3-175b", "n_positions"), ("gpt-3-175b", "n_layer"),
    ("deepseek-v3", "kv_lora_rank"), ("deepseek-v3", "num_experts_per_tok"),
    ("deepseek-v2", "moe_intermediate_size"), ("mixtral-8x7b", "num_local_experts"),
    ("qwen3-235b-a22b", "num_experts"), ("mixtral-8x7b", "model_type"),
  ])
  func missingValues(name: String, key: String) throws {
    let text = try #require(Architecture.shippedText(named: name))
    let lines = text.split(separator: "\n").filter { !$0.contains("\"\(key)\":") }
    let error = failure { try read(lines.joined(separator: "\n")) }
    #expect(error?.keyPath == key)
    #expect(error?.rule.contains("missing") == true)
  }

  /// What names a part and is not read for the family, or a class of its own, may change the counts.
  @Test(arguments: [
    ("\"num_experts\": 8", "num_experts"), ("\"qk_layernorm\": true", "qk_layernorm"),
    ("\"lora_rank\": 4", "lora_rank"), ("\"use_moe\": true", "use_moe"),
    ("\"attn_output_gate\": true", "attn_output_gate"), ("\"hc_mult\": 4", "hc_mult"),
    ("\"is_encoder_decoder\": true", "is_encoder_decoder"),
    ("\"cross_attention_layers\": [3, 7]", "cross_attention_layers"),
    ("\"pruned_heads\": {\"1\": [0]}", "pruned_heads"), ("\"block_configs\": [1]", "block_configs"),
    ("\"value_embeddings\": true", "value_embeddings"), ("\"head_gate\": true", "head_gate"),
    ("\"ngram_embedding\": true", "ngram_embedding"),
    ("\"num_nextn_predict_layers\": 1", "num_nextn_predict_layers"),
    ("\"num_own_things\": 2", "num_own_things"), ("\"adapter_size\": 64", "adapter_size"),
    ("\"moe_latent_size\": 64", "moe_latent_size"),
    ("\"architectures\": [\"LlamaForSequenceClassification\"]", "architectures"),
    ("\"architectures\": [\"LlamaModel\"]", "architectures"),
    (
      "\"auto_map\": {\"AutoModelForCausalLM\": \"modeling_own.OwnForCausalLM\"}",
      "auto_map.AutoModelForCausalLM"
    ),
  ])
  func partsThatNobodyReadsAreRefused(entry: String, key: String) throws {
    let text = try #require(Architecture.shippedText(named: "llama-2-7b"))
      .replacing(/"architectures": \[[^\]]*\],/, with: "")
    let error = failure { try read(text.replacing("{", with: "{\n\(entry),", maxReplacements: 1)) }
    #expect(error?.keyPath == key, "\(error.map(String.init(describing:)) ?? "accepted")")
    #expect(error?.description.contains("\n") == false)
  }

  /// Settings of training, and parts that are said not to be there, stand in many files.
  @Test func whatChangesNoCountIsPassedOver() throws {
    let text = try #require(Architecture.shippedText(named: "llama-2-7b"))
    let entries =
      "\"pruned_heads\": {}, \"is_encoder_decoder\": false, \"num_beams\": 1, \"n_ctx\": 9, "
      + "\"router_aux_loss_coef\": 0.01, \"num_experts\": 0, \"use_moe\": false, \"moe_drop_tokens\": 1"
    let read = try read(text.replacing("{", with: "{\n\(entries),", maxReplacements: 1))
    #expect(try read.parameterCounts == Architecture.named("llama-2-7b").parameterCounts)
  }

  /// A file with 2 MB of what a quantised checkpoint writes beside.
  @Test func largeFilesAreRead() throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("models-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let text = try #require(Architecture.shippedText(named: "llama-2-7b"))
    let words = Array(repeating: "\"model.layers.0.self_attn.q_proj\"", count: 30_000)
    let large = text.replacing(
      "{", with: "{\n\"ignored\": [\(words.joined(separator: ", "))],", maxReplacements: 1)
    let file = folder.appendingPathComponent("large.json")
    try Data(large.utf8).write(to: file)
    #expect(large.utf8.count > 1 << 20)
    #expect(
      try Architecture.named(file.path).parameterCounts
        == Architecture.named("llama-2-7b").parameterCounts)
  }

  @Test func giganticModelsAreRefused() {
    let error = failure {
      try Architecture.named(
        "deepseek-v3",
        overrides: ["hidden_size=1048576", "moe_intermediate_size=1048576"])
    }
    #expect(error?.rule.contains("10^15") == true)
  }

  @Test func dropoutIsNoticed() throws {
    let model = try Architecture.named("gpt-3-175b", overrides: ["resid_pdrop=0.1"])
    #expect(model.notices.count == 1 && model.notices[0].contains("resid_pdrop 0.1"))
    #expect(try Architecture.named("gpt-3-175b").notices.isEmpty)
  }

  @Test func bothSpellingsOfRotarySettingsAreRead() throws {
    let older = try Architecture.named("deepseek-v3")
    var text = try #require(Architecture.shippedText(named: "deepseek-v3"))
    text = text.replacing(
      "\"rope_scaling\": {", with: "\"rope_parameters\": {\"rope_theta\": 10000,")
    text = text.replacing("\"type\"", with: "\"rope_type\"")
    text = text.replacing("  \"rope_theta\": 10000,\n", with: "")
    #expect(try read(text) == older)
    guard case .rotary(let rotary) = older.position, case .yarn(let yarn) = rotary.scaling else {
      Issue.record("no YaRN")
      return
    }
    #expect(yarn.factor == 40 && yarn.originalPositions == 4096)
  }

  @Test func severalSharedExpertsAreOneBlock() throws {
    let mixture = try Architecture.named("deepseek-v2").feedForwards[1].mixture
    #expect(mixture?.sharedExperts == 2 && mixture?.sharedWidth == 3072)
    #expect(mixture?.groupScore == .maximum && mixture?.scoring == .softmax)
    #expect(mixture?.routedScaling == 16 && mixture?.correctionBias == false)
  }

  @Test func modelsWithoutGroupsOrExpertsAreRead() throws {
    let one = try Architecture.named(
      "deepseek-v3", overrides: ["n_group=1", "topk_group=1", "q_lora_rank=null"])
    #expect(one.feedForwards[60].mixture?.groups == 1)
    let dense = try Architecture.named("deepseek-v3", overrides: ["n_routed_experts=null"])
    #expect(dense.feedForwards.allSatisfy { $0.mixture == nil })
  }

  /// Keys that are left out have the values that transformers' `DeepseekV3Config` gives them.
  @Test func absentKeysHaveTheFamilysDefaults() throws {
    let text = try #require(Architecture.shippedText(named: "deepseek-v3"))
    let absent = ["n_group", "topk_group", "first_k_dense_replace", "n_shared_experts"]
    let lines = text.split(separator: "\n").filter { line in
      !absent.contains { line.contains("\"\($0)\":") }
    }
    #expect(lines.count == text.split(separator: "\n").count - 4)
    #expect(try read(lines.joined(separator: "\n")) == Architecture.named("deepseek-v3"))
  }

  @Test func yarnFindsItsContextAndFactor() throws {
    func yarn(_ changes: String...) throws -> Rotary.Yarn? {
      let model = try Architecture.named("deepseek-v3", overrides: changes)
      guard case .rotary(let rotary) = model.position, case .yarn(let yarn) = rotary.scaling
      else { return nil }
      return yarn
    }
    let outer = try yarn("original_max_position_embeddings=8192", "rope_scaling.factor=null")
    #expect(outer?.originalPositions == 8192 && outer?.factor == 20)
    #expect(
      try yarn("rope_scaling.original_max_position_embeddings=null")?.originalPositions == 163_840)
  }

  @Test func paddingIsCountedFromTheEndWhereNegative() throws {
    let model = try Architecture.named("llama-3.1-8b", overrides: ["pad_token_id=-1"])
    #expect(model.paddingToken == 128_255)
    #expect(try Architecture.named("llama-3.1-8b").paddingToken == nil)
  }

  private func read(_ text: String) throws -> Architecture {
    try Architecture.read(Document(text: text, name: "config.json"), name: "deepseek-v3")
  }

  private func failure(_ body: () throws -> Architecture) -> ConfigurationError? {
    do {
      _ = try body()
      return nil
    } catch {
      return error as? ConfigurationError
    }
  }
}

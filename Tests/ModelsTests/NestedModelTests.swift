import Documents
import Models
import Testing

/// Files as they are published whose spelling is rare: language models inside of others, flags that say what
/// every checkpoint of a family has, and parts that two programs understand differently.
@Suite("Rare spellings of config.json")
struct NestedModelTests {
  /// LLaVA 1.5 writes of its Llama what differs from the class; 32 layers of 11,008 under 32,064 tokens.
  @Test func sizesThatATableInsideLeavesOut() throws {
    let model = try read(
      """
      {"model_type": "llava", "text_config": {"model_type": "llama", "vocab_size": 32064}}
      """)
    let layer = 4 * 4096 * 4096 + 3 * 4096 * 11_008 + 2 * 4096
    #expect(model.parameterCounts.total == 32 * layer + 2 * 32_064 * 4096 + 4096)
    #expect(model.notices.contains { $0.hasPrefix("hidden_size is not written: 4096") })
    // Pixtral's file leaves out the number of heads alone.
    let pixtral = try read(
      """
      {"model_type": "llava", "text_config": {"model_type": "mistral", "hidden_size": 5120,
      "head_dim": 128, "intermediate_size": 14336, "num_hidden_layers": 40,
      "num_key_value_heads": 8, "sliding_window": null, "vocab_size": 131072}}
      """)
    #expect(pixtral.parameterCounts.total == 12_247_782_400)
    #expect(pixtral.notices.filter { $0.contains("is not written") }.count == 1)
  }

  /// A file of its own that lacks a size is broken.
  @Test func sizesThatAFileLeavesOut() {
    let error = failure { try read("{\"model_type\": \"llama\", \"vocab_size\": 32064}") }
    #expect(error?.keyPath == "hidden_size")
  }

  /// Qwen3-Coder says that its norms over heads are there, as those of all Qwen3 are.
  @Test(arguments: ["qwen3-8b", "qwen3-30b-a3b"])
  func normsThatAFlagNames(name: String) throws {
    let plain = try Architecture.named(name)
    let flagged = try Architecture.named(name, overrides: ["use_qk_norm=true"])
    #expect(flagged == plain)
    let error = failure { try Architecture.named(name, overrides: ["use_qk_norm=false"]) }
    #expect(error?.keyPath == "use_qk_norm")
  }

  /// Llama 4 Scout's two bounds of rope_scaling are the same; no frequency lies between them.
  @Test func boundsOfARotationThatAreEqual() throws {
    let model = try Architecture.named(
      "llama-3.1-8b", overrides: ["rope_scaling.high_freq_factor=1"])
    guard case .rotary(let rotary) = model.position, case .llama3(let scaling) = rotary.scaling
    else {
      Issue.record("no rotation of Llama 3's kind")
      return
    }
    #expect(scaling.highFrequencyFactor == scaling.lowFrequencyFactor)
    var plain = rotary
    plain.scaling = .none
    let pairs = zip(rotary.frequencies(columns: 128), plain.frequencies(columns: 128))
    #expect(pairs.allSatisfy { $0 == $1 || $0 == $1 / scaling.factor })
    #expect(pairs.contains { $0 == $1 } && pairs.contains { $0 != $1 })
  }

  /// Without `head_dim` a head is the hidden size's share; 277,056 is what transformers 5.24 builds.
  @Test func headsOfGLMWithoutASize() throws {
    let model = try read(
      """
      {"model_type": "glm4_moe", "vocab_size": 512, "hidden_size": 64, "intermediate_size": 80,
      "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 1,
      "moe_intermediate_size": 40, "num_experts_per_tok": 2, "n_shared_experts": 1,
      "n_routed_experts": 8, "n_group": 2, "topk_group": 1, "first_k_dense_replace": 2}
      """)
    #expect(model.parameterCounts.total == 277_056)
  }

  /// Each is built in one way by transformers and in another by the family's own code, or by neither.
  @Test(arguments: [
    ("nemotron-h-8b", "attention_bias=true", "attention_bias"),
    ("nemotron-h-8b", "tie_word_embeddings=true", "tie_word_embeddings"),
    ("qwen3-next-80b-a3b", "attention_bias=true", "attention_bias"),
    ("deepseek-v2", "mlp_bias=true", "mlp_bias"),
  ])
  func partsThatAreRefused(name: String, change: String, key: String) {
    let error = failure { try Architecture.named(name, overrides: [change]) }
    #expect(error?.keyPath == key)
  }

  @Test(arguments: [
    ("\"parallel_attn\": false, \"new_decoder_architecture\": true", "parallel_attn"),
    ("\"num_ln_in_parallel_attn\": 2", "num_ln_in_parallel_attn"),
  ])
  func falconsThatNobodyComputes(keys: String, blamed: String) {
    let error = failure {
      try read(
        """
        {"model_type": "falcon", "vocab_size": 500, "hidden_size": 64, "num_hidden_layers": 3,
        "num_attention_heads": 4, \(keys)}
        """)
    }
    #expect(error?.keyPath == blamed)
  }

  private func read(_ text: String) throws -> Architecture {
    try Architecture.read(Document(text: text, name: "config.json"), name: "read")
  }

  private func failure(_ body: () throws -> Architecture) -> ConfigurationError? {
    #expect(throws: ConfigurationError.self) { try body() }
  }
}

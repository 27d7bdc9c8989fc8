import Documents
import Models

/// A model whose steps are timed, with the batch that peers are timed on.
struct BenchModel: Sendable {
  static let names = ["gpt-10m", "gpt-124m", "gpt-8-layers", "tiny-deepseek-v3", "digits"]

  var name: String
  var architecture: Architecture
  /// Sequences in a step, and tokens that each predicts.
  var batch: Int
  var sequence: Int

  /// A model by its name, nil if there is none; a smaller one of its kind for a smoke run.
  init?(_ name: String, isSmoke: Bool) {
    self.name = name
    sequence = 256
    batch = 12
    switch name {
    // The character-level example of nanoGPT: 10.77M parameters.
    case "gpt-10m": architecture = Self.gpt(layers: isSmoke ? 2 : 6, vocabulary: 65)
    // Deep enough for every pipeline schedule on two ranks.
    case "gpt-8-layers":
      architecture = Self.gpt(layers: 8, vocabulary: 512)
      (batch, sequence) = (16, 128)
    // GPT-2, with the batch that llm.c's CPU program takes by default.
    case "gpt-124m":
      architecture = .gpt(
        name: name, hidden: 768, layers: isSmoke ? 1 : 12, heads: 12,
        vocabulary: isSmoke ? 500 : 50_257, positions: 1024)
      (batch, sequence) = (4, 64)
    // That of `make demo-rl`: 102,720 parameters.
    case "digits":
      guard let made = try? Self.digits() else { return nil }
      architecture = made
      (batch, sequence) = (128, 20)
    // 2,048 tokens to 2 of 16 experts each: 256 rows per expert in the mean.
    case "tiny-deepseek-v3":
      guard let made = try? Self.deepSeek() else { return nil }
      architecture = made
      batch = 8
    default: return nil
    }
    if isSmoke { (batch, sequence) = (4, 16) }
  }

  private static func gpt(layers: Int, vocabulary: Int) -> Architecture {
    .gpt(
      name: "gpt", hidden: 384, layers: layers, heads: 6, vocabulary: vocabulary, positions: 256)
  }

  private static func digits() throws -> Architecture {
    let config = """
      {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 176,
       "num_attention_heads": 4, "num_key_value_heads": 4, "hidden_act": "silu",
       "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 512,
       "initializer_range": 0.125, "tie_word_embeddings": true, "vocab_size": 32}
      """
    return try .read(Document(bytes: Array(config.utf8), name: "digits"), name: "digits")
  }

  /// DeepSeek-V3's shape, 8 layers of 256 columns, the first of them dense.
  private static func deepSeek() throws -> Architecture {
    let config = """
      {"model_type": "deepseek_v3", "hidden_size": 256, "num_hidden_layers": 8,
       "first_k_dense_replace": 1, "intermediate_size": 768, "moe_intermediate_size": 256,
       "n_routed_experts": 16, "num_experts_per_tok": 2, "n_shared_experts": 1, "n_group": 4,
       "topk_group": 2, "norm_topk_prob": true, "routed_scaling_factor": 2.5,
       "scoring_func": "sigmoid", "topk_method": "noaux_tc", "num_attention_heads": 4,
       "num_key_value_heads": 4, "q_lora_rank": 128, "kv_lora_rank": 64, "qk_nope_head_dim": 64,
       "qk_rope_head_dim": 32, "v_head_dim": 64, "hidden_act": "silu", "rms_norm_eps": 1e-6,
       "rope_theta": 10000.0, "max_position_embeddings": 256, "initializer_range": 0.02,
       "tie_word_embeddings": false, "vocab_size": 256, "num_nextn_predict_layers": 0}
      """
    return try .read(
      Document(bytes: Array(config.utf8), name: "tiny-deepseek-v3"), name: "tiny-deepseek-v3")
  }
}

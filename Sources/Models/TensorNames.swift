/// What the checkpoints of a family call their tensors.
///
/// Where a checkpoint joins several maps in one tensor (queries, keys and values of GPT-NeoX, gate and
/// up of Phi-3, the experts of gpt-oss), the maps are listed one by one under the names that Llama's
/// would have; such families are counted and simulated, and not trained.
struct TensorNames {
  var tokenEmbedding = "model.embed_tokens.weight"
  var positionEmbedding = "model.embed_positions.weight"
  var embeddingInput = "model.project_in.weight"
  var embeddingOutput = "model.project_out.weight"
  var embeddingNorm = "model.embed_layernorm"
  var finalNorm = "model.norm"
  var head = "lm_head.weight"
  var layers = "model.layers."
  var attentionNorm = "input_layernorm"
  var attentionResultNorm = "post_attention_layernorm"
  var feedForwardNorm = "post_attention_layernorm"
  var feedForwardResultNorm = "post_feedforward_layernorm"
  var attention = "self_attn."
  var query = "q_proj"
  var key = "k_proj"
  var value = "v_proj"
  var output = "o_proj"
  var queryHeadNorm = "q_norm"
  var keyHeadNorm = "k_norm"
  var recurrent = "linear_attn."
  var feedForward = "mlp."
  var gate = "gate_proj"
  var up = "up_proj"
  var down = "down_proj"
  var mixture = "mlp."
  var router = "gate"
  var correctionBias = "gate.e_score_correction_bias"
  var expertGate = "gate_proj"
  var expertUp = "up_proj"
  var expertDown = "down_proj"
  var shared = "shared_experts."

  func layer(_ index: Int) -> String { "\(layers)\(index)." }

  init(_ family: Architecture.Family) {
    switch family {
    case .gpt2, .gptBigCode, .gptNeo, .bloom, .falcon: nameTransformer(family)
    case .gptNeoX: nameGPTNeoX()
    case .opt: nameOPT()
    case .mixtral: nameMixtral()
    case .gemma2, .gemma3:
      feedForwardNorm = "pre_feedforward_layernorm"
    case .glm4:
      attentionResultNorm = "post_self_attn_layernorm"
      feedForwardResultNorm = "post_mlp_layernorm"
    case .qwen2MoE, .qwen3Next: shared = "shared_expert."
    case .starcoder2: (up, down) = ("c_fc", "c_proj")
    case .gptOSS: router = "router"
    case .llama4:
      (feedForward, mixture) = ("feed_forward.", "feed_forward.")
      (router, shared) = ("router", "shared_expert.")
    case .hunyuan, .hunyuanDense, .hunyuanMoE:
      (queryHeadNorm, keyHeadNorm) = ("query_layernorm", "key_layernorm")
      (router, shared) = ("gate.wg", "shared_mlp.")
    case .minimaxM2:
      mixture = "block_sparse_moe."
      correctionBias = "e_score_correction_bias"
      (expertGate, expertUp, expertDown) = ("w1", "w3", "w2")
    case .ernieMoE: correctionBias = "moe_statics.e_score_correction_bias"
    case .nemotronH: nameNemotronH()
    default: break
    }
  }

  private mutating func nameMixtral() {
    mixture = "block_sparse_moe."
    (expertGate, expertUp, expertDown) = ("w1", "w3", "w2")
  }

  /// GPT-2's layout, and what others made of it.
  private mutating func nameTransformer(_ family: Architecture.Family) {
    tokenEmbedding = "transformer.wte.weight"
    positionEmbedding = "transformer.wpe.weight"
    finalNorm = "transformer.ln_f"
    layers = "transformer.h."
    (attentionNorm, feedForwardNorm) = ("ln_1", "ln_2")
    (attention, output) = ("attn.", "c_proj")
    (up, down) = ("c_fc", "c_proj")
    switch family {
    case .gptNeo:
      (attention, output) = ("attn.attention.", "out_proj")
    case .bloom, .falcon:
      tokenEmbedding = "transformer.word_embeddings.weight"
      embeddingNorm = "transformer.word_embeddings_layernorm"
      (attention, output) = ("self_attention.", "dense")
      (attentionNorm, feedForwardNorm) = ("input_layernorm", "post_attention_layernorm")
      (up, down) = ("dense_h_to_4h", "dense_4h_to_h")
    default: break
    }
  }

  private mutating func nameGPTNeoX() {
    tokenEmbedding = "gpt_neox.embed_in.weight"
    finalNorm = "gpt_neox.final_layer_norm"
    head = "embed_out.weight"
    layers = "gpt_neox.layers."
    (attention, output) = ("attention.", "dense")
    (up, down) = ("dense_h_to_4h", "dense_4h_to_h")
  }

  private mutating func nameOPT() {
    tokenEmbedding = "model.decoder.embed_tokens.weight"
    positionEmbedding = "model.decoder.embed_positions.weight"
    embeddingInput = "model.decoder.project_in.weight"
    embeddingOutput = "model.decoder.project_out.weight"
    finalNorm = "model.decoder.final_layer_norm"
    layers = "model.decoder.layers."
    (attentionNorm, feedForwardNorm) = ("self_attn_layer_norm", "final_layer_norm")
    output = "out_proj"
    (feedForward, up, down) = ("", "fc1", "fc2")
  }

  private mutating func nameNemotronH() {
    tokenEmbedding = "backbone.embeddings.weight"
    finalNorm = "backbone.norm_f"
    layers = "backbone.layers."
    (attentionNorm, feedForwardNorm) = ("norm", "norm")
    (attention, recurrent, feedForward, mixture) = ("mixer.", "mixer.", "mixer.", "mixer.")
  }
}

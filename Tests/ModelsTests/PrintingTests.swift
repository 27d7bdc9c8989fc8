import Documents
import Models
import Testing

@Suite("Writing config.json")
struct PrintingTests {
  @Test(arguments: Architecture.shippedNames)
  func whatShipsSurvives(name: String) throws {
    let model = try Architecture.named(name)
    guard model.family.isWritten else { return }
    try check(model)
  }

  @Test(arguments: checkpoints)
  func checkpointsSurvive(checkpoint: String) throws {
    try check(Architecture.named(fixture(checkpoint)))
  }

  @Test(arguments: [
    ("deepseek-v3", "q_lora_rank=null"), ("deepseek-v3", "num_nextn_predict_layers=0"),
    ("deepseek-v3", "moe_layer_freq=2"), ("deepseek-v3", "first_k_dense_replace=0"),
    ("deepseek-v3", "n_routed_experts=null"), ("deepseek-v3", "rope_interleave=false"),
    ("deepseek-v3", "rope_scaling.truncate=false"), ("deepseek-v2", "topk_method=greedy"),
    ("deepseek-v2", "rope_scaling.attention_factor=1.5"), ("deepseek-v2", "n_shared_experts=0"),
    ("llama-3.1-8b", "attention_bias=true"), ("llama-3.1-8b", "mlp_bias=true"),
    ("llama-3.1-8b", "pad_token_id=7"),
    ("llama-3.1-8b", "rope_scaling=null"), ("llama-3.1-8b", "tie_word_embeddings=true"),
    ("llama-3.1-8b", "rope_scaling={type: linear, factor: 2}"), ("llama-3.1-8b", "head_dim=64"),
    ("gpt-3-175b", "n_inner=1000"), ("gpt-3-175b", "tie_word_embeddings=false"),
    ("qwen3-235b-a22b", "decoder_sparse_step=2"), ("qwen3-235b-a22b", "mlp_only_layers=[0, 5]"),
    ("qwen3-235b-a22b", "norm_topk_prob=false"), ("mixtral-8x7b", "sliding_window=100"),
    ("mistral-7b", "sliding_window=100"), ("mistral-7b", "head_dim=64"),
    ("mistral-7b-v0.1", "sliding_window=null"), ("qwen2.5-7b", "tie_word_embeddings=true"),
    ("mixtral-8x7b", "output_router_logits=true"), ("qwen3-8b", "attention_bias=true"),
    ("qwen3-8b", "head_dim=64"),
  ])
  func changedModelsSurvive(name: String, change: String) throws {
    let changed = try Architecture.named(name, overrides: [change])
    #expect(try changed != Architecture.named(name))
    try check(changed)
  }

  private func check(_ model: Architecture) throws {
    let document = try Document(text: model.configJSON(), name: "written.json")
    #expect(try Architecture.read(document, name: model.name) == model)
  }
}

/// Small models of the families that train, as their `config.json`.
package enum SampleModel: String, CaseIterable, Sendable {
  case gpt2 = """
    {"model_type": "gpt2", "n_embd": 4, "n_layer": 1, "n_head": 2, "vocab_size": 5,
     "n_positions": 4, "activation_function": "gelu_new"}
    """
  case llama = """
    {"model_type": "llama", "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2,
     "num_key_value_heads": 1, "intermediate_size": 6, "vocab_size": 5,
     "max_position_embeddings": 8, "hidden_act": "silu"}
    """
  case deepSeekV3 = """
    {"model_type": "deepseek_v3", "hidden_size": 4, "num_hidden_layers": 2,
     "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 6,
     "vocab_size": 5, "max_position_embeddings": 8, "hidden_act": "silu",
     "kv_lora_rank": 4, "q_lora_rank": null, "qk_nope_head_dim": 2, "qk_rope_head_dim": 2,
     "v_head_dim": 2, "n_routed_experts": 2, "num_experts_per_tok": 1, "n_shared_experts": 1,
     "moe_intermediate_size": 3, "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1,
     "norm_topk_prob": true, "scoring_func": "sigmoid", "routed_scaling_factor": 1.0,
     "topk_method": "noaux_tc", "num_nextn_predict_layers": 1}
    """
}

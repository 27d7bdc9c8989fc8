extension Architecture {
  /// The kinds of model that can be described, by the `model_type` of their `config.json`.
  public enum Family: String, Hashable, Sendable, CaseIterable {
    case gpt2
    case llama
    case mistral
    case mixtral
    case qwen2
    case qwen2MoE = "qwen2_moe"
    case qwen3
    case qwen3MoE = "qwen3_moe"
    case qwen3Next = "qwen3_next"
    case gemma
    case gemma2
    case gemma3 = "gemma3_text"
    case phi3
    case gptNeoX = "gpt_neox"
    case gptNeo = "gpt_neo"
    case gptBigCode = "gpt_bigcode"
    case starcoder2
    case opt
    case bloom
    case falcon
    case olmo2
    case olmo3
    case cohere
    case cohere2
    case granite
    case glm
    case glm4
    case glm4MoE = "glm4_moe"
    case gptOSS = "gpt_oss"
    case llama4 = "llama4_text"
    case smolLM3 = "smollm3"
    case nemotron
    case nemotronH = "nemotron_h"
    case deepseek
    case deepseekV2 = "deepseek_v2"
    case deepseekV3 = "deepseek_v3"
    case deepseekV32 = "deepseek_v32"
    case kimiK2 = "kimi_k2"
    case minimaxM2 = "minimax_m2"
    case ernie = "ernie4_5"
    case ernieMoE = "ernie4_5_moe"
    case hunyuan
    case hunyuanDense = "hunyuan_v1_dense"
    case hunyuanMoE = "hunyuan_v1_moe"
    /// Parts in the words of Megatron-Core, as `sluice import` writes them.
    case megatron

    /// The family of a `model_type`; language models inside others have names of their own there.
    init?(modelType: String) {
      switch modelType {
      case "qwen2_vl_text", "qwen2_5_vl_text": self = .qwen2
      case "qwen3_vl_text": self = .qwen3
      case "qwen3_vl_moe_text": self = .qwen3MoE
      default: self.init(rawValue: modelType)
      }
    }

    /// What classes of the family are called in front of `ForCausalLM` or `LMHeadModel`, the one of
    /// transformers first.
    public var classStems: [String] {
      switch self {
      case .gpt2: ["GPT2"]
      case .llama: ["Llama", "LLaMA"]
      case .mistral: ["Mistral"]
      case .mixtral: ["Mixtral"]
      case .qwen2: ["Qwen2"]
      case .qwen2MoE: ["Qwen2Moe"]
      case .qwen3: ["Qwen3"]
      case .qwen3MoE: ["Qwen3Moe"]
      case .qwen3Next: ["Qwen3Next"]
      case .gemma: ["Gemma"]
      case .gemma2: ["Gemma2"]
      case .gemma3: ["Gemma3"]
      case .phi3: ["Phi3"]
      case .gptNeoX: ["GPTNeoX"]
      case .gptNeo: ["GPTNeo"]
      case .gptBigCode: ["GPTBigCode"]
      case .starcoder2: ["Starcoder2"]
      case .opt: ["OPT"]
      case .bloom: ["Bloom"]
      case .falcon: ["Falcon", "RW"]
      case .olmo2: ["Olmo2"]
      case .olmo3: ["Olmo3"]
      case .cohere: ["Cohere"]
      case .cohere2: ["Cohere2"]
      case .granite: ["Granite"]
      case .glm: ["Glm"]
      case .glm4: ["Glm4"]
      case .glm4MoE: ["Glm4Moe"]
      case .gptOSS: ["GptOss"]
      case .llama4: ["Llama4"]
      case .smolLM3: ["SmolLM3"]
      case .nemotron: ["Nemotron"]
      case .nemotronH: ["NemotronH"]
      case .deepseek: ["Deepseek"]
      case .deepseekV2: ["DeepseekV2"]
      case .deepseekV3, .kimiK2: ["DeepseekV3"]
      case .deepseekV32: ["DeepseekV32"]
      case .minimaxM2: ["MiniMaxM2"]
      case .ernie: ["Ernie4_5"]
      case .ernieMoE: ["Ernie4_5_Moe", "Ernie4_5Moe", "Ernie4_5_MoE"]
      case .hunyuan: ["HunYuan", "HunYuanMoE"]
      case .hunyuanDense: ["HunYuanDenseV1"]
      case .hunyuanMoE: ["HunYuanMoEV1"]
      case .megatron: ["Megatron"]
      }
    }

    /// The class of transformers that has the family's head.
    var className: String { classStems[0] + (self == .gpt2 ? "LMHeadModel" : "ForCausalLM") }

    /// Whether `configJSON` writes the family as `named` reads it.
    public var isWritten: Bool {
      switch self {
      case .gpt2, .llama, .deepseekV2, .deepseekV3, .mistral, .mixtral, .qwen2, .qwen3, .qwen3MoE:
        true
      default: false
      }
    }
  }
}

import Documents

/// What transformers takes for granted of a language model inside of another one.
///
/// Files of models with several modalities write of `text_config` what differs from its class alone; a file of
/// its own that lacks a size is broken, and refused.
extension ConfigReader {
  /// Sizes by key that the table leaves out, as the family's class of transformers 5.24 has them.
  func impliedSizes(of family: Architecture.Family) -> [(key: String, size: Int)] {
    let sizes: [Int] =
      switch family {
      case .llama, .granite: [4096, 11_008, 32, 32, 32_000]
      case .mistral, .mixtral: [4096, 14_336, 32, 32, 32_000]
      case .qwen2, .qwen3: [4096, 22_016, 32, 32, 151_936]
      case .qwen2MoE: [2048, 5632, 24, 16, 151_936]
      case .qwen3MoE: [2048, 6144, 24, 32, 151_936]
      case .gemma: [3072, 24_576, 28, 16, 256_000]
      case .gemma2: [2304, 9216, 26, 8, 256_000]
      case .gemma3: [2304, 9216, 26, 8, 262_208]
      case .phi3: [3072, 8192, 32, 32, 32_064]
      case .cohere, .cohere2: [8192, 22_528, 40, 64, 256_000]
      case .olmo2: [4096, 11_008, 32, 32, 50_304]
      case .smolLM3: [2048, 11_008, 36, 16, 128_256]
      case .glm, .glm4: [4096, 13_696, 40, 32, 151_552]
      case .llama4: [5120, 8192, 48, 40, 202_048]
      case .opt: [768, 3072, 12, 12, 50_272]
      default: []
      }
    let keys = [
      "hidden_size", family == .opt ? "ffn_dim" : "intermediate_size", "num_hidden_layers",
      "num_attention_heads", "vocab_size",
    ]
    return zip(keys, sizes).filter { !table.contains($0.0) }.map { ($0.0, $0.1) }
  }

  /// Takes such sizes, and says so.
  mutating func takeImpliedSizes(of family: Architecture.Family) {
    for (key, size) in impliedSizes(of: family) {
      implied[key] = size
      notices.append(
        "\(key) is not written: \(size), as transformers has it for \(family.rawValue)")
    }
  }
}

/// The sizes behind torchtitan's names of models and flavours (torchtitan 9810191b, one before it went over to
/// Python: `torchtitan/models/*/__init__.py` and `model/args.py`).
enum TorchTitanFlavours {
  /// Models that have flavours here.
  static let models = ["llama3", "llama3_ft", "qwen3", "deepseek_v3", "deepseek_v2"]

  /// The names of a model's flavours.
  static func names(of model: String) -> [String] {
    switch model {
    case "llama3", "llama3_ft": llama.map(\.name)
    case "qwen3": qwen.map(\.name) + qwenExperts.map(\.name)
    case "deepseek_v3", "deepseek_v2": deepSeek.map(\.name)
    default: []
    }
  }

  /// The model of a name and a flavour; nil where there is none.
  ///
  /// `8B_flex` and `8B_varlen` have the sizes of `8B`.
  static func model(_ model: String, _ flavour: String, length: Int) -> ModelDescription? {
    var name = flavour
    for ending in ["_flex_attn", "_varlen_attn", "_flex", "_varlen"] where name.hasSuffix(ending) {
      name.removeLast(ending.count)
    }
    func matches(_ own: String) -> Bool { own.lowercased() == name.lowercased() }
    switch model {
    case "llama3", "llama3_ft":
      return llama.first { matches($0.name) }.map { $0.description(length) }
    case "qwen3":
      if let dense = qwen.first(where: { matches($0.name) }) { return dense.description(length) }
      return qwenExperts.first { matches($0.name) }.map { $0.description(length) }
    case "deepseek_v3", "deepseek_v2":
      return deepSeek.first { matches($0.name) }.map { $0.description(length) }
    default: return nil
    }
  }

  // MARK: - Llama

  private struct Llama {
    var name: String
    var (hidden, layers, heads, keyValueHeads): (Int, Int, Int, Int)
    var vocabulary = 128_256
    /// What two thirds of four times the width are multiplied by, and rounded up to.
    var (factor, multiple): (Double, Int)

    func description(_ length: Int) -> ModelDescription {
      // FeedForward of llama3/model/model.py.
      let inner = Int(factor * Double(2 * 4 * hidden / 3))
      var model = ModelDescription(
        name: "llama3-\(name)", layers: layers, hidden: hidden, heads: heads,
        keyValueHeads: keyValueHeads, headSize: hidden / heads,
        width: (inner + multiple - 1) / multiple * multiple, vocabulary: vocabulary,
        positions: max(131_072, length))
      (model.activation, model.norm, model.linearBias, model.tied) = (.swiglu, .rms, false, false)
      model.position = .rotary(
        .init(
          theta: 500_000, scaling: .llama3(factor: 8, low: 1, high: 4, original: 8192)))
      return model
    }
  }

  private static let llama: [Llama] = [
    Llama(
      name: "debugmodel", hidden: 256, layers: 6, heads: 16, keyValueHeads: 16, vocabulary: 2048,
      factor: 1, multiple: 256),
    Llama(
      name: "8B", hidden: 4096, layers: 32, heads: 32, keyValueHeads: 8, factor: 1.3,
      multiple: 1024),
    Llama(
      name: "70B", hidden: 8192, layers: 80, heads: 64, keyValueHeads: 8, factor: 1.3,
      multiple: 4096),
    Llama(
      name: "405B", hidden: 16_384, layers: 126, heads: 128, keyValueHeads: 8, factor: 1.2,
      multiple: 4096),
  ]

  // MARK: - Qwen

  private struct Qwen {
    var name: String
    var (hidden, layers, heads, keyValueHeads, width): (Int, Int, Int, Int, Int)
    var vocabulary = 151_936
    var theta = 1_000_000.0
    var isTied = false
    var expertWidth: Int?
    var experts = 128

    func description(_ length: Int) -> ModelDescription {
      var model = ModelDescription(
        name: "qwen3-\(name)", layers: layers, hidden: hidden, heads: heads,
        keyValueHeads: keyValueHeads, headSize: 128, width: width, vocabulary: vocabulary,
        positions: max(name == "30B-A3B" ? 262_144 : 4096, length))
      (model.activation, model.norm, model.linearBias, model.tied) = (.swiglu, .rms, false, isTied)
      (model.epsilon, model.queryKeyNorm) = (1e-6, true)
      model.position = .rotary(.init(theta: theta))
      if let expertWidth {
        model.mixture = .init(
          experts: experts, perToken: 8, width: expertWidth,
          layers: .init(repeating: true, count: layers))
      }
      return model
    }
  }

  private static let qwen: [Qwen] = [
    Qwen(
      name: "debugmodel", hidden: 256, layers: 8, heads: 16, keyValueHeads: 8, width: 3072,
      vocabulary: 2048, isTied: true),
    Qwen(
      name: "0.6B", hidden: 1024, layers: 28, heads: 16, keyValueHeads: 8, width: 3072,
      isTied: true),
    Qwen(
      name: "1.7B", hidden: 2048, layers: 28, heads: 16, keyValueHeads: 8, width: 6144,
      isTied: true),
    Qwen(
      name: "4B", hidden: 2560, layers: 36, heads: 32, keyValueHeads: 8, width: 9728, isTied: true),
    Qwen(name: "8B", hidden: 4096, layers: 36, heads: 32, keyValueHeads: 8, width: 12_288),
    Qwen(name: "14B", hidden: 5120, layers: 40, heads: 40, keyValueHeads: 8, width: 17_408),
    Qwen(name: "32B", hidden: 5120, layers: 64, heads: 64, keyValueHeads: 8, width: 25_600),
  ]

  private static let qwenExperts: [Qwen] = [
    Qwen(
      name: "debugmodel_moe", hidden: 256, layers: 8, heads: 16, keyValueHeads: 8, width: 3072,
      vocabulary: 2048, expertWidth: 768, experts: 64),
    Qwen(
      name: "30B-A3B", hidden: 2048, layers: 48, heads: 32, keyValueHeads: 4, width: 6144,
      expertWidth: 768),
    Qwen(
      name: "235B-A22B", hidden: 4096, layers: 94, heads: 64, keyValueHeads: 4, width: 12_288,
      theta: 5_000_000, expertWidth: 1536),
  ]

  // MARK: - DeepSeek

  private struct DeepSeek {
    var name: String
    var (vocabulary, hidden, width, expertWidth): (Int, Int, Int, Int)
    var (layers, dense, heads): (Int, Int, Int)
    var (experts, shared, perToken): (Int, Int, Int)
    var groups = 1
    var groupsPerToken = 1
    var isSigmoid = false
    var normalizes = false
    var scale = 1.0
    var queryRank: Int?

    func description(_ length: Int) -> ModelDescription {
      var model = ModelDescription(
        name: "deepseek-v3-\(name)", layers: layers, hidden: hidden, heads: heads,
        keyValueHeads: heads, headSize: 192, width: width, vocabulary: vocabulary,
        positions: max(16_384, length))
      (model.activation, model.norm, model.linearBias, model.tied) = (.swiglu, .rms, false, false)
      model.position = .rotary(
        .init(
          scaling: .yarn(
            factor: 40, original: 4096, fast: 32, slow: 1, magnitude: 1, all: nil)))
      model.latent = .init(
        queryRank: queryRank, keyValueRank: 512, nopeHeadSize: 128, ropeHeadSize: 64,
        valueHeadSize: 128)
      model.mixture = .init(
        experts: experts, perToken: perToken, width: expertWidth, sharedWidth: shared * expertWidth,
        layers: (0..<layers).map { $0 >= dense }, isSigmoid: isSigmoid, normalizes: normalizes,
        groups: groups, groupsPerToken: groupsPerToken, scale: scale,
        correctionBias: isSigmoid)
      return model
    }
  }

  private static let deepSeek: [DeepSeek] = [
    DeepSeek(
      name: "debugmodel", vocabulary: 2048, hidden: 256, width: 1024, expertWidth: 256, layers: 6,
      dense: 1, heads: 16, experts: 8, shared: 2, perToken: 3),
    DeepSeek(
      name: "16B", vocabulary: 102_400, hidden: 2048, width: 10_944, expertWidth: 1408, layers: 27,
      dense: 1, heads: 16, experts: 64, shared: 2, perToken: 6),
    DeepSeek(
      name: "236B", vocabulary: 102_400, hidden: 5120, width: 12_288, expertWidth: 1536,
      layers: 60, dense: 1, heads: 128, experts: 160, shared: 2, perToken: 6, groups: 8,
      groupsPerToken: 3, scale: 16, queryRank: 1536),
    DeepSeek(
      name: "671B", vocabulary: 129_280, hidden: 7168, width: 18_432, expertWidth: 2048,
      layers: 61, dense: 3, heads: 128, experts: 256, shared: 1, perToken: 8, groups: 8,
      groupsPerToken: 4, isSigmoid: true, normalizes: true, scale: 2.5, queryRank: 1536),
  ]
}

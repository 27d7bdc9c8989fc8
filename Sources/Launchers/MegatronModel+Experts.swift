import Documents

extension MegatronModel {
  func readExperts(_ model: inout ModelDescription) throws(ConfigurationError) {
    guard let experts = try given.integer("num-experts", in: 0...4096), experts > 0 else {
      for name in [
        "num-experts", "moe-router-topk", "moe-ffn-hidden-size", "moe-layer-freq",
        "moe-shared-expert-intermediate-size", "moe-shared-expert-gate",
        "moe-router-score-function", "moe-router-num-groups", "moe-router-group-topk",
        "moe-router-topk-scaling-factor", "moe-router-enable-expert-bias",
        "moe-router-pre-softmax",
      ] { given.explain(name, as: .costless, "the model has no experts") }
      return
    }
    let width = try given.integer("moe-ffn-hidden-size", in: 1...(1 << 20))
    if width == nil {
      given.imply("--moe-ffn-hidden-size", "\(model.width)", "experts as wide as dense blocks")
    }
    let perToken = try given.integer("moe-router-topk", in: 1...4096)
    if perToken == nil { given.imply("--moe-router-topk", "2", "2 experts a token") }
    guard perToken ?? 2 <= experts else {
      throw given.error("moe-router-topk", "exceeds num-experts, \(experts)")
    }
    var mixture = ModelDescription.Mixture(
      experts: experts, perToken: perToken ?? 2, width: width ?? model.width,
      layers: try mixtureLayers(model.layers))
    given.explain("num-experts", "\(experts) experts a layer")
    given.explain("moe-router-topk", "\(mixture.perToken) experts a token")
    given.explain("moe-ffn-hidden-size", "the width of an expert")
    given.explain(
      "moe-layer-freq",
      "\(mixture.layers.count(where: { $0 })) of \(model.layers) layers have experts")
    try readShared(&mixture)
    try readRouter(&mixture)
    model.mixture = mixture
  }

  /// Which layers have experts: every nth from the first, or as a list says.
  private func mixtureLayers(_ layers: Int) throws(ConfigurationError) -> [Bool] {
    // A pattern of hybrid layers says which, however many entries stand here.
    let isHybrid = try hybridPattern() != nil
    guard let option = given.option("moe-layer-freq"), !isHybrid else {
      return .init(repeating: true, count: layers)
    }
    let text = option.text
    if let step = GivenOptions.integer(text) {
      guard step >= 1 else { throw given.error("moe-layer-freq", "must be at least 1") }
      // Megatron-Core's get_moe_layer_freq: layer i has experts where i % freq is 0.
      return (0..<layers).map { $0 % step == 0 }
    }
    guard let list = ListExpression.list(text) else {
      throw given.error("moe-layer-freq", "expected a number, or a list such as ([0]*3+[1]*58)")
    }
    guard list.count == layers else {
      throw given.error(
        "moe-layer-freq", "has \(list.count) entries, and num-layers is \(layers)")
    }
    return list.map { $0 != 0 }
  }

  private func readShared(
    _ mixture: inout ModelDescription.Mixture
  ) throws(ConfigurationError) {
    if let width = try given.integer("moe-shared-expert-intermediate-size", in: 0...(1 << 20)) {
      mixture.sharedWidth = width
      given.explain("moe-shared-expert-intermediate-size", "shared experts of \(width) in all")
    }
    mixture.sharedGate = try given.flag("moe-shared-expert-gate") ?? false
    given.explain("moe-shared-expert-gate", "a gate on the shared expert")
  }

  private func readRouter(
    _ mixture: inout ModelDescription.Mixture
  ) throws(ConfigurationError) {
    let score = try given.choice(
      "moe-router-score-function", ["softmax", "sigmoid", "sqrtsoftplus"])
    guard score != "sqrtsoftplus" else {
      throw given.error("moe-router-score-function", "no model of sluice scores experts so")
    }
    mixture.isSigmoid = score == "sigmoid"
    // A softmax over all experts in front of the choice: what is chosen does not add up to 1.
    if try given.flag("moe-router-pre-softmax") ?? false, !mixture.isSigmoid {
      mixture.normalizes = false
    }
    given.explain("moe-router-pre-softmax", "whether the chosen experts' weights add up to 1")
    given.explain("moe-router-score-function", "how the router scores experts")
    mixture.correctionBias = try given.flag("moe-router-enable-expert-bias") ?? false
    given.explain("moe-router-enable-expert-bias", "a bias an expert, which its load moves")
    mixture.scale = try given.number("moe-router-topk-scaling-factor", in: 0...1e6) ?? 1
    given.explain("moe-router-topk-scaling-factor", as: .costless, "in the model")
    if let groups = try given.integer("moe-router-num-groups", in: 1...4096), groups > 1 {
      guard mixture.experts % groups == 0 else {
        throw given.error("moe-router-num-groups", "must divide num-experts, \(mixture.experts)")
      }
      let chosen = try given.integer("moe-router-group-topk", in: 1...groups)
      guard let chosen else {
        throw given.error("moe-router-num-groups", "needs --moe-router-group-topk beside it")
      }
      guard mixture.perToken <= chosen * (mixture.experts / groups) else {
        throw given.error("moe-router-group-topk", "leaves fewer experts than moe-router-topk")
      }
      (mixture.groups, mixture.groupsPerToken) = (groups, chosen)
    }
    given.explain("moe-router-num-groups", "groups of experts")
    given.explain("moe-router-group-topk", "groups that a token's experts come from")
  }

  func readLatent(_ model: inout ModelDescription) throws(ConfigurationError) {
    guard try given.flag("multi-latent-attention") ?? false else {
      for name in [
        "multi-latent-attention", "q-lora-rank", "kv-lora-rank", "qk-head-dim",
        "qk-pos-emb-head-dim", "v-head-dim",
      ] { given.explain(name, as: .costless, "attention has no latents") }
      return
    }
    given.explain("multi-latent-attention", "keys and values rebuilt from a latent")
    func size(_ name: String, _ fallback: Int) throws(ConfigurationError) -> Int {
      if let size = try given.integer(name, in: 1...(1 << 16)) {
        given.explain(name, "a size of latent attention")
        return size
      }
      given.imply("--\(name)", "\(fallback)", "a size of latent attention")
      return fallback
    }
    let queryRank = try given.integer("q-lora-rank", in: 0...(1 << 16))
    given.explain("q-lora-rank", "the width of the query latent")
    model.latent = ModelDescription.Latent(
      queryRank: queryRank == 0 ? nil : queryRank, keyValueRank: try size("kv-lora-rank", 32),
      nopeHeadSize: try size("qk-head-dim", 128),
      ropeHeadSize: try size("qk-pos-emb-head-dim", 64),
      valueHeadSize: try size("v-head-dim", 128), hasNorms: model.queryKeyNorm)
    model.queryKeyNorm = false
    // The rotated part has its own stretching, by YaRN unless said otherwise; only its frequencies differ.
    if case .rotary(var rotary) = model.position, case .none = rotary.scaling,
      let factor = try given.number("rotary-scaling-factor", in: 1...1e6), factor > 1
    {
      rotary.scaling = .yarn(
        factor: factor, original: 4096, fast: 32, slow: 1, magnitude: try given.number("mscale"),
        all: try given.number("mscale-all-dim"))
      model.position = .rotary(rotary)
    }
  }
}

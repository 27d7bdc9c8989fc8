import Documents

extension MegatronModel {
  private static let patterns = ["hybrid-layer-pattern", "hybrid-override-pattern"]
  private static let ratios = ["hybrid-attention-ratio", "hybrid-mlp-ratio"]

  /// The layers of a hybrid model; nil where the model is none.
  ///
  /// A pattern decides the number of layers; shares of attention and dense blocks, of older versions, need
  /// `--num-layers` beside them.
  func hybridPattern() throws(ConfigurationError) -> HybridPattern? {
    let said = Self.patterns.filter {
      given.option($0).map { !GivenOptions.isNothing($0.text) } ?? false
    }
    guard said.count < 2 else { throw given.error(said[1], "excludes --\(said[0])") }
    if let name = said.first, let text = try given.text(name) {
      let pattern: HybridPattern
      do { pattern = try HybridPattern(text) } catch { throw given.error(name, error.rule) }
      guard Self.layerCounts.contains(pattern.layers.count) else {
        throw given.error(name, "has \(pattern.layers.count) layers, from 1 to 1024 are read")
      }
      explain(pattern, name)
      return pattern
    }
    guard try hasRatio() else {
      try refuseUnsaidPattern()
      return nil
    }
    let layers = try given.integer("num-layers", in: Self.layerCounts)
    guard let layers else { throw given.error(Self.ratios[0], "needs --num-layers beside it") }
    let attention = try given.number(Self.ratios[0], in: 0...1) ?? 0
    let dense = try given.number(Self.ratios[1], in: 0...1) ?? 0
    guard attention + dense <= 1 else {
      throw given.error(
        given.contains(Self.ratios[1]) ? Self.ratios[1] : Self.ratios[0],
        "shares of attention and dense blocks exceed 1 together")
    }
    let pattern = HybridPattern(layers: layers, attention: attention, dense: dense)
    given.explain(Self.ratios[0], Self.ratios[1], "hybrid_layer_pattern: \(pattern.text)")
    return pattern
  }

  private func hasRatio() throws(ConfigurationError) -> Bool {
    for name in Self.ratios where try given.number(name, in: 0...1) ?? 0 > 0 { return true }
    return false
  }

  /// Refuses what asks for state-space layers and does not say which.
  private func refuseUnsaidPattern() throws(ConfigurationError) {
    let isHybrid = try given.flag("is-hybrid-model") ?? false
    for name in ["spec", "model-provider"] {
      guard let text = given.option(name)?.text.lowercased() else { continue }
      guard text.contains("mamba") || text.contains("hybrid") else { continue }
      throw given.error(name, "asks for state-space layers: --hybrid-layer-pattern says which")
    }
    guard !isHybrid else {
      throw given.error("is-hybrid-model", "needs --hybrid-layer-pattern beside it")
    }
  }

  private func explain(_ pattern: HybridPattern, _ name: String) {
    let layers =
      "\(pattern.layers.count) layers: \(pattern.count("M")) state-space, \(pattern.count("*")) attention, "
      + "\(pattern.count("-")) dense, \(pattern.count("E")) of experts"
    if pattern.modules > 0 {
      given.explain(
        name, as: .unmodelled, "\(layers); its \(pattern.modules) prediction modules are left out")
    } else {
      given.explain(name, layers)
    }
    given.explain("num-layers", as: .costless, "the pattern says the layers")
    for ratio in Self.ratios { given.explain(ratio, as: .costless, "the pattern says the layers") }
  }

  /// The parts of a hybrid model that other models do not have.
  func readHybrid(
    _ model: inout ModelDescription, _ pattern: HybridPattern
  ) throws(ConfigurationError) {
    given.explain("is-hybrid-model", "model-provider", "a hybrid model")
    for name in ["multi-latent-attention", "account-for-embedding-in-pipeline-split"] + [
      "account-for-loss-in-pipeline-split", "pipeline-model-parallel-layout",
      "num-layers-per-virtual-pipeline-stage", "num-virtual-stages-per-pipeline-rank",
    ] {
      guard let option = given.option(name), !GivenOptions.isNothing(option.text) else { continue }
      guard !["false", "0"].contains(option.text.lowercased()) else { continue }
      // Printed arguments say the stages that follow from the bars.
      if name == "num-virtual-stages-per-pipeline-rank", pattern.segments.count > 1 { continue }
      throw given.error(name, "excludes a pattern of hybrid layers, whose bars say the stages")
    }
    if try given.integer("mtp-num-layers", in: 0...64) ?? 0 > 0 {
      given.explain(
        "mtp-num-layers", as: .unmodelled, "prediction modules of hybrid models are left out")
    }
    model.predictionModules = 0
    model.hybrid = try stateSpace(pattern, hidden: model.hidden)
    try checkExperts(&model, pattern)
  }

  private func stateSpace(
    _ pattern: HybridPattern, hidden: Int
  ) throws(ConfigurationError) -> ModelDescription.Hybrid {
    func size(_ name: String, _ fallback: Int, _ meaning: String) throws(ConfigurationError) -> Int
    {
      if let size = try given.integer(name, in: 1...(1 << 16)) {
        given.explain(name, meaning)
        return size
      }
      if pattern.count("M") > 0 { given.imply("--\(name)", "\(fallback)", meaning) }
      return fallback
    }
    let headSize = try size("mamba-head-dim", 64, "the width of a state-space head")
    let groups = try size("mamba-num-groups", 8, "groups of B and C of a state-space layer")
    let state = try size("mamba-state-dim", 128, "the state of a state-space head")
    // MambaMixer: an expansion by 2 where the heads are not said; a convolution of 4 with biases, chunks of 128.
    let heads = try size(
      "mamba-num-heads", max(1, 2 * hidden / headSize), "heads of a state-space layer")
    guard pattern.count("M") == 0 || heads % groups == 0 else {
      throw given.error("mamba-num-groups", "must divide mamba-num-heads, \(heads)")
    }
    return .init(pattern: pattern, heads: heads, headSize: headSize, groups: groups, state: state)
  }

  /// Puts experts where the pattern has them.
  private func checkExperts(
    _ model: inout ModelDescription, _ pattern: HybridPattern
  ) throws(ConfigurationError) {
    guard pattern.count("E") > 0 else {
      model.mixture = nil
      return
    }
    guard model.mixture != nil else {
      let name = Self.patterns.first { given.contains($0) } ?? Self.patterns[0]
      throw given.error(name, "has layers of experts, and --num-experts says none")
    }
    model.mixture?.layers = pattern.layers.map { $0 == "E" }
  }
}

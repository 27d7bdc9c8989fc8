import Documents

extension MegatronModel {
  /// Which keys queries meet.
  ///
  /// `--window-size 127,0` admits 127 to the left beside the own: 128 tokens; every nth
  /// layer of `--window-attn-skip-freq n` sees all, or those that have a 0 in its list (Megatron-Core's
  /// `is_layer_window_attention`).
  func readWindows(_ model: inout ModelDescription) throws(ConfigurationError) {
    let (name, skip) = ("window-size", "window-attn-skip-freq")
    guard let words = try given.words(name) else {
      given.explain(skip, as: .costless, "attention has no windows")
      return
    }
    guard let left = words.first.flatMap({ Int($0) }), (-1..<(1 << 24)).contains(left), left != 0
    else {
      throw given.error(name, "expected the tokens to the left, such as 4096,0")
    }
    guard left > 0 else {
      given.explain(name, skip, as: .costless, "attention sees all tokens")
      return
    }
    let layers = try windowLayers(skip, model.layers)
    guard layers.contains(true) else {
      given.explain(name, skip, as: .costless, "no layer has a window")
      return
    }
    model.window = left + 1
    let count = layers.count { $0 }
    model.windowLayers = count == layers.count ? nil : layers
    given.explain(name, skip, "attention within \(left + 1) tokens on \(count) layers")
  }

  private func windowLayers(_ name: String, _ count: Int) throws(ConfigurationError) -> [Bool] {
    guard let option = given.option(name), let text = try given.text(name) else {
      return .init(repeating: true, count: count)
    }
    if let step = GivenOptions.integer(text) {
      guard step >= 1 else { throw given.error(name, "must be at least 1") }
      return (1...count).map { $0 % step != 0 }
    }
    guard let list = ListExpression.list(option.text) else {
      throw given.error(name, "expected a number, or a list such as ([1]*5+[0])")
    }
    guard list.count == count else {
      throw given.error(name, "has \(list.count) entries, and num-layers is \(count)")
    }
    return list.map { $0 != 0 }
  }

  /// A learned offset of the softmax for each head: the sink of gpt-oss.
  func readSinks(_ model: inout ModelDescription) throws(ConfigurationError) {
    let name = "softmax-type"
    let kind = try given.choice(name, ["vanilla", "off-by-one", "learnable"])
    model.sinks = kind == "learnable"
    guard model.sinks else { return }
    guard model.latent == nil else {
      throw given.error(name, "latent attention with sinks has no description")
    }
    given.explain(name, "a sink for each head")
  }

  /// The positions that `--enable-gpt-oss` sets whatever `--position-embedding-type` says: YaRN from 4,096 by 32
  /// (Megatron-LM, megatron/post_training/model_builder.py).
  func gptOSSPosition() throws(ConfigurationError) -> ModelDescription.Position? {
    let name = "enable-gpt-oss"
    guard try given.flag(name) ?? false else {
      given.explain(name, as: .costless, "not set")
      return nil
    }
    given.explain(name, "rotated queries and keys, stretched by YaRN from 4,096 positions")
    given.explain(
      "position-embedding-type", "rope-type", as: .costless, "--enable-gpt-oss has YaRN")
    var rotary = try self.rotary(isStretched: false)
    rotary.scaling = .yarn(
      factor: 32, original: 4096, fast: 32, slow: 1, magnitude: nil, all: nil)
    return .rotary(rotary)
  }

  /// Norms over heads have no gains with these flags: nothing is counted.
  func hasNormsWithoutGains() throws(ConfigurationError) -> Bool {
    for name in ["export-qk-l2-norm", "qk-l2-norm"] where try given.flag(name) ?? false {
      given.explain(name, "norms over heads have no gains")
      return true
    }
    return false
  }
}

import Documents

/// The sizes of a model that Megatron's options describe.
struct MegatronModel {
  let given: GivenOptions
  let settings: ImportSettings
  /// Ranks of a tensor group: they pad the vocabulary.
  let tensor: Int

  private static let sizes = 1...(1 << 20)
  static let layerCounts = 1...1024

  func read(name: String) throws(ConfigurationError) -> ModelDescription {
    try refuse()
    let pattern = try hybridPattern()
    let layers =
      if let pattern { pattern.layers.count } else {
        try required("num-layers", in: Self.layerCounts)
      }
    let hidden = try required("hidden-size", in: Self.sizes)
    let heads = try required("num-attention-heads", in: 1...4096)
    let headSize = try headSize(hidden, heads)
    let activation = try activation()
    var model = ModelDescription(
      name: name, layers: layers, hidden: hidden, heads: heads,
      keyValueHeads: try keyValueHeads(heads), headSize: headSize,
      width: try width(hidden, activation), vocabulary: try vocabulary(),
      positions: try positions())
    model.activation = activation
    given.explain("num-layers", "\(layers) layers")
    given.explain("hidden-size", "the width of the residual stream")
    given.explain("num-attention-heads", "\(heads) heads of \(headSize)")
    try readNorms(&model)
    try readBiases(&model)
    if let own = try gptOSSPosition() {
      model.position = own
    } else {
      model.position = try position()
    }
    try readExperts(&model)
    try readLatent(&model)
    if let pattern { try readHybrid(&model, pattern) }
    if pattern == nil, let modules = try given.integer("mtp-num-layers", in: 0...64), modules > 0 {
      given.explain("mtp-num-layers", "\(modules) prediction modules behind the last layer")
      model.predictionModules = modules
    }
    try readWindows(&model)
    try readSinks(&model)
    if let deviation = try given.number("init-method-std", in: 0...10) {
      given.explain("init-method-std", as: .costless, "initialisation")
      model.initializerRange = deviation
    }
    return model
  }

  /// Refuses options that change what is counted and that nothing here describes.
  private func refuse() throws(ConfigurationError) {
    for (name, what) in MegatronOptions.refused.sorted(by: { $0.key < $1.key }) {
      guard let option = given.option(name) else { continue }
      let text = option.text.lowercased()
      if GivenOptions.isNothing(text), !option.values.isEmpty { continue }
      if text == "false" || text == "0" { continue }
      if name.hasSuffix("weight-shards"), text == "1" { continue }
      throw given.error(name, "asks for \(what), which no model or plan of sluice describes")
    }
  }

  private func required(
    _ name: String, in range: ClosedRange<Int>
  ) throws(ConfigurationError) -> Int {
    guard let value = try given.integer(name, in: range) else {
      throw given.error(name, "is not said, and a model has to be counted")
    }
    return value
  }

  private func headSize(_ hidden: Int, _ heads: Int) throws(ConfigurationError) -> Int {
    if let size = try given.integer("kv-channels", in: 1...4096) {
      given.explain("kv-channels", "heads of \(size)")
      return size
    }
    guard hidden % heads == 0 else {
      throw given.error("num-attention-heads", "must divide hidden-size, \(hidden)")
    }
    return hidden / heads
  }

  private func keyValueHeads(_ heads: Int) throws(ConfigurationError) -> Int {
    let groups = try given.integer("num-query-groups", in: 1...4096)
    let isGrouped = try given.flag("group-query-attention")
    // Printed arguments have the default of num-query-groups, 1, though it says nothing.
    guard isGrouped ?? (groups != nil) else {
      given.explain(
        "group-query-attention", "num-query-groups", as: .costless,
        "without --group-query-attention every head has its own keys and values")
      return heads
    }
    let count = groups ?? 1
    guard heads % count == 0 else {
      throw given.error("num-query-groups", "must divide num-attention-heads, \(heads)")
    }
    given.explain("group-query-attention", "num-query-groups", "\(count) heads of keys and values")
    return count
  }

  private func activation() throws(ConfigurationError) -> ModelDescription.Activation {
    let squared = try given.flag("squared-relu") ?? false
    let named = given.option("activation-func")?.text ?? ""
    let gate = try given.flag("gated-linear-unit")
    let isGated = try given.flag("swiglu") ?? gate ?? false
    if try given.flag("quick-geglu") ?? false {
      guard !isGated || !given.contains("swiglu") else {
        throw given.error("quick-geglu", "excludes --swiglu")
      }
      given.explain("quick-geglu", "feed-forward blocks with a gate")
      return .geglu
    }
    given.explain("gated-linear-unit", "whether feed-forward blocks have a gate")
    given.explain("activation-func", "the activation of feed-forward blocks")
    if squared || named.contains("squared_relu") {
      guard !isGated else { throw given.error("squared-relu", "excludes a gate") }
      given.explain("squared-relu", "feed-forward blocks of two products with a squared ReLU")
      return .squaredReLU
    }
    if isGated {
      given.explain("swiglu", "SwiGLU: feed-forward blocks with a gate")
      return named.contains("gelu") ? .geglu : .swiglu
    }
    given.imply("activation", "gelu", "feed-forward blocks of two products with GELU")
    return .gelu
  }

  private func width(
    _ hidden: Int, _ activation: ModelDescription.Activation
  ) throws(ConfigurationError) -> Int {
    if let width = try given.integer("ffn-hidden-size", in: Self.sizes) {
      given.explain("ffn-hidden-size", "the width of dense feed-forward blocks")
      return width
    }
    // arguments.py, validate_args: a gated block gets two thirds, to a multiple of 64.
    let width = activation == .swiglu ? 4 * hidden * 2 / 3 / 64 * 64 : 4 * hidden
    given.imply("--ffn-hidden-size", "\(width)", "the width of dense feed-forward blocks")
    return max(1, width)
  }

  private func positions() throws(ConfigurationError) -> Int {
    if let positions = try given.integer("max-position-embeddings", in: 1...(1 << 24)) {
      given.explain("max-position-embeddings", "\(positions) positions")
      return positions
    }
    guard let length = try given.integer("seq-length", in: 1...(1 << 24)) else {
      throw given.error("max-position-embeddings", "is not said")
    }
    given.imply("--max-position-embeddings", "\(length)", "the sequence's length")
    return length
  }

  // MARK: - Norms, biases, positions

  private func readNorms(_ model: inout ModelDescription) throws(ConfigurationError) {
    switch try given.choice("normalization", ["LayerNorm", "RMSNorm"]) {
    case "RMSNorm"?: model.norm = .rms
    case _?: model.norm = .layer
    case nil:
      model.norm = .layer
      given.imply("--normalization", "LayerNorm", "norms with gain and bias")
    }
    given.explain(
      "normalization", model.norm == .rms ? "norms with gain" : "norms with gain and bias")
    if let epsilon = try given.number("norm-epsilon", in: 0...1) { model.epsilon = epsilon }
    given.explain("norm-epsilon", as: .costless, "in the model, without meaning for cost")
    given.explain("apply-layernorm-1p", as: .costless, "gains are stored less one")
    let hasGains = try !hasNormsWithoutGains()
    model.queryKeyNorm = try given.flag("qk-layernorm") ?? false && hasGains
    given.explain("qk-layernorm", "norms of queries and keys")
  }

  private func readBiases(_ model: inout ModelDescription) throws(ConfigurationError) {
    if let biases = try given.flag("add-bias-linear") {
      model.linearBias = biases
      given.explain("add-bias-linear", biases ? "linear maps have biases" : "no biases")
    } else {
      model.linearBias = true
      given.imply("--disable-bias-linear", "not set", "linear maps have biases")
    }
    model.queryKeyValueBias = try given.flag("add-qkv-bias") ?? false && !model.linearBias
    given.explain("add-qkv-bias", "maps of queries, keys and values have biases")
    if let isUntied = try given.flag("untie-embeddings-and-output-weights") {
      model.tied = !isUntied
      given.explain(
        "untie-embeddings-and-output-weights",
        isUntied ? "a head of its own" : "the head is the embedding's table")
    } else {
      model.tied = true
      given.imply(
        "--untie-embeddings-and-output-weights", "not set", "the head is the embedding's table")
    }
  }

  private func position() throws(ConfigurationError) -> ModelDescription.Position {
    let kind = try given.choice(
      "position-embedding-type", ["learned_absolute", "rope", "yarn", "mrope", "relative", "none"])
    switch kind {
    case nil:
      given.imply("--position-embedding-type", "learned_absolute", "a table of positions")
      return .learned
    case "learned_absolute"?:
      given.explain("position-embedding-type", "a table of positions")
      return .learned
    case "none"?:
      given.explain("position-embedding-type", "no positions")
      return .none
    case "rope"?, "yarn"?:
      given.explain("position-embedding-type", "rotated queries and keys")
      return .rotary(try rotary(isStretched: kind == "yarn"))
    default:
      throw given.error(
        "position-embedding-type", "no model of sluice has such positions",
        suggestion: "rope")
    }
  }

  func rotary(isStretched: Bool) throws(ConfigurationError) -> ModelDescription.Rotary {
    var rotary = ModelDescription.Rotary()
    rotary.theta = try given.number("rotary-base", in: 1.001...1e12) ?? 10_000
    rotary.share = try given.number("rotary-percent", in: 0...1) ?? 1
    given.explain("rotary-base", as: .costless, "in the model: the base of the frequencies")
    given.explain("rotary-percent", "the share of each head that is turned")
    if let factor = try given.number("rotary-seq-len-interpolation-factor", in: 1...1e6) {
      rotary.scaling = .linear(factor)
    }
    if try given.flag("use-rope-scaling") ?? false {
      rotary.scaling = .llama3(
        factor: try given.number("rope-scaling-factor", in: 1...1e6) ?? 8, low: 1, high: 4,
        original: 8192)
    }
    let kind = try given.choice("rope-type", ["rope", "yarn"])
    if isStretched || kind == "yarn" {
      rotary.scaling = .yarn(
        factor: try given.number("rotary-scaling-factor", in: 1...1e6) ?? 1,
        original: try given.integer("yarn-original-max-position-embeddings", in: 1...(1 << 24))
          ?? 4096,
        fast: try given.number("yarn-beta-fast") ?? 32,
        slow: try given.number("yarn-beta-slow") ?? 1,
        magnitude: try given.number("mscale"), all: try given.number("mscale-all-dim"))
    }
    for name in [
      "rotary-seq-len-interpolation-factor", "use-rope-scaling", "rope-scaling-factor", "rope-type",
      "rotary-scaling-factor", "mscale", "mscale-all-dim", "yarn-beta-fast", "yarn-beta-slow",
      "yarn-original-max-position-embeddings",
    ] { given.explain(name, as: .costless, "in the model: how frequencies are stretched") }
    return rotary
  }
}

import Documents
import Quantities

/// Pieces that families share.
extension ConfigReader {
  /// A size that must be written, unless the family's configuration has a value for it by itself.
  func size(_ key: String, default fallback: Int? = nil) throws(ConfigurationError) -> Int {
    if let fallback = fallback ?? implied[key] {
      return try table.value(key, .integer(in: Self.sizes), default: fallback)
    }
    return try table.required(key, .integer(in: Self.sizes))
  }

  func heads(_ key: String, default fallback: Int? = nil) throws(ConfigurationError) -> Int {
    if let fallback = fallback ?? implied[key] {
      return try table.value(key, .integer(in: Self.headCounts), default: fallback)
    }
    return try table.required(key, .integer(in: Self.headCounts))
  }

  func layers(
    _ key: String = "num_hidden_layers", default fallback: Int? = nil
  ) throws(ConfigurationError) -> Int {
    if let fallback = fallback ?? implied[key] {
      return try table.value(key, .integer(in: Self.layerCounts), default: fallback)
    }
    return try table.required(key, .integer(in: Self.layerCounts))
  }

  func flag(_ key: String, default fallback: Bool = false) throws(ConfigurationError) -> Bool {
    try table.value(key, .boolean, default: fallback)
  }

  func positions(
    _ key: String = "max_position_embeddings", default fallback: Int
  ) throws(ConfigurationError) -> Int {
    try table.value(key, .integer(in: Self.positions), default: fallback)
  }

  func initializerRange() throws(ConfigurationError) -> Double {
    try table.value("initializer_range", .number(in: 0...10), default: 0.02)
  }

  func rmsNorm(_ key: String = "rms_norm_eps") throws(ConfigurationError)
    -> Architecture.Normalization
  {
    .rmsNorm(epsilon: try table.value(key, .number(in: 0...1), default: 1e-6))
  }

  func layerNorm(
    _ key: String = "layer_norm_epsilon", hasBias: Bool = true
  ) throws(ConfigurationError) -> Architecture.Normalization {
    .layerNorm(
      epsilon: try table.value(key, .number(in: 0...1), default: 1e-5), hasBias: hasBias)
  }

  /// Whether the head is the embedding: as written here, or around this table, or as the family has it.
  func tied(default fallback: Bool = false) throws(ConfigurationError) -> Bool {
    try table.optional("tie_word_embeddings", .boolean) ?? outerTie ?? fallback
  }

  /// The activation under a key.
  func activation(
    _ key: String = "hidden_act", default fallback: Activation
  ) throws(ConfigurationError) -> Activation {
    guard let found = try table.optional(key, .string) else { return fallback }
    guard let known = Activation(named: found) else {
      let names = Activation.allCases.map(\.rawValue)
      throw table.error(
        "must be an activation of transformers: \(names.joined(separator: ", "))", at: key,
        suggestion: nearestName(to: found, among: names))
    }
    return known
  }

  /// Refuses a setting that would add parts.
  func refuse(
    _ key: String, if unwanted: Bool, default fallback: Bool
  ) throws(ConfigurationError) {
    guard try flag(key, default: fallback) != unwanted else {
      throw table.error("\(unwanted) is not supported", at: key)
    }
  }

  /// Keeps what a number other than its neutral value does to the forward pass.
  mutating func notePeculiar(
    _ key: String, neutral: Double? = nil, default fallback: Double? = nil
  ) throws(ConfigurationError) {
    guard let value = try table.optional(key, .number(in: -1e9...1e9)) ?? fallback,
      value != neutral
    else { return }
    peculiarities.append("\(key) \(value)")
  }

  /// Keeps a flag that changes what is computed and not what is counted.
  mutating func notePeculiar(
    _ key: String, if peculiar: Bool, default fallback: Bool
  ) throws(ConfigurationError) {
    if try flag(key, default: fallback) == peculiar { peculiarities.append("\(key) \(peculiar)") }
  }

  /// Keeps a notice for each dropout above 0.
  mutating func noticeDropout(_ keys: [String]) throws(ConfigurationError) {
    for key in keys {
      let rate = try table.value(key, .number(in: 0...1), default: 0)
      if rate > 0 { notices.append("\(key) \(rate) is ignored: sluice has no dropout") }
    }
  }

  /// Keeps the weight by which transformers trains routers for balance, and a notice of it.
  mutating func readBalance() throws(ConfigurationError) {
    let weight = try table.value("router_aux_loss_coef", .number(in: 0...1e6), default: 0.001)
    guard try flag("output_router_logits"), weight > 0 else { return }
    joinedBalance = weight
    notices.append(
      "output_router_logits with router_aux_loss_coef \(weight): trained with the balance loss over "
        + "all layers, where a run does not say model.balance-loss")
  }

  /// Query, key and value projections apart, as Llama and its relatives have them.
  ///
  /// - Parameters:
  ///   - keyValueHeads: heads of keys and values where the file says nothing; nil for those of queries.
  ///   - headSize: the size of a head where the file says nothing; nil for what divides the hidden size.
  func multiHead(
    hidden: Int, heads given: Int? = nil, keyValueHeads fallback: Int? = nil,
    headSize size: Int? = nil, headSizeKey: String = "head_dim", bias: Bool = false,
    outputBias: Bool = false, queryKeyNorm: MultiHead.QueryKeyNorm = .absent, reach: Reach = .all,
    isRotated: Bool = true
  ) throws(ConfigurationError) -> MultiHead {
    let count = try heads("num_attention_heads", default: given)
    let keyValueHeads =
      try table.optional("num_key_value_heads", .integer(in: Self.headCounts)) ?? fallback ?? count
    guard count % keyValueHeads == 0 else {
      throw table.error("must divide num_attention_heads, \(count)", at: "num_key_value_heads")
    }
    let written = try table.optional(headSizeKey, .integer(in: Self.headCounts))
    guard let headSize = written ?? size ?? (hidden % count == 0 ? hidden / count : nil) else {
      throw table.error("must divide hidden_size, \(hidden)", at: "num_attention_heads")
    }
    guard headSize % 2 == 0 || !isRotated else {
      throw table.error(
        "a head of \(headSize) columns cannot be rotated in pairs",
        at: written == nil ? "num_attention_heads" : headSizeKey)
    }
    return MultiHead(
      heads: count, keyValueHeads: keyValueHeads, headSize: headSize, bias: bias,
      outputBias: outputBias, queryKeyNorm: queryKeyNorm, reach: reach)
  }

  /// A gated block whose width `intermediate_size` gives.
  func gatedBlock(
    _ key: String = "intermediate_size", bias: Bool = false, default width: Int? = nil,
    activation: Activation = .silu
  ) throws(ConfigurationError) -> FeedForward {
    .dense(
      width: try size(key, default: width), gated: true, bias: bias, activation: activation)
  }

  func expertsPerToken(
    among experts: Int, _ key: String = "num_experts_per_tok"
  ) throws(ConfigurationError) -> Int {
    let count = try table.required(key, .integer(in: Self.expertCounts))
    guard count <= experts else {
      throw table.error("exceeds the \(experts) experts that may be chosen from", at: key)
    }
    return count
  }

  /// The kinds of layers that `layer_types` names, one a layer; nil where it is not written.
  func layerTypes(_ count: Int, among names: [String]) throws(ConfigurationError) -> [String]? {
    let found = try table.optional("layer_types", .list(of: .string))
    guard let found else { return nil }
    if let unknown = found.first(where: { !names.contains($0) }) {
      throw table.error(
        "names \(unknown); a layer is \(names.joined(separator: " or "))", at: "layer_types")
    }
    guard found.count >= count else {
      throw table.error("has \(found.count) kinds for \(count) layers", at: "layer_types")
    }
    return Array(found.prefix(count))
  }

  /// Which keys each layer's queries meet: within `sliding_window` where the layer's kind or `pattern`
  /// says so.
  func reaches(
    _ count: Int, window fallback: Int? = nil, where pattern: (Int) -> Bool
  ) throws(ConfigurationError) -> [Reach] {
    let types = try layerTypes(count, among: ["full_attention", "sliding_attention"])
    let written = try table.optional("sliding_window", .integer(in: 0...Self.positions.upperBound))
    guard let window = written ?? fallback, window > 0 else {
      if let types, let layer = types.firstIndex(of: "sliding_attention") {
        throw table.error(
          "layer \(layer) has a window, and sliding_window no width", at: "layer_types")
      }
      return Array(repeating: .all, count: count)
    }
    return (0..<count).map { layer in
      let slides = types.map { $0[layer] == "sliding_attention" } ?? pattern(layer)
      return slides ? .window(window) : .all
    }
  }

  /// What the decoders since Llama have in common.
  func decoder(
    _ family: Architecture.Family, hidden: Int, _ layers: [Layer],
    normalization: Architecture.Normalization? = nil, rotary: Rotary? = nil,
    positions fallback: Int = 2048, tied: Bool = false, vocabulary size: Int? = nil
  ) throws(ConfigurationError) -> Architecture {
    let positions = try positions(default: fallback)
    let vocabulary = try self.size("vocab_size", default: size)
    let padding = try table.optional("pad_token_id", .integer(in: -vocabulary...vocabulary - 1))
    let turned =
      if let rotary { rotary } else {
        try self.rotary(layout: .halved, positions: positions, layers)
      }
    let usual = if let normalization { normalization } else { try rmsNorm() }
    return Architecture(
      name: name, family: family, hiddenSize: hidden, layers: layers,
      vocabularySize: vocabulary, maximumPositions: positions,
      normalization: usual, position: .rotary(turned),
      tiedEmbeddings: try self.tied(default: tied),
      // Counted from the end where negative, as PyTorch's embedding counts.
      paddingToken: padding.map { $0 < 0 ? vocabulary + $0 : $0 },
      initializerRange: try initializerRange())
  }
}

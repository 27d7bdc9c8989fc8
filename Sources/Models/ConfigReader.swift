import Documents

/// Reads the `config.json` of a Hugging Face checkpoint, one function per family.
///
/// Keys that say nothing about shapes are passed over. What sluice cannot compute is refused; what
/// it leaves out is kept as a notice.
struct ConfigReader {
  let table: Table
  let name: String
  var notices: [String] = []

  /// Bounds that keep every product of sizes within 64 bits.
  static let sizes = 1...(1 << 20)
  static let headCounts = 1...4096
  static let layerCounts = 1...1024
  static let expertCounts = 1...4096
  static let positions = 1...(1 << 24)
  static let largestModel = 1e15

  init(table: Table, name: String) {
    self.table = table
    self.name = name
  }

  /// The architecture that the table describes.
  mutating func read() throws(ConfigurationError) -> Architecture {
    let family = try table.required(
      "model_type", .choice(Architecture.Family.self))
    var architecture =
      switch family {
      case .gpt2: try readGPT2()
      case .llama: try readLlama()
      case .mixtral: try readMixtral()
      case .qwen3MoE: try readQwen3MoE()
      case .deepseekV2, .deepseekV3: try readDeepSeek(family)
      }
    architecture.notices = notices
    let size = architecture.estimatedSize
    guard size < Self.largestModel else {
      throw table.error("describes a model of more than 10^15 parameters")
    }
    return architecture
  }

  // MARK: - Pieces that families share

  func size(_ key: String) throws(ConfigurationError) -> Int {
    try table.required(key, .integer(in: Self.sizes))
  }

  func heads(_ key: String) throws(ConfigurationError) -> Int {
    try table.required(key, .integer(in: Self.headCounts))
  }

  func layers(_ key: String = "num_hidden_layers") throws(ConfigurationError) -> Int {
    try table.required(key, .integer(in: Self.layerCounts))
  }

  func flag(_ key: String, default fallback: Bool = false) throws(ConfigurationError) -> Bool {
    try table.value(key, .boolean, default: fallback)
  }

  func initializerRange() throws(ConfigurationError) -> Double {
    try table.value("initializer_range", .number(in: 0...10), default: 0.02)
  }

  func rmsNorm() throws(ConfigurationError) -> Architecture.Normalization {
    .rmsNorm(epsilon: try table.value("rms_norm_eps", .number(in: 0...1), default: 1e-6))
  }

  /// Refuses any activation but those named.
  func requireActivation(
    _ key: String, among names: [String], default fallback: String
  ) throws(ConfigurationError) {
    let found = try table.value(key, .string, default: fallback)
    guard names.contains(found) else {
      throw table.error("only \(names.joined(separator: " and ")) can be computed", at: key)
    }
  }

  /// Refuses a setting that would change the computation.
  func refuse(
    _ key: String, if unwanted: Bool, default fallback: Bool
  ) throws(ConfigurationError) {
    guard try flag(key, default: fallback) != unwanted else {
      throw table.error("\(unwanted) is not supported", at: key)
    }
  }

  /// Keeps a notice for each dropout above 0.
  mutating func noticeDropout(_ keys: [String]) throws(ConfigurationError) {
    for key in keys {
      let rate = try table.value(key, .number(in: 0...1), default: 0)
      if rate > 0 { notices.append("\(key) \(rate) is ignored: sluice has no dropout") }
    }
  }

  /// Query, key and value projections apart, as Llama and its relatives have them.
  func multiHead(
    hidden: Int, headSizeKey: String = "head_dim", bias: Bool, outputBias: Bool,
    queryKeyNorm: Bool = false
  ) throws(ConfigurationError) -> MultiHead {
    let count = try heads("num_attention_heads")
    let keyValueHeads =
      try table.optional("num_key_value_heads", .integer(in: Self.headCounts)) ?? count
    guard count % keyValueHeads == 0 else {
      throw table.error("must divide num_attention_heads, \(count)", at: "num_key_value_heads")
    }
    let given = try table.optional(headSizeKey, .integer(in: Self.headCounts))
    guard let headSize = given ?? (hidden % count == 0 ? hidden / count : nil) else {
      throw table.error("must divide hidden_size, \(hidden)", at: "num_attention_heads")
    }
    guard headSize % 2 == 0 else {
      throw table.error(
        "a head of \(headSize) columns cannot be rotated in pairs",
        at: given == nil ? "num_attention_heads" : headSizeKey)
    }
    return MultiHead(
      heads: count, keyValueHeads: keyValueHeads, headSize: headSize, bias: bias,
      outputBias: outputBias, queryKeyNorm: queryKeyNorm)
  }

  /// Refuses a window that is narrower than the sequences that the model is made for.
  func refuseSlidingWindow(positions: Int) throws(ConfigurationError) {
    guard try flag("use_sliding_window", default: true) else { return }
    let window = try table.optional("sliding_window", .integer(in: Self.positions))
    guard window ?? positions >= positions else {
      throw table.error(
        "attention within a window is not supported below max_position_embeddings, "
          + "\(positions)", at: "sliding_window")
    }
  }
}

extension Architecture {
  /// Parameters, roughly and without overflow.
  fileprivate var estimatedSize: Double {
    let hidden = Double(hiddenSize)
    let projections = attention.projectionSizes(hidden: hiddenSize)
      .reduce(0.0) { $0 + Double($1.input) * Double($1.output) }
    let blocks = units.compactMap { feedForward(of: $0) }.reduce(0.0) { sum, block in
      switch block {
      case .dense(let width, _, _): return sum + 3 * hidden * Double(width) + projections
      case .mixture(let mixture):
        let experts = Double(mixture.routedExperts) * Double(mixture.expertWidth)
        return sum + 3 * hidden * (experts + Double(mixture.sharedWidth)) + projections
      }
    }
    return blocks + hidden * Double(vocabularySize + maximumPositions)
  }
}

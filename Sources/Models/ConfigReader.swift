import Documents

/// Reads the `config.json` of a Hugging Face checkpoint: one function, in a file of its own, maps the
/// keys of a family onto parts.
///
/// Keys that say nothing about shapes are passed over. What changes counts and is not understood is
/// refused; what sluice leaves out is kept as a notice.
struct ConfigReader {
  let table: Table
  let name: String
  var notices: [String] = []
  /// As `Architecture.joinedBalance`.
  var joinedBalance = 0.0
  /// What the forward pass does beside its parts.
  var peculiarities: [String] = []
  /// Keys that name parts and say nothing about shapes.
  private(set) var passedOver: Set<String> = []
  /// Whether the output head is the embedding, where a table around this one says so.
  var outerTie: Bool?
  /// Whether the table lies in another one, whose file leaves out what is usual.
  var isNested = false
  /// Sizes that such a table leaves out.
  var implied: [String: Int] = [:]

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

  /// Lets a family's keys stand that name parts and say nothing about shapes.
  mutating func passOver(_ keys: [String]) { passedOver.formUnion(keys) }

  /// The architecture that the table describes; of a model with several modalities, its language
  /// model, which lies in `text_config`.
  ///
  /// - Parameter finish: looks for keys that nothing read and that the command line set.
  static func read(
    _ table: Table, name: String, finish: () throws(ConfigurationError) -> Void
  ) throws(ConfigurationError) -> Architecture {
    let key = table.contains("text_config") ? "text_config" : "llm_config"
    let inner = try table.optionalTable(key, toleratesUnknownKeys: true)
    var reader = ConfigReader(table: inner ?? table, name: name)
    if let inner {
      try checkSizes(of: inner, in: table, key)
      let outer = try table.optional("model_type", .string)
      reader.notices.append(
        "of \(outer ?? "the model") the language model alone is counted, not what is beside it")
      reader.isNested = true
      reader.outerTie = try table.optional("tie_word_embeddings", .boolean)
    }
    let architecture = try reader.read()
    try finish()
    try reader.checkParts(of: architecture.family)
    return architecture
  }

  /// Refuses an inner table without sizes where the outer one has them: which are meant is not said.
  private static func checkSizes(
    of inner: Table, in table: Table, _ key: String
  ) throws(ConfigurationError) {
    let sizes = ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"]
    guard !sizes.contains(where: inner.contains), let own = sizes.first(where: table.contains)
    else { return }
    throw table.error("says no sizes, and \(own) stands beside it", at: key)
  }

  private mutating func read() throws(ConfigurationError) -> Architecture {
    let written = try table.required("model_type", .string)
    guard let family = Architecture.Family(modelType: written) else {
      // Says what there is, and the nearest.
      _ = try table.required("model_type", .choice(Architecture.Family.self))
      throw table.error("is not read", at: "model_type")
    }
    try checkCode(of: family)
    if isNested { takeImpliedSizes(of: family) }
    var architecture = try read(family)
    architecture.notices = notices
    architecture.joinedBalance = joinedBalance
    architecture.peculiarities = peculiarities
    let size = architecture.estimatedSize
    guard size < Self.largestModel else {
      throw table.error("describes a model of more than 10^15 parameters")
    }
    return architecture
  }

  private mutating func read(
    _ family: Architecture.Family
  ) throws(ConfigurationError) -> Architecture {
    switch family {
    case .gpt2: try readGPT2()
    case .llama: try readLlama()
    case .mistral: try readMistral()
    case .mixtral: try readMixtral()
    case .qwen2: try readQwen2()
    case .qwen2MoE: try readQwen2MoE()
    case .qwen3: try readQwen3()
    case .qwen3MoE: try readQwen3MoE()
    case .qwen3Next: try readQwen3Next()
    case .gemma: try readGemma()
    case .gemma2: try readGemma2()
    case .gemma3: try readGemma3()
    case .phi3: try readPhi3()
    case .gptNeoX: try readGPTNeoX()
    case .gptNeo: try readGPTNeo()
    case .gptBigCode: try readGPTBigCode()
    case .starcoder2: try readStarcoder2()
    case .opt: try readOPT()
    case .bloom: try readBloom()
    case .falcon: try readFalcon()
    case .olmo2, .olmo3: try readOLMo(family)
    case .cohere, .cohere2: try readCohere(family)
    case .granite: try readGranite()
    case .glm, .glm4: try readGLM(family)
    case .glm4MoE: try readGLM4MoE()
    case .gptOSS: try readGPTOSS()
    case .llama4: try readLlama4()
    case .smolLM3: try readSmolLM3()
    case .nemotron: try readNemotron()
    case .nemotronH: try readNemotronH()
    case .deepseek: try readDeepSeekMoE()
    case .deepseekV2, .deepseekV3, .deepseekV32, .kimiK2: try readDeepSeek(family)
    case .minimaxM2: try readMiniMaxM2()
    case .ernie: try readErnie()
    case .ernieMoE: try readErnieMoE()
    case .hunyuan, .hunyuanDense, .hunyuanMoE: try readHunyuan(family)
    case .megatron: try readMegatron()
    }
  }
}

extension Architecture {
  /// Parameters, roughly and without overflow.
  fileprivate var estimatedSize: Double {
    let hidden = Double(hiddenSize)
    var known: [Layer: Double] = [:]
    func size(_ layer: Layer) -> Double {
      let projections = layer.attention.projectionSizes(hidden: hiddenSize)
        .reduce(0.0) { $0 + Double($1.input) * Double($1.output) }
      switch layer.feedForward {
      case .absent: return projections
      case .dense(let block): return 3 * hidden * Double(block.width) + projections
      case .mixture(let mixture):
        let experts = Double(mixture.routedExperts) * Double(mixture.expertWidth)
        return 3 * hidden * (experts + Double(mixture.sharedWidth)) + projections
      }
    }
    let blocks = units.compactMap { layer(of: $0) }.reduce(0.0) { sum, layer in
      if let same = known[layer] { return sum + same }
      let own = size(layer)
      known[layer] = own
      return sum + own
    }
    return blocks + hidden * Double(vocabularySize + maximumPositions)
  }
}

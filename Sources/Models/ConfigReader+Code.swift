import Documents

/// What a file says beside shapes of whose code it needs, and of parts that its family does not have.
extension ConfigReader {
  /// Refuses a file whose model is a class that the family's reader does not describe.
  ///
  /// Checkpoints bring code of their own (`auto_map`); where its class is the family's, it is where
  /// the family came from. Any other may hold other parts.
  func checkCode(of family: Architecture.Family) throws(ConfigurationError) {
    var allowed = family.classStems.flatMap { ["\($0)ForCausalLM", "\($0)LMHeadModel"] }
    if family == .gpt2, isMultiQuery { allowed.append("GPT2LMHeadCustomModel") }
    func check(_ name: String, _ key: String, _ table: Table) throws(ConfigurationError) {
      guard !allowed.contains(name) else { return }
      throw table.error(
        "\(name) is not the class of \(family.rawValue) with its head, \(family.className): "
          + "what it adds or leaves out is not known", at: key)
    }
    for name in try table.optional("architectures", .list(of: .string)) ?? [] {
      try check(name, "architectures", table)
    }
    guard let code = try table.optionalTable("auto_map", toleratesUnknownKeys: true) else { return }
    if let model = try code.optional("AutoModelForCausalLM", .string) {
      // `modeling_deepseek.DeepseekV3ForCausalLM`, in front of `--` another repository's name.
      let name = model.split(whereSeparator: { $0 == "." || $0 == "-" }).last.map(String.init)
      try check(name ?? model, "AutoModelForCausalLM", code)
    }
  }

  /// Whether a GPT-2 has one head of keys and values (SantaCoder).
  var isMultiQuery: Bool {
    let kind = try? table.optional("attention_head_type", .string)
    return kind == "multiquery" || (try? table.optional("multi_query", .boolean)) == true
  }

  /// Refuses a key that nobody read and that names a part with a value that says it is there.
  func checkParts(of family: Architecture.Family) throws(ConfigurationError) {
    for (key, field) in table.unreadFields
    where Self.namesPart(key) && !passedOver.contains(key) && field.saysSomething {
      throw field.error(
        "names a part, and nothing reads it for \(family.rawValue): what it adds is not known")
    }
  }

  /// Words that name parts whatever stands beside them, but for `settings`.
  private static let parts = words(
    """
    expert experts moe bias lora rank layernorm norm mlp ffn mamba ssm conv adapter sinks gated
    shared cla altup laurel engram
    """)

  /// Words that make of a part's name that of a setting of training or of numbers.
  private static let settings = words(
    """
    eps epsilon coef coeff alpha loss dropout noise std range logits type dtype kernels act drop
    token parallel implementation min fp32 prob capacity multimodal rescale group cast fused dtypes
    jitter fusion beta mode
    """)

  /// Words that name parts, and often settings of them.
  private static let widerParts = words(
    """
    adapters gate gates gating attn attention attentions cross encoder decoder block blocks pruned
    hc mhc hyper connections ngram ngrams embed embedding embeddings nextn mtp memory memories
    retrieval vision image audio speech visual latent latents indexer recurrent recurrence linear
    proj projection projections projector codebooks loop loops value values bottleneck router
    hybrid sparse matryoshka towers tower branches streams
    """)

  private static let widerSettings = words(
    """
    tokens impl id ids temperature tuning summary scale scaling multiplier scalar init initializer
    tie tied softmax decay pdrop limit clip cache cached max length flash recompute checkpointing
    chunk logit fast backend backends unpad eager sdpa kernel quantization quant position positions
    seed freeze frozen bf16 fp16 fp8 precision overlap
    """)

  /// Sizes under the names that transformers gives them for every family, beside the family's own.
  private static let synonyms: Set<String> = [
    "num_attention_heads", "num_key_value_heads", "attention_head_dim", "attention_head_size",
  ]

  /// Words in names of how many there are of something that is none of a model's parts.
  private static let counts = words(
    """
    layers layer heads head hidden ctx positions embd inner labels beams beam beams return
    sequences logits choices epochs steps workers train iterations samples frames channels
    tokens classes gpus nodes threads
    """)

  private static func words(_ text: String) -> Set<String> {
    Set(text.split(whereSeparator: \.isWhitespace).map(String.init))
  }

  /// Whether a key has a part in its name, or says how many there are of something that is not known here.
  private static func namesPart(_ key: String) -> Bool {
    guard !synonyms.contains(key) else { return false }
    let own = key.lowercased().split(separator: "_").map(String.init)
    guard own.allSatisfy({ !settings.contains($0) }) else { return false }
    if own.contains(where: parts.contains) { return true }
    guard own.allSatisfy({ !widerSettings.contains($0) }) else { return false }
    if own.contains(where: widerParts.contains) { return true }
    let isCount = own.count > 1 && ["num", "n"].contains(own[0])
    return isCount && !own.contains(where: counts.contains)
  }
}

extension Field {
  /// Whether the value is other than none, false and zero.
  fileprivate var saysSomething: Bool {
    if isNull { return false }
    if isTable { return ((try? table())?.keys.isEmpty ?? true) == false }
    if isList { return ((try? items())?.isEmpty ?? true) == false }
    return !["false", "0", "0.0", "none", ""].contains((try? read(.string))?.lowercased() ?? "")
  }
}

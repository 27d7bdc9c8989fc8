import Documents

extension Architecture {
  /// The families whose checkpoints the CPU runtime takes and gives; what their models consist of,
  /// `partBeyondRuntime` says.
  static let trainedFamilies: [Family] = [
    .gpt2, .llama, .mistral, .mixtral, .qwen2, .qwen3, .qwen3MoE, .deepseekV3,
  ]

  /// What of the model the CPU runtime's kernels do not compute, in a few words; nil where they compute all.
  ///
  /// Counting, and simulating devices, ask for none of it.
  var partBeyondRuntime: String? {
    if let first = peculiarities.first { return first }
    switch position {
    case .learned: if leadingPositions > 0 { return "positions in front of the first" }
    case .rotary(let rotary):
      if case .other(let kind) = rotary.scaling { return "rope_scaling of type \(kind)" }
      if rotary.columns != nil { return "heads that are rotated in part" }
    case .linearBiases, .implied: return "positions by biases or by the mask alone"
    }
    if case .layerNorm(_, hasBias: false) = normalization { return "layer norms without biases" }
    if embeddingWidth != nil { return "embeddings of a width of their own" }
    if normsEmbedding || !normsFinal {
      return "a norm behind the embedding, or none in front of the head"
    }
    return layers.lazy.compactMap(\.partBeyondRuntime).first
  }

  /// Refuses a model that the CPU runtime does not compute.
  ///
  /// - Parameters:
  ///   - file: the file that names or describes the model.
  ///   - key: the key there.
  ///   - use: what cannot be done with it: `trained`, `run`, `simulated on CPU ranks`.
  public func checkRuntime(file: String, key: String, use: String) throws(ConfigurationError) {
    let families = Self.trainedFamilies
    guard families.contains(family) else {
      throw ConfigurationError(
        file: file, keyPath: key,
        rule: "\(family.rawValue) cannot be \(use); "
          + "\(families.map(\.rawValue).joined(separator: ", ")) can")
    }
    guard let part = partBeyondRuntime else { return }
    throw ConfigurationError(
      file: file, keyPath: key,
      rule: "has \(part), and the CPU runtime does not compute it")
  }
}

extension Layer {
  fileprivate var partBeyondRuntime: String? {
    if norms != .before { return "norms behind its blocks" }
    if arrangement != .sequential { return "parallel blocks" }
    if !rotates || rotary != nil { return "layers with a rotation of their own" }
    switch attention.reach {
    case .all, .window: break
    case .chunk(let width): return "attention within chunks of \(width) positions"
    case .chosen(let count): return "attention to \(count) chosen positions"
    }
    return feedForward.partBeyondRuntime ?? attention.partBeyondRuntime
  }
}

extension FeedForward {
  fileprivate var partBeyondRuntime: String? {
    switch self {
    case .absent: return "layers of one block"
    case .mixture(let mixture):
      if mixture.activation != .silu || !mixture.gated {
        return "experts with activation \(mixture.activation.rawValue)"
          + (mixture.gated ? "" : " without gates")
      }
      if mixture.routerBias || mixture.expertBias { return "experts with biases" }
      if mixture.sharedGate { return "shared experts that a product weighs" }
    case .dense(let block):
      let computed: Activation = block.gated ? .silu : .geluTanh
      if block.activation != computed { return "activation \(block.activation.rawValue)" }
    }
    return nil
  }
}

extension Attention {
  fileprivate var partBeyondRuntime: String? {
    switch self {
    case .absent: return "layers of one block"
    case .recurrent: return "recurrent blocks"
    case .latent: return nil
    case .multiHead(let shape):
      if shape.sinks || shape.outputGate { return "sinks or gates of attention" }
      switch shape.queryKeyNorm {
      case .absent, .eachHead, .whole: return nil
      case .eachHeadItsOwn: return "norms with gains of each head"
      case .withoutGain: return "norms over heads without gains"
      }
    }
  }
}

extension Architecture {
  /// Every tensor of the model under its Hugging Face name, unit by unit.
  ///
  /// Copies of another unit's tensor are listed with `sharedWith`. DeepSeek-V3 has 45,000 tensors:
  /// ask for the parameters of single units where that matters.
  public var parameters: [ParameterTensor] { units.flatMap { parameters(of: $0) } }

  /// The tensors of one unit, in the order of the forward pass.
  public func parameters(of unit: Unit) -> [ParameterTensor] {
    var list = TensorList(unit: unit, hidden: hiddenSize, normalization: normalization)
    switch unit {
    case .embedding: addEmbedding(to: &list)
    case .layer(let index): addLayer(names.layer(index), unit, to: &list)
    case .head: addHead(to: &list)
    case .multiTokenPrediction(let index):
      addPrediction(names.layer(layerCount + index), unit, to: &list)
    }
    return list.tensors
  }

  private var names: TensorNames { family == .gpt2 ? .gpt2 : .llama }

  private func addEmbedding(to list: inout TensorList) {
    list.add(.tokenEmbedding, names.tokenEmbedding, [vocabularySize, hiddenSize])
    if position == .learned {
      list.add(.positionEmbedding, "transformer.wpe.weight", [maximumPositions, hiddenSize])
    }
  }

  private func addHead(to list: inout TensorList) {
    list.addNorm(.finalNorm, bias: .finalNormBias, names.finalNorm)
    list.add(
      .head, names.head, [vocabularySize, hiddenSize],
      sharedWith: tiedEmbeddings ? names.tokenEmbedding : nil)
  }

  private func addLayer(_ layer: String, _ unit: Unit, to list: inout TensorList) {
    list.addNorm(.attentionNorm, bias: .attentionNormBias, layer + names.attentionNorm)
    switch attention {
    case .multiHead(let shape) where shape.fused: list.addFused(shape, layer)
    case .multiHead(let shape): list.addMultiHead(shape, layer)
    case .latent(let shape): list.addLatent(shape, layer)
    }
    list.addNorm(.feedForwardNorm, bias: .feedForwardNormBias, layer + names.feedForwardNorm)
    switch feedForward(of: unit) {
    case .dense(let width, let gated, let bias):
      if family == .gpt2 {
        list.addConvolutionalDense(width: width, bias: bias, layer)
      } else {
        list.addDense(width: width, gated: gated, bias: bias, layer)
      }
    case .mixture(let mixture): list.addMixture(mixture, layer, family)
    case nil: break
    }
  }

  /// A prediction module under the names of DeepSeek's own checkpoint: one more layer, with the
  /// joining projection in front and a norm and the shared head behind.
  private func addPrediction(_ layer: String, _ unit: Unit, to list: inout TensorList) {
    list.add(
      .predictionTokenEmbedding, layer + "embed_tokens.weight", [vocabularySize, hiddenSize],
      sharedWith: names.tokenEmbedding)
    list.add(.predictionEmbeddingNorm, layer + "enorm.weight", [hiddenSize])
    list.add(.predictionHiddenNorm, layer + "hnorm.weight", [hiddenSize])
    list.add(.predictionProjection, layer + "eh_proj.weight", [hiddenSize, 2 * hiddenSize])
    addLayer(layer, unit, to: &list)
    list.add(.predictionFinalNorm, layer + "shared_head.norm.weight", [hiddenSize])
    list.add(
      .predictionHead, layer + "shared_head.head.weight", [vocabularySize, hiddenSize],
      sharedWith: tiedEmbeddings ? names.tokenEmbedding : names.head)
  }
}

/// The names that differ between GPT-2's checkpoints and all others.
private struct TensorNames {
  var tokenEmbedding, finalNorm, head, layers, attentionNorm, feedForwardNorm: String

  func layer(_ index: Int) -> String { "\(layers)\(index)." }

  static let gpt2 = TensorNames(
    tokenEmbedding: "transformer.wte.weight", finalNorm: "transformer.ln_f", head: "lm_head.weight",
    layers: "transformer.h.", attentionNorm: "ln_1", feedForwardNorm: "ln_2")
  static let llama = TensorNames(
    tokenEmbedding: "model.embed_tokens.weight", finalNorm: "model.norm", head: "lm_head.weight",
    layers: "model.layers.", attentionNorm: "input_layernorm",
    feedForwardNorm: "post_attention_layernorm")
}

/// The tensors of one unit as they are gathered.
private struct TensorList {
  let unit: Unit
  let hidden: Int
  let normalization: Architecture.Normalization
  var tensors: [ParameterTensor] = []

  init(unit: Unit, hidden: Int, normalization: Architecture.Normalization) {
    self.unit = unit
    self.hidden = hidden
    self.normalization = normalization
  }

  mutating func add(
    _ role: ParameterTensor.Role, _ name: String, _ shape: [Int], expert: Int? = nil,
    isInputMajor: Bool = false, sharedWith: String? = nil
  ) {
    tensors.append(
      ParameterTensor(
        name: name, shape: shape, unit: unit, role: role, expert: expert,
        isInputMajor: isInputMajor, sharedWith: sharedWith))
  }

  mutating func addNorm(
    _ gain: ParameterTensor.Role, bias: ParameterTensor.Role, _ name: String
  ) {
    add(gain, name + ".weight", [hidden])
    if case .layerNorm = normalization { add(bias, name + ".bias", [hidden]) }
  }

  /// A projection with its bias, if `bias` names a role for it.
  mutating func addLinear(
    _ role: ParameterTensor.Role, bias: ParameterTensor.Role?, _ name: String, out: Int, in: Int,
    isInputMajor: Bool = false
  ) {
    let shape = isInputMajor ? [`in`, out] : [out, `in`]
    add(role, name + ".weight", shape, isInputMajor: isInputMajor)
    if let bias { add(bias, name + ".bias", [out]) }
  }

  mutating func addFused(_ shape: MultiHead, _ layer: String) {
    addLinear(
      .fusedQueryKeyValue, bias: shape.bias ? .fusedQueryKeyValueBias : nil, layer + "attn.c_attn",
      out: shape.queryWidth + 2 * shape.keyValueWidth, in: hidden, isInputMajor: true)
    addLinear(
      .output, bias: shape.outputBias ? .outputBias : nil, layer + "attn.c_proj", out: hidden,
      in: shape.queryWidth, isInputMajor: true)
  }

  mutating func addMultiHead(_ shape: MultiHead, _ layer: String) {
    let block = layer + "self_attn."
    addLinear(
      .query, bias: shape.bias ? .queryBias : nil, block + "q_proj", out: shape.queryWidth,
      in: hidden)
    addLinear(
      .key, bias: shape.bias ? .keyBias : nil, block + "k_proj", out: shape.keyValueWidth,
      in: hidden)
    addLinear(
      .value, bias: shape.bias ? .valueBias : nil, block + "v_proj", out: shape.keyValueWidth,
      in: hidden)
    if shape.queryKeyNorm {
      add(.queryHeadNorm, block + "q_norm.weight", [shape.headSize])
      add(.keyHeadNorm, block + "k_norm.weight", [shape.headSize])
    }
    addLinear(
      .output, bias: shape.outputBias ? .outputBias : nil, block + "o_proj", out: hidden,
      in: shape.queryWidth)
  }

  mutating func addLatent(_ shape: Latent, _ layer: String) {
    let block = layer + "self_attn."
    if let rank = shape.queryRank {
      addLinear(
        .queryDown, bias: shape.bias ? .queryDownBias : nil, block + "q_a_proj", out: rank,
        in: hidden)
      add(.queryNorm, block + "q_a_layernorm.weight", [rank])
      addLinear(.queryUp, bias: nil, block + "q_b_proj", out: shape.queryWidth, in: rank)
    } else {
      addLinear(.query, bias: nil, block + "q_proj", out: shape.queryWidth, in: hidden)
    }
    addLinear(
      .keyValueDown, bias: shape.bias ? .keyValueDownBias : nil, block + "kv_a_proj_with_mqa",
      out: shape.keyValueDownWidth, in: hidden)
    add(.keyValueNorm, block + "kv_a_layernorm.weight", [shape.keyValueRank])
    addLinear(
      .keyValueUp, bias: nil, block + "kv_b_proj", out: shape.keyValueUpWidth,
      in: shape.keyValueRank)
    addLinear(
      .output, bias: shape.bias ? .outputBias : nil, block + "o_proj", out: hidden,
      in: shape.valueWidth)
  }

  /// GPT-2's block, saved in (in, out) layout.
  mutating func addConvolutionalDense(width: Int, bias: Bool, _ layer: String) {
    addLinear(
      .up, bias: bias ? .upBias : nil, layer + "mlp.c_fc", out: width, in: hidden,
      isInputMajor: true)
    addLinear(
      .down, bias: bias ? .downBias : nil, layer + "mlp.c_proj", out: hidden, in: width,
      isInputMajor: true)
  }

  mutating func addDense(width: Int, gated: Bool, bias: Bool, _ layer: String) {
    let block = layer + "mlp."
    if gated {
      addLinear(.gate, bias: bias ? .gateBias : nil, block + "gate_proj", out: width, in: hidden)
    }
    addLinear(.up, bias: bias ? .upBias : nil, block + "up_proj", out: width, in: hidden)
    addLinear(.down, bias: bias ? .downBias : nil, block + "down_proj", out: hidden, in: width)
  }

  mutating func addMixture(
    _ mixture: Mixture, _ layer: String, _ family: Architecture.Family
  ) {
    let isMixtral = family == .mixtral
    let block = layer + (isMixtral ? "block_sparse_moe." : "mlp.")
    let (gate, up, down) =
      isMixtral ? ("w1", "w3", "w2") : ("gate_proj", "up_proj", "down_proj")
    let width = mixture.expertWidth
    add(.router, block + "gate.weight", [mixture.routedExperts, hidden])
    if mixture.correctionBias {
      add(.correctionBias, block + "gate.e_score_correction_bias", [mixture.routedExperts])
    }
    for expert in 0..<mixture.routedExperts {
      let name = "\(block)experts.\(expert)."
      add(.expertGate, "\(name)\(gate).weight", [width, hidden], expert: expert)
      add(.expertUp, "\(name)\(up).weight", [width, hidden], expert: expert)
      add(.expertDown, "\(name)\(down).weight", [hidden, width], expert: expert)
    }
    if mixture.sharedExperts > 0 {
      let name = block + "shared_experts."
      add(.sharedGate, name + "gate_proj.weight", [mixture.sharedWidth, hidden])
      add(.sharedUp, name + "up_proj.weight", [mixture.sharedWidth, hidden])
      add(.sharedDown, name + "down_proj.weight", [hidden, mixture.sharedWidth])
    }
  }
}

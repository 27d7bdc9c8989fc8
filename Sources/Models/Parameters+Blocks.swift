extension TensorList {
  mutating func addFused(_ shape: MultiHead, _ layer: String) {
    addLinear(
      .fusedQueryKeyValue, bias: shape.bias ? .fusedQueryKeyValueBias : nil,
      layer + names.attention + "c_attn", out: shape.queryWidth + 2 * shape.keyValueWidth,
      in: hidden, isInputMajor: true)
    addLinear(
      .output, bias: shape.outputBias ? .outputBias : nil, layer + names.attention + names.output,
      out: hidden, in: shape.queryWidth, isInputMajor: true)
  }

  mutating func addMultiHead(_ shape: MultiHead, _ layer: String) {
    let block = layer + names.attention
    addLinear(
      .query, bias: shape.bias ? .queryBias : nil, block + names.query, out: shape.queryWidth,
      in: hidden)
    addLinear(
      .key, bias: shape.bias ? .keyBias : nil, block + names.key, out: shape.keyValueWidth,
      in: hidden)
    addLinear(
      .value, bias: shape.bias ? .valueBias : nil, block + names.value, out: shape.keyValueWidth,
      in: hidden)
    if shape.outputGate {
      addLinear(
        .attentionGate, bias: nil, block + "gate_proj", out: shape.queryWidth, in: hidden)
    }
    addHeadNorms(shape, block)
    if shape.sinks { add(.sinks, block + "sinks", [shape.heads]) }
    addLinear(
      .output, bias: shape.outputBias ? .outputBias : nil, block + names.output, out: hidden,
      in: shape.queryWidth)
  }

  private mutating func addHeadNorms(_ shape: MultiHead, _ block: String) {
    let (query, key): ([Int], [Int])
    switch shape.queryKeyNorm {
    case .absent, .withoutGain: return
    case .eachHead: (query, key) = ([shape.headSize], [shape.headSize])
    case .eachHeadItsOwn:
      (query, key) = ([shape.heads, shape.headSize], [shape.keyValueHeads, shape.headSize])
    case .whole: (query, key) = ([shape.queryWidth], [shape.keyValueWidth])
    }
    add(.queryHeadNorm, block + names.queryHeadNorm + ".weight", query)
    add(.keyHeadNorm, block + names.keyHeadNorm + ".weight", key)
  }

  mutating func addLatent(_ shape: Latent, _ layer: String) {
    let block = layer + names.attention
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
    if let indexer = shape.indexer {
      addIndexer(indexer, queries: shape.queryRank ?? hidden, block + "indexer.")
    }
    addLinear(
      .output, bias: shape.bias ? .outputBias : nil, block + "o_proj", out: hidden,
      in: shape.valueWidth)
  }

  /// The names of DeepSeek-V3.2's own checkpoint.
  private mutating func addIndexer(_ shape: Latent.Indexer, queries: Int, _ block: String) {
    addLinear(
      .indexQuery, bias: nil, block + "wq_b", out: shape.heads * shape.headSize, in: queries)
    addLinear(.indexKey, bias: nil, block + "wk", out: shape.headSize, in: hidden)
    add(.indexKeyNorm, block + "k_norm.weight", [shape.headSize])
    add(.indexKeyNormBias, block + "k_norm.bias", [shape.headSize])
    addLinear(.indexWeights, bias: nil, block + "weights_proj", out: shape.heads, in: hidden)
  }

  mutating func addRecurrent(_ shape: Recurrence, _ layer: String) {
    let block = layer + names.recurrent
    let isDelta = shape.kind == .gatedDelta
    add(
      .recurrentInput, block + (isDelta ? "in_proj_qkvz.weight" : "in_proj.weight"),
      [shape.inputWidth - shape.stepWidth, hidden])
    add(
      .recurrentSteps, block + (isDelta ? "in_proj_ba.weight" : "in_proj_dt.weight"),
      [shape.stepWidth, hidden])
    if shape.bias { add(.recurrentInputBias, block + "in_proj.bias", [shape.inputWidth]) }
    add(.convolution, block + "conv1d.weight", [shape.convolvedWidth, 1, shape.convolution])
    if shape.convolutionBias {
      add(.convolutionBias, block + "conv1d.bias", [shape.convolvedWidth])
    }
    add(.stepBias, block + "dt_bias", [shape.heads])
    add(.decay, block + "A_log", [shape.heads])
    if !isDelta { add(.skip, block + "D", [shape.heads]) }
    add(.recurrentNorm, block + "norm.weight", [shape.normCount])
    addLinear(
      .recurrentOutput, bias: shape.bias ? .recurrentOutputBias : nil, block + "out_proj",
      out: hidden, in: shape.valueWidth)
  }

  /// A dense block; GPT-2's is saved in (in, out) layout, as its attention is.
  mutating func addDense(_ shape: Dense, _ layer: String, _ attention: Attention) {
    let block = layer + names.feedForward
    let (width, bias) = (shape.width, shape.bias)
    var isInputMajor = false
    if case .multiHead(let heads) = attention { isInputMajor = heads.fused }
    if shape.gated {
      addLinear(
        .gate, bias: bias ? .gateBias : nil, block + names.gate, out: width, in: hidden,
        isInputMajor: isInputMajor)
    }
    addLinear(
      .up, bias: bias ? .upBias : nil, block + names.up, out: width, in: hidden,
      isInputMajor: isInputMajor)
    addLinear(
      .down, bias: bias ? .downBias : nil, block + names.down, out: hidden, in: width,
      isInputMajor: isInputMajor)
  }

  mutating func addMixture(_ mixture: Mixture, _ layer: String) {
    let block = layer + names.mixture
    addLinear(
      .router, bias: mixture.routerBias ? .routerBias : nil, block + names.router,
      out: mixture.routedExperts, in: hidden)
    if mixture.correctionBias {
      add(.correctionBias, block + names.correctionBias, [mixture.routedExperts])
    }
    for expert in 0..<mixture.routedExperts {
      addExpert(expert, mixture, "\(block)experts.\(expert).")
    }
    guard mixture.sharedExperts > 0 else { return }
    let name = block + names.shared
    if mixture.gated {
      add(.sharedGate, name + "gate_proj.weight", [mixture.sharedWidth, hidden])
    }
    add(.sharedUp, name + "up_proj.weight", [mixture.sharedWidth, hidden])
    add(.sharedDown, name + "down_proj.weight", [hidden, mixture.sharedWidth])
    if mixture.sharedGate {
      add(.sharedWeight, block + "shared_expert_gate.weight", [1, hidden])
    }
  }

  private mutating func addExpert(_ expert: Int, _ mixture: Mixture, _ name: String) {
    let width = mixture.expertWidth
    func linear(
      _ role: ParameterTensor.Role, bias: ParameterTensor.Role, _ own: String, _ out: Int,
      _ input: Int
    ) -> [ParameterTensor] {
      let weight = ParameterTensor(
        name: "\(name)\(own).weight", shape: [out, input], unit: unit, role: role, expert: expert)
      guard mixture.expertBias else { return [weight] }
      return [
        weight,
        ParameterTensor(
          name: "\(name)\(own).bias", shape: [out], unit: unit, role: bias, expert: expert),
      ]
    }
    if mixture.gated {
      tensors += linear(.expertGate, bias: .expertGateBias, names.expertGate, width, hidden)
    }
    tensors += linear(.expertUp, bias: .expertUpBias, names.expertUp, width, hidden)
    tensors += linear(.expertDown, bias: .expertDownBias, names.expertDown, hidden, width)
  }
}

extension Architecture {
  /// Every tensor of the model under its Hugging Face name, unit by unit.
  ///
  /// Copies of another unit's tensor are listed with `sharedWith`. DeepSeek-V3 has 45,000 tensors:
  /// ask for the parameters of single units where that matters.
  public var parameters: [ParameterTensor] { units.flatMap { parameters(of: $0) } }

  /// The tensors of one unit, in the order of the forward pass.
  public func parameters(of unit: Unit) -> [ParameterTensor] {
    let names = TensorNames(family)
    var list = TensorList(
      unit: unit, names: names, hidden: hiddenSize, normalization: normalization)
    switch unit {
    case .embedding: addEmbedding(names, to: &list)
    case .layer(let index): list.addLayer(layers[index], names.layer(index))
    case .head: addHead(names, to: &list)
    case .multiTokenPrediction(let index):
      addPrediction(names, names.layer(layerCount + index), unit, to: &list)
    }
    return list.tensors
  }

  private func addEmbedding(_ names: TensorNames, to list: inout TensorList) {
    list.add(.tokenEmbedding, names.tokenEmbedding, [vocabularySize, embeddingColumns])
    if let embeddingWidth {
      list.add(.embeddingInput, names.embeddingInput, [hiddenSize, embeddingWidth])
    }
    if position == .learned {
      list.add(.positionEmbedding, names.positionEmbedding, [positionRows, hiddenSize])
    }
    if normsEmbedding {
      list.addNorm(.embeddingNorm, bias: .embeddingNormBias, names.embeddingNorm)
    }
  }

  private func addHead(_ names: TensorNames, to list: inout TensorList) {
    if normsFinal { list.addNorm(.finalNorm, bias: .finalNormBias, names.finalNorm) }
    if let embeddingWidth {
      list.add(.embeddingOutput, names.embeddingOutput, [embeddingWidth, hiddenSize])
    }
    list.add(
      .head, names.head, [vocabularySize, embeddingColumns],
      sharedWith: tiedEmbeddings ? names.tokenEmbedding : nil)
  }

  /// A prediction module under the names of DeepSeek's own checkpoint: one more layer, with the
  /// joining projection in front and a norm and the shared head behind.
  private func addPrediction(
    _ names: TensorNames, _ layer: String, _ unit: Unit, to list: inout TensorList
  ) {
    list.add(
      .predictionTokenEmbedding, layer + "embed_tokens.weight", [vocabularySize, hiddenSize],
      sharedWith: names.tokenEmbedding)
    list.add(.predictionEmbeddingNorm, layer + "enorm.weight", [hiddenSize])
    list.add(.predictionHiddenNorm, layer + "hnorm.weight", [hiddenSize])
    list.add(.predictionProjection, layer + "eh_proj.weight", [hiddenSize, 2 * hiddenSize])
    if let last = self.layer(of: unit) { list.addLayer(last, layer) }
    list.add(.predictionFinalNorm, layer + "shared_head.norm.weight", [hiddenSize])
    list.add(
      .predictionHead, layer + "shared_head.head.weight", [vocabularySize, hiddenSize],
      sharedWith: tiedEmbeddings ? names.tokenEmbedding : names.head)
  }
}

/// The tensors of one unit as they are gathered.
struct TensorList {
  let unit: Unit
  let names: TensorNames
  let hidden: Int
  let normalization: Architecture.Normalization
  var tensors: [ParameterTensor] = []

  init(
    unit: Unit, names: TensorNames, hidden: Int, normalization: Architecture.Normalization
  ) {
    self.unit = unit
    self.names = names
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

  /// The model's norm, with its bias where it has one.
  mutating func addNorm(
    _ gain: ParameterTensor.Role, bias: ParameterTensor.Role, _ name: String
  ) {
    add(gain, name + ".weight", [hidden])
    if case .layerNorm(_, true) = normalization { add(bias, name + ".bias", [hidden]) }
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

  /// A layer's tensors, whose names begin with `layer`.
  mutating func addLayer(_ part: Layer, _ layer: String) {
    let hasMixer = part.attention != .absent
    if hasMixer, part.normsInputs {
      addNorm(.attentionNorm, bias: .attentionNormBias, layer + names.attentionNorm)
    }
    switch part.attention {
    case .multiHead(let shape) where shape.fused: addFused(shape, layer)
    case .multiHead(let shape): addMultiHead(shape, layer)
    case .latent(let shape): addLatent(shape, layer)
    case .recurrent(let shape): addRecurrent(shape, layer)
    case .absent: break
    }
    if hasMixer, part.normsResults {
      addNorm(
        .attentionResultNorm, bias: .attentionResultNormBias, layer + names.attentionResultNorm)
    }
    if hasMixer, part.norms == .behindResidual {
      addNorm(.attentionNorm, bias: .attentionNormBias, layer + names.attentionNorm)
    }
    let ownNorm = part.feedForward != .absent && part.arrangement != .parallelOneNorm
    if ownNorm, part.normsInputs {
      addNorm(.feedForwardNorm, bias: .feedForwardNormBias, layer + names.feedForwardNorm)
    }
    switch part.feedForward {
    case .dense(let block): addDense(block, layer, part.attention)
    case .mixture(let mixture): addMixture(mixture, layer)
    case .absent: break
    }
    if ownNorm, part.normsResults {
      addNorm(
        .feedForwardResultNorm, bias: .feedForwardResultNormBias,
        layer + names.feedForwardResultNorm)
    }
    if ownNorm, part.norms == .behindResidual {
      addNorm(.feedForwardNorm, bias: .feedForwardNormBias, layer + names.feedForwardNorm)
    }
  }
}

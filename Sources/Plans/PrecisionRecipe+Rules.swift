extension PrecisionRecipe {
  /// The formats that are kept or sent beside activations, by their keys.
  private var besideActivations: [(key: String, format: NumberFormat)] {
    [
      ("dispatch", dispatch), ("combine", combine), ("kept-linear-inputs", keptLinearInputs),
      ("kept-attention-outputs", keptAttentionOutputs),
      ("kept-activation-inputs", keptActivationInputs),
    ]
  }

  /// Refuses formats for which there are no kernels.
  ///
  /// - Parameter fusesHead: whether the head's products and its loss are one operation.
  func check(fusesHead: Bool) throws(PlanError) {
    try checkPlainFormats()
    try checkOperands(fusesHead: fusesHead)
    for (key, format) in besideActivations {
      let isNarrower = format.isScaled || format.bits < activations.bits
      guard format == activations || (isNarrower && format != .tensorFloat32) else {
        throw .precision(
          key: key, format: format,
          rule: "must be that of activations, \(activations.rawValue), or take fewer bits")
      }
    }
    guard pipelineSends != .tensorFloat32 else {
      throw .precision(key: "pipeline-sends", format: pipelineSends, rule: Self.productsOnly)
    }
    let narrow = scaledFormats
    let hasBlocks = narrow.contains { $0 == .e5m6 || scaling == .blocks }
    guard hasBlocks || scaleBlock == Self.measuredScaleBlock else {
      throw .scaleBlock(scaleBlock)
    }
    guard scaling == .blocks || narrow.contains(.e4m3) else {
      throw .cannotSimulate(
        key: "precision.fp8-scaling", value: scaling.rawValue,
        rule: "has nothing to act on: no format of the recipe is e4m3")
    }
    try checkTensorScales()
    try checkWideLayers()
  }

  /// Formats of the recipe that have scales.
  private var scaledFormats: [NumberFormat] {
    let others = [linearWeights, linearOperands, headOperands, pipelineSends, tensorGather]
    return (others + besideActivations.map(\.format)).filter(\.isScaled)
  }

  /// What has a scale for all of it, or for 32 numbers, and what is gathered in 8 bits.
  private func checkTensorScales() throws(PlanError) {
    for (key, format) in [
      ("dispatch", dispatch), ("combine", combine), ("pipeline-sends", pipelineSends),
    ] where format == .e4m3 && scaling != .blocks {
      throw .precision(
        key: key, format: format,
        rule: "travels with scales of its blocks alone: fp8-scaling blocks, not "
          + scaling.rawValue)
    }
    guard tensorGather != activations else { return }
    guard tensorGather == .e4m3, linearOperands == .e4m3, keptLinearInputs == .e4m3,
      scaling.isOfTensors
    else {
      throw .precision(
        key: "tensor-gather", format: tensorGather,
        rule: "must be that of activations, \(activations.rawValue), or e4m3 where linear-operands "
          + "and kept-linear-inputs are and fp8-scaling is delayed or current")
    }
  }

  private func checkWideLayers() throws(PlanError) {
    guard wideFirstLayers > 0 || wideLastLayers > 0 else { return }
    let (key, count) =
      wideFirstLayers > 0
      ? ("bf16-first-layers", wideFirstLayers) : ("bf16-last-layers", wideLastLayers)
    guard linearOperands == .e4m3, scaling != .delayed else {
      throw .cannotSimulate(
        key: "precision.\(key)", value: String(count),
        rule: linearOperands == .e4m3
          ? "needs scales of the tensor's own: fp8-scaling delayed reduces maxima behind all layers "
            + "of a stage at once (current does not)"
          : "has nothing to act on: linear-operands are \(linearOperands.rawValue)")
    }
  }

  /// Weights in 8 bits alone need a copy that the optimizer updates, and scales that ranks agree on.
  func checkFloat8Weights(zeroStage: Plan.ZeROStage) throws(PlanError) {
    guard keepsFloat8Weights else { return }
    let rule: String
    if linearWeights != .e4m3 || !scaling.isOfTensors {
      rule = "is for weights in e4m3 with one scale a tensor: fp8-tensor"
    } else if masterWeights == nil {
      rule = "leaves the optimizer nothing to update: master-weights is none"
    } else if zeroStage != .optimizer {
      rule =
        "goes with an optimizer that is divided among data ranks: zero-stage 1, not "
        + "\(zeroStage.rawValue)"
    } else {
      return
    }
    throw .cannotSimulate(key: "precision.fp8-param-gather", value: "true", rule: rule)
  }

  /// Layers that stay in the format of activations are layers of the model.
  func checkWideLayers(of layers: Int) throws(PlanError) {
    for (key, count) in [
      ("bf16-first-layers", wideFirstLayers), ("bf16-last-layers", wideLastLayers),
    ] where count > layers {
      throw .cannotSimulate(
        key: "precision.\(key)", value: String(count),
        rule: "is more than the \(layers) layers of the model")
    }
  }

  /// The formats of what is kept and of what travels that differ from the base's, by their keys, each with
  /// the recipe that has the base's instead; none where that recipe breaks a rule.
  package func ownFormats(fusesHead: Bool) -> [(key: String, without: PrecisionRecipe)] {
    guard let base = Self.named(base) else { return [] }
    let paths: Set<WritableKeyPath<PrecisionRecipe, NumberFormat>> = [
      \.keptLinearInputs, \.keptAttentionOutputs, \.keptActivationInputs, \.dispatch, \.combine,
      \.pipelineSends, \.gradientReduction, \.parameterGather, \.tensorGather,
    ]
    return PrecisionKeys().formats.compactMap { format in
      guard paths.contains(format.path), self[keyPath: format.path] != base[keyPath: format.path]
      else { return nil }
      var recipe = self
      recipe[keyPath: format.path] = base[keyPath: format.path]
      do { try recipe.check(fusesHead: fusesHead) } catch { return nil }
      return (format.key.name, recipe)
    }
  }

  private static let productsOnly = "is for operands of products; it is stored as float32"

  /// What optimizers and collectives read and write has no scales.
  private func checkPlainFormats() throws(PlanError) {
    for (key, format) in [
      ("activations", activations), ("other-parameters", otherParameters),
      ("gradients", gradients), ("moments", moments), ("gradient-reduction", gradientReduction),
      ("parameter-gather", parameterGather),
    ] where !format.isPlain {
      throw .precision(
        key: key, format: format,
        rule: format.isScaled
          ? "has scales, and no kernel is described that reads it there: float32, float16 or bf16"
          : Self.productsOnly)
    }
  }

  private func checkOperands(fusesHead: Bool) throws(PlanError) {
    let isWide = activations == .float32
    for (key, format) in [
      ("linear-operands", linearOperands), ("attention-operands", attentionOperands),
      ("head-operands", headOperands),
    ] {
      if format == activations || (format == .tensorFloat32 && isWide) { continue }
      let isQuantized = format == .e4m3 && !isWide && key != "attention-operands"
      guard isQuantized, key != "head-operands" || !fusesHead else {
        let others =
          isWide ? " or tf32" : key == "attention-operands" || fusesHead ? "" : " or e4m3"
        throw .precision(
          key: key, format: format,
          rule: "has no kernel that reads activations in \(activations.rawValue): "
            + "\(activations.rawValue)\(others)")
      }
    }
    guard linearWeights.isPlain || (linearWeights == .e4m3 && linearOperands == .e4m3) else {
      throw .precision(
        key: "linear-weights", format: linearWeights,
        rule: linearWeights == .tensorFloat32
          ? Self.productsOnly : "is read by e4m3 products alone: linear-operands e4m3")
    }
  }
}

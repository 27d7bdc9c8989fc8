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
    let isScaled =
      [linearWeights, linearOperands, headOperands, pipelineSends, moments].contains {
        $0.isScaled
      }
      || besideActivations.contains { $0.format.isScaled }
    guard isScaled || scaleBlock == Self.measuredScaleBlock else {
      throw .scaleBlock(scaleBlock)
    }
  }

  /// The formats of what is kept and of what travels that differ from the base's, by their keys, each with
  /// the recipe that has the base's instead; none where that recipe breaks a rule.
  package func ownFormats(fusesHead: Bool) -> [(key: String, without: PrecisionRecipe)] {
    guard let base = Self.named(base) else { return [] }
    let paths: Set<WritableKeyPath<PrecisionRecipe, NumberFormat>> = [
      \.keptLinearInputs, \.keptAttentionOutputs, \.keptActivationInputs, \.dispatch, \.combine,
      \.pipelineSends, \.gradientReduction, \.parameterGather,
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

  /// What optimizers and collectives read and write has no scales, but for moments of 8 bits.
  private func checkPlainFormats() throws(PlanError) {
    guard moments.isPlain || moments == .e4m3 else {
      throw .precision(
        key: "moments", format: moments,
        rule: moments == .tensorFloat32
          ? Self.productsOnly
          : "is read by no optimizer: float32, float16, bf16 or e4m3 (8 bits, a scale a block)")
    }
    for (key, format) in [
      ("activations", activations), ("other-parameters", otherParameters),
      ("gradients", gradients), ("gradient-reduction", gradientReduction),
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

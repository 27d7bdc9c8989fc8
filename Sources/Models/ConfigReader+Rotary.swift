import Documents

extension ConfigReader {
  /// Rotary settings from `rope_parameters` (transformers 5) or from `rope_theta` and
  /// `rope_scaling` (before), which goes first where both are written.
  ///
  /// - Parameters:
  ///   - layers: whose heads are turned, in part where `partial_rotary_factor` says so.
  ///   - share: the turned part of a head where the file says nothing.
  func rotary(
    layout: Rotary.Layout, positions: Int, _ layers: [Layer], share fallback: Double = 1,
    shareKey: String = "partial_rotary_factor", thetaKey: String = "rope_theta",
    theta usual: Double = 10_000, of kind: String? = nil
  ) throws(ConfigurationError) -> Rotary {
    let theta = Expected.number(in: 1.001...1e12)
    let outer = try table.optional(thetaKey, theta)
    let older = try table.optionalTable("rope_scaling", toleratesUnknownKeys: true)
    var newer = try table.optionalTable("rope_parameters", toleratesUnknownKeys: true)
    // Transformers 5 has settings by the kind of layer where kinds differ.
    if let kind, let own = try newer?.optionalTable(kind, toleratesUnknownKeys: true) {
      newer = own
    }
    let inner = try (older ?? newer)?.optional("rope_theta", theta)
    var share = fallback
    for settings in [table, newer, older] {
      for key in [shareKey, "partial_rotary_factor"] {
        share = try settings?.optional(key, .number(in: 0...1)) ?? share
      }
    }
    var rotary = Rotary(theta: inner ?? outer ?? usual, layout: layout)
    if let settings = older ?? newer {
      rotary.scaling = try scaling(settings, positions: positions)
    }
    if share < 1 {
      let heads = layers.lazy.compactMap { layer -> Int? in
        guard case .multiHead(let shape) = layer.attention else { return nil }
        return shape.headSize
      }
      // Columns are turned in pairs.
      rotary.columns = heads.first.map { max(2, Int(Double($0) * share) / 2 * 2) }
    }
    return rotary
  }

  private func scaling(
    _ settings: Table, positions: Int
  ) throws(ConfigurationError) -> Rotary.Scaling {
    let newer = try settings.optional("rope_type", .string)
    let older = try settings.optional("type", .string)
    let kept = newer ?? older ?? "default"
    let weights = Expected.number(in: 0...100)
    if ["default", "linear", "llama3"].contains(kept),
      try settings.value("mscale_all_dim", weights, default: 0) != 0
    {
      throw settings.error("only yarn has a magnitude", at: "mscale_all_dim")
    }
    switch kept {
    case "default": return .none
    case "linear": return .linear(factor: try settings.required("factor", Self.factors))
    case "yarn", "deepseek_yarn": return .yarn(try yarn(settings, positions: positions))
    case "llama3": return .llama3(try llama3(settings, positions: positions))
    default:
      _ = try settings.optional("factor", Self.factors)
      return .other(kept)
    }
  }

  private static var factors: Expected<Double> { .number(in: 1...1e6) }

  private func yarn(_ settings: Table, positions: Int) throws(ConfigurationError) -> Rotary.Yarn {
    let weights = Expected.number(in: 0...100)
    let original = try originalPositions(settings) ?? positions
    let rotations = Expected.number(in: 1e-6...1e6)
    return Rotary.Yarn(
      factor: try settings.optional("factor", Self.factors)
        ?? max(1, Double(positions) / Double(original)),
      betaFast: try settings.value("beta_fast", rotations, default: 32),
      betaSlow: try settings.value("beta_slow", rotations, default: 1),
      originalPositions: original,
      magnitudeScale: try settings.optional("mscale", weights),
      magnitudeScaleAllColumns: try settings.optional("mscale_all_dim", weights),
      attentionFactor: try settings.optional("attention_factor", weights),
      truncates: try settings.value("truncate", .boolean, default: true))
  }

  private func llama3(
    _ settings: Table, positions: Int
  ) throws(ConfigurationError) -> Rotary.Llama3 {
    let low = try settings.required("low_freq_factor", .number(in: 1e-6...1e6))
    let high = try settings.required("high_freq_factor", .number(in: 1e-6...1e6))
    guard high >= low else {
      throw settings.error("must not be below low_freq_factor, \(low)", at: "high_freq_factor")
    }
    return Rotary.Llama3(
      factor: try settings.required("factor", Self.factors), lowFrequencyFactor: low,
      highFrequencyFactor: high, originalPositions: try originalPositions(settings) ?? positions)
  }

  /// The context that frequencies were trained on: the model's own key goes before the settings'.
  private func originalPositions(_ settings: Table) throws(ConfigurationError) -> Int? {
    let (key, contexts) = ("original_max_position_embeddings", Expected.integer(in: Self.positions))
    let inner = try settings.optional(key, contexts)
    return try table.optional(key, contexts) ?? inner
  }
}

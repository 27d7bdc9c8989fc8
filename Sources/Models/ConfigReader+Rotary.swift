import Documents

extension ConfigReader {
  private enum ScalingKind: String, CaseIterable {
    case plain = "default"
    case linear
    case yarn
    case llama3
  }

  /// Rotary settings from `rope_parameters` (transformers 5) or from `rope_theta` and
  /// `rope_scaling` (before), which goes first where both are written.
  func rotary(layout: Rotary.Layout, positions: Int) throws(ConfigurationError) -> Rotary {
    let theta = Expected.number(in: 1.001...1e12)
    let outer = try table.optional("rope_theta", theta)
    let older = try table.optionalTable("rope_scaling", toleratesUnknownKeys: true)
    let newer = try table.optionalTable("rope_parameters", toleratesUnknownKeys: true)
    let inner = try (older ?? newer)?.optional("rope_theta", theta)
    for settings in [table, newer, older] {
      let share = try settings?.optional("partial_rotary_factor", .number(in: 0...1))
      if let settings, let share, share != 1 {
        throw settings.error(
          "only heads that are rotated in full are supported", at: "partial_rotary_factor")
      }
    }
    var rotary = Rotary(theta: inner ?? outer ?? 10_000, layout: layout)
    if let settings = older ?? newer {
      rotary.scaling = try scaling(settings, positions: positions)
    }
    return rotary
  }

  private func scaling(
    _ settings: Table, positions: Int
  ) throws(ConfigurationError) -> Rotary.Scaling {
    let kind = Expected.choice(ScalingKind.self)
    let newer = try settings.optional("rope_type", kind)
    let older = try settings.optional("type", kind)
    let factors = Expected.number(in: 1...1e6)
    let weights = Expected.number(in: 0...100)
    let kept = newer ?? older ?? .plain
    if kept != .yarn, try settings.value("mscale_all_dim", weights, default: 0) != 0 {
      throw settings.error("only yarn has a magnitude", at: "mscale_all_dim")
    }
    let original = try originalPositions(settings)
    switch kept {
    case .plain: return .none
    case .linear: return .linear(factor: try settings.required("factor", factors))
    case .yarn:
      let original = original ?? positions
      let rotations = Expected.number(in: 1e-6...1e6)
      return .yarn(
        Rotary.Yarn(
          factor: try settings.optional("factor", factors)
            ?? max(1, Double(positions) / Double(original)),
          betaFast: try settings.value("beta_fast", rotations, default: 32),
          betaSlow: try settings.value("beta_slow", rotations, default: 1),
          originalPositions: original,
          magnitudeScale: try settings.optional("mscale", weights),
          magnitudeScaleAllColumns: try settings.optional("mscale_all_dim", weights),
          attentionFactor: try settings.optional("attention_factor", weights),
          truncates: try settings.value("truncate", .boolean, default: true)))
    case .llama3:
      let low = try settings.required("low_freq_factor", .number(in: 1e-6...1e6))
      let high = try settings.required("high_freq_factor", .number(in: 1e-6...1e6))
      guard high > low else {
        throw settings.error("must exceed low_freq_factor, \(low)", at: "high_freq_factor")
      }
      return .llama3(
        Rotary.Llama3(
          factor: try settings.required("factor", factors), lowFrequencyFactor: low,
          highFrequencyFactor: high, originalPositions: original ?? positions))
    }
  }

  /// The context that frequencies were trained on: the model's own key goes before the settings'.
  private func originalPositions(_ settings: Table) throws(ConfigurationError) -> Int? {
    let (key, contexts) = ("original_max_position_embeddings", Expected.integer(in: Self.positions))
    let inner = try settings.optional(key, contexts)
    return try table.optional(key, contexts) ?? inner
  }
}

import Documents

/// In which formats DeepSpeed trains (edaa7221, `runtime/engine.py`, `get_data_types` and `communication_data_type`).
extension DeepSpeedJob {
  mutating func readPrecision(_ zero: Int) throws(ConfigurationError) {
    func isOn(_ section: String) throws(ConfigurationError) -> Bool {
      guard let text = try given.text("\(section).enabled") else {
        return given.contains("\(section).loss_scale")
      }
      if text == "auto" { return section == "bf16" }
      return try given.flag("\(section).enabled") ?? false
    }
    let (newer, older) = (try isOn("bf16"), try isOn("bfloat16"))
    let brain = newer || older
    let half = given.option("fp16.enabled")?.text == "auto" ? false : try isOn("fp16")
    guard !brain || !half else { throw given.error("fp16.enabled", "excludes bf16") }
    if let level = try apexLevel() {
      guard !brain, !half else { throw given.error("amp.enabled", "excludes fp16 and bf16") }
      guard zero == 0 else {
        throw given.error(
          "amp.enabled",
          "excludes ZeRO in DeepSpeed: fp16 does what O2 would, or set zero_optimization.stage 0")
      }
      return try readApex(level)
    }
    let base = brain ? "bf16" : half ? "float16" : "float32"
    var table = [("base", base)]
    if base != "float32" {
      let kept = try format("data_types.grad_accum_dtype") ?? base
      table += [("gradients", kept), ("gradient-reduction", try sent(base))]
      if !given.contains("data_types.grad_accum_dtype") {
        // Releases up to 0.17.5 had an optimizer of their own for BF16 without ZeRO.
        let older = "; DeepSpeed before 0.17.6 adds up in fp32 without ZeRO, as fp32 says here"
        given.imply(
          "data_types.grad_accum_dtype", base,
          "precision.gradients: \(base)\(brain && zero == 0 ? older : "")")
      }
      given.explain("data_types.grad_accum_dtype", "precision.gradients: \(kept)")
    }
    plan.add("precision", table: table)
    given.explain("bf16.enabled", "bfloat16.enabled", "fp16.enabled", "precision: \(base)")
    if base == "float32" { given.imply("bf16.enabled", "false", "precision: float32") }
  }

  /// The format in which gradients travel: that of the model where nothing else is asked for.
  private func sent(_ usual: String) throws(ConfigurationError) -> String {
    let sent = try format("communication_data_type") ?? usual
    given.explain("communication_data_type", "precision.gradient-reduction: \(sent)")
    if !given.contains("communication_data_type") {
      given.imply("communication_data_type", sent, "precision.gradient-reduction: \(sent)")
    }
    return sent
  }

  private func format(_ name: String) throws(ConfigurationError) -> String? {
    switch try given.text(name)?.lowercased() {
    case nil: nil
    case "fp32"?, "float32"?: "float32"
    case "fp16"?, "float16"?, "half"?: "float16"
    case "bf16"?, "bfp16"?, "bfloat16"?: "bf16"
    case _?: throw given.error(name, "expected fp32, fp16 or bf16")
    }
  }

  // MARK: - Apex

  /// The level at which Apex casts; nil where it does not.
  private func apexLevel() throws(ConfigurationError) -> String? {
    guard try given.flag("amp.enabled") ?? false else {
      given.explain("amp.enabled", as: .costless, "Apex is not on")
      return nil
    }
    let level = try given.choice("amp.opt_level", ["O0", "O1", "O2", "O3"])
    if level == nil { given.imply("amp.opt_level", "O1", "precision: float16") }
    return level ?? "O1"
  }

  /// O1 keeps weights and gradients in 32 bits and casts for each product, O2 keeps 32-bit weights beside those in
  /// FP16, O3 has FP16 alone, O0 nothing of it; to the engine none of them is FP16, so gradients travel in 32 bits.
  private mutating func readApex(_ level: String) throws(ConfigurationError) {
    var table = [("base", level == "O0" ? "float32" : "float16")]
    if level != "O0" {
      table += [
        ("gradients", level == "O1" ? "float32" : "float16"),
        ("gradient-reduction", try sent("float32")),
      ]
    }
    if level == "O3" { table += [("master-weights", "none"), ("moments", "float16")] }
    plan.add("precision", table: table)
    given.explain(
      "amp.enabled", "amp.opt_level", "precision: \(table[0].1), as Apex's \(level) has it")
    given.explain(
      "bf16.enabled", "bfloat16.enabled", "fp16.enabled", as: .costless, "Apex casts instead")
  }
}

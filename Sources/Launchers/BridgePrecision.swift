import Documents
import Quantities

/// What the names of precisions stand for: Megatron-Bridge's recipes (067f987, training/mixed_precision.py), the short
/// names of its benchmarks (perf_recipes/_common.py), and those that NeMo's trainer takes.
struct BridgePrecision {
  /// `float16` or `bf16`; nil for 32 bits.
  var base: String?
  /// The recipe of 8 bits; nil without one.
  var recipe: String?
  /// Whether weights are gathered in 8 bits.
  var gathers = true
  /// Layers at each end that stay in 16 bits.
  var wideLayers = 0

  private static let names: [String: BridgePrecision] = {
    var names: [String: BridgePrecision] = [
      "32": .init(), "fp32": .init(), "32_true": .init(),
      "nemotron_h_bf16_with_fp8_current_scaling_mixed":
        .init(base: "bf16", recipe: "tensorwise", wideLayers: 2),
      "nanov2_bf16_with_fp8_current_scaling_mixed":
        .init(base: "bf16", recipe: "blockwise", wideLayers: 2),
      // Benchmarks keep no layer wide.
      "fp8_cs": .init(base: "bf16", recipe: "tensorwise"),
      "fp8_mx": .init(base: "bf16", recipe: "mxfp8"),
      "fp8_ds": .init(base: "bf16", recipe: "delayed"),
      "fp8_sc": .init(base: "bf16", recipe: "blockwise", gathers: false),
    ]
    for (short, base) in [("bf16", "bf16"), ("fp16", "float16"), ("16", "float16")] {
      for name in [short, "\(short)_mixed", "\(short)_true"] { names[name] = .init(base: base) }
      names["\(short)_with_fp8_mixed"] = .init(base: base, recipe: "delayed")
      names["\(short)_with_fp8_delayed_scaling_mixed"] = .init(base: base, recipe: "delayed")
      names["\(short)_with_fp8_current_scaling_mixed"] = .init(
        base: base, recipe: "tensorwise", wideLayers: 1)
      names["\(short)_with_fp8_subchannel_scaling_mixed"] = .init(
        base: base, recipe: "blockwise", gathers: false)
      names["\(short)_with_mxfp8_mixed"] = .init(base: base, recipe: "mxfp8")
    }
    return names
  }()

  /// Adds the parts of a named precision that the file does not say itself.
  ///
  /// - Throws: `ConfigurationError` where no launcher knows the name.
  static func add(_ text: String, to given: GivenOptions) throws(ConfigurationError) {
    // Names may have dashes, and a recipe calls functions by them.
    let plain = text.hasSuffix("()") ? String(text.dropLast(2)) : text
    let name = plain.lowercased().replacing("-", with: "_")
    guard !name.contains("fp4") else {
      throw given.error("mixed-precision", "products in 4 bits have no kernels in sluice")
    }
    guard let found = names[name] else {
      let known = names.keys.filter { !$0.hasPrefix("16") && !$0.hasPrefix("32") }.sorted()
      throw given.error(
        "mixed-precision", "is no precision that Megatron-Bridge or NeMo names, such as bf16_mixed",
        suggestion: alternatives(nearestNames(to: name, among: known)))
    }
    guard let base = found.base else { return }
    given.addDefault(base == "bf16" ? "bf16" : "fp16", "true")
    guard let recipe = found.recipe else { return }
    given.addDefault("fp8-format", recipe == "mxfp8" ? "e4m3" : "hybrid")
    given.addDefault("fp8-recipe", recipe)
    given.addDefault("fp8-param-gather", "\(found.gathers)")
    guard found.wideLayers > 0 else { return }
    given.addDefault("first-last-layers-bf16", "true")
    for end in ["start", "end"] {
      given.addDefault("num-layers-at-\(end)-in-bf16", "\(found.wideLayers)")
    }
  }
}

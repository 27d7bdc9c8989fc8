import Documents

/// The keys of a precision that differs from a named recipe.
struct PrecisionKeys: KeySet {
  let base = Key("base", .recipe, "The recipe that holds for every key left out.")
  let name = Key("name", .string, otherwise: "the base's", "What the precision is called.")
  let formats: [PropertyKey<PrecisionRecipe, NumberFormat, NumberFormat>] = [
    format("linear-weights", \.linearWeights, "Weights of layers, as matrix products read them."),
    format(
      "other-parameters", \.otherParameters,
      "Embedding, head, router, norms and biases, as kernels read them."),
    format("gradients", \.gradients, "Gradients as they are accumulated."),
    format(
      "moments", \.moments,
      "Each of the optimizer's moments; e4m3: 8 bits with a 32-bit scale for scale-block numbers."),
    format("linear-operands", \.linearOperands, "Operands of layers' matrix products."),
    format("attention-operands", \.attentionOperands, "Operands of the attention core."),
    format("head-operands", \.headOperands, "Operands of the head's and the router's products."),
    format(
      "activations", \.activations, "The residual stream, and what is kept unless named below."),
    format(
      "kept-linear-inputs", \.keptLinearInputs, "Inputs of linear maps kept for their gradients."),
    format(
      "kept-attention-outputs", \.keptAttentionOutputs,
      "The input of the linear map behind attention, kept for both."),
    format("kept-activation-inputs", \.keptActivationInputs, "The input of SwiGLU, kept."),
    format(
      "dispatch", \.dispatch, "Tokens on their way to experts, and their gradients on the same way."
    ),
    format(
      "combine", \.combine, "Results on their way back, and their gradients on the same way."),
    format("pipeline-sends", \.pipelineSends, "Activations and gradients between stages."),
    format(
      "gradient-reduction", \.gradientReduction,
      "Gradients as they are reduced over ranks, whatever gradients says: in another format buckets under "
        + "way have a copy."),
    format(
      "parameter-gather", \.parameterGather, "Parameters as they are gathered from their shards."),
    format(
      "tensor-gather", \.tensorGather,
      "Operands that ranks of a tensor group gather in front of layers' products."),
  ]
  let masterWeights = Key(
    "master-weights", .choice(MasterFormat.self), otherwise: "the base's",
    "The optimizer's own copy of the parameters.")
  let scaleBlock = Key(
    "scale-block", .integer(in: 1...(1 << 20)), otherwise: "the base's (128)",
    "Numbers that share a scale along a row of e4m3 or e5m6, or of moments of 8 bits.")
  let scaling = Key(
    "fp8-scaling", .choice(Float8Scaling.self), otherwise: "the base's; delayed of fp8-tensor",
    "Scales of e4m3. blocks: one for scale-block numbers. delayed: one a tensor, from passes before. "
      + "current: one a tensor, from itself. microscaling: a byte for 32 numbers.",
    otherNames: ["fp8-recipe", "scaling"])
  let keepsFloat8Weights = Key(
    "fp8-param-gather", .boolean, otherwise: "false",
    "Whether weights of linear maps exist in e4m3 alone beside master-weights, and are gathered so.",
    otherNames: ["fp8-primary-weights", "fp8-params", "fp8-param"])
  let wideFirstLayers = Key(
    "bf16-first-layers", .integer(in: 0...(1 << 16)), otherwise: "0",
    "The model's first layers whose products stay in the format of activations.",
    otherNames: ["num-layers-at-start-in-bf16", "first-last-layers-bf16"])
  let wideLastLayers = Key(
    "bf16-last-layers", .integer(in: 0...(1 << 16)), otherwise: "0",
    "The model's last layers whose products do.", otherNames: ["num-layers-at-end-in-bf16"])

  private static func format(
    _ key: String, _ path: WritableKeyPath<PrecisionRecipe, NumberFormat>, _ meaning: String
  ) -> PropertyKey<PrecisionRecipe, NumberFormat, NumberFormat> {
    PropertyKey(
      Key(key, .choice(NumberFormat.self), otherwise: "the base's", meaning), path)
  }
}

/// The formats of master weights, or that there are none.
enum MasterFormat: String, CaseIterable {
  case none, float32, float16, bf16

  var format: NumberFormat? { NumberFormat(rawValue: rawValue) }
}

extension Expected where Value == PrecisionRecipe {
  /// The name of a recipe.
  static var recipe: Expected { Expected<RecipeName>.choice().map(\.recipe) }
}

/// The names of the recipes that plan files can ask for.
private enum RecipeName: String, CaseIterable {
  case float32, tf32, float16, bf16
  case tensorFP8 = "fp8-tensor"
  case deepSeekFP8 = "fp8-deepseek"
  case microFP8 = "mxfp8"

  var recipe: PrecisionRecipe {
    switch self {
    case .float32: .float32
    case .tf32: .tensorFloat32
    case .float16: .float16
    case .bf16: .bfloat16
    case .tensorFP8: .tensorFP8
    case .deepSeekFP8: .deepSeekFP8
    case .microFP8: .microFP8
    }
  }
}

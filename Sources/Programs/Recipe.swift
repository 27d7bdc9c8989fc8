import Plans

/// In which format a plan stores and computes what.
public struct Recipe: Hashable, Sendable {
  /// What activations and weights are outside of quantised products.
  public var activation: Format
  /// What the linear products compute in.
  public var product: Format
  /// What crosses the network in a dispatch and in the backward of a combine.
  public var dispatch: Format
  /// What crosses the network in a combine and in the backward of a dispatch.
  public var combine: Format
  /// The working copy of the weights.
  public var parameter: Format
  public var gradient: Format
  /// The optimizer's own copy of the weights, absent where the working copy serves.
  public var master: Format?
  public var moment: Format
  /// What the input of the projection behind attention is kept in between forward and backward.
  public var attentionOutput: Format
  /// What the input of a gated unit is kept in.
  public var gatedUnitInput: Format

  /// Everything in float32: what CPU ranks compute.
  public static let float32 = Recipe(
    activation: .float32, product: .float32, dispatch: .float32, combine: .float32,
    parameter: .float32, gradient: .float32, master: nil, moment: .float32,
    attentionOutput: .float32, gatedUnitInput: .float32)

  /// Mixed precision with 16-bit products and float32 master weights, gradients and moments.
  public static let bfloat16 = Recipe(
    activation: .bfloat16, product: .bfloat16, dispatch: .bfloat16, combine: .bfloat16,
    parameter: .bfloat16, gradient: .float32, master: .float32, moment: .float32,
    attentionOutput: .bfloat16, gatedUnitInput: .bfloat16)

  /// DeepSeek-V3's FP8 recipe (arXiv 2412.19437, section 3.3).
  public static let deepSeekFloat8 = Recipe(
    activation: .bfloat16, product: .float8, dispatch: .float8, combine: .bfloat16,
    parameter: .bfloat16, gradient: .float32, master: .float32, moment: .bfloat16,
    attentionOutput: .float12, gatedUnitInput: .float8)

  public init(
    activation: Format, product: Format, dispatch: Format, combine: Format, parameter: Format,
    gradient: Format, master: Format?, moment: Format, attentionOutput: Format,
    gatedUnitInput: Format
  ) {
    self.activation = activation
    self.product = product
    self.dispatch = dispatch
    self.combine = combine
    self.parameter = parameter
    self.gradient = gradient
    self.master = master
    self.moment = moment
    self.attentionOutput = attentionOutput
    self.gatedUnitInput = gatedUnitInput
  }

  /// Products need their operands quantised first.
  var quantizes: Bool { product == .float8 }
}

extension Format {
  /// The format of a plan's recipe.
  init(_ format: NumberFormat) {
    switch format {
    case .float32: self = .float32
    case .bfloat16: self = .bfloat16
    case .e4m3: self = .float8
    case .e5m6: self = .float12
    }
  }
}

extension Recipe {
  /// What lowering needs of a plan's recipe.
  public init(_ recipe: PrecisionRecipe) {
    self.init(
      activation: Format(recipe.activations), product: Format(recipe.linearOperands),
      dispatch: Format(recipe.dispatch), combine: Format(recipe.combine),
      parameter: Format(recipe.parameterGather), gradient: Format(recipe.gradients),
      master: recipe.masterWeights.map { Format($0) }, moment: Format(recipe.moments),
      attentionOutput: Format(recipe.keptAttentionOutputs),
      gatedUnitInput: Format(recipe.keptActivationInputs))
  }
}

import Plans

/// In which format a plan stores and computes what.
public struct Recipe: Hashable, Sendable {
  /// What activations are outside of quantised products.
  public var activation: Format
  /// What the linear products of layers compute in.
  public var product: Format
  /// What the products of head and router compute in.
  public var headProduct: Format
  /// What crosses the network in a dispatch and in the backward of a combine.
  public var dispatch: Format
  /// What crosses the network in a combine and in the backward of a dispatch.
  public var combine: Format
  /// What crosses from one stage to another.
  public var pipelineSend: Format
  /// The working copy of the weights of linear maps in layers.
  public var linearWeight: Format
  /// FP8 copies of them are made of the working copy once in a step, for the products to read; with one
  /// scale a tensor, or for 32 numbers, one in rows and one in columns.
  public var keepsQuantizedWeights: Bool
  /// The working copy of all other parameters.
  public var otherParameter: Format
  /// What parameters are gathered in, but for weights of linear maps that exist in FP8 alone.
  public var gather: Format
  /// What is gathered over a tensor group of the operands of layers' products.
  public var tensorGather: Format
  public var gradient: Format
  /// What gradients are reduced in.
  public var reduction: Format
  /// The optimizer's own copy of the weights, absent where the working copy serves.
  public var master: Format?
  public var moment: Format
  /// What inputs of linear maps are kept in between forward and backward.
  public var linearInput: Format
  /// What the input of the projection behind attention is kept in.
  public var attentionOutput: Format
  /// What the input of a gated unit is kept in.
  public var gatedUnitInput: Format
  /// Elements of a row that share a scale of a block.
  public var scaleBlock: Int
  /// Which numbers in 8 bits share a scale.
  public var scaling: Float8Scaling

  /// Everything in float32: what CPU ranks compute.
  public static let float32 = Recipe(.float32)

  /// Mixed precision with 16-bit products and float32 master weights, gradients and moments.
  public static let bfloat16 = Recipe(.bfloat16)

  /// DeepSeek-V3's FP8 recipe (arXiv 2412.19437, section 3.3).
  public static let deepSeekFloat8 = Recipe(.deepSeekFP8)

  /// What lowering needs of a plan's recipe.
  public init(_ recipe: PrecisionRecipe) {
    func format(_ format: NumberFormat) -> Format { Format(format, of: recipe) }
    activation = format(recipe.activations)
    product = format(recipe.linearOperands)
    headProduct = format(recipe.headOperands)
    dispatch = format(recipe.dispatch)
    combine = format(recipe.combine)
    pipelineSend = format(recipe.pipelineSends)
    keepsQuantizedWeights = recipe.linearWeights.isScaled
    linearWeight = format(
      recipe.linearWeights.isScaled && !recipe.keepsFloat8Weights
        ? recipe.parameterGather : recipe.linearWeights)
    otherParameter = format(recipe.otherParameters)
    gather = format(recipe.parameterGather)
    tensorGather = format(recipe.tensorGather)
    gradient = format(recipe.gradients)
    reduction = format(recipe.gradientReduction)
    master = recipe.masterWeights.map(format)
    moment = format(recipe.moments)
    linearInput = format(recipe.keptLinearInputs)
    attentionOutput = format(recipe.keptAttentionOutputs)
    gatedUnitInput = format(recipe.keptActivationInputs)
    scaleBlock = recipe.scaleBlock
    scaling = recipe.scaling
  }

  /// Products of layers need their operands quantised first.
  var quantizes: Bool { product.isFloat8 }

  /// FP8 with the scales of the recipe.
  var float8: Format { Format(.e4m3, scaling, block: scaleBlock) }

  /// Rows and columns of a matrix are cast in one pass, into a copy for each product that reads it.
  ///
  /// Transformer Engine's fused cast and transpose: FP8 products of Hopper read both operands along the
  /// dimension that they sum over, which is another one in each of a linear map's three products.
  /// DeepSeek's kernels quantise rows for the forward and again columns for weight gradients.
  var castsBothWays: Bool { scaling != .blocks }

  /// A linear map's weight exists in FP8 alone, beside the optimizer's own copy.
  public var keepsFloat8Weights: Bool { linearWeight.isFloat8 }

  /// What a parameter is gathered in.
  func gather(of parameter: StageParameter) -> Format {
    keepsFloat8Weights && parameter.isLinearWeight ? linearWeight : gather
  }

  /// The recipe of a layer whose products stay in the format of activations.
  var wide: Recipe {
    var wide = self
    wide.product = activation
    wide.keepsQuantizedWeights = false
    wide.linearWeight = keepsFloat8Weights || keepsQuantizedWeights ? gather : linearWeight
    wide.tensorGather = activation
    wide.linearInput = activation
    return wide
  }

  /// What rows are in as they are put in the order of experts.
  ///
  /// As they arrive from other ranks; where nothing arrives, quantised once for all experts that read them.
  package func permutedRows(areSpread: Bool) -> Format {
    if areSpread { return dispatch }
    return quantizes && dispatch == float8 ? dispatch : activation
  }

  /// What the gradients of rows are in as they are put in the order of experts: as they arrive, else as
  /// kernels write them.
  package func permutedGradients(areSpread: Bool) -> Format { areSpread ? dispatch : activation }

  /// What a gated unit's kernel writes: FP8 at once where quantised products alone read it, which is where
  /// the rows are kept in FP8 for the backward or computed again by it.
  package func gatedUnitOutput(isRunAgain: Bool) -> Format {
    quantizes && !castsBothWays && (linearInput == float8 || isRunAgain) ? float8 : activation
  }
}

extension Format {
  /// A plan's format as its recipe scales it.
  public init(_ format: NumberFormat, of recipe: PrecisionRecipe) {
    self.init(format, recipe.scaling, block: recipe.scaleBlock)
  }

  init(_ format: NumberFormat, _ scaling: Float8Scaling, block: Int) {
    switch format {
    case .float32: self = .float32
    case .tensorFloat32: self = .tensorFloat32
    case .float16: self = .float16
    case .bfloat16: self = .bfloat16
    case .e4m3:
      switch scaling {
      case .blocks: self = .float8(block: block)
      case .delayed, .current: self = .tensorFloat8
      case .microscaling: self = .microFloat8
      }
    case .e5m6: self = .float12(block: block)
    }
  }
}

extension Recipe {
  /// What a rank holds of a parameter for kernels to read.
  func workingCopy(of parameter: StageParameter) -> Format {
    parameter.isLinearWeight ? linearWeight : otherParameter
  }
}

/// How a number is stored or multiplied.
public enum NumberFormat: String, Hashable, Sendable, CaseIterable {
  case float32
  /// The operands of a product, rounded to 10 bits of mantissa on their way; stored as `float32`.
  case tensorFloat32 = "tf32"
  case float16
  case bfloat16 = "bf16"
  /// 8 bits with 4 of exponent, and scales as the recipe's `scaling` says. Of gradients that
  /// Transformer Engine's `hybrid` has in E5M2 the bytes and the products are the same.
  case e4m3
  /// 12 bits with 5 of exponent, one scale for each block of numbers.
  case e5m6

  /// Whether numbers of the format are kept and sent as they are, without scales.
  public var isPlain: Bool { !isScaled && self != .tensorFloat32 }

  /// Bits of a number, its share of a scale not counted.
  public var bits: Int {
    switch self {
    case .float32, .tensorFloat32: 32
    case .float16, .bfloat16: 16
    case .e4m3: 8
    case .e5m6: 12
    }
  }

  /// Whether a row carries scales beside its numbers.
  public var isScaled: Bool { self == .e4m3 || self == .e5m6 }

  /// The bytes of a row with the scales of blocks, 4 bytes for each started one.
  ///
  /// 7,168 numbers as `e4m3` in blocks of 128 take 7,392 bytes.
  public func rowBytes(columns: Int, scaleBlock: Int) -> Int {
    let numbers = (columns * bits + 7) / 8
    return isScaled ? numbers + 4 * ((columns + scaleBlock - 1) / scaleBlock) : numbers
  }
}

/// Which numbers in 8 bits share a scale, and from when the scale is.
public enum Float8Scaling: String, Hashable, Sendable, CaseIterable {
  /// A block of `scaleBlock` numbers, of 32 bits, from the numbers themselves (arXiv 2412.19437).
  case blocks
  /// A tensor, from the greatest magnitudes of passes before (Transformer Engine's `DelayedScaling`).
  case delayed
  /// A tensor, from its own greatest magnitude, for which it is read first (`Float8CurrentScaling`).
  case current
  /// 32 numbers, a power of two in a byte (OCP Microscaling v1.0; `MXFP8BlockScaling`).
  case microscaling

  /// Numbers that share a scale of `microscaling`.
  public static let microBlock = 32

  /// Whether a tensor has one scale.
  public var isOfTensors: Bool { self == .delayed || self == .current }
}

/// What is stored, multiplied and sent in which format.
public struct PrecisionRecipe: Hashable, Sendable {
  /// The name in plan files.
  public var name: String
  /// The name of the recipe that it is made of.
  public private(set) var base: String
  /// Weights of the linear maps in layers, as matrix products read them.
  public var linearWeights: NumberFormat
  /// Embedding, head, router, norms and biases as kernels read them.
  public var otherParameters: NumberFormat
  /// Gradients as they are accumulated.
  public var gradients: NumberFormat
  /// The optimizer's own copy of the parameters; nil if it updates the parameters themselves.
  public var masterWeights: NumberFormat?
  /// Each of the two moments of Adam.
  public var moments: NumberFormat
  /// Operands of the matrix products of linear maps in layers: forward and both backward halves.
  public var linearOperands: NumberFormat
  /// Operands of the attention core.
  public var attentionOperands: NumberFormat
  /// Operands of the head's and the router's products.
  public var headOperands: NumberFormat
  /// The residual stream, and what the backward pass keeps unless named below.
  public var activations: NumberFormat
  /// Inputs of linear maps kept for the weight gradient.
  public var keptLinearInputs: NumberFormat
  /// The input of the linear map behind attention, kept for both.
  public var keptAttentionOutputs: NumberFormat
  /// The input of SwiGLU kept for the backward pass.
  public var keptActivationInputs: NumberFormat
  /// Tokens on their way to experts, and their gradients in the mirrored exchange of the backward
  /// pass (the backward of combine).
  public var dispatch: NumberFormat
  /// Results on their way back, and the gradients of the backward of dispatch.
  public var combine: NumberFormat
  /// Activations and gradients between pipeline ranks.
  public var pipelineSends: NumberFormat
  /// Gradients as they are reduced over ranks.
  public var gradientReduction: NumberFormat
  /// Parameters as they are gathered from their shards.
  public var parameterGather: NumberFormat
  /// What is gathered over a tensor group, in front of products, of the operands of these: rows of the
  /// sequence and their gradients.
  public var tensorGather: NumberFormat
  /// Numbers that share a scale along a row of a scaled format.
  public var scaleBlock: Int
  /// Which numbers of 8 bits share a scale.
  public var scaling: Float8Scaling
  /// Weights of linear maps exist in 8 bits alone beside the optimizer's copy, and are gathered so
  /// (Megatron-LM's `--fp8-param-gather`).
  public var keepsFloat8Weights: Bool
  /// The first and the last layers of the model whose products stay in the format of activations
  /// (Megatron-LM's `--num-layers-at-start-in-bf16`, `--num-layers-at-end-in-bf16`).
  public var wideFirstLayers: Int
  public var wideLastLayers: Int

  /// Everything in 32 bits; the recipe of the CPU runtime.
  public static let float32 = PrecisionRecipe(name: "float32", everything: .float32)

  /// Everything in 32 bits, of which products read the leading ones, as PyTorch does where TF32 is
  /// allowed.
  public static let tensorFloat32: PrecisionRecipe = {
    var recipe = PrecisionRecipe(name: "tf32", everything: .float32)
    recipe.linearOperands = .tensorFloat32
    recipe.attentionOperands = .tensorFloat32
    recipe.headOperands = .tensorFloat32
    return recipe
  }()

  /// BF16 with 32-bit gradients, master weights and moments, as Megatron's mixed precision keeps
  /// them (arXiv 2205.05198): 18 bytes a parameter.
  public static let bfloat16 = mixed("bf16", .bfloat16)

  /// The same with FP16 (arXiv 1710.03740); the scaling of the loss costs nothing that is counted.
  public static let float16 = mixed("float16", .float16)

  private static func mixed(_ name: String, _ format: NumberFormat) -> PrecisionRecipe {
    var recipe = PrecisionRecipe(name: name, everything: format)
    recipe.gradients = .float32
    recipe.gradientReduction = .float32
    recipe.masterWeights = .float32
    recipe.moments = .float32
    return recipe
  }

  /// DeepSeek-V3's FP8 recipe (arXiv 2412.19437 section 3.3).
  ///
  /// E4M3 operands with a scale per 1 × 128 tile or 128 × 128 block in forward, input and weight
  /// gradients of linear maps; embedding, head, router, norms and attention core in BF16; master
  /// weights and gradients in 32 bits, moments in BF16; the input of the map behind attention kept
  /// in E5M6, SwiGLU's input in E4M3; dispatch in E4M3, combine in BF16.
  ///
  /// The paper does not name the format of gradient reductions and parameter gathers: gradients
  /// travel as they are kept, parameters in BF16.
  public static let deepSeekFP8: PrecisionRecipe = {
    var recipe = PrecisionRecipe(name: "fp8-deepseek", everything: .bfloat16)
    recipe.linearWeights = .e4m3
    recipe.linearOperands = .e4m3
    recipe.keptLinearInputs = .e4m3
    recipe.keptAttentionOutputs = .e5m6
    recipe.keptActivationInputs = .e4m3
    recipe.dispatch = .e4m3
    recipe.gradients = .float32
    recipe.gradientReduction = .float32
    recipe.masterWeights = .float32
    return recipe
  }()

  /// FP8 with one scale a tensor, as Transformer Engine has it by default (`DelayedScaling`, `hybrid`).
  ///
  /// Operands of linear maps in layers in 8 bits, forward and backward (E4M3, of gradients E5M2), all
  /// else in BF16; weights are cast once in a step; inputs of linear maps are kept in 8 bits alone, but for
  /// what attention and activations keep for themselves. Ranks of a tensor group gather operands
  /// in 8 bits (TransformerEngine 1.x, `pytorch/module/layernorm_linear.py`, `linear.py`).
  public static let tensorFP8: PrecisionRecipe = {
    var recipe = mixed("fp8-tensor", .bfloat16)
    recipe.linearWeights = .e4m3
    recipe.linearOperands = .e4m3
    recipe.keptLinearInputs = .e4m3
    recipe.tensorGather = .e4m3
    recipe.scaling = .delayed
    return recipe
  }()

  /// The same with a scale for each 32 numbers, as Transformer Engine's `MXFP8BlockScaling` has it; what a
  /// tensor group gathers stays in BF16, since scales along rows and columns belong to different copies.
  public static let microFP8: PrecisionRecipe = {
    var recipe = tensorFP8
    (recipe.name, recipe.base) = ("mxfp8", "mxfp8")
    recipe.scaling = .microscaling
    recipe.tensorGather = .bfloat16
    return recipe
  }()

  /// Whether attention has operands of 32 bits, for which FlashAttention and cuDNN have no kernels.
  public var has32BitAttention: Bool { attentionOperands.bits == 32 }

  /// Bits of a parameter that is gathered in the fewest.
  public var leastGatherBits: Int {
    keepsFloat8Weights ? min(linearWeights.bits, parameterGather.bits) : parameterGather.bits
  }

  /// The block for which FP8 kernels are described: DeepSeek-V3 report, section 3.3.2.
  public static let measuredScaleBlock = 128

  /// The recipes that plan files can name.
  public static let all: [PrecisionRecipe] = [
    .float32, .tensorFloat32, .float16, .bfloat16, .tensorFP8, .deepSeekFP8, .microFP8,
  ]

  /// One format for everything and no separate master weights.
  public init(name: String, everything format: NumberFormat) {
    self.name = name
    base = name
    linearWeights = format
    otherParameters = format
    gradients = format
    masterWeights = nil
    moments = format
    linearOperands = format
    attentionOperands = format
    headOperands = format
    activations = format
    keptLinearInputs = format
    keptAttentionOutputs = format
    keptActivationInputs = format
    dispatch = format
    combine = format
    pipelineSends = format
    gradientReduction = format
    parameterGather = format
    tensorGather = format
    scaleBlock = Self.measuredScaleBlock
    scaling = .blocks
    keepsFloat8Weights = false
    wideFirstLayers = 0
    wideLastLayers = 0
  }
}

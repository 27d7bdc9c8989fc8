import Costs
import Plans
import Programs

/// One pass over memory: a class of kernel and the bytes that it reads and writes.
struct MemoryPass {
  var kernel: StreamingClass
  var bytes: Double

  init(_ kernel: StreamingClass, _ bytes: Double) {
    self.kernel = kernel
    self.bytes = bytes
  }
}

/// Bytes of one number of what streaming kernels read and write, by a plan's recipe.
struct ElementSizes: Hashable {
  var activation: Double
  /// Embeddings and other parameters that are no operands of products in layers.
  var parameter: Double
  var gradient: Double
  /// What a weight product reads and writes of its result.
  var weightProduct: Double
  /// Weight products add to the gradients.
  var fusesGradientSums: Bool
  var execution: Plan.Execution
  /// A loss over 32-bit logits is in compiled pieces.
  var compilesLoss: Bool
  /// What a gated unit's kernel writes, scales not counted.
  var gatedUnit: Double
  /// What rows and their gradients are put in the order of experts in.
  var permutedRows: Format
  var permutedGradients: Format

  init(_ recipe: Recipe, _ plan: Plan) {
    execution = plan.execution
    compilesLoss = plan.loss == .compiled
    activation = Double(recipe.activation.bytes(columns: 1))
    parameter = Double(recipe.otherParameter.bytes(columns: 1))
    gradient = Double(recipe.gradient.bytes(columns: 1))
    fusesGradientSums = plan.fusesGradientSums
    weightProduct = plan.fusesGradientSums ? 2 * gradient : activation
    let runsAgain = [.swiGLU, .mlp, .moe].contains(where: plan.recomputation.includes)
    let written = recipe.gatedUnitOutput(isRunAgain: runsAgain)
    gatedUnit = written.isFloat8 ? 1 : activation
    permutedRows = recipe.permutedRows(areSpread: plan.expertParallel > 1)
    permutedGradients = recipe.permutedGradients(areSpread: plan.expertParallel > 1)
  }
}

extension Kernel {
  /// The rows that a kernel's size depends on, if it has any.
  package var rows: Rows? {
    switch self {
    case .norm(let rows, _, _, _, _), .add(let rows, _, _), .gatedUnit(let rows, _, _, _),
      .gelu(let rows, _, _), .join(let rows, _, _), .convert(_, let rows, _, _, _),
      .launches(_, _, let rows):
      rows
    case .quantizedNorm(let rows, _, _, _), .plainUnit(let rows, _, _): rows
    case .matmul(let matmul), .groupedMatmul(let matmul, _): matmul.m
    case .permute(let exchange, _, _), .unpermute(let exchange, _, _):
      .routed(exchange: exchange)
    default: nil
    }
  }

  /// The passes over memory of kernels that are nothing else.
  func passes(rows: (Rows) -> Int, _ sizes: ElementSizes) -> [MemoryPass] {
    if let passes = operatorPasses(rows: rows, sizes) { return passes }
    let size = sizes.activation
    return switch self {
    case .loadTokens(let tokens), .loadLabels(let tokens, _):
      [MemoryPass(.copy, 4 * Double(tokens))]
    case .loadTargets(let tokens, let columns): [MemoryPass(.copy, 4 * Double(tokens * columns))]
    case .embedding(let tokens, let hidden, _, let pass):
      // Forward reads a row and writes it; backward reads it and adds to a gradient.
      [
        MemoryPass(
          .embedding,
          Double(tokens * hidden)
            * (size + (pass == .forward ? sizes.parameter : 2 * sizes.gradient)))
      ]
    case .norm(let count, let columns, _, let centred, let pass):
      [normPass(size * Double(rows(count)) * Double(columns), centred: centred, pass)]
    case .quantizedNorm(let count, let columns, _, let centred):
      // It writes one byte where it reads a number.
      [
        MemoryPass(
          centred ? .layernormForward : .rmsnormForward,
          (size + 1) * Double(rows(count)) * Double(columns))
      ]
    case .add(let count, let columns, let terms):
      [MemoryPass(.elementwise, size * Double(terms + 1) * Double(rows(count)) * Double(columns))]
    case .gatedUnit(let count, let columns, _, let pass):
      // Forward reads gate and up; backward reads both and a gradient, and writes both gradients.
      pass == .forward
        ? [
          MemoryPass(
            .swigluForward, (2 * size + sizes.gatedUnit) * Double(rows(count)) * Double(columns))
        ] : [MemoryPass(.swigluBackward, 5 * size * Double(rows(count)) * Double(columns))]
    case .convolve(let shape, let pass):
      // Forward reads its columns and writes them; backward reads them and a gradient, and writes one.
      [
        MemoryPass(
          .elementwise, size * Double(shape.tokens * shape.columns) * (pass == .forward ? 2 : 3))
      ]
    case .gelu(let count, let columns, let pass), .plainUnit(let count, let columns, let pass):
      [MemoryPass(.gelu, size * Double(rows(count) * columns) * (pass == .forward ? 2 : 3))]
    case .convert(let kind, let count, let columns, let from, let to):
      [convertPass(kind, rows(count), columns, from, to)]
    case .scores(_, let kind, let elements, let bytes):
      [MemoryPass(kind == .dropout ? .dropout : .softmax, elements * bytes)]
    case .crossEntropy(let tokens, let vocabulary, _, fused: false, let pass):
      (sizes.compilesLoss
        ? Self.compiledLossPasses(pass, logit: size) : Self.lossPasses(pass, logit: size)).map {
          MemoryPass(.elementwise, $0 * Double(tokens * vocabulary))
        }
    case .crossEntropy(let tokens, let vocabulary, _, fused: true, let pass):
      // Forward reads for the sum and for the probabilities, and writes them.
      [
        MemoryPass(
          .crossEntropy,
          size * Double(tokens) * Double(vocabulary) * (pass == .forward ? 3 : 2))
      ]
    case .route(let shape, _):
      // Backward; the choice forward has a price of its own.
      [MemoryPass(.elementwise, 12 * Double(shape.tokens * shape.experts))]
    case .permute(_, let columns, let pass), .unpermute(_, let columns, let pass):
      [movePass(columns, pass, rows, sizes)]
    case .arrange(let chosen, let pass), .collect(let chosen, let pass):
      [rowsPass(chosen, pass, sizes)]
    case .join(let count, let columns, _):
      [MemoryPass(.copy, 4 * size * Double(rows(count)) * Double(columns))]
    default: headPasses(size) + optimizerPasses(sizes.gradient)
    }
  }

  /// Bytes a logit that the operators of a loss move one by one.
  ///
  /// As in Megatron's cross entropy (megatron/mpu/cross_entropy.py): forward a cast from 16 to 32 bits, maximum, difference, exponential,
  /// sum, quotient; backward the product with the loss's gradient and a cast back. Logits of 32 bits are
  /// not cast.
  private static func lossPasses(_ pass: Pass, logit size: Double) -> [Double] {
    let casts = size < 4 ? [size + 4] : []
    return pass == .forward ? casts + [4, 8, 8, 4, 8] : [8] + casts
  }

  /// The same of the pieces that torch.compile makes of Megatron-Core's fused loss (core 0.9, `fusions/fused_cross_entropy.py`):
  /// forward a cast with the maximum, an exponential in place with the sum, a quotient in place; backward a product in
  /// place with a cast.
  private static func compiledLossPasses(_ pass: Pass, logit size: Double) -> [Double] {
    pass == .forward ? [size + 4, 8, 8] : [8 + size]
  }

  private func normPass(_ bytes: Double, centred: Bool, _ pass: Pass) -> MemoryPass {
    let isForward = pass == .forward
    let kind: StreamingClass =
      centred
      ? (isForward ? .layernormForward : .layernormBackward)
      : (isForward ? .rmsnormForward : .rmsnormBackward)
    return MemoryPass(kind, bytes * (isForward ? 2 : 3))
  }

  private func convertPass(
    _ kind: Streaming, _ rows: Int, _ columns: Int, _ from: Format, _ to: Format
  ) -> MemoryPass {
    let elements = Double(rows) * Double(columns)
    let read = Double(from.bytes(columns: columns)) * Double(rows)
    let written = Double(to.bytes(columns: columns)) * Double(rows)
    switch kind {
    case .quantize where !to.isFloat8:
      // It is written beside an FP8 copy, which counts for the traffic that was measured.
      return MemoryPass(.quantiseWide, Double(from.bytes(columns: 1) + 1) * elements)
    case .quantize where to == .tensorFloat8: return MemoryPass(.castFloat8, read + written)
    case .quantize: return MemoryPass(.quantise, read + written)
    // Rows and columns are written. Nobody measured such kernels on Hopper: as those that write columns.
    case .castTranspose: return MemoryPass(.quantiseTranspose, read + 2 * written)
    case .greatestMagnitude: return MemoryPass(.greatestMagnitude, read)
    // From FP8 it is widened on the way and no faster than from 16 bits.
    case .quantizeTranspose:
      let wide = from.isScaled ? 2 : from.bytes(columns: 1)
      return MemoryPass(.quantiseTranspose, Double(wide + 1) * elements)
    case .dequantize: return MemoryPass(.dequantise, read + written)
    case .transpose where from == .float32: return MemoryPass(.transposeScales, read + written)
    case .transpose: return MemoryPass(.transpose, read + written)
    case .dropout: return MemoryPass(.dropout, Double(2 * from.bytes(columns: 1) + 1) * elements)
    // Reads two numbers for each column of values and clears a sum of 32 bits for each of queries.
    case .attentionPrepare:
      return MemoryPass(.attentionPreparation, Double(from.bytes(columns: 1) + 2) * elements)
    case .attentionConvert: return MemoryPass(.attentionConversion, read + written)
    case .permute: return MemoryPass(.permute, read + written)
    case .cast: return MemoryPass(.elementwise, read + written)
    case .copyOutOfUnit: return MemoryPass(.unitParameters, read + written)
    case .castIntoUnit: return MemoryPass(.unitGradients, read + written)
    // To a sum, which is read too.
    case .add: return MemoryPass(.elementwise, read + 2 * written)
    default: return MemoryPass(.copy, read + written)
    }
  }

  /// Rows and their gradients in their formats forth, as activations back; half of the traffic is reading.
  private func movePass(
    _ columns: Int, _ pass: Pass, _ rows: (Rows) -> Int, _ sizes: ElementSizes
  ) -> MemoryPass {
    let count = Double(self.rows.map(rows) ?? 0)
    let isPermute = if case .permute = self { true } else { false }
    let isToExperts = isPermute == (pass == .forward)
    let format = isPermute ? sizes.permutedRows : sizes.permutedGradients
    return isToExperts
      ? MemoryPass(.permute, 2 * count * Double(format.bytes(columns: columns)))
      : MemoryPass(.unpermute, 1.92 * count * sizes.activation * Double(columns))
  }

  /// A row of every chosen expert read and written in its format towards the experts; on the way back all
  /// of them read, and their sums written, as activations.
  private func rowsPass(_ chosen: ChosenRows, _ pass: Pass, _ sizes: ElementSizes) -> MemoryPass {
    let isArrange = if case .arrange = self { true } else { false }
    guard isArrange == (pass == .forward) else {
      return MemoryPass(
        .unpermute,
        sizes.activation * Double(chosen.count + chosen.tokens) * Double(chosen.columns))
    }
    let format = isArrange ? sizes.permutedRows : sizes.permutedGradients
    return MemoryPass(
      .permute, 2 * Double(chosen.count) * Double(format.bytes(columns: chosen.columns)))
  }

  /// Cutting, joining and rotating heads.
  private func headPasses(_ size: Double) -> [MemoryPass] {
    switch self {
    case .splitHeads(let split, _):
      [
        MemoryPass(split.rotates ? .rope : .copy, 2 * size * Double(split.tokens * split.columns))
      ]
    case .rotate(let tokens, let heads, let columns, _):
      [MemoryPass(.rope, 2 * size * Double(tokens * heads * columns))]
    case .splitLatent(let shape, _):
      [MemoryPass(.copy, 2 * size * Double(shape.tokens * (shape.latent + shape.rope)))]
    case .assembleLatent(let shape, let pass): latentPasses(shape, pass, size)
    default: []
    }
  }

  /// Queries are rotated, keys assembled with the shared rotated part, values copied.
  private func latentPasses(
    _ shape: LatentShape, _ pass: Pass, _ size: Double
  ) -> [MemoryPass] {
    let heads = Double(shape.tokens * shape.heads)
    let width = Double(shape.nope + shape.rope)
    var passes = [
      MemoryPass(.rope, 2 * size * heads * width),
      MemoryPass(.copy, size * heads * (Double(shape.nope) + width)),
      MemoryPass(.copy, 2 * size * heads * Double(shape.value)),
      MemoryPass(.rope, 2 * size * Double(shape.tokens * shape.rope)),
    ]
    if pass != .forward {
      passes.append(MemoryPass(.dequantise, size * heads * Double(shape.rope)))
    }
    return passes
  }

  private func optimizerPasses(_ size: Double) -> [MemoryPass] {
    switch self {
    case .squareSum(let elements, let format):
      [MemoryPass(.elementwise, Double(format.bytes(columns: 1)) * Double(elements))]
    case .adamW(_, let bytes), .streamedAdamW(_, let bytes, _):
      [MemoryPass(.optimizer, Double(bytes))]
    case .fold(let elements): [MemoryPass(.elementwise, 3 * size * Double(elements))]
    case .clear(let elements): [MemoryPass(.elementwise, size * Double(elements))]
    default: []
    }
  }
}

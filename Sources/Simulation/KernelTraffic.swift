import Costs
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

extension Kernel {
  /// The rows that a kernel's size depends on, if it has any.
  var rows: Rows? {
    switch self {
    case .norm(let rows, _, _, _, _), .add(let rows, _, _), .gatedUnit(let rows, _, _, _),
      .gelu(let rows, _, _), .join(let rows, _, _), .convert(_, let rows, _, _, _),
      .launches(_, _, let rows):
      rows
    case .matmul(let matmul), .groupedMatmul(let matmul, _): matmul.m
    case .permute(let exchange, _, _), .unpermute(let exchange, _, _):
      .routed(exchange: exchange)
    default: nil
    }
  }

  /// The passes over memory of kernels that are nothing else.
  ///
  /// Activations have two bytes.
  func passes(rows: (Rows) -> Int) -> [MemoryPass] {
    switch self {
    case .loadTokens(let tokens), .loadLabels(let tokens, _):
      [MemoryPass(.copy, 4 * Double(tokens))]
    case .embedding(let tokens, let hidden, _, let pass):
      // Forward reads a row and writes it; backward reads it and adds to 32 bits.
      [MemoryPass(.embedding, Double(tokens * hidden) * (pass == .forward ? 4 : 10))]
    case .norm(let count, let columns, _, let centred, let pass):
      [normPass(Double(rows(count)) * Double(columns), centred: centred, pass)]
    case .add(let count, let columns, let terms):
      [MemoryPass(.elementwise, 2 * Double(terms + 1) * Double(rows(count)) * Double(columns))]
    case .gatedUnit(let count, let columns, _, let pass):
      // Forward reads gate and up and writes FP8 or 16 bits; backward reads both and a gradient.
      pass == .forward
        ? [MemoryPass(.swigluForward, 5 * Double(rows(count)) * Double(columns))]
        : [MemoryPass(.swigluBackward, 10 * Double(rows(count)) * Double(columns))]
    case .gelu(let count, let columns, let pass):
      [MemoryPass(.gelu, Double(rows(count) * columns) * (pass == .forward ? 4 : 6))]
    case .convert(let kind, let count, let columns, let from, let to):
      [convertPass(kind, rows(count), columns, from, to)]
    case .scores(_, let kind, let elements, let bytes):
      [MemoryPass(kind == .dropout ? .dropout : .softmax, elements * bytes)]
    case .crossEntropy(let tokens, let vocabulary, _, fused: false, let pass):
      Self.lossPasses(pass).map { MemoryPass(.elementwise, $0 * Double(tokens * vocabulary)) }
    case .crossEntropy(let tokens, let vocabulary, _, fused: true, let pass):
      // Forward reads for the sum and for the probabilities, and writes them.
      [MemoryPass(.crossEntropy, Double(tokens) * Double(vocabulary) * (pass == .forward ? 6 : 4))]
    case .route(let shape, _):
      // Backward; the choice forward has a price of its own.
      [MemoryPass(.elementwise, 12 * Double(shape.tokens * shape.experts))]
    case .permute(_, let columns, let pass), .unpermute(_, let columns, let pass):
      [movePass(columns, pass, rows)]
    default: headPasses + optimizerPasses
    }
  }

  /// Bytes a logit that the operators of a loss move one by one, as in Megatron's cross entropy
  /// (megatron/mpu/cross_entropy.py): forward a cast from 16 to 32 bits, maximum, difference, exponential,
  /// sum, quotient; backward the product with the loss's gradient and a cast back.
  private static func lossPasses(_ pass: Pass) -> [Double] {
    pass == .forward ? [6, 4, 8, 8, 4, 8] : [8, 6]
  }

  private func normPass(_ elements: Double, centred: Bool, _ pass: Pass) -> MemoryPass {
    let isForward = pass == .forward
    let kind: StreamingClass =
      centred
      ? (isForward ? .layernormForward : .layernormBackward)
      : (isForward ? .rmsnormForward : .rmsnormBackward)
    return MemoryPass(kind, elements * (isForward ? 4 : 6))
  }

  private func convertPass(
    _ kind: Streaming, _ rows: Int, _ columns: Int, _ from: Format, _ to: Format
  ) -> MemoryPass {
    let elements = Double(rows) * Double(columns)
    let read = Double(from.bytes(columns: columns)) * Double(rows)
    let written = Double(to.bytes(columns: columns)) * Double(rows)
    switch kind {
    case .quantize where to == .float12: return MemoryPass(.quantiseWide, 3 * elements)
    case .quantize: return MemoryPass(.quantise, read + written)
    // From FP8 it is widened on the way and no faster than from 16 bits.
    case .quantizeTranspose: return MemoryPass(.quantiseTranspose, 3 * elements)
    case .dequantize: return MemoryPass(.dequantise, read + written)
    case .transpose where from == .float32: return MemoryPass(.transposeScales, read + written)
    case .transpose: return MemoryPass(.transpose, read + written)
    case .dropout: return MemoryPass(.dropout, 5 * elements)
    case .attentionPrepare: return MemoryPass(.attentionPreparation, 4 * elements)
    case .cast: return MemoryPass(.attentionConversion, read + written)
    default: return MemoryPass(.copy, read + written)
    }
  }

  /// Rows in FP8 forth, in 16 bits back; half of the traffic is reading.
  private func movePass(_ columns: Int, _ pass: Pass, _ rows: (Rows) -> Int) -> MemoryPass {
    let count = Double(self.rows.map(rows) ?? 0)
    let isPermute = if case .permute = self { true } else { false }
    let isToExperts = isPermute == (pass == .forward)
    return isToExperts
      ? MemoryPass(.permute, 2 * count * Double(Format.float8.bytes(columns: columns)))
      : MemoryPass(.unpermute, 1.92 * count * Double(Format.bfloat16.bytes(columns: columns)))
  }

  /// Cutting, joining and rotating heads.
  private var headPasses: [MemoryPass] {
    switch self {
    case .splitHeads(let split, _):
      [MemoryPass(split.rotates ? .rope : .copy, 4 * Double(split.tokens * split.columns))]
    case .rotate(let tokens, let heads, let size, _):
      [MemoryPass(.rope, 4 * Double(tokens * heads * size))]
    case .splitLatent(let shape, _):
      [MemoryPass(.copy, 4 * Double(shape.tokens * (shape.latent + shape.rope)))]
    case .assembleLatent(let shape, let pass): latentPasses(shape, pass)
    case .join(_, let columns, _): [MemoryPass(.copy, 8 * Double(columns))]
    default: []
    }
  }

  /// Queries are rotated, keys assembled with the shared rotated part, values copied.
  private func latentPasses(_ shape: LatentShape, _ pass: Pass) -> [MemoryPass] {
    let heads = Double(shape.tokens * shape.heads)
    let width = Double(shape.nope + shape.rope)
    var passes = [
      MemoryPass(.rope, 4 * heads * width),
      MemoryPass(.copy, 2 * heads * (Double(shape.nope) + width)),
      MemoryPass(.copy, 4 * heads * Double(shape.value)),
      MemoryPass(.rope, 4 * Double(shape.tokens * shape.rope)),
    ]
    if pass != .forward {
      passes.append(MemoryPass(.dequantise, 2 * heads * Double(shape.rope)))
    }
    return passes
  }

  private var optimizerPasses: [MemoryPass] {
    switch self {
    case .squareSum(let elements): [MemoryPass(.elementwise, 4 * Double(elements))]
    case .fold(let elements): [MemoryPass(.elementwise, 12 * Double(elements))]
    case .clear(let elements): [MemoryPass(.elementwise, 4 * Double(elements))]
    default: []
    }
  }
}

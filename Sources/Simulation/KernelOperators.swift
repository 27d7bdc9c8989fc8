import Costs
import Plans
import Programs

/// Norms with gain only, gated activations, rotary embeddings and unfused attention's softmax as PyTorch's operators,
/// or as what torch.compile makes of them.
///
/// Bytes and kernels are counted in PyTorch 2.5 (aten/src/ATen/native/layer_norm.cpp, `rms_norm`;
/// tools/autograd/derivatives.yaml) and, for rotary embeddings by complex numbers, in torchtitan's Llama.
/// Passes run as fast as the operators of their kind, or else as other passes over whole tensors. Layer norms with bias and GELU are single
/// kernels of PyTorch's in any case.
extension Kernel {
  /// The passes of what is made of operators; nil for a kernel that is the same however it is executed.
  func operatorPasses(rows: (Rows) -> Int, _ sizes: ElementSizes) -> [MemoryPass]? {
    guard sizes.execution != .fused else { return nil }
    let isEager = sizes.execution == .eager
    let size = sizes.activation
    func passes(
      _ elements: Double, _ bytes: [Double], _ operators: StreamingClass = .elementwise
    ) -> [MemoryPass] {
      let kind = isEager ? operators : .elementwise
      return bytes.filter { $0 > 0 }.map { MemoryPass(kind, $0 * elements) }
    }
    switch self {
    case .norm(let count, let columns, _, centred: false, let pass):
      let elements = Double(rows(count)) * Double(columns)
      let isForward = pass == .forward
      let compiled = isForward ? [2 * size] : [3 * size, 2 * size]
      return passes(
        elements,
        isEager ? (isForward ? Self.normBytes(size) : Self.normBackwardBytes(size)) : compiled,
        .operatorOfNorm)
    case .gatedUnit(let count, let columns, _, let pass) where sizes.gatedUnit == size:
      let isForward = pass == .forward
      // silu and its product; backward both factors' gradients and silu's.
      let eager = isForward ? [2 * size, 3 * size] : [3 * size, 3 * size, 3 * size]
      return passes(
        Double(rows(count)) * Double(columns), isEager ? eager : [(isForward ? 3 : 5) * size],
        .operatorOfGate)
    case .splitHeads(let split, _) where split.rotates:
      // Queries and keys; to cut them apart is free.
      let columns = (split.heads + split.keyValueHeads) * split.headSize
      return passes(
        Double(split.tokens * columns), isEager ? Self.rotaryBytes(size) : [2 * size])
    case .splitHeads(let split, let pass) where isEager:
      // Views forward; backward one tensor of three gradients.
      return pass == .forward
        ? [] : [MemoryPass(.copy, 2 * size * Double(split.tokens * split.columns))]
    case .rotate(let tokens, let heads, let columns, _):
      return passes(
        Double(tokens * heads * columns), isEager ? Self.rotaryBytes(size) : [2 * size])
    case .scores(_, .softmax, let elements, let bytes) where isEager && size < 4:
      // In 32 bits inside: all but one of the numbers that it moves; and a cast of the probabilities, or of
      // their gradient.
      return [
        MemoryPass(.operatorOfSoftmax, elements * (size + 4 * (bytes / size - 1))),
        MemoryPass(.elementwise, elements * Self.cast(size)),
      ]
    default: return nil
    }
  }

  /// Kernels that the host launches for what is made of operators; nil as above.
  func operatorLaunches(_ execution: Plan.Execution) -> Int? {
    guard execution != .fused else { return nil }
    let isEager = execution == .eager
    switch self {
    // Two and five of them see a row as one number: sums with epsilon, roots, and what goes back through them.
    case .norm(_, _, _, centred: false, .forward): return isEager ? 8 : 1
    case .norm(_, _, _, centred: false, _): return isEager ? 18 : 2
    case .gatedUnit(_, _, _, let pass): return isEager ? (pass == .forward ? 2 : 3) : 1
    case .splitHeads(let split, _) where split.rotates: return isEager ? 6 : 1
    case .splitHeads(_, let pass) where isEager: return pass == .forward ? 0 : 1
    case .rotate: return isEager ? 3 : 1
    case .scores(_, .softmax, _, _) where isEager: return 2
    default: return nil
    }
  }

  /// The sum over rows that is a bias's gradient, where no product forms it on the way (Transformer Engine's do): it reads
  /// the gradient of the map's result (`AddmmBackward`, `sum_to_size`).
  func biasPass(rows: (Rows) -> Int, _ sizes: ElementSizes) -> MemoryPass? {
    guard case .matmul(let matmul) = self, matmul.pass == .backwardInput, matmul.hasBias,
      sizes.execution == .eager, !matmul.format.isFloat8
    else { return nil }
    return MemoryPass(.elementwise, sizes.activation * Double(rows(matmul.m)) * Double(matmul.n))
  }

  /// A cast to 32 bits; nothing where they have them already.
  private static func cast(_ size: Double) -> Double { size < 4 ? size + 4 : 0 }

  /// Cast, square, mean, product with the root, cast back, product with the gain.
  private static func normBytes(_ size: Double) -> [Double] {
    [cast(size), 8, 4, 8, cast(size), 2 * size]
  }

  /// The gain's product: gradients of the row and of the gain, whose terms are summed; a cast; gradients of
  /// the product with the root, one of them summed; the square's in three; their sum; a cast.
  private static func normBackwardBytes(_ size: Double) -> [Double] {
    [2 * size, 3 * size, size, cast(size), 8, 12, 4, 8, 8, 8, 12, cast(size)]
  }

  /// Cast, product with a complex number of modulus one, cast back.
  private static func rotaryBytes(_ size: Double) -> [Double] { [cast(size), 8, cast(size)] }
}

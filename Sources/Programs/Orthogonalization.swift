/// Muon's update of matrices of one shape: momentum, and five steps of Newton and Schulz's iteration, which
/// replace a matrix X of unit norm by aX + (bA + cA²)X with A = XXᵀ.
///
/// Source: Keller Jordan, github.com/KellerJordan/Muon, `zeropower_via_newtonschulz5` (2024), in BF16.
public struct Orthogonalization: Hashable, Sendable {
  /// The smaller and the larger side.
  public var short: Int
  public var long: Int
  public var matrices: Int
  /// What the products compute in.
  public var format: Format
  /// What the update reads and writes beside the iteration: gradients, moments, parameters.
  public var bytes: Int

  public static let steps = 5

  /// Numbers of all matrices.
  public var elements: Int { short * long * matrices }

  /// The products of a step, in the sizes of a forward: XXᵀ, A² and the sum's product with X.
  public var products: [Matmul] {
    [(short, long), (short, short), (long, short)].map { n, k in
      Matmul(m: .fixed(short), n: n, k: k, pass: .forward, format: format)
    }
  }

  /// FLOPs of all steps: 4s²l + 2s³ each, two per multiplication with addition.
  public var flops: Double {
    let step = products.reduce(0) {
      $0 + $1.flops { if case .fixed(let rows) = $0 { rows } else { 0 } }
    }
    return Double(Self.steps * matrices) * step
  }

  /// Passes over memory for a matrix beside its products, in bytes: a cast and the division by its norm,
  /// which is read for it; in each step bA, cA², their sum, aX and the sum.
  public var passes: [Double] {
    let size = Double(format.bytes(columns: 1))
    let (square, whole) = (Double(short * short) * size, Double(short * long) * size)
    let step = [2 * square, 2 * square, 3 * square, 2 * whole, 3 * whole]
    return [2 * whole, whole, 2 * whole] + Array(repeating: step, count: Self.steps).flatMap { $0 }
  }

  /// Numbers that a step holds beside gradients and moments: X, its successor, A and A².
  public var workspaceElements: Int { 2 * short * (long + short) }
}

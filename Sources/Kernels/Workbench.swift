import COpenBLAS

/// What the kernels of one rank share: FLOP counts, the callback that drives messages, scratch.
///
/// A workbench belongs to one thread, in which subnormal floats count as zero from its first product
/// on: a product of them is 50 times slower (measured), and softmax gradients and decaying moments are
/// full of them. FLOPs are counted where the product is called, from the sizes
/// that it was called with, and from nothing else.
public final class Workbench {
  /// What a product is counted as.
  public enum Purpose: Sendable {
    case matmul, attention
  }

  /// FLOPs of matrix products outside attention: 2 m n k each.
  public private(set) var matmulFLOPs: Int = 0
  /// FLOPs of the products inside attention, as computed, the masked part of a tile included.
  public private(set) var attentionFLOPs: Int = 0
  /// FLOPs of all matrix products.
  public var countedFLOPs: Int { matmulFLOPs + attentionFLOPs }

  /// Called between two panels of a long kernel; a runtime drives its messages here.
  ///
  /// Panels are the same whether it is set or not, so it does not change any bit.
  public var progress: (() -> Void)?

  /// Whether a row of a product is to have the same bits wherever it stands and whatever stands beside
  /// it.
  ///
  /// Weights are then laid out once and kept so: whoever changes one calls `forgetWeights`.
  public var keepsRowsApart = false

  /// Whether products that keep rows apart take vectors of 512 bits; the same bits either way.
  public var takesWideVectors = hasWideVectors

  /// Told of every product with the sizes that it was called with; for benchmarks.
  public var onProduct: ((ProductCall) -> Void)?

  /// The most FLOPs of a panel, about 2 ms of one core.
  ///
  /// OpenBLAS gave 90 GFLOP/s on a Zen 3 core, whose vectors are of 256 bits, and 150 on an Emerald
  /// Rapids core with 512 (both measured, at best). Smaller panels cost more packing: 10 % at 1 ms.
  public static let panelFLOPs =
    ["SkylakeX", "Cooperlake"].contains(matmulCore) ? 300_000_000 : 180_000_000

  static let hasWideVectors = hasAVX512()

  let scoreTile: UnsafeMutablePointer<Float>
  let gradientTile: UnsafeMutablePointer<Float>
  let rowScratch: UnsafeMutablePointer<Float>
  private var sinceProgress = 0
  let weightPanels = WeightPanels()

  public init() {
    _ = matmulCore
    sluice_flush_subnormals()
    let tile = AttentionShape.queryTile * AttentionShape.keyTile
    // Vectors of scores each lie in one line of a cache.
    scoreTile = UnsafeMutableRawPointer.allocate(byteCount: 4 * tile, alignment: 64)
      .bindMemory(to: Float.self, capacity: tile)
    gradientTile = .allocate(capacity: tile)
    rowScratch = .allocate(capacity: 2 * AttentionShape.queryTile)
    scoreTile.initialize(repeating: 0, count: tile)
    gradientTile.initialize(repeating: 0, count: tile)
    rowScratch.initialize(repeating: 0, count: 2 * AttentionShape.queryTile)
  }

  deinit {
    scoreTile.deallocate()
    gradientTile.deallocate()
    rowScratch.deallocate()
  }

  /// Sets both counts to zero, at the start of a step.
  public func resetCounts() {
    matmulFLOPs = 0
    attentionFLOPs = 0
  }

  /// Weights have changed, or will not be used for a while: what was laid out of them is freed.
  public func forgetWeights() { weightPanels.forget() }

  /// Counts a product that is about to run, and drives messages when a panel's worth has passed.
  func count(_ flops: Int, as purpose: Purpose) {
    switch purpose {
    case .matmul: matmulFLOPs += flops
    case .attention: attentionFLOPs += flops
    }
    sinceProgress += flops
    if sinceProgress > Workbench.panelFLOPs {
      sinceProgress = flops
      progress?()
    }
  }
}

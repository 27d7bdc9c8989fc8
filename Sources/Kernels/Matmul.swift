import COpenBLAS

/// A factor of a product: a row-major matrix, its distance between rows, and whether it is turned.
public struct Factor {
  public var start: UnsafePointer<Float>
  public var stride: Int
  public var isTransposed: Bool
  /// Whether it is a weight: the same at its next product, unless `Workbench.forgetWeights` was called.
  public var isWeight: Bool

  /// - Parameters:
  ///   - start: the first element of the matrix as it lies in memory.
  ///   - stride: elements from one row in memory to the next.
  ///   - isTransposed: whether the product uses the transpose of what lies in memory.
  ///   - isWeight: whether it stays as it is between products that keep rows apart.
  public init(
    _ start: UnsafePointer<Float>, stride: Int, isTransposed: Bool = false, isWeight: Bool = false
  ) {
    self.start = start
    self.stride = stride
    self.isTransposed = isTransposed
    self.isWeight = isWeight
  }

  /// The factor from row `row` and column `column` of the product's view on.
  @inline(__always)
  func from(row: Int, column: Int) -> Factor {
    let offset = isTransposed ? column * stride + row : row * stride + column
    return Factor(
      start + offset, stride: stride, isTransposed: isTransposed, isWeight: isWeight)
  }
}

/// The size of a product: (m, k) times (k, n).
public struct ProductSize: Hashable, Sendable {
  public var m: Int
  public var n: Int
  public var k: Int

  public init(m: Int, n: Int, k: Int) {
    self.m = m
    self.n = n
    self.k = k
  }

  /// 2 m n k.
  public var flops: Int { 2 * m * n * k }
}

/// A product as it was called: its size, which factors were turned, and whether it was added.
public struct ProductCall: Hashable, Sendable {
  public var size: ProductSize
  public var turnsA: Bool
  public var turnsB: Bool
  public var accumulates: Bool
}

/// out (m, n) = scale * a (m, k) * b (k, n), or added to out; the only way to OpenBLAS.
///
/// A product of more than `Workbench.panelFLOPs` is cut along its longest side, again and again, into
/// panels of at most about so many, and messages are driven between them. The panels follow from the size alone, so the same
/// input of the same size gives the same bits on each call (on one machine, at one thread count).
/// Where the bench keeps rows apart, it is `rowProduct`.
/// Counts 2 m n k. `out` must not overlap the factors.
public func matmul(
  _ out: UnsafeMutablePointer<Float>, stride: Int, _ a: Factor, _ b: Factor, _ size: ProductSize,
  scale: Float = 1, accumulate: Bool = false, as purpose: Workbench.Purpose = .matmul,
  on bench: Workbench
) {
  precondition(size.m >= 0 && size.n >= 0 && size.k >= 0, "sides are not negative")
  if size.m == 0 || size.n == 0 { return }
  precondition(stride >= size.n, "a row of the product fits its stride")
  guard size.k > 0 else {
    if !accumulate { fillRows(out, stride: stride, rows: size.m, columns: size.n, with: 0) }
    return
  }
  precondition(a.stride >= (a.isTransposed ? size.m : size.k), "a row of a fits its stride")
  precondition(b.stride >= (b.isTransposed ? size.k : size.n), "a row of b fits its stride")
  bench.onProduct?(
    ProductCall(
      size: size, turnsA: a.isTransposed, turnsB: b.isTransposed, accumulates: accumulate))
  guard !bench.keepsRowsApart else {
    rowProduct(
      out, stride: stride, a, b, size, scale: scale, accumulate: accumulate, as: purpose, on: bench)
    return
  }
  let panels = (size.flops + Workbench.panelFLOPs - 1) / Workbench.panelFLOPs
  cut(out, stride, a, b, size, into: panels, scale, accumulate, purpose, bench)
}

/// Runs a product as so many panels, cutting the longest side in proportion to the panels beside it.
private func cut(
  _ out: UnsafeMutablePointer<Float>, _ stride: Int, _ a: Factor, _ b: Factor, _ size: ProductSize,
  into panels: Int, _ scale: Float, _ accumulate: Bool, _ purpose: Workbench.Purpose,
  _ bench: Workbench
) {
  let longest = max(size.m, size.n, size.k)
  let near = side(longest, share: panels / 2, of: panels)
  if panels == 1 || near == 0 || near == longest {
    bench.count(size.flops, as: purpose)
    sluice_flush_subnormals()
    sluice_sgemm(
      a.isTransposed ? 1 : 0, b.isTransposed ? 1 : 0, Int32(size.m), Int32(size.n), Int32(size.k),
      scale, a.start, Int32(a.stride), b.start, Int32(b.stride), accumulate ? 1 : 0, out,
      Int32(stride))
    return
  }
  var (first, second) = (size, size)
  var (restOfOut, restOfA, restOfB) = (out, a, b)
  var adds = accumulate
  if size.m == longest {
    (first.m, second.m) = (near, longest - near)
    restOfA = a.from(row: near, column: 0)
    restOfOut += near * stride
  } else if size.n == longest {
    (first.n, second.n) = (near, longest - near)
    restOfB = b.from(row: 0, column: near)
    restOfOut += near
  } else {
    (first.k, second.k) = (near, longest - near)
    restOfA = a.from(row: 0, column: near)
    restOfB = b.from(row: near, column: 0)
    adds = true
  }
  let before = panels / 2
  cut(out, stride, a, b, first, into: before, scale, accumulate, purpose, bench)
  cut(
    restOfOut, stride, restOfA, restOfB, second, into: panels - before, scale, adds, purpose, bench)
}

/// A share of a side, rounded to 16, the rows and columns that OpenBLAS's kernels take at a time.
private func side(_ length: Int, share: Int, of whole: Int) -> Int {
  (length * share / whole + 8) & ~15
}

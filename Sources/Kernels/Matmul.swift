import COpenBLAS

/// A factor of a product: a row-major matrix, its distance between rows, and whether it is turned.
public struct Factor {
  public var start: UnsafePointer<Float>
  public var stride: Int
  public var isTransposed: Bool

  /// - Parameters:
  ///   - start: the first element of the matrix as it lies in memory.
  ///   - stride: elements from one row in memory to the next.
  ///   - isTransposed: whether the product uses the transpose of what lies in memory.
  public init(_ start: UnsafePointer<Float>, stride: Int, isTransposed: Bool = false) {
    self.start = start
    self.stride = stride
    self.isTransposed = isTransposed
  }

  /// The factor from row `row` and column `column` of the product's view on.
  @inline(__always)
  func from(row: Int, column: Int) -> Factor {
    let offset = isTransposed ? column * stride + row : row * stride + column
    return Factor(start + offset, stride: stride, isTransposed: isTransposed)
  }
}

/// The size of a product: (m, k) times (k, n).
public struct ProductSize: Equatable, Sendable {
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

/// out (m, n) = scale * a (m, k) * b (k, n), or added to out; the only way to OpenBLAS.
///
/// A product of more than `Workbench.panelFLOPs` is halved along its longest side until each part is
/// a panel, and messages are driven between parts. The parts follow from the size alone, so the same
/// input of the same size gives the same bits on each call (on one machine, at one thread count).
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
  halve(out, stride, a, b, size, scale, accumulate, purpose, bench)
}

/// Halves the longest side until the part is a panel; sides stay multiples of 16 where they can.
private func halve(
  _ out: UnsafeMutablePointer<Float>, _ stride: Int, _ a: Factor, _ b: Factor, _ size: ProductSize,
  _ scale: Float, _ accumulate: Bool, _ purpose: Workbench.Purpose, _ bench: Workbench
) {
  let flops = size.flops
  if flops <= Workbench.panelFLOPs || max(size.m, size.n, size.k) < 32 {
    bench.count(flops, as: purpose)
    sluice_sgemm(
      a.isTransposed ? 1 : 0, b.isTransposed ? 1 : 0, Int32(size.m), Int32(size.n), Int32(size.k),
      scale, a.start, Int32(a.stride), b.start, Int32(b.stride), accumulate ? 1 : 0, out,
      Int32(stride))
    return
  }
  var first = size
  var second = size
  if size.m >= size.n && size.m >= size.k {
    first.m = half(size.m)
    second.m -= first.m
    halve(out, stride, a, b, first, scale, accumulate, purpose, bench)
    let rest = a.from(row: first.m, column: 0)
    halve(out + first.m * stride, stride, rest, b, second, scale, accumulate, purpose, bench)
  } else if size.n >= size.k {
    first.n = half(size.n)
    second.n -= first.n
    halve(out, stride, a, b, first, scale, accumulate, purpose, bench)
    let rest = b.from(row: 0, column: first.n)
    halve(out + first.n, stride, a, rest, second, scale, accumulate, purpose, bench)
  } else {
    first.k = half(size.k)
    second.k -= first.k
    halve(out, stride, a, b, first, scale, accumulate, purpose, bench)
    let (left, right) = (a.from(row: 0, column: first.k), b.from(row: first.k, column: 0))
    halve(out, stride, left, right, second, scale, true, purpose, bench)
  }
}

private func half(_ side: Int) -> Int { (side / 2 + 15) & ~15 }

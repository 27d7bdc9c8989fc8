/// Elements of a block whose squares are summed apart; shards of a tensor are cut at its multiples.
public let squareBlock = 4096

/// The sum of squares of each block of 4,096 elements of x (count), in Double.
///
/// - Parameter sums: one number per block, the last block may be shorter.
///
/// A block's sum depends on its elements alone, so whoever holds the block forms the same bits.
public func blockSumsOfSquares(
  _ sums: UnsafeMutablePointer<Double>, _ x: UnsafePointer<Float>, count: Int
) {
  precondition(count >= 0, "a count is not negative")
  var first = 0
  while first < count {
    sums[first / squareBlock] = squares(x + first, min(squareBlock, count - first))
    first += squareBlock
  }
}

/// The sum of squares of x (count): its blocks' sums, added in order.
public func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) -> Double {
  precondition(count >= 0, "a count is not negative")
  var result = 0.0
  var first = 0
  while first < count {
    result += squares(x + first, min(squareBlock, count - first))
    first += squareBlock
  }
  return result
}

private func squares(_ x: Input, _ count: Int) -> Double {
  var a = SIMD4<Double>()
  var b = SIMD4<Double>()
  @inline(__always)
  func addSquares(_ i: Int, _ n: Int) {
    let v = x.lanes(i, n)
    let low = widened(v.lowHalf)
    let high = widened(v.highHalf)
    a += low * low
    b += high * high
  }
  sweep(count, addSquares)
  return (a + b).sum()
}

@inline(__always)
private func widened(_ v: SIMD4<Float>) -> SIMD4<Double> {
  SIMD4(Double(v[0]), Double(v[1]), Double(v[2]), Double(v[3]))
}

import COpenBLAS

/// The exponential of eight floats, within 1.2e-7 of the true value relative to it.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2. n comes from adding 1.5 * 2^23, which leaves the rounded
/// integer in the low bits of the sum: no conversion between floats and integers is needed, which
/// Swift does lane by lane. exp(r) is 1 + r + r^2 q(r) with q of degree 4, whose largest relative
/// error on |r| <= 0.3467 is least (3.6e-9; found by reweighted least squares in double). The split of
/// ln 2 is that of Cephes `expf` (S. Moshier, netlib.org/cephes, single/expf.c).
/// Arguments are clamped to -87.33 ... 88.37, where the result is a normal number; NaN stays NaN.
@inline(__always)
func exponential(_ argument: Lanes) -> Lanes {
  let rounding = Lanes(repeating: 12_582_912)
  var x = argument
  x.replace(with: Lanes(repeating: 88.37), where: x .> Lanes(repeating: 88.37))
  x.replace(with: Lanes(repeating: -87.33), where: x .< Lanes(repeating: -87.33))
  let shifted = rounding + x * 1.442_695_04
  let n = shifted - rounding
  let r = x - n * 0.693_359_375 + n * 2.121_944_40e-4
  var p = r * 1.381_453_94e-3 + 8.368_745_45e-3
  p = p * r + 4.166_838_90e-2
  p = p * r + 1.666_652_11e-1
  p = p * r + 4.999_999_40e-1
  p = p * (r * r) + r + 1
  let bits = unsafeBitCast(shifted, to: SIMD8<UInt32>.self) &<< SIMD8(repeating: 23)
  let power = unsafeBitCast(bits &+ SIMD8(repeating: 0x3F80_0000), to: Lanes.self)
  return p * power
}

/// 1 / (1 + exp(-x)) of eight floats.
@inline(__always)
func logistic(_ x: Lanes) -> Lanes { 1 / (1 + exponential(-x)) }

/// The exponential of every element: `out` (count) = exp of `x` (count).
///
/// - Parameter wide: as in `swigluForward`.
public func exponential(
  _ out: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, count: Int, wide: Bool? = nil
) {
  precondition(count >= 0, "a count is not negative")
  guard !(wide ?? Workbench.hasWideVectors) else {
    sluice_exponentials_512(out, x, count)
    return
  }
  sweepLong(count) { i, n in out.store(exponential(x.lanes(i, n)), i, n) }
}

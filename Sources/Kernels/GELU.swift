import COpenBLAS

// GELU in its tanh form: 0.5 x (1 + tanh(u)) with u = sqrt(2 / pi) (x + 0.044715 x^3), as GPT-2 uses
// it (Hendrycks and Gimpel, arXiv 1606.08415, section 2). Since 0.5 (1 + tanh(u)) is the logistic
// function of 2u, one exponential does.

/// 2 sqrt(2 / pi), so that 2u = slope x + bend x^3.
private var slope: Float { 1.595_769_12 }
/// 0.044715 times the slope.
private var bend: Float { 0.071_354_816 }

/// out (count) = GELU of x (count), in its tanh form.
///
/// - Parameter wide: as in `swigluForward`.
public func geluForward(
  _ out: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, count: Int, wide: Bool? = nil
) {
  precondition(count >= 0, "a count is not negative")
  guard !(wide ?? Workbench.hasWideVectors) else {
    sluice_gelu_512(out, x, count, slope, bend)
    return
  }
  @inline(__always)
  func turn(_ i: Int, _ n: Int) {
    let v = x.lanes(i, n)
    let power = exponential(v * (v * v * -bend - slope))
    out.store(v / (1 + power), i, n)
  }
  sweepLong(count, turn)
}

/// inputGradient (count) = outGradient (count) times the derivative at x (count).
///
/// inputGradient may be outGradient.
public func geluBackward(
  _ inputGradient: UnsafeMutablePointer<Float>, _ outGradient: UnsafePointer<Float>,
  _ x: UnsafePointer<Float>, count: Int
) {
  precondition(count >= 0, "a count is not negative")
  @inline(__always)
  func turn(_ i: Int, _ n: Int) {
    let v = x.lanes(i, n)
    let d = outGradient.lanes(i, n)
    let square = v * v
    let s = 1 / (1 + exponential(v * (square * -bend - slope)))
    let inner = v * (square * (3 * bend) + slope)
    inputGradient.store(d * (s + s * (1 - s) * inner), i, n)
  }
  sweepLong(count, turn)
}

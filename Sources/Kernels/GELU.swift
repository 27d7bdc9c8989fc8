// GELU in its tanh form: 0.5 x (1 + tanh(u)) with u = sqrt(2 / pi) (x + 0.044715 x^3), as GPT-2 uses
// it (Hendrycks and Gimpel, arXiv 1606.08415, section 2). Since 0.5 (1 + tanh(u)) is the logistic
// function of 2u, one exponential does.

private let slope: Float = 1.595_769_12  // 2 sqrt(2 / pi)
private let cubic: Float = 0.044_715

/// out (count) = GELU of x (count), in its tanh form.
public func geluForward(_ out: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, count: Int) {
  precondition(count >= 0, "a count is not negative")
  sweep(count) { i, n in
    let v = x.lanes(i, n)
    out.store(v * logistic((v + v * v * v * cubic) * slope), i, n)
  }
}

/// inputGradient (count) = outGradient (count) times the derivative at x (count).
///
/// inputGradient may be outGradient.
public func geluBackward(
  _ inputGradient: UnsafeMutablePointer<Float>, _ outGradient: UnsafePointer<Float>,
  _ x: UnsafePointer<Float>, count: Int
) {
  precondition(count >= 0, "a count is not negative")
  sweep(count) { i, n in
    let v = x.lanes(i, n)
    let square = v * v * cubic
    let s = logistic((v + v * square) * slope)
    let derivative = s + v * s * (1 - s) * ((1 + square * 3) * slope)
    inputGradient.store(outGradient.lanes(i, n) * derivative, i, n)
  }
}

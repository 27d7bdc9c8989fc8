/// out (rows, columns) = (x - mean) / sqrt(variance + epsilon) * gain (columns) + bias (columns).
///
/// `mean` (rows) and `reciprocal` (rows), which is 1 / sqrt(variance + epsilon), are kept for the
/// backward pass. The variance is that of the whole row, divided by `columns`.
public func layerNormForward(
  _ out: UnsafeMutablePointer<Float>, mean: UnsafeMutablePointer<Float>,
  reciprocal: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, gain: UnsafePointer<Float>,
  bias: UnsafePointer<Float>, rows: Int, columns: Int, epsilon: Float
) {
  precondition(rows >= 0 && columns > 0, "a norm has columns")
  for row in 0..<rows {
    let x = x + row * columns
    let out = out + row * columns
    let m = laneSum(columns) { i, n in x.lanes(i, n) } / Float(columns)
    @inline(__always)
    func deviation(_ i: Int, _ n: Int) -> Lanes {
      let d = x.lanes(i, n) - m
      return d * d
    }
    let variance = laneSum(columns, deviation) / Float(columns)
    let r = 1 / (variance + epsilon).squareRoot()
    sweep(columns) { i, n in
      let normalised = (x.lanes(i, n) - m) * r
      out.store(normalised * gain.lanes(i, n) + bias.lanes(i, n), i, n)
    }
    mean[row] = m
    reciprocal[row] = r
  }
}

/// Gradients of LayerNorm with respect to its input, gain and bias, together.
///
/// - Parameters:
///   - inputGradient: (rows, columns), overwritten, or added to with `accumulate`; it may be
///     outGradient.
///   - gainGradient, biasGradient: (columns), added to, in row order.
///   - outGradient, x: (rows, columns); mean, reciprocal: (rows), from the forward pass.
public func layerNormBackward(
  _ inputGradient: UnsafeMutablePointer<Float>, gain gainGradient: UnsafeMutablePointer<Float>,
  bias biasGradient: UnsafeMutablePointer<Float>, _ outGradient: UnsafePointer<Float>,
  _ x: UnsafePointer<Float>, gain: UnsafePointer<Float>, mean: UnsafePointer<Float>,
  reciprocal: UnsafePointer<Float>, rows: Int, columns: Int, accumulate: Bool = false
) {
  precondition(rows >= 0 && columns > 0, "a norm has columns")
  for row in 0..<rows {
    let (m, r) = (mean[row], reciprocal[row])
    let x = x + row * columns
    let dy = outGradient + row * columns
    let dx = inputGradient + row * columns
    let average =
      laneSum(columns) { i, n in dy.lanes(i, n) * gain.lanes(i, n) } / Float(columns)
    let projection =
      laneSum(columns) { i, n in
        dy.lanes(i, n) * gain.lanes(i, n) * (x.lanes(i, n) - m)
      } * r / Float(columns)
    sweep(columns) { i, n in
      let d = dy.lanes(i, n)
      let normalised = (x.lanes(i, n) - m) * r
      gainGradient.store(gainGradient.lanes(i, n) + d * normalised, i, n)
      biasGradient.store(biasGradient.lanes(i, n) + d, i, n)
      let result = (d * gain.lanes(i, n) - average - normalised * projection) * r
      dx.store(accumulate ? dx.lanes(i, n) + result : result, i, n)
    }
  }
}

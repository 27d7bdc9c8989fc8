import COpenBLAS

/// out (rows, columns) = x / sqrt(mean of x squared + epsilon) * gain (columns).
///
/// `reciprocal` (rows), which is 1 / sqrt(mean square + epsilon), is kept for the backward pass.
/// Rows of x start `stride` elements apart (columns when nil), since latent attention normalises a
/// part of a row; those of out are dense.
public func rmsNormForward(
  _ out: UnsafeMutablePointer<Float>, reciprocal: UnsafeMutablePointer<Float>,
  _ x: UnsafePointer<Float>, gain: UnsafePointer<Float>, rows: Int, columns: Int,
  stride: Int? = nil, epsilon: Float
) {
  let stride = stride ?? columns
  precondition(rows >= 0 && columns > 0 && stride >= columns, "a norm has columns")
  // Eight rows at a time, then each by itself: the same bits.
  let together = columns % 8 == 0 ? rows & ~7 : 0
  for row in Swift.stride(from: 0, to: together, by: 8) {
    sluice_rms_norms_8(
      out + row * columns, reciprocal + row, x + row * stride, gain, columns, stride, epsilon)
  }
  for row in together..<rows {
    let x = x + row * stride
    let out = out + row * columns
    let square =
      laneSum(columns) { i, n in
        let v = x.lanes(i, n)
        return v * v
      } / Float(columns)
    let r = 1 / (square + epsilon).squareRoot()
    sweep(columns) { i, n in out.store(x.lanes(i, n) * r * gain.lanes(i, n), i, n) }
    reciprocal[row] = r
  }
}

/// Gradients of RMSNorm with respect to its input and gain, together.
///
/// - Parameters:
///   - inputGradient: rows `stride` apart as those of x, overwritten, or added to with
///     `accumulate`; it may be outGradient.
///   - gainGradient: (columns), added to, in row order.
///   - outGradient: (rows, columns); reciprocal: (rows), from the forward pass.
public func rmsNormBackward(
  _ inputGradient: UnsafeMutablePointer<Float>, gain gainGradient: UnsafeMutablePointer<Float>,
  _ outGradient: UnsafePointer<Float>, _ x: UnsafePointer<Float>, gain: UnsafePointer<Float>,
  reciprocal: UnsafePointer<Float>, rows: Int, columns: Int, stride: Int? = nil,
  accumulate: Bool = false
) {
  let stride = stride ?? columns
  precondition(rows >= 0 && columns > 0 && stride >= columns, "a norm has columns")
  for row in 0..<rows {
    let r = reciprocal[row]
    let x = x + row * stride
    let dy = outGradient + row * columns
    let dx = inputGradient + row * stride
    let projection =
      laneSum(columns) { i, n in dy.lanes(i, n) * gain.lanes(i, n) * x.lanes(i, n) }
      * (r * r / Float(columns))
    sweep(columns) { i, n in
      let d = dy.lanes(i, n)
      let v = x.lanes(i, n)
      gainGradient.store(gainGradient.lanes(i, n) + d * (v * r), i, n)
      let result = (d * gain.lanes(i, n) - v * projection) * r
      dx.store(accumulate ? dx.lanes(i, n) + result : result, i, n)
    }
  }
}

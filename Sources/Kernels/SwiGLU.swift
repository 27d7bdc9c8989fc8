import COpenBLAS

// SwiGLU: silu(gate) * up with silu(g) = g * logistic(g) (Shazeer, arXiv 2002.05202). Gate and up may
// lie in two buffers or beside one another in the rows of one: rows start `stride` elements apart.

/// out (rows, columns) = silu(gate) * up.
///
/// Rows of gate and up start `stride` elements apart (columns when nil): 2 * columns for a fused
/// buffer whose second half is `up`. Rows of out are dense.
///
/// - Parameter wide: whether vectors of 512 bits are taken, where the processor has them when nil; the
///   same bits either way.
public func swigluForward(
  _ out: UnsafeMutablePointer<Float>, gate: UnsafePointer<Float>, up: UnsafePointer<Float>,
  rows: Int, columns: Int, stride: Int? = nil, wide: Bool? = nil
) {
  let stride = stride ?? columns
  precondition(rows >= 0 && columns > 0 && stride >= columns, "rows fit their stride")
  let isWide = wide ?? Workbench.hasWideVectors
  for row in 0..<rows {
    let (g, u, out) = (gate + row * stride, up + row * stride, out + row * columns)
    guard !isWide else {
      sluice_swiglu_512(out, g, u, columns)
      continue
    }
    sweepLong(columns) { i, n in
      let v = g.lanes(i, n)
      out.store(v * logistic(v) * u.lanes(i, n), i, n)
    }
  }
}

/// Gradients of SwiGLU with respect to gate and up, with the same strides as those.
///
/// outGradient is (rows, columns), dense. The gradients may lie where gate and up do.
public func swigluBackward(
  gate gateGradient: UnsafeMutablePointer<Float>, up upGradient: UnsafeMutablePointer<Float>,
  _ outGradient: UnsafePointer<Float>, gate: UnsafePointer<Float>, up: UnsafePointer<Float>,
  rows: Int, columns: Int, stride: Int? = nil
) {
  let stride = stride ?? columns
  precondition(rows >= 0 && columns > 0 && stride >= columns, "rows fit their stride")
  for row in 0..<rows {
    let (g, u, dy) = (gate + row * stride, up + row * stride, outGradient + row * columns)
    let (dg, du) = (gateGradient + row * stride, upGradient + row * stride)
    @inline(__always)
    func turn(_ i: Int, _ n: Int) {
      let v = g.lanes(i, n)
      let up = u.lanes(i, n)
      let d = dy.lanes(i, n)
      let s = logistic(v)
      let silu = v * s
      du.store(d * silu, i, n)
      dg.store(d * up * (s + silu * (1 - s)), i, n)
    }
    sweepLong(columns, turn)
  }
}

/// out (count) = value.
public func fill(_ out: UnsafeMutablePointer<Float>, with value: Float, count: Int) {
  precondition(count >= 0, "a count is not negative")
  out.update(repeating: value, count: count)
}

/// out (count) = x (count), not overlapping.
public func copy(_ out: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, count: Int) {
  precondition(count >= 0, "a count is not negative")
  out.update(from: x, count: count)
}

/// out (count) = a (count) + b (count); out may be a or b.
public func add(
  _ out: UnsafeMutablePointer<Float>, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  count: Int
) {
  precondition(count >= 0, "a count is not negative")
  sweep(count) { i, n in out.store(a.lanes(i, n) + b.lanes(i, n), i, n) }
}

/// out (count) += factor * x (count).
public func addScaled(
  _ out: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, by factor: Float, count: Int
) {
  precondition(count >= 0, "a count is not negative")
  @inline(__always)
  func addPart(_ i: Int, _ n: Int) {
    out.store(out.lanes(i, n) + x.lanes(i, n) * factor, i, n)
  }
  sweep(count, addPart)
}

/// out (count) = factor * x (count); out may be x.
public func scale(
  _ out: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, by factor: Float, count: Int
) {
  precondition(count >= 0, "a count is not negative")
  sweep(count) { i, n in out.store(x.lanes(i, n) * factor, i, n) }
}

/// The sum of a (count) * b (count), in an order that depends on count alone.
public func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Float {
  precondition(count >= 0, "a count is not negative")
  @inline(__always)
  func term(_ i: Int, _ n: Int) -> Lanes { a.lanes(i, n) * b.lanes(i, n) }
  return laneSum(count, term)
}

/// Copies columns between matrices of different row lengths: out (rows, columns) = x.
///
/// Rows of `out` and `x` start `outStride` and `stride` elements apart. Joins and splits buffers.
public func copyRows(
  _ out: UnsafeMutablePointer<Float>, outStride: Int, _ x: UnsafePointer<Float>, stride: Int,
  rows: Int, columns: Int
) {
  precondition(rows >= 0 && columns >= 0, "a count is not negative")
  precondition(outStride >= columns && stride >= columns, "a row fits its stride")
  for row in 0..<rows {
    (out + row * outStride).update(from: x + row * stride, count: columns)
  }
}

/// Adds columns between matrices of different row lengths: out (rows, columns) += x.
public func addRows(
  _ out: UnsafeMutablePointer<Float>, outStride: Int, _ x: UnsafePointer<Float>, stride: Int,
  rows: Int, columns: Int
) {
  precondition(outStride >= columns && stride >= columns, "a row fits its stride")
  for row in 0..<rows {
    let target = out + row * outStride
    add(target, target, x + row * stride, count: columns)
  }
}

/// Sets rows of a strided matrix to one value.
func fillRows(_ out: Output, stride: Int, rows: Int, columns: Int, with value: Float) {
  for row in 0..<rows { fill(out + row * stride, with: value, count: columns) }
}

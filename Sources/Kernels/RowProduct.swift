import COpenBLAS

/// As `matmul`, with each row of the product from its own row of `a` alone, bit by bit.
///
/// OpenBLAS takes rows by tiles whose kernels add in different orders, so a row's bits there depend on
/// its place and on how many rows there are (measured: moving a row among 32 changed its last bits).
/// Here an element's additions follow from k and from how b lies, whatever m is: eight partial sums in
/// the order of k where b is turned, else one. Rows and columns are taken several at a time, which changes
/// nothing but speed.
func rowProduct(
  _ out: Output, stride: Int, _ a: Factor, _ b: Factor, _ size: ProductSize, scale: Float,
  accumulate: Bool, as purpose: Workbench.Purpose, on bench: Workbench
) {
  precondition(!a.isTransposed, "rows that are apart are those of a forward pass")
  sluice_flush_subnormals()
  guard !b.isWeight else {
    panelProduct(
      out, stride: stride, a, b, size, scale: scale, accumulate: accumulate, as: purpose, on: bench)
    return
  }
  let step = b.isTransposed ? 8 : 16
  var column = 0
  while column < size.n {
    let columns = min(step, size.n - column)
    bench.count(2 * size.m * columns * size.k, as: purpose)
    let part = RowPart(
      out: out + column, outStride: stride, a: a.start, aStride: a.stride,
      b: b.from(row: 0, column: column), rows: size.m, columns: columns, k: size.k, scale: scale,
      accumulates: accumulate)
    if b.isTransposed { turnedProduct(part) } else { plainProduct(part) }
    column += columns
  }
}

/// Some columns of a product of rows.
private struct RowPart {
  var out: Output
  var outStride: Int
  var a: Input
  var aStride: Int
  var b: Factor
  var rows: Int
  var columns: Int
  var k: Int
  var scale: Float
  var accumulates: Bool

  /// Writes the sums of a row's columns from one on.
  @inline(__always)
  func put(_ sums: Lanes, row: Int, column: Int, _ count: Int) {
    let target = out + row * outStride + column
    let scaled = scale * sums
    target.store(accumulates ? target.lanes(0, count) + scaled : scaled, 0, count)
  }

  @inline(__always)
  func put(_ sum: Float, row: Int, column: Int) {
    let target = out + row * outStride + column
    let scaled = scale * sum
    target.pointee = accumulates ? target.pointee + scaled : scaled
  }
}

// MARK: - b as it lies: a column's sum in the order of k

/// Four rows and sixteen columns at a time: eight sums in flight, since one waits for its last addition.
@inline(never)
private func plainProduct(_ part: RowPart) {
  let (low, high) = (min(8, part.columns), max(0, part.columns - 8))
  let b = part.b.start
  var row = 0
  while row + 4 <= part.rows {
    let a = part.a + row * part.aStride
    let (c, d, e) = (a + part.aStride, a + 2 * part.aStride, a + 3 * part.aStride)
    var (s, t, u, v) = (Lanes(), Lanes(), Lanes(), Lanes())
    guard high > 0 else {
      for i in 0..<part.k {
        let x = b.lanes(i &* part.b.stride, low)
        s += a[i] * x
        t += c[i] * x
        u += d[i] * x
        v += e[i] * x
      }
      part.put(s, row: row, column: 0, low)
      part.put(t, row: row + 1, column: 0, low)
      part.put(u, row: row + 2, column: 0, low)
      part.put(v, row: row + 3, column: 0, low)
      row += 4
      continue
    }
    var (p, q, r, o) = (Lanes(), Lanes(), Lanes(), Lanes())
    for i in 0..<part.k {
      let x = b.lanes(i &* part.b.stride, 8)
      let y = b.lanes(i &* part.b.stride &+ 8, high)
      s += a[i] * x
      p += a[i] * y
      t += c[i] * x
      q += c[i] * y
      u += d[i] * x
      r += d[i] * y
      v += e[i] * x
      o += e[i] * y
    }
    for (index, sums) in [(s, p), (t, q), (u, r), (v, o)].enumerated() {
      part.put(sums.0, row: row + index, column: 0, 8)
      part.put(sums.1, row: row + index, column: 8, high)
    }
    row += 4
  }
  while row < part.rows {
    let a = part.a + row * part.aStride
    var (s, p) = (Lanes(), Lanes())
    for i in 0..<part.k { s += a[i] * b.lanes(i &* part.b.stride, low) }
    part.put(s, row: row, column: 0, low)
    if high > 0 {
      for i in 0..<part.k { p += a[i] * b.lanes(i &* part.b.stride &+ 8, high) }
      part.put(p, row: row, column: 8, high)
    }
    row += 1
  }
}

// MARK: - b turned: eight partial sums of a column, added in the end

/// Four rows and two columns at a time: each load of a row serves two sums, each of a column four
/// (measured with the weights of 32 rows: five times the rate of one column at a time).
@inline(never)
private func turnedProduct(_ part: RowPart) {
  var row = 0
  while row + 4 <= part.rows {
    var column = 0
    while column + 2 <= part.columns {
      fourByTwo(part, row, column)
      column += 2
    }
    if column < part.columns {
      for row in row..<row + 4 { single(part, row, column) }
    }
    row += 4
  }
  while row < part.rows {
    var column = 0
    while column + 4 <= part.columns {
      oneByFour(part, row, column)
      column += 4
    }
    while column < part.columns {
      single(part, row, column)
      column += 1
    }
    row += 1
  }
}

@inline(__always)
private func fourByTwo(_ part: RowPart, _ row: Int, _ column: Int) {
  let a = part.a + row * part.aStride
  let (c, d, e) = (a + part.aStride, a + 2 * part.aStride, a + 3 * part.aStride)
  let x = part.b.start + column * part.b.stride
  let y = x + part.b.stride
  var (s, t, u, v) = (Lanes(), Lanes(), Lanes(), Lanes())
  var (p, q, r, o) = (Lanes(), Lanes(), Lanes(), Lanes())
  sweep(part.k) { i, n in
    let (first, second) = (x.lanes(i, n), y.lanes(i, n))
    let own = a.lanes(i, n)
    s += own * first
    p += own * second
    let next = c.lanes(i, n)
    t += next * first
    q += next * second
    let third = d.lanes(i, n)
    u += third * first
    r += third * second
    let fourth = e.lanes(i, n)
    v += fourth * first
    o += fourth * second
  }
  part.put(s.sum(), row: row, column: column)
  part.put(p.sum(), row: row, column: column + 1)
  part.put(t.sum(), row: row + 1, column: column)
  part.put(q.sum(), row: row + 1, column: column + 1)
  part.put(u.sum(), row: row + 2, column: column)
  part.put(r.sum(), row: row + 2, column: column + 1)
  part.put(v.sum(), row: row + 3, column: column)
  part.put(o.sum(), row: row + 3, column: column + 1)
}

@inline(__always)
private func oneByFour(_ part: RowPart, _ row: Int, _ column: Int) {
  let a = part.a + row * part.aStride
  let x = part.b.start + column * part.b.stride
  let (y, z, w) = (x + part.b.stride, x + 2 * part.b.stride, x + 3 * part.b.stride)
  var (s, t, u, v) = (Lanes(), Lanes(), Lanes(), Lanes())
  sweep(part.k) { i, n in
    let own = a.lanes(i, n)
    s += own * x.lanes(i, n)
    t += own * y.lanes(i, n)
    u += own * z.lanes(i, n)
    v += own * w.lanes(i, n)
  }
  part.put(s.sum(), row: row, column: column)
  part.put(t.sum(), row: row, column: column + 1)
  part.put(u.sum(), row: row, column: column + 2)
  part.put(v.sum(), row: row, column: column + 3)
}

@inline(__always)
private func single(_ part: RowPart, _ row: Int, _ column: Int) {
  let (a, x) = (part.a + row * part.aStride, part.b.start + column * part.b.stride)
  var sums = Lanes()
  sweep(part.k) { i, n in sums += a.lanes(i, n) * x.lanes(i, n) }
  part.put(sums.sum(), row: row, column: column)
}

import COpenBLAS

/// As `matmul`, with each row of the product from its own row of `a` alone, bit by bit.
///
/// OpenBLAS takes rows by tiles whose kernels add in different orders, so a row's bits there depend on
/// its place and on how many rows there are (measured: moving a row among 32 changed its last bits).
/// Here an element's additions follow from k and from how b lies, whatever m is: eight partial sums in
/// the order of k where b is turned, else one. Rows are taken by four, which changes nothing but speed.
func rowProduct(
  _ out: Output, stride: Int, _ a: Factor, _ b: Factor, _ size: ProductSize, scale: Float,
  accumulate: Bool, as purpose: Workbench.Purpose, on bench: Workbench
) {
  precondition(!a.isTransposed, "rows that are apart are those of a forward pass")
  sluice_flush_subnormals()
  var column = 0
  while column < size.n {
    let n = min(8, size.n - column)
    bench.count(2 * size.m * n * size.k, as: purpose)
    let own = b.from(row: 0, column: column)
    func put(_ sums: Lanes, _ row: Int) {
      let target = out + row * stride + column
      let scaled = scale * sums
      target.store(accumulate ? target.lanes(0, n) + scaled : scaled, 0, n)
    }
    var row = 0
    while row + 4 <= size.m {
      let first = a.start + row * a.stride
      let sums = fourRows(first, a.stride, own, columns: n, size.k)
      put(sums.0, row)
      put(sums.1, row + 1)
      put(sums.2, row + 2)
      put(sums.3, row + 3)
      row += 4
    }
    while row < size.m {
      put(oneRow(a.start + row * a.stride, own, columns: n, size.k), row)
      row += 1
    }
    column += n
  }
}

/// At most eight columns of one row.
private func oneRow(_ a: Input, _ b: Factor, columns: Int, _ k: Int) -> Lanes {
  var result = Lanes()
  guard b.isTransposed else {
    for i in 0..<k { result += a[i] * b.start.lanes(i &* b.stride, columns) }
    return result
  }
  for column in 0..<columns {
    let other = b.start + column * b.stride
    var sum = Lanes()
    sweep(k) { i, n in sum += a.lanes(i, n) * other.lanes(i, n) }
    result[column] = sum.sum()
  }
  return result
}

/// The same of four rows, with the same additions.
private func fourRows(
  _ a: Input, _ stride: Int, _ b: Factor, columns: Int, _ k: Int
) -> (Lanes, Lanes, Lanes, Lanes) {
  let (c, d, e) = (a + stride, a + 2 * stride, a + 3 * stride)
  var result = (Lanes(), Lanes(), Lanes(), Lanes())
  guard b.isTransposed else {
    for i in 0..<k {
      let other = b.start.lanes(i &* b.stride, columns)
      result.0 += a[i] * other
      result.1 += c[i] * other
      result.2 += d[i] * other
      result.3 += e[i] * other
    }
    return result
  }
  for column in 0..<columns {
    let start = b.start + column * b.stride
    var sums = (Lanes(), Lanes(), Lanes(), Lanes())
    sweep(k) { i, n in
      let other = start.lanes(i, n)
      sums.0 += a.lanes(i, n) * other
      sums.1 += c.lanes(i, n) * other
      sums.2 += d.lanes(i, n) * other
      sums.3 += e.lanes(i, n) * other
    }
    result.0[column] = sums.0.sum()
    result.1[column] = sums.1.sum()
    result.2[column] = sums.2.sum()
    result.3[column] = sums.3.sum()
  }
  return result
}

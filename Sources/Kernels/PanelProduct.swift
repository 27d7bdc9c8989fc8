import COpenBLAS

/// As `rowProduct`, of a weight: each element is the sum over blocks of k, in order, of sums in the order
/// of k, each addition fused with its product.
///
/// Six rows and sixteen columns at a time fill twelve of the sixteen vectors that a core has with sums, so
/// that no addition waits for the one before (as G. Van Zee and R. van de Geijn's BLIS has it, ACM TOMS
/// 41, 2015); a core with AVX-512 takes eight rows and 32 columns (measured: 70 to 79 GFLOP/s with 32 rows,
/// 42 with vectors of 256 bits, OpenBLAS 30 to 42, on a Xeon core that others used). A row's bits follow
/// from its own elements and k, however wide vectors are.
func panelProduct(
  _ out: Output, stride: Int, _ a: Factor, _ b: Factor, _ size: ProductSize, scale: Float,
  accumulate: Bool, as purpose: Workbench.Purpose, on bench: Workbench
) {
  let panels = bench.weightPanels.panels(of: b, n: size.n, k: size.k)
  for block in Swift.stride(from: 0, to: size.k, by: blockOfK) {
    let k = min(blockOfK, size.k - block)
    let part = PanelPart(
      out: out, outStride: stride, a: a.start + block, aStride: a.stride,
      b: panels + block * WeightPanels.width, rows: size.m, columns: size.n, k: k, scale: scale,
      accumulates: accumulate || block > 0)
    if bench.takesWideVectors {
      part.multiplyWide(panelStride: WeightPanels.width * size.k)
      bench.count(2 * size.m * size.n * k, as: purpose)
    } else {
      part.multiply(panelStride: WeightPanels.width * size.k) { columns in
        bench.count(2 * size.m * columns * k, as: purpose)
      }
    }
  }
}

/// Elements of k whose part of a panel stays in a core's first cache, 16 KiB.
private let blockOfK = 256

/// A product over some of k.
private struct PanelPart {
  var out: Output
  var outStride: Int
  var a: Input
  var aStride: Int
  var b: Input
  var rows: Int
  var columns: Int
  var k: Int
  var scale: Float
  var accumulates: Bool

  /// Two panels and eight rows at a time, with vectors of 512 bits.
  func multiplyWide(panelStride: Int) {
    var part = sluice_panel_part(
      out: out, outStride: outStride, a: a, aStride: aStride, b: b, panelStride: panelStride,
      rows: rows, columns: columns, k: k, scale: scale, accumulates: accumulates ? 1 : 0)
    sluice_panel_product(&part)
  }

  /// One panel at a time; `made` is told of the columns that were multiplied.
  @inline(__always)
  func multiply(panelStride: Int, _ made: (_ columns: Int) -> Void) {
    let width = WeightPanels.width
    for column in Swift.stride(from: 0, to: columns, by: width) {
      var part = self
      part.columns = min(width, columns - column)
      part.out += column
      part.b += column / width * panelStride
      made(part.columns)
      var row = 0
      while row < rows {
        let rest = rows - row
        // Eight are better two times four than six and two.
        if rest <= 4 || rest == 8 {
          fourRows(part, row)
          row += 4
        } else {
          sixRows(part, row)
          row += 6
        }
      }
    }
  }

  /// A row's elements; of rows that there are not those of the last one, whose sums are left.
  @inline(__always)
  func elements(_ row: Int) -> Input { a + min(row, rows &- 1) &* aStride }

  @inline(__always)
  func put(_ low: Lanes, _ high: Lanes, row: Int) {
    guard row < rows else { return }
    let target = out + row &* outStride
    let first = min(8, columns)
    let (left, right) = (scale * low, scale * high)
    target.store(accumulates ? target.lanes(0, first) + left : left, 0, first)
    guard columns > 8 else { return }
    let rest = columns &- 8
    target.store(accumulates ? target.lanes(8, rest) + right : right, 8, rest)
  }
}

@inline(never)
private func sixRows(_ part: PanelPart, _ row: Int) {
  let b = part.b
  let (r0, r1, r2) = (part.elements(row), part.elements(row &+ 1), part.elements(row &+ 2))
  let (r3, r4, r5) = (part.elements(row &+ 3), part.elements(row &+ 4), part.elements(row &+ 5))
  var (s0, s1, s2, s3, s4, s5) = (Lanes(), Lanes(), Lanes(), Lanes(), Lanes(), Lanes())
  var (t0, t1, t2, t3, t4, t5) = (Lanes(), Lanes(), Lanes(), Lanes(), Lanes(), Lanes())
  for i in 0..<part.k {
    let x = b.lanes(i &* WeightPanels.width, 8)
    let y = b.lanes(i &* WeightPanels.width &+ 8, 8)
    s0.addProduct(Lanes(repeating: r0[i]), x)
    t0.addProduct(Lanes(repeating: r0[i]), y)
    s1.addProduct(Lanes(repeating: r1[i]), x)
    t1.addProduct(Lanes(repeating: r1[i]), y)
    s2.addProduct(Lanes(repeating: r2[i]), x)
    t2.addProduct(Lanes(repeating: r2[i]), y)
    s3.addProduct(Lanes(repeating: r3[i]), x)
    t3.addProduct(Lanes(repeating: r3[i]), y)
    s4.addProduct(Lanes(repeating: r4[i]), x)
    t4.addProduct(Lanes(repeating: r4[i]), y)
    s5.addProduct(Lanes(repeating: r5[i]), x)
    t5.addProduct(Lanes(repeating: r5[i]), y)
  }
  part.put(s0, t0, row: row)
  part.put(s1, t1, row: row &+ 1)
  part.put(s2, t2, row: row &+ 2)
  part.put(s3, t3, row: row &+ 3)
  part.put(s4, t4, row: row &+ 4)
  part.put(s5, t5, row: row &+ 5)
}

@inline(never)
private func fourRows(_ part: PanelPart, _ row: Int) {
  let b = part.b
  let (r0, r1) = (part.elements(row), part.elements(row &+ 1))
  let (r2, r3) = (part.elements(row &+ 2), part.elements(row &+ 3))
  var (s0, s1, s2, s3) = (Lanes(), Lanes(), Lanes(), Lanes())
  var (t0, t1, t2, t3) = (Lanes(), Lanes(), Lanes(), Lanes())
  for i in 0..<part.k {
    let x = b.lanes(i &* WeightPanels.width, 8)
    let y = b.lanes(i &* WeightPanels.width &+ 8, 8)
    s0.addProduct(Lanes(repeating: r0[i]), x)
    t0.addProduct(Lanes(repeating: r0[i]), y)
    s1.addProduct(Lanes(repeating: r1[i]), x)
    t1.addProduct(Lanes(repeating: r1[i]), y)
    s2.addProduct(Lanes(repeating: r2[i]), x)
    t2.addProduct(Lanes(repeating: r2[i]), y)
    s3.addProduct(Lanes(repeating: r3[i]), x)
    t3.addProduct(Lanes(repeating: r3[i]), y)
  }
  part.put(s0, t0, row: row)
  part.put(s1, t1, row: row &+ 1)
  part.put(s2, t2, row: row &+ 2)
  part.put(s3, t3, row: row &+ 3)
}

/// Weights as products of rows that are kept apart read them: sixteen columns side by side, in the order
/// of k.
///
/// Laid out at the first product of a weight and kept: a product of 32 rows takes about as long as laying
/// its weight out. A bench that was told of new weights lays them out again.
final class WeightPanels {
  /// Columns of a panel: two vectors.
  static let width = 16
  /// Bytes at whose multiples panels begin: a vector of 512 bits then lies in one line of a cache.
  private static let alignment = 64
  /// Bytes that are kept at most; weights beyond are laid out for every product.
  static let mostBytes = 1 << 30

  private struct Kept {
    var floats: UnsafeMutablePointer<Float>
    var count: Int
    var size: (n: Int, k: Int)
    var stride: Int
    var isTransposed: Bool
  }

  private var kept: [UnsafePointer<Float>: Kept] = [:]
  private var keptBytes = 0
  private var passing: UnsafeMutablePointer<Float>?
  private var passingCount = 0

  deinit { forget() }

  /// Frees all panels.
  func forget() {
    for panel in kept.values { panel.floats.deallocate() }
    kept = [:]
    keptBytes = 0
    passing?.deallocate()
    passing = nil
    passingCount = 0
  }

  /// The panels of a factor (k, n), one behind the other, each (k, 16); columns from n on are zero.
  func panels(of b: Factor, n: Int, k: Int) -> UnsafePointer<Float> {
    if let known = kept[b.start], known.size == (n, k), known.stride == b.stride,
      known.isTransposed == b.isTransposed
    {
      return UnsafePointer(known.floats)
    }
    let count = (n + Self.width - 1) / Self.width * Self.width * k
    if let other = kept.removeValue(forKey: b.start) {
      // The same numbers as a factor of other sides.
      other.floats.deallocate()
      keptBytes -= 4 * other.count
    }
    let floats: UnsafeMutablePointer<Float>
    if keptBytes + 4 * count <= Self.mostBytes {
      floats = Self.aligned(count)
      keptBytes += 4 * count
      kept[b.start] = Kept(
        floats: floats, count: count, size: (n, k), stride: b.stride, isTransposed: b.isTransposed)
    } else {
      floats = room(count)
    }
    Self.lay(b, n: n, k: k, into: floats)
    return UnsafePointer(floats)
  }

  /// Memory for panels of one product.
  private func room(_ count: Int) -> UnsafeMutablePointer<Float> {
    if let passing, passingCount >= count { return passing }
    passing?.deallocate()
    let made = Self.aligned(count)
    (passing, passingCount) = (made, count)
    return made
  }

  private static func aligned(_ count: Int) -> UnsafeMutablePointer<Float> {
    UnsafeMutableRawPointer.allocate(byteCount: 4 * count, alignment: alignment)
      .bindMemory(to: Float.self, capacity: count)
  }

  private static func lay(_ b: Factor, n: Int, k: Int, into out: UnsafeMutablePointer<Float>) {
    var panel = out
    for first in stride(from: 0, to: n, by: width) {
      let columns = min(width, n - first)
      let source = b.from(row: 0, column: first).start
      if columns < width { panel.update(repeating: 0, count: width * k) }
      for i in 0..<k {
        let row = panel + i &* width
        if b.isTransposed {
          for j in 0..<columns { row[j] = source[j &* b.stride &+ i] }
        } else {
          row.update(from: source + i &* b.stride, count: columns)
        }
      }
      panel += width * k
    }
  }
}

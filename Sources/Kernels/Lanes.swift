// Eight floats at a time. A plain `sum += a * b` is never vectorised, since Swift keeps the order of
// floating-point additions; here the order is written down: lane by lane, in four accumulators, and
// the lanes are added in a fixed tree. So the same input always gives the same bits.

typealias Lanes = SIMD8<Float>
typealias Input = UnsafePointer<Float>
typealias Output = UnsafeMutablePointer<Float>

extension UnsafePointer where Pointee == Float {
  /// Loads `n` floats from offset `i`; lanes from `n` on are zero.
  ///
  /// `n` is 8 except at a row's end.
  @inline(__always)
  func lanes(_ i: Int, _ n: Int) -> Lanes {
    if _fastPath(n == 8) { return UnsafeRawPointer(self + i).loadUnaligned(as: Lanes.self) }
    var result = Lanes()
    loadPart(&result, self + i, n)
    return result
  }
}

extension UnsafeMutablePointer where Pointee == Float {
  @inline(__always)
  func lanes(_ i: Int, _ n: Int) -> Lanes { Input(self).lanes(i, n) }

  /// Stores the first `n` lanes at offset `i`.
  @inline(__always)
  func store(_ value: Lanes, _ i: Int, _ n: Int) {
    if _fastPath(n == 8) {
      UnsafeMutableRawPointer(self + i).storeBytes(of: value, as: Lanes.self)
    } else {
      var value = value
      storePart(self + i, &value, n)
    }
  }
}

extension Lanes {
  /// Adds a · b, rounded once.
  @inline(__always)
  mutating func addProduct(_ a: Lanes, _ b: Lanes) { self = addingProduct(a, b) }
}

// A row's end stays out of line and goes through memory: inlined or returned in registers, where
// Swift halves eight lanes, it would make the optimiser take the main loop's vectors apart as well.
@inline(never)
private func loadPart(_ out: UnsafeMutablePointer<Lanes>, _ x: Input, _ n: Int) {
  for j in 0..<n { out.pointee[j] = x[j] }
}

@inline(never)
private func storePart(_ x: Output, _ value: UnsafeMutablePointer<Lanes>, _ n: Int) {
  for j in 0..<n { x[j] = value.pointee[j] }
}

/// Calls `body` with each offset that is a multiple of 8 and the number of elements there.
///
/// For short bodies, which the compiler inlines at both calls.
@inline(__always)
func sweep(_ count: Int, _ body: (_ i: Int, _ n: Int) -> Void) {
  let whole = count & ~7
  var i = 0
  while i < whole {
    body(i, 8)
    i &+= 8
  }
  if i < count { body(i, count &- i) }
}

/// As `sweep`, for long bodies: there is one call, which is inlined however long it is.
@inline(__always)
func sweepLong(_ count: Int, _ body: (_ i: Int, _ n: Int) -> Void) {
  var i = 0
  while i < count {
    body(i, min(8, count &- i))
    i &+= 8
  }
}

/// The sum over `count` elements of a short `term`, in an order that depends on `count` alone.
@inline(__always)
func laneSum(_ count: Int, _ term: (_ i: Int, _ n: Int) -> Lanes) -> Float {
  var a = Lanes()
  var b = Lanes()
  var c = Lanes()
  var d = Lanes()
  var i = 0
  while i &+ 32 <= count {
    a += term(i, 8)
    b += term(i &+ 8, 8)
    c += term(i &+ 16, 8)
    d += term(i &+ 24, 8)
    i &+= 32
  }
  while i < count {
    let n = min(8, count &- i)
    var value = term(i, n)
    if _slowPath(n < 8) { keep(&value, first: n) }
    a += value
    i &+= 8
  }
  return ((a + b) + (c + d)).sum()
}

/// As `laneSum`, for a long `term`: there is one call, which is inlined however long it is.
///
/// Four accumulators take turns, since one would wait for its own last addition.
@inline(__always)
func laneSumLong(_ count: Int, _ term: (_ i: Int, _ n: Int) -> Lanes) -> Float {
  var a = Lanes()
  var b = Lanes()
  var c = Lanes()
  var d = Lanes()
  var i = 0
  while i < count {
    let n = min(8, count &- i)
    var value = term(i, n)
    if _slowPath(n < 8) { keep(&value, first: n) }
    let next = a + value
    a = b
    b = c
    c = d
    d = next
    i &+= 8
  }
  return ((a + b) + (c + d)).sum()
}

/// The largest of `count` elements; -infinity when there are none, NaN is passed over.
@inline(__always)
func laneMaximum(_ x: Input, _ count: Int) -> Float {
  var a = Lanes(repeating: -.infinity)
  var b = a
  var i = 0
  while i &+ 16 <= count {
    let p = x.lanes(i, 8)
    let q = x.lanes(i &+ 8, 8)
    a.replace(with: p, where: p .> a)
    b.replace(with: q, where: q .> b)
    i &+= 16
  }
  a.replace(with: b, where: b .> a)
  var result = -Float.infinity
  for j in 0..<8 where a[j] > result { result = a[j] }
  while i < count {
    if x[i] > result { result = x[i] }
    i &+= 1
  }
  return result
}

/// The largest of some scores; -infinity where there are none.
///
/// What is no number is passed over.
public func largest(of scores: UnsafeBufferPointer<Float>) -> Float {
  guard let start = scores.baseAddress else { return -.infinity }
  return laneMaximum(start, scores.count)
}

/// Sets lanes from `n` on to zero.
@inline(never)
private func keep(_ value: UnsafeMutablePointer<Lanes>, first n: Int) {
  for j in n..<8 { value.pointee[j] = 0 }
}

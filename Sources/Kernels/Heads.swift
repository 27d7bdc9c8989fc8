/// Where the heads of an operand lie: head h of token t starts at t * tokenStride + h * headStride.
///
/// So queries, keys and values may lie in one fused buffer, keys may be shared by all heads (head
/// stride 0), and a value may follow its key in one row.
public struct Heads {
  public var start: UnsafePointer<Float>
  public var tokenStride: Int
  public var headStride: Int

  public init(_ start: UnsafePointer<Float>, tokenStride: Int, headStride: Int) {
    precondition(tokenStride > 0 && headStride >= 0, "strides are not negative")
    self.start = start
    self.tokenStride = tokenStride
    self.headStride = headStride
  }

  /// The same heads from a later token on.
  public func from(token: Int) -> Heads {
    Heads(start + token * tokenStride, tokenStride: tokenStride, headStride: headStride)
  }

  @inline(__always)
  func at(token: Int, head: Int) -> UnsafePointer<Float> {
    start + (token &* tokenStride &+ head &* headStride)
  }
}

/// Where the heads of a result lie; as `Heads`, for writing.
public struct MutableHeads {
  public var start: UnsafeMutablePointer<Float>
  public var tokenStride: Int
  public var headStride: Int

  public init(_ start: UnsafeMutablePointer<Float>, tokenStride: Int, headStride: Int) {
    precondition(tokenStride > 0 && headStride >= 0, "strides are not negative")
    self.start = start
    self.tokenStride = tokenStride
    self.headStride = headStride
  }

  /// The same places, for reading.
  public var reading: Heads { Heads(start, tokenStride: tokenStride, headStride: headStride) }

  /// The same heads from a later token on.
  public func from(token: Int) -> MutableHeads {
    MutableHeads(start + token * tokenStride, tokenStride: tokenStride, headStride: headStride)
  }

  @inline(__always)
  func at(token: Int, head: Int) -> UnsafeMutablePointer<Float> {
    start + (token &* tokenStride &+ head &* headStride)
  }
}

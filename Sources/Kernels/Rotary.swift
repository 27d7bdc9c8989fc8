/// Which columns form a pair.
public enum RotaryLayout: Sendable {
  /// Columns 2i and 2i + 1, as DeepSeek's checkpoints have them.
  case interleaved
  /// Columns i and i + width / 2, as Llama's checkpoints have them.
  case halved
}

/// The sizes of a rotary embedding.
public struct RotaryShape: Equatable, Sendable {
  /// Rows, whole sequences of `sequence` tokens.
  public var tokens: Int
  public var sequence: Int
  public var heads: Int
  /// Columns that are rotated, an even number.
  public var width: Int
  public var layout: RotaryLayout

  public init(tokens: Int, sequence: Int, heads: Int, width: Int, layout: RotaryLayout) {
    precondition(sequence > 0 && tokens >= 0 && tokens % sequence == 0, "rows are whole sequences")
    precondition(heads > 0 && width > 0 && width % 2 == 0, "rotated columns come in pairs")
    self.tokens = tokens
    self.sequence = sequence
    self.heads = heads
    self.width = width
    self.layout = layout
  }
}

/// Turns each pair of columns by its position's angle; `out` may be `x`.
///
/// - Parameters:
///   - out, x: (tokens, heads, width), anywhere in longer rows.
///   - cosine, sine: (sequence, width / 2), from `RotaryFrequencies.fillTables`.
public func rotaryForward(
  _ out: MutableHeads, _ x: Heads, cosine: UnsafePointer<Float>, sine: UnsafePointer<Float>,
  _ shape: RotaryShape
) {
  rotate(out, x, cosine, sine, direction: 1, shape)
}

/// Turns gradients back: the transpose of `rotaryForward`; `inputGradient` may be `outGradient`.
public func rotaryBackward(
  _ inputGradient: MutableHeads, _ outGradient: Heads, cosine: UnsafePointer<Float>,
  sine: UnsafePointer<Float>, _ shape: RotaryShape
) {
  rotate(inputGradient, outGradient, cosine, sine, direction: -1, shape)
}

/// As `rotaryForward`, of tokens each of which stands at a position of its own.
///
/// - Parameters:
///   - positions: (tokens), rows of the tables.
///   - cosine, sine: (more than the largest position, width / 2).
public func rotaryForward(
  _ out: MutableHeads, _ x: Heads, positions: UnsafePointer<Int>, cosine: UnsafePointer<Float>,
  sine: UnsafePointer<Float>, _ shape: RotaryShape
) {
  let half = shape.width / 2
  for token in 0..<shape.tokens {
    rotate(
      out, x, token, cosine + positions[token] * half, sine + positions[token] * half,
      direction: 1, shape)
  }
}

private func rotate(
  _ out: MutableHeads, _ x: Heads, _ cosine: Input, _ sine: Input, direction: Float,
  _ shape: RotaryShape
) {
  let half = shape.width / 2
  for token in 0..<shape.tokens {
    let position = token % shape.sequence
    rotate(
      out, x, token, cosine + position * half, sine + position * half, direction: direction, shape)
  }
}

/// Turns the heads of one token.
@inline(__always)
private func rotate(
  _ out: MutableHeads, _ x: Heads, _ token: Int, _ c: Input, _ s: Input, direction: Float,
  _ shape: RotaryShape
) {
  let half = shape.width / 2
  for head in 0..<shape.heads {
    let (source, target) = (x.at(token: token, head: head), out.at(token: token, head: head))
    switch shape.layout {
    case .halved:
      sweep(half) { i, n in
        let (a, b) = (source.lanes(i, n), (source + half).lanes(i, n))
        let (cos, sin) = (c.lanes(i, n), s.lanes(i, n) * direction)
        target.store(a * cos - b * sin, i, n)
        (target + half).store(a * sin + b * cos, i, n)
      }
    case .interleaved:
      for i in 0..<half {
        let (a, b) = (source[2 &* i], source[2 &* i &+ 1])
        let (cos, sin) = (c[i], s[i] * direction)
        target[2 &* i] = a * cos - b * sin
        target[2 &* i &+ 1] = a * sin + b * cos
      }
    }
  }
}

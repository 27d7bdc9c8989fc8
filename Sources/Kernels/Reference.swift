import RealModule

/// The naive twin of each kernel: plain loops in Double over dense arrays, for tests to hold against.
///
/// A backward kernel's twin is the difference quotient of its forward one (`gradient`).
public enum Reference {
  /// The gradient of a function by central differences, in Double.
  ///
  /// The error is of the order of step squared plus 1e-16 / step relative to the function's value.
  public static func gradient(
    at x: [Double], step: Double = 1e-5, of function: ([Double]) -> Double
  ) -> [Double] {
    var point = x
    return x.indices.map { index in
      point[index] = x[index] + step
      let above = function(point)
      point[index] = x[index] - step
      let below = function(point)
      point[index] = x[index]
      return (above - below) / (2 * step)
    }
  }

  /// The derivative of a function along a direction by central differences, in Double.
  public static func derivative(
    at x: [Double], along direction: [Double], step: Double = 1e-5,
    of function: ([Double]) -> Double
  ) -> Double {
    let above = zip(x, direction).map { $0 + step * $1 }
    let below = zip(x, direction).map { $0 - step * $1 }
    return (function(above) - function(below)) / (2 * step)
  }

  /// (m, k) * (k, n); a turned factor lies as (k, m) or (n, k).
  public static func matmul(
    _ a: [Double], _ b: [Double], _ size: ProductSize, turnedA: Bool = false, turnedB: Bool = false
  ) -> [Double] {
    var out = [Double](repeating: 0, count: size.m * size.n)
    for i in 0..<size.m {
      for j in 0..<size.n {
        var sum = 0.0
        for l in 0..<size.k {
          let left = turnedA ? a[l * size.m + i] : a[i * size.k + l]
          sum += left * (turnedB ? b[j * size.k + l] : b[l * size.n + j])
        }
        out[i * size.n + j] = sum
      }
    }
    return out
  }

  /// A linear layer with its bias, in either weight layout.
  public static func linear(
    _ x: [Double], _ weight: [Double], bias: [Double]? = nil, _ shape: LinearShape
  ) -> [Double] {
    let size = ProductSize(m: shape.rows, n: shape.outputs, k: shape.inputs)
    var out = matmul(x, weight, size, turnedB: shape.layout == .outputsFirst)
    if let bias { for i in out.indices { out[i] += bias[i % shape.outputs] } }
    return out
  }

  public static func layerNorm(
    _ x: [Double], gain: [Double], bias: [Double], epsilon: Double
  ) -> [Double] {
    let columns = gain.count
    var out = x
    for first in stride(from: 0, to: x.count, by: columns) {
      let row = x[first..<first + columns]
      let mean = row.reduce(0, +) / Double(columns)
      let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
      for j in 0..<columns {
        out[first + j] =
          (x[first + j] - mean) / (variance + epsilon).squareRoot() * gain[j] + bias[j]
      }
    }
    return out
  }

  public static func rmsNorm(_ x: [Double], gain: [Double], epsilon: Double) -> [Double] {
    let columns = gain.count
    var out = x
    for first in stride(from: 0, to: x.count, by: columns) {
      let square = x[first..<first + columns].reduce(0) { $0 + $1 * $1 } / Double(columns)
      for j in 0..<columns {
        out[first + j] = x[first + j] / (square + epsilon).squareRoot() * gain[j]
      }
    }
    return out
  }

  public static func gelu(_ x: Double) -> Double {
    0.5 * x * (1 + Double.tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
  }

  public static func silu(_ x: Double) -> Double { x / (1 + Double.exp(-x)) }

  /// Rotates x (tokens, heads, width), dense.
  public static func rotary(
    _ x: [Double], _ frequencies: RotaryFrequencies, _ shape: RotaryShape
  ) -> [Double] {
    var out = x
    let half = shape.width / 2
    for token in 0..<shape.tokens {
      for head in 0..<shape.heads {
        let first = (token * shape.heads + head) * shape.width
        for pair in 0..<half {
          let turn = Float(token % shape.sequence) * frequencies.perPosition[pair]
          let factor = Double(frequencies.attentionFactor)
          let (cosine, sine) = (
            Double.cos(Double(turn)) * factor, Double.sin(Double(turn)) * factor
          )
          let left = shape.layout == .halved ? first + pair : first + 2 * pair
          let right = shape.layout == .halved ? first + pair + half : first + 2 * pair + 1
          out[left] = x[left] * cosine - x[right] * sine
          out[right] = x[left] * sine + x[right] * cosine
        }
      }
    }
    return out
  }

  /// Attention over dense operands: query (rows, heads, queryWidth), key (rows, keyHeads, keyWidth),
  /// sharedKey (rows, sharedWidth), value (rows, keyHeads, valueWidth); out as the kernel's.
  public static func attention(
    query: [Double], key: [Double], sharedKey: [Double] = [], value: [Double],
    _ shape: AttentionShape
  ) -> [Double] {
    var out = [Double](
      repeating: 0, count: shape.sequences * shape.queries * shape.heads * shape.valueWidth)
    for sequence in 0..<shape.sequences {
      for head in 0..<shape.heads {
        let keyHead = head * shape.keyHeads / shape.heads
        for t in 0..<shape.queries {
          let row = (sequence * shape.queries + t) * shape.heads + head
          var weights: [Double] = []
          let own = t + shape.keys - shape.queries
          let first = max(0, own + 1 - (shape.window ?? shape.keys))
          for j in first...own {
            let token = sequence * shape.keys + j
            var score = 0.0
            for c in 0..<shape.queryWidth {
              let other =
                c < shape.keyWidth
                ? key[(token * shape.keyHeads + keyHead) * shape.keyWidth + c]
                : sharedKey[token * shape.sharedWidth + c - shape.keyWidth]
              score += query[row * shape.queryWidth + c] * other
            }
            weights.append(score * Double(shape.scale))
          }
          let largest = weights.reduce(-Double.infinity, max)
          weights = weights.map { Double.exp($0 - largest) }
          let sum = weights.reduce(0, +)
          for (j, weight) in zip(first..., weights) {
            let place = ((sequence * shape.keys + j) * shape.keyHeads + keyHead) * shape.valueWidth
            for c in 0..<shape.valueWidth {
              out[row * shape.valueWidth + c] += weight / sum * value[place + c]
            }
          }
        }
      }
    }
    return out
  }
}

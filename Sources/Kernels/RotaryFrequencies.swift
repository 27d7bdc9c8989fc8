import RealModule

/// How rotary frequencies are stretched for long contexts: `rope_type` and its parameters.
public enum RotaryScaling: Equatable, Sendable {
  case none
  /// `linear`: every frequency divided by the factor.
  case linear(factor: Double)
  case yarn(YaRN)
  case llama3(
    factor: Double, lowFrequency: Double, highFrequency: Double, originalPositions: Int)

  /// YaRN (Peng et al., arXiv 2309.00071), with the keys of Hugging Face's `yarn`.
  public struct YaRN: Equatable, Sendable {
    public var factor: Double
    public var originalPositions: Int
    /// `beta_fast` and `beta_slow`: turns within the original context.
    public var fast: Double = 32
    public var slow: Double = 1
    /// `mscale` and `mscale_all_dim`, nil where the file has none.
    public var magnitude: Double?
    public var magnitudeOfAll: Double?
    /// `attention_factor`, nil where it follows from the others.
    public var attentionFactor: Double?
    /// `truncate`: whether the ends of the ramp are rounded outwards to whole dimensions.
    public var truncates = true

    public init(factor: Double, originalPositions: Int) {
      self.factor = factor
      self.originalPositions = originalPositions
    }

    /// 0.1 * magnitude * ln(factor) + 1, or 1 where nothing is stretched (equation 22 there).
    ///
    /// DeepSeek multiplies the softmax scale by the square of this with `mscale_all_dim`.
    public static func magnitude(factor: Double, _ magnitude: Double = 1) -> Double {
      factor <= 1 ? 1 : 0.1 * magnitude * Double.log(factor) + 1
    }

    /// What cosine and sine are multiplied by.
    public var appliedFactor: Double {
      if let attentionFactor { return attentionFactor }
      if let magnitude, let magnitudeOfAll, magnitude != 0, magnitudeOfAll != 0 {
        return YaRN.magnitude(factor: factor, magnitude)
          / YaRN.magnitude(factor: factor, magnitudeOfAll)
      }
      return YaRN.magnitude(factor: factor)
    }
  }
}

/// The angles of a rotary embedding (Su et al., arXiv 2104.09864).
public struct RotaryFrequencies: Equatable, Sendable {
  /// Radians per position of each pair, width / 2 of them.
  public let perPosition: [Float]
  /// What cosine and sine are multiplied by.
  public let attentionFactor: Float

  /// - Parameters:
  ///   - width: columns that are rotated, an even number.
  ///   - base: `rope_theta`.
  public init(width: Int, base: Double, scaling: RotaryScaling = .none) {
    precondition(width > 0 && width % 2 == 0, "rotated columns come in pairs")
    let plain = (0..<width / 2).map { 1 / Double.pow(base, Double(2 * $0) / Double(width)) }
    switch scaling {
    case .none:
      perPosition = plain.map { Float($0) }
      attentionFactor = 1
    case .linear(let factor):
      perPosition = plain.map { Float($0 / factor) }
      attentionFactor = 1
    case .yarn(let yarn):
      perPosition = RotaryFrequencies.stretch(plain, yarn, width: width, base: base)
      attentionFactor = Float(yarn.appliedFactor)
    case .llama3(let factor, let low, let high, let positions):
      perPosition = plain.map {
        Float(RotaryFrequencies.llama3($0, factor, low: low, high: high, Double(positions)))
      }
      attentionFactor = 1
    }
  }

  /// Frequencies that turn often within the original context stay, slow ones are divided.
  private static func stretch(
    _ plain: [Double], _ yarn: RotaryScaling.YaRN, width: Int, base: Double
  ) -> [Float] {
    func dimension(turns: Double) -> Double {
      let ratio = Double(yarn.originalPositions) / (turns * 2 * Double.pi)
      return Double(width) * Double.log(ratio) / (2 * Double.log(base))
    }
    var (low, high) = (dimension(turns: yarn.fast), dimension(turns: yarn.slow))
    if yarn.truncates { (low, high) = (low.rounded(.down), high.rounded(.up)) }
    low = max(low, 0)
    high = min(high, Double(width - 1))
    if low == high { high += 0.001 }
    return plain.enumerated().map { index, frequency in
      let ramp = min(max((Double(index) - low) / (high - low), 0), 1)
      return Float(frequency / yarn.factor * ramp + frequency * (1 - ramp))
    }
  }

  /// Llama 3.1's rule: long waves are divided, short ones stay, those between are blended.
  private static func llama3(
    _ frequency: Double, _ factor: Double, low: Double, high: Double, _ positions: Double
  ) -> Double {
    let wave = 2 * Double.pi / frequency
    if wave < positions / high { return frequency }
    if wave > positions / low { return frequency / factor }
    let smooth = (positions / wave - low) / (high - low)
    return (1 - smooth) * frequency / factor + smooth * frequency
  }

  /// Fills cosine and sine (count, width / 2) for positions from `first` on.
  ///
  /// The angle is rounded to Float before its cosine is taken, as transformers does.
  public func fillTables(
    cosine: UnsafeMutablePointer<Float>, sine: UnsafeMutablePointer<Float>, first: Int = 0,
    count: Int
  ) {
    precondition(first >= 0 && count >= 0, "positions are not negative")
    let factor = Double(attentionFactor)
    for position in 0..<count {
      for (pair, frequency) in perPosition.enumerated() {
        let angle = Double(Float(first + position) * frequency)
        let index = position * perPosition.count + pair
        cosine[index] = Float(Double.cos(angle) * factor)
        sine[index] = Float(Double.sin(angle) * factor)
      }
    }
  }
}

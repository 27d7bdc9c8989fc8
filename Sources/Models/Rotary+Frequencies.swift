import Foundation

extension Rotary {
  /// The angle per position of each pair of columns, in radians; `columns / 2` of them.
  ///
  /// Stretching as in the papers: YaRN arXiv 2309.00071 section 3.2, Llama 3.1 by wavelength
  /// (2π over the frequency, in tokens). Of other stretchings the plain ones: the runtime refuses them.
  public func frequencies(columns: Int) -> [Double] {
    precondition(columns > 0 && columns % 2 == 0)
    let plain = (0..<columns / 2).map { pow(theta, -2 * Double($0) / Double(columns)) }
    switch scaling {
    case .none, .other: return plain
    case .linear(let factor): return plain.map { $0 / factor }
    case .yarn(let yarn):
      return plain.enumerated().map { pair, frequency in
        let kept = 1 - yarn.interpolated(pair: pair, columns: columns, theta: theta)
        return frequency / yarn.factor * (1 - kept) + frequency * kept
      }
    case .llama3(let llama): return plain.map(llama.stretched)
    }
  }

  /// The factor on cosines and sines.
  public var magnitude: Double {
    guard case .yarn(let yarn) = scaling else { return 1 }
    if let given = yarn.attentionFactor { return given }
    guard let some = yarn.magnitudeScale, let all = yarn.magnitudeScaleAllColumns,
      some != 0, all != 0
    else { return yarn.magnitude(weight: 1) }
    return yarn.magnitude(weight: some) / yarn.magnitude(weight: all)
  }

  /// The factor that DeepSeek's latent attention puts on its softmax scale beside 1/√width.
  public var latentScaleFactor: Double {
    guard case .yarn(let yarn) = scaling, let all = yarn.magnitudeScaleAllColumns, all != 0
    else { return 1 }
    let magnitude = yarn.magnitude(weight: all)
    return magnitude * magnitude
  }
}

extension Rotary.Yarn {
  /// How much of a pair's frequency is interpolated: 0 keeps it, 1 divides it by the factor.
  func interpolated(pair: Int, columns: Int, theta: Double) -> Double {
    var low = pairIndex(rotations: betaFast, columns: columns, theta: theta)
    var high = pairIndex(rotations: betaSlow, columns: columns, theta: theta)
    if truncates { (low, high) = (low.rounded(.down), high.rounded(.up)) }
    low = max(low, 0)
    high = min(high, Double(columns - 1))
    // A ramp of no width would divide by zero; it becomes a step.
    if low == high { high += 0.001 }
    return min(max((Double(pair) - low) / (high - low), 0), 1)
  }

  /// The pair, as a real number, that turns `rotations` times over the original context.
  private func pairIndex(rotations: Double, columns: Int, theta: Double) -> Double {
    Double(columns) * log(Double(originalPositions) / (rotations * 2 * .pi)) / (2 * log(theta))
  }

  /// 1 + weight · ln(factor) / 10 (arXiv 2309.00071, equation 22), for a factor above 1.
  func magnitude(weight: Double) -> Double {
    factor > 1 ? 0.1 * weight * log(factor) + 1 : 1
  }
}

extension Rotary.Llama3 {
  func stretched(_ frequency: Double) -> Double {
    let wavelength = 2 * Double.pi / frequency
    let context = Double(originalPositions)
    // Also at the bound itself, which is both bounds where the factors are equal (Llama 4).
    if wavelength <= context / highFrequencyFactor { return frequency }
    if wavelength > context / lowFrequencyFactor { return frequency / factor }
    let kept =
      (context / wavelength - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor)
    return (1 - kept) * frequency / factor + kept * frequency
  }
}

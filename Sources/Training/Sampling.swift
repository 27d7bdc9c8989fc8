import Foundation
import Kernels
import Quantities

/// How the next token is chosen from a model's scores.
public struct Sampling: Hashable, Sendable {
  /// What the scores are divided by; 0 takes the best token always.
  public var temperature: Double
  /// The share of probability that the candidates must reach together; 1 for all tokens.
  public var topShare: Double

  /// The best token always.
  public static let greedy = Sampling(temperature: 0, topShare: 1)

  /// Settings; `temperature` must not be negative, `topShare` must lie above 0 and be at most 1.
  public init(temperature: Double, topShare: Double) {
    precondition(temperature >= 0 && topShare > 0 && topShare <= 1)
    self.temperature = temperature
    self.topShare = topShare
  }
}

extension Sampling {
  /// Whether a token can be chosen from scores: none is not a number or +∞, and one at least is a number.
  static func canChoose(from logits: some Collection<Float>) -> Bool {
    var highest = -Float.infinity
    for score in logits {
      if score.isNaN { return false }
      highest = max(highest, score)
    }
    return highest.isFinite
  }

  /// Chooses a token; chance enters by one number of `generator`, and by none where greedy.
  ///
  /// Equal scores are ordered by token number, so the choice is the same everywhere.
  ///
  /// - Parameter logits: one score per token of the vocabulary, none of them not a number.
  public func token(
    from logits: some Collection<Float>, using generator: inout SeededGenerator
  ) -> Int {
    precondition(!logits.isEmpty)
    guard temperature > 0 else { return Self.best(of: logits) }
    let candidates = candidates(of: logits)
    let whole = candidates.reduce(0) { $0 + $1.probability }
    let target = generator.unit() * whole
    var sum = 0.0
    for candidate in candidates {
      sum += candidate.probability
      if target < sum { return candidate.token }
    }
    return candidates[candidates.count - 1].token
  }

  /// The tokens that may be chosen with their probabilities among all tokens, the likeliest first.
  ///
  /// The fewest of the likeliest tokens whose probabilities reach `topShare` (nucleus sampling,
  /// arXiv 1904.09751).
  public func candidates(
    of logits: some Collection<Float>
  ) -> [(token: Int, probability: Double)] {
    precondition(!logits.isEmpty)
    guard temperature > 0 else { return [(Self.best(of: logits), 1)] }
    let highest = Double(logits.max() ?? 0)
    let weights = logits.map { exp((Double($0) - highest) / temperature) }
    let whole = weights.reduce(0, +)
    var candidates = weights.enumerated().map { (token: $0, probability: $1 / whole) }
    candidates.sort { ($1.probability, $0.token) < ($0.probability, $1.token) }
    guard topShare < 1 else { return candidates }
    var sum = 0.0
    let last = candidates.firstIndex { candidate in
      sum += candidate.probability
      return sum >= topShare
    }
    return Array(candidates[...(last ?? candidates.count - 1)])
  }

  /// Chooses a token by a number in 0 ..< 1, and says how likely it was among all tokens; with a
  /// temperature of 0 the best one, which is certain.
  ///
  /// - Returns: nil where scores are not numbers.
  package func draw(
    from logits: UnsafeBufferPointer<Float>, _ unit: Double
  ) -> (token: Int, logProbability: Double)? {
    guard temperature > 0 else {
      return logits.allSatisfy(\.isFinite) ? (Self.best(of: logits), 0) : nil
    }
    let highest = largest(of: logits)
    guard highest.isFinite else { return nil }
    return withUnsafeTemporaryAllocation(of: Double.self, capacity: logits.count) { sums in
      let whole = weigh(logits, highest: highest, into: sums)
      // A score that is no number makes the sum none.
      guard whole.isFinite else { return nil }
      let token =
        topShare < 1
        ? likeliest(of: logits, unit) : sums.firstIndex { unit * whole < $0 } ?? logits.count - 1
      return (token, (Double(logits[token]) - Double(highest)) / temperature - log(whole))
    }
  }

  /// The token of the likeliest ones that reach `topShare` at a place of their probabilities.
  private func likeliest(of logits: UnsafeBufferPointer<Float>, _ unit: Double) -> Int {
    let candidates = candidates(of: logits)
    let target = unit * candidates.reduce(0) { $0 + $1.probability }
    var sum = 0.0
    for candidate in candidates {
      sum += candidate.probability
      if target < sum { return candidate.token }
    }
    return candidates[candidates.count - 1].token
  }

  /// The sums of exp((score − highest) / temperature) up to each token, in order; gives that of all.
  private func weigh(
    _ logits: UnsafeBufferPointer<Float>, highest: Float,
    into sums: UnsafeMutableBufferPointer<Double>
  ) -> Double {
    let factor = min(Float(1 / temperature), .greatestFiniteMagnitude)
    var whole = 0.0
    withUnsafeTemporaryAllocation(of: Float.self, capacity: logits.count) { weights in
      guard let out = weights.baseAddress else { return }
      for index in logits.indices {
        weights.initializeElement(at: index, to: (logits[index] - highest) * factor)
      }
      exponential(out, out, count: logits.count)
      for index in logits.indices {
        // A kernel's exponential of −∞ is not quite nothing.
        whole += logits[index] == -.infinity ? 0 : Double(weights[index])
        sums.initializeElement(at: index, to: whole)
      }
    }
    return whole
  }

  private static func best(of logits: some Collection<Float>) -> Int {
    var best = (token: 0, score: -Float.infinity)
    for (token, score) in logits.enumerated() where score > best.score { best = (token, score) }
    return best.token
  }
}

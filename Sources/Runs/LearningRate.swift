import Foundation

/// The learning rate of every step, as a list of phases in steps.
public struct LearningRate: Hashable, Sendable {
  /// How the rate moves through a phase.
  public enum Shape: String, Hashable, Sendable, CaseIterable {
    /// In equal steps from the phase's first rate to its last.
    case linear
    /// Along half a cosine: slowly, fast, slowly.
    case cosine
  }

  /// Consecutive steps with one rule.
  public struct Phase: Hashable, Sendable {
    /// Steps in the phase.
    public var steps: Int
    /// The rate at the phase's beginning.
    public var from: Double
    /// The rate at its end, which is reached by the first step behind it.
    public var to: Double
    public var shape: Shape

    public init(steps: Int, from: Double, to: Double, shape: Shape = .linear) {
      precondition(steps >= 0)
      self.steps = steps
      self.from = from
      self.to = to
      self.shape = shape
    }
  }

  public var phases: [Phase]

  /// A schedule; behind its last phase the rate stays what that phase ends with.
  public init(phases: [Phase]) {
    precondition(!phases.isEmpty)
    self.phases = phases
  }

  /// The rate of a step, counted from 0.
  public func rate(atStep step: Int) -> Double {
    precondition(step >= 0)
    var start = 0
    for phase in phases {
      if step < start + phase.steps {
        return phase.rate(at: Double(step - start) / Double(phase.steps))
      }
      start += phase.steps
    }
    return phases[phases.count - 1].to
  }
}

extension LearningRate.Phase {
  /// The rate after a share of the phase, 0 to 1.
  func rate(at share: Double) -> Double {
    guard from != to else { return from }
    switch shape {
    case .linear: return from + (to - from) * share
    case .cosine: return to + (from - to) * 0.5 * (1 + cos(.pi * share))
    }
  }

  /// A rise from nothing whose first step already has a rate: step s of n has (s + 1) / n of it.
  ///
  /// A rate of 0 would make the first step idle.
  static func warmUp(steps: Int, to peak: Double) -> [LearningRate.Phase] {
    guard steps > 0 else { return [] }
    let part = 1 / Double(steps)
    return [.init(steps: steps, from: peak * part, to: peak * (1 + part))]
  }
}

extension LearningRate {
  /// Warm-up, then one rate.
  public static func constant(_ peak: Double, warmUp: Int = 0) -> LearningRate {
    LearningRate(
      phases: Phase.warmUp(steps: warmUp, to: peak) + [.init(steps: 0, from: peak, to: peak)])
  }

  /// Warm-up, then half a cosine down to `final` at the last of `steps`.
  public static func cosine(
    _ peak: Double, warmUp: Int, steps: Int, final: Double
  ) -> LearningRate {
    precondition(warmUp <= steps)
    return LearningRate(
      phases: Phase.warmUp(steps: warmUp, to: peak) + [
        .init(steps: steps - warmUp, from: peak, to: final, shape: .cosine)
      ])
  }

  /// DeepSeek-V3's schedule, its phases scaled from 14.8T tokens to `steps`.
  ///
  /// The peak is held until 10T tokens, falls along half a cosine to its tenth over 4.3T, stays
  /// there for 333B, and is 7.3/220 of the peak for the last 167B (arXiv 2412.19437 section 4.2;
  /// the warm-up there is 2,000 steps, the peak 2.2e-4).
  public static func deepSeekV3(_ peak: Double, warmUp: Int, steps: Int) -> LearningRate {
    func end(_ tokens: Double) -> Int { Int((tokens / 14.8 * Double(steps)).rounded()) }
    let hold = max(0, end(10) - warmUp)
    precondition(warmUp <= steps)
    let tenth = peak / 10
    let last = peak * 7.3 / 220
    let first = warmUp + hold
    let second = max(first, end(14.3))
    let third = max(second, end(14.633))
    return LearningRate(
      phases: Phase.warmUp(steps: warmUp, to: peak) + [
        .init(steps: hold, from: peak, to: peak),
        .init(steps: second - first, from: peak, to: tenth, shape: .cosine),
        .init(steps: third - second, from: tenth, to: tenth),
        .init(steps: max(0, steps - third), from: last, to: last),
      ])
  }
}

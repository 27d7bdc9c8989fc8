/// The times for which a rank that waits was not on a core, one after the other.
public struct TurnGaps: Sendable {
  private var whole = 0.0
  private var squares = 0.0

  public init() {}

  /// Adds the seconds between two looks.
  public mutating func add(_ seconds: Double) {
    whole += seconds
    squares += seconds * seconds
  }

  /// What is left of a gap, in the mean, at a moment that falls anywhere in their time, in seconds.
  ///
  /// A gap is met in proportion to its length and half of it is left then: half of the squares over the whole (renewal
  /// theory's mean residual life).
  public var meanLeft: Double { whole > 0 ? squares / whole / 2 : 0 }
}

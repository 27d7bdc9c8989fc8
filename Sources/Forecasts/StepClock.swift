/// What the steps took that count: those that are done again count as they were done last.
///
/// Work that has the same pace lies in one stretch, however many steps it is.
struct StepClock {
  /// Where a stretch begins, the seconds of all steps in front of it, and its seconds a step.
  private var stretches: [(place: Double, seconds: Double, pace: Double)] = []
  private var place = 0.0
  /// Seconds of the steps that lead to the place.
  private(set) var seconds = 0.0

  /// Steps on to a place, which took so long.
  mutating func advance(to other: Double, seconds spent: Double, pace: Double) {
    if stretches.last?.pace != pace { stretches.append((place, seconds, pace)) }
    (place, seconds) = (other, seconds + spent)
  }

  /// Forgets the steps behind a place.
  ///
  /// - Complexity: constant for each stretch that is forgotten.
  mutating func goBack(to other: Double) {
    guard other < place else { return }
    while let last = stretches.last, last.place > other {
      (place, seconds) = (last.place, last.seconds)
      stretches.removeLast()
    }
    guard let last = stretches.last else { return (place, seconds) = (0, 0) }
    (place, seconds) = (other, last.seconds + (other - last.place) * last.pace)
  }
}

/// Sequences that one generator decodes together, from the first token to the last.
///
/// A step gives every sequence that is being decoded its tokens. As sequences end, the batch drains and its steps
/// become quicker; where others wait, the place is refilled at once. Between two such events the batch is the same,
/// and its steps are added up at once.
public struct RolloutWalk: Sendable {
  /// Sequences that are decoded at a time, at most.
  public var places: Int
  /// Tokens of a prompt, which lie in caches from the start.
  public var prompt: Int
  /// Tokens that a sequence gets in a step, in the mean.
  public var tokensPerStep: Double
  /// Seconds for which all sequences wait when one begins, for its prompt.
  public var admission: Double

  public init(places: Int, prompt: Int, tokensPerStep: Double = 1, admission: Double = 0) {
    precondition(places > 0 && prompt >= 0 && tokensPerStep >= 1 && admission >= 0)
    self.places = places
    self.prompt = prompt
    self.tokensPerStep = tokensPerStep
    self.admission = admission
  }

  /// What became of a batch.
  public struct Outcome: Hashable, Sendable {
    public var seconds = 0.0
    /// Steps from the first to the last.
    public var steps = 0
    /// Tokens that sequences got.
    public var tokens = 0
    /// Seconds in which fewer than half as many were decoded as at first.
    public var drained = 0.0
    /// Sequences that were decoded at a time, in the mean over steps.
    public var meanActive = 0.0
    /// How many were decoded at a time, whenever that changed, in the order of time.
    public var moments: [Moment] = []
  }

  /// From when on how many sequences are decoded at a time.
  public struct Moment: Hashable, Sendable {
    /// Seconds from the start of generation.
    public var seconds: Double
    public var active: Int
  }

  /// The most steps that are taken together, so that prices which bend with the length are followed.
  private static let stride = 128

  private struct Active {
    /// The step behind which it ends, and in front of which it began.
    var end: Int
    var begin: Int
  }

  /// Decodes answers of these lengths, which begin in their order.
  ///
  /// - Parameter seconds: of a step, by the sequences that are decoded and the positions that each of them meets
  ///   in the mean.
  /// - Complexity: the number of lengths times the logarithm of the places, and the steps over 128.
  public func run(
    _ lengths: [Int], seconds: (_ active: Int, _ positions: Double) -> Double
  ) -> Outcome {
    var outcome = Outcome()
    var active: [Active] = []
    let full = min(places, lengths.count)
    // The sum of the steps in front of which those that are decoded began.
    var begins = 0
    var (next, now) = (0, 0)
    var sequenceSteps = 0
    func steps(_ length: Int) -> Int {
      max(1, Int((Double(length) / tokensPerStep).rounded(.up)))
    }
    while next < lengths.count || !active.isEmpty {
      while next < lengths.count, active.count < places {
        insert(Active(end: now + steps(lengths[next]), begin: now), into: &active)
        begins += now
        outcome.tokens += lengths[next]
        outcome.seconds += admission
        next += 1
      }
      guard let end = active.last?.end else { break }
      let count = active.count
      if outcome.moments.last?.active != count {
        outcome.moments.append(Moment(seconds: outcome.seconds, active: count))
      }
      while now < end {
        let taken = min(end - now, Self.stride)
        // Positions grow by as much each step: the middle one stands for all of them.
        let middle = Double(count * now - begins) / Double(count) + Double(taken - 1) / 2
        let positions = Double(prompt) + 1 + middle * tokensPerStep
        let spent = Double(taken) * seconds(count, positions)
        outcome.seconds += spent
        if 2 * count < full { outcome.drained += spent }
        now += taken
        sequenceSteps += taken * count
      }
      while let last = active.last, last.end == now {
        begins -= last.begin
        active.removeLast()
      }
    }
    outcome.steps = now
    outcome.meanActive = now > 0 ? Double(sequenceSteps) / Double(now) : 0
    return outcome
  }

  /// Keeps those that end first at the back.
  private func insert(_ new: Active, into active: inout [Active]) {
    var (low, high) = (0, active.count)
    while low < high {
      let middle = (low + high) / 2
      if active[middle].end > new.end { low = middle + 1 } else { high = middle }
    }
    active.insert(new, at: low)
  }
}

/// What a rank prefers that plans greedily, and how much it may hold.
struct GreedyPolicy: Hashable {
  var urgency: Urgency
  /// The most activations that a rank may hold, each from its forward to its backward for weight.
  var held: Int
  /// Twice the most that a rank may hold if half an activation goes at the backward for input.
  var heldHalves: Int
  /// The most activations of the first leg that may wait for their backward for input, by rank.
  var inFlight: [Int]
  /// A weight half fills a gap if the gap that is known of has this many quarters of its length.
  var gapQuarters: Int
  /// Whether a rank leaves a gap open that is too short for a weight half as long as it has idled
  /// less than the rank that idled most, which costs nothing.
  var sparesShortGaps = false
  /// How much less urgent than the rank's most urgent next action one may be that overtakes it.
  ///
  /// A rank that has run all forwards of the first leg overtakes at will, and its weight halves
  /// only fill gaps.
  var lead: Int
  /// The urgency of weight halves; without it, they only fill gaps.
  var weightUrgency: WeightUrgency?

  /// How urgent a forward or a backward for input is: the lower, the sooner.
  struct Urgency: Hashable {
    /// That of microbatch 0, by rank: forward down, forward up, backward for input down and up.
    var first: [[Int]]
    /// How much less urgent each further microbatch is.
    var perMicrobatch: Int
  }

  /// How urgent a weight half is: that of its input half and `delay`, or the next free slot of a pattern.
  struct WeightUrgency: Hashable {
    var delay: Int
    /// How far behind each slot of the pattern's period the next free one is, by rank.
    var waits: [[Int]]
  }
}

extension GreedyPolicy {
  /// Which of a policy's limits decided anything while a plan was made, or as far as it was made.
  struct Limits: Hashable {
    /// The most activations that a rank held.
    var mostHeld = 0
    /// Whether there was a gap too short for a weight half, and a weight half for it.
    var metShortGap = false
  }

  /// Whether another policy leads to the same plan as this one did, whose plan met `limits`.
  func covers(_ other: GreedyPolicy, having limits: Limits) -> Bool {
    var adapted = self
    // A leg of a V keeps one place to the other: one less than `held` may be what was met.
    if limits.mostHeld + 1 < min(held, other.held) { adapted.held = other.held }
    if !limits.metShortGap {
      adapted.gapQuarters = other.gapQuarters
      adapted.sparesShortGaps = other.sparesShortGaps
    }
    return adapted == other
  }
}

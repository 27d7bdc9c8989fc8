/// The order of a planned schedule, a byte per action.
///
/// Every rank runs each pass of each of its stages for the microbatches in order, so that which pass on
/// which leg comes next says everything.
struct PlannedOrder: Hashable {
  let ranks: Int
  /// 1 for stages in a line, 2 for stages in a V.
  let legs: Int
  let microbatches: Int
  /// The turns of rank 0, then those of rank 1, and so on.
  private(set) var turns: [UInt8]

  /// The passes that a planned order has, as its turns count them.
  static let passes: [Action.Pass] = [.forward, .backwardInput, .backwardWeight]

  /// Turns that `set(_:_:at:ofRank:)` fills in.
  init(ranks: Int, legs: Int, microbatches: Int) {
    self.ranks = ranks
    self.legs = legs
    self.microbatches = microbatches
    turns = Array(repeating: 0, count: ranks * legs * microbatches * Self.passes.count)
  }

  /// The order of a schedule that goes through every stage's microbatches in turn, without its idle cells.
  init(_ schedule: Schedule, legs: Int) {
    self.init(
      ranks: schedule.ranks.count, legs: legs, microbatches: schedule.microbatchCount)
    for (rank, cells) in schedule.ranks.enumerated() {
      for (index, action) in cells.lazy.flatMap(\.actions).enumerated() {
        guard let pass = Self.passes.firstIndex(of: action.pass) else {
          preconditionFailure("A planned order has split backwards.")
        }
        set(pass, action.stage < ranks ? 0 : 1, at: index, ofRank: rank)
      }
    }
  }

  /// How many actions a rank carries out.
  var turnsPerRank: Int { legs * microbatches * Self.passes.count }

  /// How many entries of a table by stage and microbatch lie between one stage and the next: a little more
  /// than there are microbatches, since powers of two would bring all stages to the same lines of the
  /// cache.
  var pitch: Int { microbatches + 9 - microbatches % 2 }

  /// Says which pass, by its place in `passes`, on which leg is a rank's `index`th action.
  mutating func set(_ pass: Int, _ leg: Int, at index: Int, ofRank rank: Int) {
    turns[rank * turnsPerRank + index] = UInt8(2 * pass + leg)
  }

  /// The stage of a rank on a leg.
  func stage(_ leg: Int, _ rank: Int) -> Int { leg == 0 ? rank : 2 * ranks - 1 - rank }

  /// The order as a schedule.
  var schedule: Schedule {
    let cells = (0..<ranks).map { rank in
      var next = [Int](repeating: 0, count: 2 * Self.passes.count)
      return turns[rank * turnsPerRank..<(rank + 1) * turnsPerRank].map { turn in
        let (pass, leg) = Int(turn).quotientAndRemainder(dividingBy: 2)
        defer { next[Int(turn)] += 1 }
        return Cell.run(
          Action(Self.passes[pass], stage: stage(leg, rank), microbatch: next[Int(turn)]))
      }
    }
    return Schedule(
      ranks: cells, stageCount: ranks * legs, microbatchCount: microbatches,
      placement: legs == 1
        ? .looped(ranks: ranks, stagesPerRank: 1) : .vShaped(ranks: ranks))
  }

  /// The most activations that each rank holds, each from its forward to its backward for weight.
  var peakActivations: [Int] {
    (0..<ranks).map { rank in
      var (held, peak) = (0, 0)
      for turn in turns[rank * turnsPerRank..<(rank + 1) * turnsPerRank] {
        switch turn / 2 {
        case 0: held += 1
        case 2: held -= 1
        default: break
        }
        peak = max(peak, held)
      }
      return peak
    }
  }
}

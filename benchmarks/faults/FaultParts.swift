/// Where the time of a run with kills went, by kind: every second from the first step's beginning to the last
/// one's end is in one of them.
struct FaultParts {
  /// In steps that count.
  private(set) var steps = 0.0
  /// In steps that were made again, or were not made to their end.
  private(set) var recomputation = 0.0
  /// From kills to the end of all ranks.
  private(set) var detection = 0.0
  /// From the end of all ranks behind a kill to the first step, or to the next kill, by the ranks that were
  /// started.
  private(set) var restarts: [Int: [Double]] = [:]
  /// Between two steps of the same ranks where a checkpoint is due, by their number.
  private(set) var checkpoints: [Int: [Double]] = [:]
  /// Between two steps where all ranks were taken back, by the ranks before: a checkpoint, an end and a start.
  private(set) var returns: [Int: [Double]] = [:]
  /// Between other steps.
  private(set) var between: [Double] = []
  /// From a step with a checkpoint behind it to a kill, where no step behind that was made to its end.
  private(set) var cut: [Double] = []

  /// - Parameters:
  ///   - steps: those that count, in their order.
  ///   - kills: in their order, with the steps that were made until then.
  ///   - start: from which kills count, in seconds since 1970.
  ///   - every: steps between two checkpoints.
  init(_ steps: [FaultReport.Step], _ kills: [FaultReport.Kill], from start: Double, every: Int) {
    let counted = Set(steps.map(\.ended))
    var made: [Double: FaultReport.Step] = [:]
    for step in kills.flatMap(\.made) + steps { made[step.ended] = step }
    let all = made.values.sorted { $0.ended < $1.ended }
    var kills = kills[...]
    for (index, step) in all.enumerated() {
      let counts = counted.contains(step.ended)
      if counts { self.steps += step.seconds } else { recomputation += step.seconds }
      guard index + 1 < all.count else { break }
      let next = all[index + 1]
      let hasCheckpoint = counts && step.number.isMultiple(of: every)
      // A step may be written yet when the rank is gone that had done its part.
      let here = kills.prefix {
        max(start + $0.seconds, $0.made.last?.ended ?? 0) < next.ended
      }
      kills = kills.dropFirst(here.count)
      guard let first = here.first else {
        add(next.began - step.ended, from: step, to: next, counts, hasCheckpoint)
        continue
      }
      let head = start + first.seconds - step.ended
      if hasCheckpoint { cut.append(head) } else { recomputation += head }
      for (kill, following) in zip(here, here.dropFirst().map(Optional.some) + [nil]) {
        detection += kill.gone - kill.seconds
        let end = following.map { start + $0.seconds } ?? next.began
        let ranks = following?.ranks ?? next.ranks
        restarts[ranks, default: []].append(end - start - kill.gone)
      }
    }
  }

  /// What lies between two steps without a kill.
  private mutating func add(
    _ seconds: Double, from step: FaultReport.Step, to next: FaultReport.Step, _ counts: Bool,
    _ hasCheckpoint: Bool
  ) {
    if next.isFirst {
      returns[step.ranks, default: []].append(seconds)
    } else if hasCheckpoint {
      checkpoints[step.ranks, default: []].append(seconds)
    } else if counts {
      between.append(seconds)
    } else {
      recomputation += seconds
    }
  }

  /// Starts behind kills, and all that lies between steps beside them.
  var restart: Double { Self.sum(restarts) }
  var others: Double {
    Self.sum(checkpoints) + Self.sum(returns) + between.reduce(0, +) + cut.reduce(0, +)
  }

  /// All but the steps that count.
  var lost: Double { detection + recomputation + restart + others }

  private static func sum(_ parts: [Int: [Double]]) -> Double {
    parts.values.reduce(0) { $0 + $1.reduce(0, +) }
  }
}

import RealModule

/// What is known exactly, or to first order, of runs that fail at exponential times.
public enum ClosedForms {
  /// Daly's exact expectation of the wall's time (Future Generation Computer Systems 22, 2006, equation 20):
  /// M e^(R/M) (e^((τ+δ)/M) − 1) times the number of intervals.
  ///
  /// - Parameters:
  ///   - work: seconds of work in all.
  ///   - interval: seconds of work between checkpoints (τ).
  ///   - checkpoint: what one takes (δ).
  ///   - restart: from a failure to the next step (R); failures may fall into it.
  ///   - between: the mean time between failures (M); infinite where nothing fails.
  public static func expectedWall(
    work: Double, interval: Double, checkpoint: Double, restart: Double, between: Double
  ) -> Double {
    guard between.isFinite else { return work * (1 + checkpoint / interval) }
    return between * Double.exp(restart / between)
      * Double.expMinusOne((interval + checkpoint) / between) * work / interval
  }

  /// Young's interval, √(2 δ M) (Communications of the ACM 17, 1974).
  public static func youngsInterval(checkpoint: Double, between: Double) -> Double {
    (2 * checkpoint * between).squareRoot()
  }

  /// Daly's interval of higher order (equation 37): √(2 δ M) (1 + ⅓ √(δ/2M) + δ/18M) − δ below δ = 2M,
  /// else M.
  public static func dalysInterval(checkpoint: Double, between: Double) -> Double {
    guard between.isFinite, checkpoint < 2 * between else { return between }
    let ratio = checkpoint / (2 * between)
    return (2 * checkpoint * between).squareRoot() * (1 + ratio.squareRoot() / 3 + ratio / 9)
      - checkpoint
  }

  /// The interval at which the exact expectation is least: e^((τ+δ)/M) (1 − τ/M) = 1.
  ///
  /// - Returns: infinity where nothing fails.
  public static func bestInterval(checkpoint: Double, between: Double) -> Double {
    guard between.isFinite else { return .infinity }
    guard checkpoint > 0 else { return 0 }
    // The left side falls from above 1 at τ = 0 to 0 at τ = M.
    var (low, high) = (0.0, 1.0)
    let share = checkpoint / between
    for _ in 0..<200 {
      let middle = (low + high) / 2
      if Double.exp(middle + share) * (1 - middle) > 1 { low = middle } else { high = middle }
    }
    return between * (low + high) / 2
  }

  /// The expected ratio of effective training time to first order (arXiv 2410.21680):
  /// (1 − (u + Δ/2)/M) / (1 + w/Δ).
  ///
  /// - Parameters:
  ///   - interval: between checkpoints (Δ).
  ///   - restart: from a failure to the next step (u).
  ///   - checkpoint: what a checkpoint takes (w).
  ///   - between: the mean time between failures (M).
  public static func effectiveTrainingRatio(
    interval: Double, restart: Double, checkpoint: Double = 0, between: Double
  ) -> Double {
    (1 - (restart + interval / 2) / between) / (1 + checkpoint / interval)
  }

  /// The mean time between failures of so many elements.
  ///
  /// - Parameter rate: failures of a thousand elements in a day.
  public static func timeBetweenFailures(rate: Double, elements: Int) -> Double {
    86_400_000 / (rate * Double(elements))
  }
}

extension RunModel {
  /// Whether what ends the job sends it back to its newest checkpoint, as the closed forms have it.
  ///
  /// Replicas that keep their state lose no work but to wrong states: no form is known of them.
  public var hasClosedForms: Bool {
    if case .resume = recovery.elastic { false } else { meanTimeBetweenFailures.isFinite }
  }

  /// Whether states go wrong unseen, which the closed forms take for stops that are known at once: what is lost
  /// until somebody finds out, and that a run goes back to a checkpoint from before, they leave out.
  public var takesCorruptionForStops: Bool {
    hasClosedForms && processes.contains { $0.effect == .corrupt && $0.rate > 0 }
  }

  /// The seconds of work between checkpoints at which the exact expectation of the wall's time is least;
  /// nil where no form is known, or no checkpoint is taken.
  ///
  /// Exact where checkpoints hold the steps up and all that fails stops the job at once. One that is written behind them costs a failure its writing
  /// more, whatever the interval, so that only the stall decides; the next one waits until it is written.
  public var bestCadenceSeconds: Double? {
    guard hasClosedForms, checkpoints.cadence != .phases else { return nil }
    let best = ClosedForms.bestInterval(
      checkpoint: checkpoints.stall, between: meanTimeBetweenFailures)
    return max(best, checkpoints.writing, shortestStep)
  }

  private var shortestStep: Double { stretches.map(\.stepSeconds).min() ?? 0 }

  /// The expected wall's time where all that fails stops the job and it waits for no nodes; steps between
  /// checkpoints are taken as they are, exact for checkpoints that hold the steps up.
  ///
  /// - Complexity: linear in stretches.
  public var expectedWallSeconds: Double {
    let road = Road(self)
    var sum = 0.0
    func add(_ intervals: Double, work: Double) {
      guard intervals > 0, work > 0 else { return }
      sum += ClosedForms.expectedWall(
        work: intervals * work, interval: work, checkpoint: checkpoints.stall,
        restart: restartSeconds + checkpoints.writing, between: meanTimeBetweenFailures)
    }
    // Work since the newest checkpoint, over steps of any length.
    var work = 0.0
    for (index, part) in road.parts.enumerated() {
      var place = part.first
      while place < part.end {
        let next = road.next(after: place, in: index)
        work += (next.place - place) * part.stepSeconds
        place = next.place
        guard next.isCheckpoint else { continue }
        add(1, work: work)
        work = 0
        let whole = ((part.end - place) / part.every).rounded(.down)
        add(whole, work: part.every * part.stepSeconds)
        place += whole * part.every
      }
    }
    return sum
  }
}

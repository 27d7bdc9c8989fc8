/// Where the time of a run went that was no step done for the first time, in seconds.
public struct LostTime: Hashable, Sendable {
  /// From failures to everybody's knowing of them.
  public var detection = 0.0
  /// Requeues, starts and loading, until steps go on, and what the first steps behind it take longer.
  public var restart = 0.0
  /// Steps that were done before and are done again.
  public var recomputation = 0.0
  /// Steps standing still for checkpoints.
  public var checkpoint = 0.0
  /// Steps that take longer because a node is slow.
  public var straggler = 0.0
  /// Waiting for nodes, and what steps take longer because replicas are missing; negative where fewer are
  /// faster.
  public var idle = 0.0

  public init() {}

  public var total: Double {
    detection + restart + recomputation + checkpoint + straggler + idle
  }

  /// The parts by their names, in a fixed order.
  public var parts: [(name: String, seconds: Double)] {
    [
      ("detection", detection), ("restart", restart), ("recomputation", recomputation),
      ("checkpoint", checkpoint), ("straggler", straggler), ("idle", idle),
    ]
  }

  public static func + (a: LostTime, b: LostTime) -> LostTime {
    var sum = LostTime()
    sum.detection = a.detection + b.detection
    sum.restart = a.restart + b.restart
    sum.recomputation = a.recomputation + b.recomputation
    sum.checkpoint = a.checkpoint + b.checkpoint
    sum.straggler = a.straggler + b.straggler
    sum.idle = a.idle + b.idle
    return sum
  }

  public static func / (a: LostTime, divisor: Double) -> LostTime {
    var result = a
    result.detection /= divisor
    result.restart /= divisor
    result.recomputation /= divisor
    result.checkpoint /= divisor
    result.straggler /= divisor
    result.idle /= divisor
    return result
  }
}

/// One run as it may go.
public struct RunOutcome: Hashable, Sendable {
  /// From its first step to its last.
  public var wallSeconds: Double
  public var lost: LostTime
  /// Failures that ended the job or sent it back, those during restarts among them.
  public var failures: Int
  /// What each phase took of the wall's time.
  public var phaseSeconds: [Double]
  /// Seconds of steps that were never done; more than none where the run was given up.
  public var undoneSeconds = 0.0
  /// What the steps took that count, each as long as it was: longer on fewer replicas, on a slow node and
  /// behind a start.
  public var stepSeconds = 0.0
  /// Stops that were wanted, and what of the restarts lies in them: ends and starts, their checkpoints not counted.
  public var plannedStops = 0
  public var plannedSeconds = 0.0
  /// What of the restarts are first steps behind a start that take longer.
  public var warmUpSeconds = 0.0
  /// Whether it came to its end; else it was given up for never ending.
  public var isFinished = true
}

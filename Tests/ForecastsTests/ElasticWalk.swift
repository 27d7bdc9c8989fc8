import Forecasts

/// An elastic run walked step by step, as its supervisor goes on: what forecasts are held against.
///
/// A kill costs a rank, which is taken back behind so many checkpoints without it.
struct ElasticWalk {
  var steps: Int
  var every: Int
  var fewest: Int
  var takeBackAfter: Int
  /// Seconds of a step and of a start by the ranks that are left, all of them the most.
  var step: [Int: Double]
  var start: [Int: Double]
  var detection: Double
  var ending: Double
  var stall: Double
  var warmUp: RunModel.Recovery.WarmUp
  var kills: ArraySlice<Double>

  private(set) var now = 0.0
  /// What each step took when it was made last.
  private(set) var log: [Double] = []
  /// How often lost ranks were taken back, how long ends and starts took for it, and how much longer all first
  /// steps took that were made, in vain or not.
  private(set) var returns = 0
  private(set) var returning = 0.0
  private(set) var warming = 0.0
  private var left = 0
  private var saved = 0
  private var sinceStart = 0
  private var returnAt = Int.max

  init(
    steps: Int, every: Int, fewest: Int, takeBackAfter: Int, step: [Int: Double],
    start: [Int: Double], detection: Double, ending: Double, stall: Double,
    warmUp: RunModel.Recovery.WarmUp, kills: [Double]
  ) {
    (self.steps, self.every, self.fewest) = (steps, every, fewest)
    (self.takeBackAfter, self.step, self.start) = (takeBackAfter, step, start)
    (self.detection, self.ending, self.stall) = (detection, ending, stall)
    (self.warmUp, self.kills) = (warmUp, kills[...])
    left = step.keys.max() ?? 1
  }

  mutating func run() {
    while log.count < steps {
      let seconds = (step[left] ?? 0) * (sinceStart < warmUp.steps ? warmUp.ratio : 1)
      let begun = now
      let isMade = pass(seconds)
      warming += (now - begun) * (1 - (step[left] ?? 0) / seconds)
      guard isMade else {
        restart()
        continue
      }
      log.append(seconds)
      sinceStart += 1
      guard log.count.isMultiple(of: every) || log.count == steps else { continue }
      guard pass(stall) else {
        restart()
        continue
      }
      saved = log.count
      guard saved == returnAt else { continue }
      left = step.keys.max() ?? 1
      returns += 1
      let stopped = now
      let isBack = pass(ending + (start[left] ?? 0))
      returning += now - stopped
      if isBack { begin() } else { restart() }
    }
  }

  /// Whether a time passes without a kill; else it is that of the kill.
  private mutating func pass(_ seconds: Double) -> Bool {
    guard let next = kills.first, next < now + seconds else {
      now += seconds
      return true
    }
    now = kills.removeFirst()
    return false
  }

  private mutating func restart() {
    log.removeLast(log.count - saved)
    repeat {
      if left > fewest { left -= 1 }
    } while !(pass(detection) && pass(start[left] ?? 0))
    begin()
  }

  private mutating func begin() {
    sinceStart = 0
    returnAt = .max
    guard left < step.keys.max() ?? 1 else { return }
    let at = (log.count / every + takeBackAfter) * every
    if at < steps { returnAt = at }
  }
}

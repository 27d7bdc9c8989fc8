import Forecasts

/// A run walked step by step, each by itself, with failures at given times: what forecasts are held against.
///
/// It knows blocking and asynchronous checkpoints, restarts that fail again, and nothing else.
struct StepByStep {
  let model: RunModel
  var now = 0.0
  var lost = LostTime()
  private var failures: ArraySlice<Double>
  private var checkpoints: [(step: Int, writtenAt: Double)] = [(0, 0)]
  private var steps: [(seconds: Double, every: Int, isLast: Bool, inPhase: Int)] = []

  init(_ model: RunModel) {
    self.model = model
    failures = model.givenTimes[...]
    for (index, stretch) in model.stretches.enumerated() {
      guard case .steps(let counts) = model.checkpoints.cadence else { preconditionFailure() }
      for step in 0..<stretch.steps {
        let isNew = steps.last?.isLast ?? true
        let next = index + 1 < model.stretches.count ? model.stretches[index + 1].phase : -1
        steps.append(
          (
            stretch.stepSeconds, counts[stretch.phase],
            step + 1 == stretch.steps && next != stretch.phase,
            isNew ? 1 : steps[steps.count - 1].inPhase + 1
          ))
      }
    }
  }

  mutating func run() {
    var done = 0
    while done < steps.count {
      let step = steps[done]
      guard pass(step.seconds) else {
        done = recover(from: done)
        continue
      }
      done += 1
      guard step.inPhase % step.every == 0 || step.isLast else { continue }
      let waiting = max(0, checkpoints[checkpoints.count - 1].writtenAt - now)
      let before = now
      guard pass(model.checkpoints.stall + waiting) else {
        lost.checkpoint += now - before
        partial = 0
        done = recover(from: done)
        continue
      }
      lost.checkpoint += now - before
      checkpoints.append((done, now + model.checkpoints.writing))
    }
  }

  /// What was done of a step that was cut off.
  private var partial = 0.0

  private mutating func pass(_ seconds: Double) -> Bool {
    if let next = failures.first, next < now + seconds {
      partial = max(0, next - now)
      now = max(now, next)
      failures.removeFirst()
      return false
    }
    now += seconds
    return true
  }

  private mutating func recover(from done: Int) -> Int {
    let good = checkpoints.last { $0.writtenAt <= now }!
    lost.recomputation += partial + steps[good.step..<done].reduce(0) { $0 + $1.seconds }
    checkpoints = [(good.step, now)]
    while true {
      let start = now
      let isKnown = pass(model.givenDetection)
      lost.detection += now - start
      guard isKnown else { continue }
      let known = now
      let hasStarted = pass(
        model.recovery.requeue + model.recovery.start + model.recovery.load)
      lost.restart += now - known
      if hasStarted { return good.step }
    }
  }
}

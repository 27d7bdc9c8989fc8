import Forecasts
import TestSupport
import Testing

/// What is counted where, each case worked out by hand or held against conservation.
@Suite struct AccountingTests {
  /// 100 steps of 10 s, a checkpoint of 2 s behind every ten.
  private func model(
    processes: [RunModel.Process] = [], times: [Double] = [], stall: Double = 2,
    recovery: RunModel.Recovery
  ) -> RunModel {
    RunModel(
      stretches: [.init(steps: 100, stepSeconds: 10)], processes: processes, givenTimes: times,
      givenDetection: 7, checkpoints: .init(cadence: .steps([10]), stall: stall),
      recovery: recovery)
  }

  /// The wall's time is that of the steps that were done and of all that was lost.
  private func expectConservation(_ forecast: Forecast) {
    let sum = forecast.productiveSeconds - forecast.undoneSeconds + forecast.lost.total
    #expect(abs(forecast.wall.mean / sum - 1) < 1e-9, "\(forecast.lost)")
    #expect(abs(forecast.phaseSeconds.reduce(0, +) / sum - 1) < 1e-9)
  }

  // MARK: Wrong states

  /// A wrong state is in every copy: storage is read, however near a copy in memory is.
  @Test func corruptionReadsStorage() {
    let corrupt = RunModel.Process("corrupt", rate: 4e-4, effect: .corrupt, detection: 100)
    var recovery = RunModel.Recovery(
      requeue: 5, start: 3, load: 1000, memoryLoad: 2, otherCopies: 1, otherNodes: 8)
    let forecast = Forecast(
      model(processes: [corrupt], recovery: recovery), runs: 300, seed: 3, threads: 2)
    #expect(forecast.failures > 0.1 && forecast.unfinished == 0)
    // Nothing else fails, and what happens to be wrong while nothing is computed is not: 1,008 s each.
    #expect(abs(forecast.lost.restart / (1008 * forecast.failures) - 1) < 1e-9)
    expectConservation(forecast)
    // Replicas that keep their state keep a wrong one.
    recovery = .init(requeue: 5, start: 3, load: 1000, elastic: .resume(pause: 1), replicas: 4)
    let resumed = Forecast(
      model(processes: [corrupt], recovery: recovery), runs: 300, seed: 3, threads: 2)
    #expect(abs(resumed.lost.restart / (1008 * resumed.failures) - 1) < 1e-9)
    #expect(resumed.lost.recomputation > 0)
  }

  /// A wrong state goes back further than a stop, and the more so the later it is found.
  @Test func corruptionGoesBackFurther() {
    func recomputed(_ effect: RunModel.Process.Effect, _ detection: Double) -> Double {
      let process = RunModel.Process("x", rate: 4e-4, effect: effect, detection: detection)
      let forecast = Forecast(
        model(processes: [process], recovery: .init(requeue: 5)), runs: 2000, seed: 9, threads: 2)
      expectConservation(forecast)
      return forecast.lost.recomputation / forecast.failures
    }
    let stop = recomputed(.stop, 200)
    #expect(recomputed(.corrupt, 200) > stop + 100)
    #expect(recomputed(.corrupt, 400) > recomputed(.corrupt, 200) + 80)
  }

  /// A state that turns wrong while a checkpoint is taken does not cost the checkpoint: steps go on to stand
  /// still for the rest of it.
  @Test func whatGoesOnFinishesItsCheckpoint() {
    var slow = RunModel.Process("slow", rate: 1e-2, effect: .slow(0.999_999), detection: 1e9)
    slow.repair = nil
    let forecast = Forecast(
      model(processes: [slow], stall: 50, recovery: .init()), runs: 200, seed: 5, threads: 2)
    #expect(abs(forecast.lost.checkpoint - 500) < 1e-6, "\(forecast.lost.checkpoint)")
    expectConservation(forecast)
  }

  // MARK: Planned stops

  /// A failure while a planned stop saves the state is one like any other: nodes are asked for again.
  @Test func aSaveThatFailsIsRequeued() {
    // A slow node is found after a second, and saving takes a thousand: hardly one is whole.
    let slow = RunModel.Process("slow", rate: 1e-4, effect: .slow(0.9), detection: 1)
    let stop = RunModel.Process("stop", rate: 5e-3, detection: 0)
    var model = RunModel(
      stretches: [.init(steps: 1000, stepSeconds: 1)], processes: [slow, stop],
      checkpoints: .init(cadence: .steps([5]), stall: 0, writing: 1000),
      recovery: .init(requeue: 40))
    model.checkpoints.writing = 0
    let calm = Forecast(model, runs: 300, seed: 2, threads: 2)
    // Every stop costs a requeue, or the part of it that passed until the next one.
    expectConservation(calm)
    model.checkpoints = .init(cadence: .steps([5]), stall: 300)
    model.stretches = [.init(steps: 10, stepSeconds: 1)]
    let failing = Forecast(model, runs: 300, seed: 2, threads: 2)
    expectConservation(failing)
    // Exponential times do not remember: of 40 s a stop spends (1 − e^(−40/200))·200 = 36.25 s in the mean.
    let share = failing.lost.restart / failing.failures
    #expect(abs(share - 36.25) < 1.5, "\(share)")
  }

  // MARK: Places of checkpoints

  /// Where steps become others within a phase there is no checkpoint, even where the new steps' grid has one.
  @Test func aChangeOfStepsIsNoCheckpoint() {
    // Checkpoints each 100 s: behind steps 10 and 20 of 10 s, and then at multiples of 5 of 20 s.
    var model = RunModel(
      stretches: [.init(steps: 25, stepSeconds: 10), .init(steps: 25, stepSeconds: 20)],
      givenDetection: 0, checkpoints: .init(cadence: .seconds(100), stall: 1, writing: 5),
      recovery: .init())
    // Behind 10, 20, 30, 35, 40, 45 and 50 steps: none behind 25.
    #expect(ForecastTests.one(model).lost.checkpoint == 7)
    // 30 is reached at 352 s, and written at 358 s: at 355 s the one behind 20 is the newest one, at 202 s.
    model.givenTimes = [355]
    #expect(ForecastTests.one(model).lost.recomputation == 150 + 2)
    // The expectation has an interval across the change: 50 s and 100 s.
    model.givenTimes = []
    model.checkpoints.writing = 0
    model.processes = [.init("stop", rate: 1e-3)]
    func interval(_ work: Double) -> Double {
      ClosedForms.expectedWall(
        work: work, interval: work, checkpoint: 1, restart: 0, between: 1000)
    }
    let expected = 6 * interval(100) + interval(150)
    #expect(abs(model.expectedWallSeconds / expected - 1) < 1e-12)
    let forecast = Forecast(model, runs: 4000, seed: 1, threads: 2)
    #expect(abs(forecast.wall.mean - expected) < 4 * forecast.wall.error)
  }

  /// Without checkpoints there is no best time between them.
  @Test func withoutCheckpoints() {
    var model = model(
      processes: [.init("stop", rate: 1e-3)], recovery: .init(requeue: 5))
    #expect(model.bestCadenceSeconds != nil)
    model.checkpoints = .init(cadence: .phases, stall: 0)
    #expect(model.bestCadenceSeconds == nil)
    let forecast = ForecastTests.one(model)
    let changes = model.sensitivities(of: forecast, runs: 1, threads: 1).map(\.change)
    #expect(!changes.contains { $0.contains("cadence") }, "\(changes)")
  }

  // MARK: Replicas that keep their state

  /// No closed form is known where a failure sends nobody back.
  @Test func noClosedFormsOfResume() {
    var model = model(
      processes: [.init("stop", rate: 1e-3)],
      recovery: .init(elastic: .resume(pause: 3), replicas: 4))
    #expect(!model.hasClosedForms && model.bestCadenceSeconds == nil)
    model.recovery.elastic = .restart
    #expect(model.hasClosedForms && model.bestCadenceSeconds != nil)
  }

  /// The only replica cannot keep the state when it breaks.
  @Test func theLastReplicaKeepsNothing() {
    func forecast(_ elastic: RunModel.Recovery.Elastic, replicas: Int) -> Forecast {
      let stop = RunModel.Process("node", rate: 1e-3, detection: 7, repair: 100)
      return Forecast(
        model(
          processes: [stop],
          recovery: .init(
            requeue: 5, start: 3, load: 2, spares: 100, elastic: elastic, replicas: replicas)),
        runs: 200, seed: 1, threads: 2)
    }
    let resumed = forecast(.resume(pause: 1), replicas: 1)
    #expect(resumed == forecast(.none, replicas: 1))
    #expect(resumed.lost.recomputation > 0)
    // Of two, one is left: a second failure in detection and pause may take it. Of fifty, hardly all go.
    let two = forecast(.resume(pause: 1), replicas: 2).lost.recomputation
    #expect(two > 0 && two < resumed.lost.recomputation / 50)
    #expect(forecast(.resume(pause: 1), replicas: 50).lost.recomputation == 0)
  }

  private static let pauses: [(replicas: Int, times: [Double], share: Double)] = [
    // One of two holds it: every second failure takes it.
    (2, [150, 160], 0.5), (2, [150, 160, 170], 0.75),
    // Two of three, then one: 2/3 × 1/3.
    (3, [150, 160, 170], 2.0 / 9),
    // A pause that is over gave it to all of them.
    (2, [150, 200, 300], 0), (3, [150, 160], 0),
  ]

  /// Replicas that got new nodes hold no state until the pause is over: of R replicas, of which h hold it, a
  /// failure takes one that does with a probability of h/R.
  @Test(arguments: Self.pauses)
  func sparesHoldNothingYet(example: (replicas: Int, times: [Double], share: Double)) {
    let (replicas, times, share) = example
    let forecast = Forecast(
      model(
        times: times,
        recovery: .init(
          requeue: 5, start: 3, load: 2, spares: 100, elastic: .resume(pause: 20),
          replicas: replicas)), runs: 4000, seed: 1, threads: 2)
    // 48 s lie behind the first checkpoint.
    let error = 48 * (share * (1 - share) / 4000).squareRoot()
    #expect(abs(forecast.lost.recomputation - 48 * share) <= 4 * error)
    expectConservation(forecast)
  }

  /// A slow node that is put aside gives its state to the one in its place; where there is none, the state is
  /// saved before the job waits for the node.
  @Test func aPlannedStopKeepsTheState() {
    var slow = RunModel.Process("slow", rate: 1e-3, effect: .slow(0.5), detection: 100)
    slow.repair = 500
    func forecast(spares: Int, replicas: Int) -> Forecast {
      Forecast(
        model(
          processes: [slow],
          recovery: .init(
            requeue: 5, start: 30, load: 20, spares: spares, elastic: .resume(pause: 1),
            replicas: replicas)), runs: 200, seed: 3, threads: 2)
    }
    let (spared, alone) = (forecast(spares: 100, replicas: 1), forecast(spares: 0, replicas: 1))
    for one in [spared, alone] {
      #expect(one.lost.recomputation == 0 && one.lost.restart > 0)
      expectConservation(one)
    }
    // Each stop of the lonely one reads the state: 50 s for 1 s. They save it in front, the others do not.
    #expect(alone.lost.restart > 20 * spared.lost.restart)
    #expect(alone.lost.checkpoint > spared.lost.checkpoint && spared.lost.checkpoint == 20)
  }

  // MARK: Waiting for nodes

  /// A job that waits for its node does not run, and so nothing of it fails: every failure costs its repair,
  /// and the rest is Daly's expectation.
  @Test(arguments: [(1e-3, 500.0), (5e-3, 300)]) func whatWaitsDoesNotFail(
    rate: Double, repair: Double
  ) {
    let stop = RunModel.Process("node", rate: rate, repair: repair)
    let model = model(processes: [stop], recovery: .init(requeue: 5, start: 3, load: 2))
    let forecast = Forecast(model, runs: 4000, seed: 1, threads: 2)
    #expect(abs(forecast.lost.idle / forecast.failures - repair) < 1e-6)
    let expected = model.expectedWallSeconds * (1 + rate * repair)
    #expect(
      abs(forecast.wall.mean - expected) < 3.5 * forecast.wall.error,
      "\(forecast.wall.mean) ± \(forecast.wall.error) for \(expected)")
    expectConservation(forecast)
  }

  /// What failures bring on waits as well.
  @Test func followUpsWaitToo() {
    var burst = RunModel.Process("node", rate: 1e-3, repair: 500)
    (burst.followUp, burst.followUpWithin) = (0.5, 30)
    let forecast = Forecast(
      model(processes: [burst], recovery: .init(requeue: 5, start: 3, load: 2)), runs: 1000,
      seed: 4, threads: 2)
    #expect(abs(forecast.lost.idle / forecast.failures - 500) < 1e-6)
  }

  // MARK: Runs without an end

  /// What was never done is no step of the wall's time, and goodput does not count it.
  @Test func whatNeverEndsIsGivenUp() {
    var model = RunModel(
      stretches: [.init(steps: 10, stepSeconds: 10), .init(phase: 1, steps: 1, stepSeconds: 1e6)],
      processes: [.init("stop", rate: 1e-3)], checkpoints: .init(cadence: .phases, stall: 0),
      recovery: .init(requeue: 1))
    let forecast = Forecast(model, runs: 20, seed: 1, threads: 2)
    #expect(forecast.unfinished == 20)
    #expect(forecast.undoneSeconds > 0.98e6 && forecast.undoneSeconds <= 1e6)
    #expect(forecast.goodput < 0.01)
    expectConservation(forecast)
    // Soon enough: so many failures in vain, and not a million.
    #expect(forecast.failures < 100_000, "\(forecast.failures)")
    model.stretches.removeLast()
    let short = Forecast(model, runs: 20, seed: 1, threads: 2)
    #expect(short.unfinished == 0 && short.undoneSeconds == 0)
  }

  /// Every second is a step's or is lost, whatever happens together.
  @Test func secondsAreConserved() {
    var chance = SplitMix64(state: 8)
    func number(_ range: ClosedRange<Double>) -> Double {
      range.lowerBound + (range.upperBound - range.lowerBound)
        * Double(chance.next() >> 11) * 0x1p-53
    }
    let ways: [RunModel.Recovery.Elastic] = [.none, .restart, .resume(pause: 5)]
    for round in 0..<30 {
      var model = ForecastTests.eventful(rate: number(1e-5...5e-4))
      model.stretches[2].steps = 200
      model.recovery.elastic = ways[round % 3]
      model.recovery.replicas = 1 + Int(chance.next() % 8)
      model.recovery.spares = Int(chance.next() % 3)
      if chance.next() % 2 == 0 {
        model.recovery.memoryLoad = number(0...20)
        (model.recovery.otherCopies, model.recovery.otherNodes) = (1, 2)
        (model.checkpoints.storedEvery, model.checkpoints.storedWriting) = (3, number(0...200))
      }
      model.checkpoints.stall = number(0...60)
      model.checkpoints.cadence = .seconds(number(50...1000))
      expectConservation(Forecast(model, runs: 4, seed: UInt64(round), threads: 2))
    }
  }
}

import Forecasts
import Testing

/// Single mechanisms, each worked out by hand.
@Suite struct RecoveryTests {
  /// 100 steps of 10 s, a checkpoint of 2 s behind every ten: 1,020 s undisturbed.
  private func model(
    _ times: [Double] = [], processes: [RunModel.Process] = [], writing: Double = 0,
    recovery: RunModel.Recovery = .init(requeue: 5, start: 3, load: 2)
  ) -> RunModel {
    RunModel(
      stretches: [.init(steps: 100, stepSeconds: 10)], processes: processes, givenTimes: times,
      givenDetection: 7, checkpoints: .init(cadence: .steps([10]), stall: 2, writing: writing),
      recovery: recovery)
  }

  /// At 150 s 48 s of work lie behind the first checkpoint; they are done again.
  @Test func aFailureCostsWhatItShould() {
    let forecast = ForecastTests.one(model([150]))
    #expect(forecast.lost.detection == 7 && forecast.lost.restart == 10)
    #expect(forecast.lost.recomputation == 48 && forecast.lost.checkpoint == 20)
    #expect(forecast.wall.mean == 1085 && forecast.failures == 1)
  }

  /// A failure within a checkpoint leaves the one before: 2 s of it would have been the next.
  @Test func aCutCheckpointIsNone() {
    let forecast = ForecastTests.one(model([203]))
    #expect(forecast.lost.recomputation == 100 && forecast.lost.checkpoint == 21)
  }

  /// A second failure during the restart begins it anew: 3 s of detection were spent.
  @Test func restartsFailToo() {
    let forecast = ForecastTests.one(model([150, 153, 162]))
    #expect(forecast.lost.detection == 17 && forecast.lost.restart == 12)
    #expect(forecast.failures == 3)
    // Behind the replay and before the next checkpoint everything is done again.
    #expect(ForecastTests.one(model([150, 215])).lost.recomputation == 96)
  }

  /// A checkpoint that is not yet written is none: at 120 s the first one is, 20 s into its writing it is
  /// not.
  @Test func writingTakesItsTime() {
    #expect(ForecastTests.one(model([150], writing: 40)).lost.recomputation == 48)
    #expect(ForecastTests.one(model([130], writing: 40)).lost.recomputation == 128)
    // The next one waits until this one is written: 150 s of writing over 100 s of steps.
    #expect(ForecastTests.one(model(writing: 150)).lost.checkpoint == 470)
  }

  /// Without a spare the job waits for the node; on fewer replicas it goes on more slowly.
  @Test func nodesComeBack() {
    // One failure, whose time the seed draws: all others lie beyond the run.
    let stop = RunModel.Process("node", rate: 1e-3, detection: 7, repair: 500)
    func forecast(_ recovery: RunModel.Recovery) -> Forecast {
      Forecast(model(processes: [stop], recovery: recovery), runs: 400, seed: 1, threads: 2)
    }
    let waiting = forecast(.init(requeue: 5, start: 3, load: 2))
    let spared = forecast(.init(requeue: 5, start: 3, load: 2, spares: 100))
    #expect(spared.lost.idle == 0 && waiting.lost.idle > 400 * waiting.failures / 2)
    let elastic = forecast(
      .init(requeue: 5, start: 3, load: 2, elastic: .restart, replicas: 10, fewestReplicas: 5))
    #expect(elastic.lost.idle > 0 && elastic.lost.idle < waiting.lost.idle / 3)
    let resumed = forecast(
      .init(requeue: 5, start: 3, load: 2, elastic: .resume(pause: 3), replicas: 10))
    #expect(resumed.lost.recomputation == 0 && resumed.wall.mean < elastic.wall.mean)
    // As few as there must be: the job waits again.
    let strict = forecast(
      .init(requeue: 5, start: 3, load: 2, elastic: .restart, replicas: 10, fewestReplicas: 10))
    #expect(strict.wall.mean == waiting.wall.mean)
    // A node that takes all replicas with it leaves none.
    let whole = forecast(
      .init(
        requeue: 5, start: 3, load: 2, elastic: .restart, replicas: 10, replicasOfNode: 10))
    #expect(whole.wall.mean == waiting.wall.mean)
  }

  /// A slow node costs its share of the time until it is found, and a start without it.
  @Test func slowNodesAreFound() {
    let slow = RunModel.Process("slow", rate: 1e-9, effect: .slow(0.5), detection: 1e6)
    var model = model(processes: [slow])
    // So seldom that it hardly ever comes, and so often that it is there almost from the beginning.
    #expect(ForecastTests.one(model).lost.straggler == 0)
    model.processes[0].rate = 1
    let forecast = ForecastTests.one(model)
    #expect(abs(forecast.lost.straggler - 1000) < 15 && forecast.lost.recomputation == 0)
  }

  /// Wrong states go back to before they were wrong: about what was done until it was found out.
  @Test func corruptionGoesBack() {
    func recomputed(_ detection: Double) -> Double {
      let process = RunModel.Process(
        "corrupt", rate: 1e-4, effect: .corrupt, detection: detection)
      let forecast = Forecast(
        model(processes: [process]), runs: 4000, seed: 9, threads: 2)
      return forecast.lost.recomputation / max(forecast.failures, 1e-9)
    }
    // Half an interval and what was done since, restarts not counted.
    let (soon, late) = (recomputed(60), recomputed(360))
    #expect(soon > 80 && soon < 125, "\(soon)")
    #expect(late - soon > 230 && late - soon < 310, "\(late)")
  }

  /// Bursts are as many more failures as their probability says.
  @Test func burstsAreCounted() {
    let alone = RunModel.Process("x", rate: 1e-3, detection: 1)
    var burst = alone
    (burst.followUp, burst.followUpWithin) = (0.5, 30)
    let counts = [alone, burst].map { process in
      let forecast = Forecast(model(processes: [process]), runs: 2000, seed: 4, threads: 2)
      return forecast.failures / forecast.wall.mean
    }
    #expect(abs(counts[1] / counts[0] - 2) < 0.12, "\(counts)")
    #expect(burst.totalRate == 2 * alone.totalRate)
  }

  /// A copy in memory spares the reading, until further failures take it away.
  @Test func copiesInMemory() {
    func recovery(copies: Int, nodes: Int) -> RunModel.Recovery {
      .init(
        requeue: 5, start: 3, load: 1000, memoryLoad: 2, otherCopies: copies, otherNodes: nodes)
    }
    var first = model([150], recovery: recovery(copies: 1, nodes: 1))
    first.checkpoints.storedEvery = 100
    #expect(ForecastTests.one(first).lost.restart == 10)
    // The second failure hits the only other node: all is read, from where storage has it.
    first.givenTimes = [250, 260]
    let both = ForecastTests.one(first)
    #expect(both.lost.restart == 1011)
    #expect(both.lost.recomputation == 246)
    first.recovery.otherCopies = 2
    first.recovery.otherNodes = 2
    #expect(ForecastTests.one(first).lost.recomputation == 46)
  }
}

import Forecasts
import Quantities
import Testing

/// Runs that go on with fewer replicas, whose steps and starts have a speed of their own.
@Suite struct ElasticTests {
  /// Two ranks are faster than three, as where cores are fewer than ranks.
  private static let step = [4: 1.0, 3: 1.3, 2: 0.8, 1: 2.1]
  private static let start = [4: 6.0, 3: 5, 2: 4.5, 1: 3]

  private func recovery(fewest: Int = 1) -> RunModel.Recovery {
    var recovery = RunModel.Recovery(
      start: 6, elastic: .restart, replicas: 4, fewestReplicas: fewest)
    recovery.widths = Self.step.map {
      .init(replicas: $0, stepRatio: $1, start: Self.start[$0])
    }
    recovery.takeBackAfter = 1
    recovery.ending = 0.4
    return recovery
  }

  private func model(_ kills: [Double], _ recovery: RunModel.Recovery) -> RunModel {
    RunModel(
      stretches: [.init(steps: 200, stepSeconds: 1)], givenTimes: kills, givenDetection: 0.7,
      checkpoints: .init(cadence: .steps([10]), stall: 0.3), recovery: recovery)
  }

  /// Kills in steps, checkpoints, starts and returns: seconds of the wall and of the steps that count are those
  /// of a walk that looks at each step, and the parts are the whole.
  @Test(arguments: 0..<60) func asTheSupervisorDoesIt(seed: Int) {
    var generator = SeededGenerator(seed: UInt64(seed))
    var kills: [Double] = []
    for _ in 0..<20 {
      kills.append((kills.last ?? 0) + 40 * generator.unit() * (seed.isMultiple(of: 2) ? 1 : 2))
    }
    var recovery = recovery(fewest: seed % 4 == 3 ? 2 : 1)
    recovery.takeBackAfter = 1 + seed % 3
    recovery.warmUp = .init(steps: seed % 5, ratio: 1.5)
    var walk = ElasticWalk(
      steps: 200, every: 10, fewest: recovery.fewestReplicas,
      takeBackAfter: recovery.takeBackAfter, step: Self.step, start: Self.start, detection: 0.7,
      ending: 0.4, stall: 0.3, warmUp: recovery.warmUp, kills: kills)
    walk.run()
    let forecast = ForecastTests.one(model(kills, recovery))
    #expect(abs(forecast.wall.mean - walk.now) < 1e-6)
    #expect(abs(forecast.stepSeconds - walk.log.reduce(0, +)) < 1e-6)
    #expect(forecast.plannedStops == Double(walk.returns))
    #expect(abs(forecast.plannedSeconds - walk.returning) < 1e-6)
    #expect(abs(forecast.warmUpSeconds - walk.warming) < 1e-6)
    #expect(abs(forecast.productiveSeconds + forecast.lost.total - walk.now) < 1e-6)
  }

  /// A kill at 15.3 s, behind five steps beyond the first checkpoint; ten steps on fewer replicas, the return of
  /// all and their 180 steps, with a checkpoint behind every ten.
  private static func wall(start: Double, tenSteps: Double) -> Double {
    let fewer: [Double] = [0.7, start, tenSteps, 0.3]
    let all: [Double] = [0.4, 6, 180, 18 * 0.3]
    return (fewer + all).reduce(15.3, +)
  }

  /// Worked out by hand: killed after 15 steps, known 0.7 s and started 5 s later on three replicas, which do five
  /// steps again and five more, save, end and start on all four.
  @Test func oneKill() {
    let forecast = ForecastTests.one(model([15.3], recovery()))
    let wall = Self.wall(start: 5, tenSteps: 13)
    #expect(abs(forecast.wall.mean - wall) < 1e-9)
    #expect(abs(forecast.stepSeconds - (190 + 13)) < 1e-9)
    #expect(abs(forecast.lost.idle - 3) < 1e-9 && abs(forecast.lost.recomputation - 5) < 1e-9)
    #expect(abs(forecast.lost.restart - (5 + 0.4 + 6)) < 1e-9)
  }

  /// What is not listed runs as the next fewer that is; where nothing is, steps are longer in proportion.
  @Test func widthsThatAreNotListed() {
    var two = recovery()
    two.widths = [.init(replicas: 2, stepRatio: 3, start: 1)]
    let wall = Self.wall(start: 1, tenSteps: 30)
    #expect(abs(ForecastTests.one(model([15.3], two)).wall.mean - wall) < 1e-9)
    var none = recovery()
    none.widths = []
    let longer = Self.wall(start: 6, tenSteps: 40.0 / 3)
    #expect(abs(ForecastTests.one(model([15.3], none)).wall.mean - longer) < 1e-9)
  }
}

import Forecasts
import TestSupport
import Testing

/// Runs tried from failure to failure.
@Suite struct ForecastTests {
  static func one(_ model: RunModel) -> Forecast {
    Forecast(model, runs: 1, seed: 1, threads: 1)
  }

  /// A run in which a little of everything happens.
  static func eventful(rate: Double = 1e-4) -> RunModel {
    RunModel(
      stretches: [
        .init(phase: 0, steps: 300, stepSeconds: 5), .init(phase: 1, steps: 500, stepSeconds: 10),
        .init(phase: 1, steps: 4000, stepSeconds: 20), .init(phase: 2, steps: 100, stepSeconds: 60),
      ],
      processes: [
        .init("stop", rate: rate, detection: 60, repair: 2e3),
        .init("burst", rate: rate / 4, detection: 30, followUp: 0.5, followUpWithin: 100),
        .init("slow", rate: rate / 5, effect: .slow(0.8), detection: 3000, repair: 1e3),
        .init("corrupt", rate: rate / 10, effect: .corrupt, detection: 5000),
      ],
      checkpoints: .init(cadence: .seconds(600), stall: 3, writing: 40),
      recovery: .init(requeue: 50, start: 40, load: 10, spares: 1))
  }

  /// Daly's exact expectation lies within the error of the mean.
  @Test(arguments: [0.001, 0.01, 0.1, 0.5, 1, 2]) func dalysExpectation(share: Double) {
    let (between, restart) = (1000.0, 300.0)
    let interval = ClosedForms.bestInterval(checkpoint: share * between, between: between)
    let one = ClosedForms.expectedWall(
      work: interval, interval: interval, checkpoint: share * between, restart: restart,
      between: between)
    let intervals = max(1, Int(20 * between / one))
    let model = RunModel(
      stretches: [.init(steps: intervals * 10, stepSeconds: interval / 10)],
      processes: [.init("stop", rate: 1 / between, detection: 100)],
      checkpoints: .init(cadence: .steps([10]), stall: share * between),
      recovery: .init(requeue: 100, start: 50, load: 50))
    let forecast = Forecast(model, runs: 2000, seed: 7, threads: 2)
    let expected = Double(intervals) * one
    #expect(abs(model.expectedWallSeconds / expected - 1) < 1e-9)
    #expect(
      abs(forecast.wall.mean - expected) < 3.5 * forecast.wall.error,
      "\(forecast.wall.mean) ± \(forecast.wall.error) for \(expected)")
    #expect(forecast.wall.error < 0.03 * expected)
  }

  /// The same as a run walked step by step, whatever the times of failures.
  @Test func stepByStep() {
    var chance = SplitMix64(state: 3)
    func number(_ range: ClosedRange<Double>) -> Double {
      range.lowerBound + (range.upperBound - range.lowerBound)
        * Double(chance.next() >> 11) * 0x1p-53
    }
    for _ in 0..<400 {
      let phases = 1 + Int(chance.next() % 3)
      let stretches = (0..<phases).flatMap { phase in
        (0...Int(chance.next() % 2)).map { _ in
          RunModel.Stretch(
            phase: phase, steps: 1 + Int(chance.next() % 40), stepSeconds: number(1...9))
        }
      }
      let model = RunModel(
        stretches: stretches,
        givenTimes: (0..<Int(chance.next() % 12)).map { _ in number(0...900) },
        givenDetection: number(0...20),
        checkpoints: .init(
          cadence: .steps((0..<phases).map { _ in 1 + Int(chance.next() % 12) }),
          stall: number(0...6), writing: chance.next() % 2 == 0 ? 0 : number(0...40)),
        recovery: .init(requeue: number(0...9), start: number(0...9), load: number(0...9)))
      var walked = StepByStep(model)
      walked.run()
      let forecast = Self.one(model)
      #expect(abs(forecast.wall.mean - walked.now) < 1e-6, "\(model)")
      for (part, other) in zip(forecast.lost.parts, walked.lost.parts) {
        #expect(abs(part.seconds - other.seconds) < 1e-6, "\(part.name): \(model)")
      }
    }
  }

  /// Every second is a step's or is lost to something, and belongs to a phase.
  @Test func nothingIsLostFromSight() {
    for elastic in [RunModel.Recovery.Elastic.none, .restart, .resume(pause: 20)] {
      for memory in [nil, 4.0] {
        var model = Self.eventful()
        model.recovery.elastic = elastic
        (model.recovery.replicas, model.recovery.replicasOfNode) = (8, 1)
        model.recovery.memoryLoad = memory
        model.checkpoints.storedEvery = memory == nil ? 1 : 5
        let forecast = Forecast(model, runs: 200, seed: 5, threads: 2)
        let sum = forecast.productiveSeconds + forecast.lost.total
        #expect(abs(forecast.wall.mean / sum - 1) < 1e-9, "\(elastic)")
        #expect(abs(forecast.phaseSeconds.reduce(0, +) / sum - 1) < 1e-9, "\(elastic)")
        #expect(forecast.lost.parts.allSatisfy { $0.seconds > 0 }, "\(forecast.lost)")
        #expect(forecast.unfinished == 0)
      }
    }
  }

  /// The same seed gives the same bits on any number of threads, another seed other ones.
  @Test func seedsDecide() {
    let forecasts = [1, 2, 5].map {
      Forecast(Self.eventful(), runs: 300, seed: 11, threads: $0)
    }
    #expect(forecasts[0] == forecasts[1] && forecasts[0] == forecasts[2])
    let other = Forecast(Self.eventful(), runs: 300, seed: 12, threads: 1)
    #expect(other.wallSeconds != forecasts[0].wallSeconds)
    // One run more leaves those in front of it as they are.
    let more = Forecast(Self.eventful(), runs: 301, seed: 11, threads: 2)
    #expect(Array(more.wallSeconds.dropLast()) == forecasts[0].wallSeconds)
  }

  @Test func withoutFailuresStepsAreAll() {
    var model = Self.eventful()
    model.processes = []
    model.checkpoints = .init(cadence: .phases, stall: 0)
    let forecast = Self.one(model)
    #expect(forecast.wall.mean == 92_500)
    #expect(forecast.lost == LostTime() && forecast.goodput == 1)
    // Behind every 50 of 300 steps, every 60 of 4,500 and every 30 of 100, and at the end of each phase.
    model.checkpoints = .init(cadence: .steps([50, 60, 30]), stall: 2)
    #expect(Self.one(model).lost.checkpoint == 170)
  }

  /// More failures, longer restarts and later detection are never shorter in the mean.
  @Test func worseIsLonger() {
    let base = Forecast(Self.eventful(), runs: 600, seed: 2, threads: 2)
    var last = base.wall.mean
    for rate in [2e-4, 4e-4, 8e-4] {
      let mean = Forecast(Self.eventful(rate: rate), runs: 600, seed: 2, threads: 2).wall.mean
      #expect(mean > last)
      last = mean
    }
    let changes: [(String, (inout RunModel) -> Void)] = [
      ("requeue", { $0.recovery.requeue += 100 }), ("start", { $0.recovery.start += 100 }),
      ("load", { $0.recovery.load += 100 }), ("spares", { $0.recovery.spares = 0 }),
      ("stall", { $0.checkpoints.stall += 10 }), ("writing", { $0.checkpoints.writing += 1500 }),
      ("detection", { $0.processes[0].detection += 300 }),
      ("burst", { $0.processes[1].followUp = 0.8 }),
      ("speed", { $0.processes[2].effect = .slow(0.4) }),
      ("slow detection", { $0.processes[2].detection *= 4 }),
      ("corrupt detection", { $0.processes[3].detection *= 4 }),
      ("cadence", { $0.checkpoints.cadence = .seconds(20_000) }),
    ]
    for (name, change) in changes {
      var model = Self.eventful()
      change(&model)
      let mean = Forecast(model, runs: 600, seed: 2, threads: 2).wall.mean
      #expect(mean > base.wall.mean, "\(name): \(mean) for \(base.wall.mean)")
    }
  }

  /// A run that can never end is given up.
  @Test func whatNeverEndsIsGivenUp() {
    let model = RunModel(
      stretches: [.init(steps: 1, stepSeconds: 1e4)], processes: [.init("stop", rate: 0.01)],
      checkpoints: .init(cadence: .phases, stall: 0))
    let forecast = Self.one(model)
    #expect(forecast.unfinished == 1 && forecast.wall.mean.isFinite)
    // Nor one whose restarts hardly ever come to an end.
    var restarting = model
    restarting.processes[0].rate = 1
    restarting.recovery.start = 600
    #expect(Self.one(restarting).unfinished == 1)
  }

  /// What is better by itself saves what it takes away, and once: failures come at given times, and what the
  /// first restart saves is work that the second failure undoes.
  @Test func sensitivitiesSayWhatHelps() throws {
    let model = RunModel(
      stretches: [.init(steps: 1000, stepSeconds: 10)], givenTimes: [1234, 5678],
      givenDetection: 100, checkpoints: .init(cadence: .steps([100]), stall: 4),
      recovery: .init(requeue: 60, start: 30, load: 10))
    let forecast = Self.one(model)
    let all = model.sensitivities(of: forecast, runs: 1, threads: 1)
    func saved(_ words: String) throws -> Double {
      try #require(all.first { $0.change == words }, "\(all)").savedSeconds
    }
    #expect(abs(try saved("nodes requeued twice as fast") - 30) < 1e-6)
    #expect(abs(try saved("the state loaded twice as fast") - 5) < 1e-6)
    #expect(all.map(\.savedSeconds) == all.map(\.savedSeconds).sorted(by: >))
  }
}

import Simulation

/// How a run goes, from so many tries with chance of their own.
public struct Forecast: Hashable, Sendable {
  public var runs: Int
  public var seed: UInt64
  /// Seconds of all steps, each done once, in the mean of runs: what is left of the wall's time where nothing
  /// fails.
  public var productiveSeconds: Double
  public var wall: Spread
  /// The wall's time of those runs that came to an end; nil where none did.
  public var ended: Spread?
  /// Means of what was lost.
  public var lost: LostTime
  /// Failures of a run in the mean.
  public var failures: Double
  /// Seconds of the wall's time that each phase takes, in the mean.
  public var phaseSeconds: [Double]
  /// The wall's time of each run in order, of one that was given up until then.
  public var wallSeconds: [Double]
  /// Which of them came to an end.
  public var isEnded: [Bool]
  /// Seconds of steps that a run never does, in the mean: the wall's time is that of all steps without
  /// these, and what was lost.
  public var undoneSeconds: Double
  /// What the steps took that count, as a run's own log has them, in the mean: on fewer replicas, on a slow
  /// node and behind a start they are longer.
  public var stepSeconds: Double
  /// Stops that were wanted, and what of the restarts lies in them and in slower first steps, in the mean.
  public var plannedStops: Double
  public var plannedSeconds: Double
  public var warmUpSeconds: Double
  /// Runs that were given up because they never end.
  public var unfinished: Int

  /// A quantity over all runs.
  public struct Spread: Hashable, Sendable {
    public var mean: Double
    public var p5: Double
    public var p50: Double
    public var p95: Double
    /// The standard error of the mean.
    public var error: Double

    /// - Parameter values: at least one, ascending.
    init(ascending values: [Double]) {
      let count = Double(values.count)
      mean = values.reduce(0, +) / count
      let mean = mean
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(1, count - 1)
      error = (variance / count).squareRoot()
      func quantile(_ share: Double) -> Double {
        let place = share * (count - 1)
        let below = Int(place)
        let above = min(values.count - 1, below + 1)
        return values[below] + (values[above] - values[below]) * (place - Double(below))
      }
      (p5, p50, p95) = (quantile(0.05), quantile(0.5), quantile(0.95))
    }
  }

  /// Steps done for the first time over the wall's time.
  public var goodput: Double {
    wall.mean > 0 ? (productiveSeconds - undoneSeconds) / wall.mean : 1
  }

  /// Tries the run; the same seed gives the same bits on any number of threads.
  ///
  /// - Complexity: a run costs what its failures and stretches cost, whatever the number of steps.
  public init(_ model: RunModel, runs: Int, seed: UInt64, threads: Int) {
    precondition(runs > 0)
    // One behind the other, so that every draw of slow nodes stands for as many runs.
    let drawn = (0..<min(runs, model.drawCount)).map { model.drawn($0) }
    let roads = drawn.map(Road.init)
    let size = 64
    let parts = Array(stride(from: 0, to: runs, by: size))
    let outcomes = parallelMap(parts, threads: threads) { first -> [RunOutcome] in
      (first..<min(runs, first + size)).map { number in
        let draw = number % drawn.count
        var trial = RunTrial(drawn[draw], road: roads[draw], seed: Self.seed(seed, run: number))
        return trial.run()
      }
    }
    let productive = drawn.map(\.productiveSeconds)
    let mean = (0..<runs).reduce(0) { $0 + productive[$1 % drawn.count] } / Double(runs)
    self.init(
      model, outcomes.flatMap(\.self),
      productiveSeconds: drawn.count > 1 ? mean : productive[0], seed: seed)
  }

  private init(
    _ model: RunModel, _ outcomes: [RunOutcome], productiveSeconds: Double, seed: UInt64
  ) {
    runs = outcomes.count
    self.seed = seed
    self.productiveSeconds = productiveSeconds
    wallSeconds = outcomes.map(\.wallSeconds)
    wall = Spread(ascending: wallSeconds.sorted())
    isEnded = outcomes.map(\.isFinished)
    let ended = outcomes.filter(\.isFinished).map(\.wallSeconds).sorted()
    self.ended = ended.isEmpty ? nil : Spread(ascending: ended)
    let count = Double(runs)
    lost = outcomes.reduce(LostTime()) { $0 + $1.lost } / count
    failures = Double(outcomes.reduce(0) { $0 + $1.failures }) / count
    phaseSeconds = (0..<model.phaseCount).map { phase in
      outcomes.reduce(0) { $0 + $1.phaseSeconds[phase] } / count
    }
    undoneSeconds = outcomes.reduce(0) { $0 + $1.undoneSeconds } / count
    stepSeconds = outcomes.reduce(0) { $0 + $1.stepSeconds } / count
    plannedStops = Double(outcomes.reduce(0) { $0 + $1.plannedStops }) / count
    plannedSeconds = outcomes.reduce(0) { $0 + $1.plannedSeconds } / count
    warmUpSeconds = outcomes.reduce(0) { $0 + $1.warmUpSeconds } / count
    unfinished = outcomes.count { !$0.isFinished }
  }

  /// A seed of each run that lies far from its neighbours'.
  private static func seed(_ seed: UInt64, run: Int) -> UInt64 {
    seed &* 0xD6E8_FEB8_6659_FD93 &+ UInt64(run) &* 0xA076_1D64_78BD_642F
  }
}

/// A whole run as a forecast sees it: steps of known length, what fails, and how the run goes on.
///
/// All times are seconds on a coarse clock, in `Double`: a run of years keeps microseconds.
public struct RunModel: Hashable, Sendable {
  /// Steps that are alike, one behind the other.
  public struct Stretch: Hashable, Sendable {
    /// The number of the phase that they belong to; phases follow one another.
    public var phase: Int
    public var steps: Int
    /// Of one step, in the mean of `draws`.
    public var stepSeconds: Double
    /// The same with each draw of what holds for a whole run, equally likely; empty where nothing is drawn.
    ///
    /// One place stands for the same draw in all stretches.
    public private(set) var draws: [Double] = []

    public init(phase: Int = 0, steps: Int, stepSeconds: Double) {
      (self.phase, self.steps, self.stepSeconds) = (phase, steps, stepSeconds)
    }

    /// - Parameter draws: at least one.
    public init(phase: Int = 0, steps: Int, draws: [Double]) {
      precondition(!draws.isEmpty, "A step takes some time.")
      self.init(
        phase: phase, steps: steps, stepSeconds: draws.reduce(0, +) / Double(draws.count))
      self.draws = draws
    }

    /// Makes steps so many times as long.
    mutating func scale(by factor: Double) {
      stepSeconds *= factor
      draws = draws.map { $0 * factor }
    }

    /// The stretch of a run with one of the draws.
    func drawn(_ number: Int) -> Stretch {
      draws.isEmpty
        ? self
        : Stretch(phase: phase, steps: steps, stepSeconds: draws[number % draws.count])
    }
  }

  /// A process of failures of the whole job.
  public struct Process: Hashable, Sendable {
    public enum Effect: Hashable, Sendable {
      /// The job ends.
      case stop
      /// It runs on at this share of its speed.
      case slow(Double)
      /// Its state is wrong.
      case corrupt
    }

    public var name: String
    /// Failures a second, follow-ups not counted.
    public var rate: Double
    public var effect: Effect
    /// Until it is found out.
    public var detection: Double
    /// Until the node that was lost is back; nil where none is lost.
    public var repair: Double?
    /// The probability that a failure brings on another one, and after how long in the mean.
    public var followUp: Double
    public var followUpWithin: Double

    public init(
      _ name: String, rate: Double, effect: Effect = .stop, detection: Double = 0,
      repair: Double? = nil, followUp: Double = 0, followUpWithin: Double = 0
    ) {
      self.name = name
      self.rate = rate
      self.effect = effect
      self.detection = detection
      self.repair = repair
      (self.followUp, self.followUpWithin) = (followUp, followUpWithin)
    }

    /// Failures a second, follow-ups of follow-ups counted: each brings on p more, p of these p² and so on.
    public var totalRate: Double { rate / (1 - followUp) }
  }

  /// When and how checkpoints are taken.
  public struct Checkpoints: Hashable, Sendable {
    public enum Cadence: Hashable, Sendable {
      /// None but at the end of each phase.
      case phases
      /// After so many steps of a phase, for each phase.
      case steps([Int])
      /// After so many seconds of work, in whole steps.
      case seconds(Double)
    }

    public var cadence: Cadence
    /// How long the step stands still for one.
    public var stall: Double
    /// How long it is written behind the steps that follow; it is good only then.
    public var writing: Double
    /// Of checkpoints in memory, how many of them one goes to storage; 1 where all do.
    public var storedEvery: Int
    /// How long such a one is written.
    public var storedWriting: Double

    public init(
      cadence: Cadence, stall: Double, writing: Double = 0, storedEvery: Int = 1,
      storedWriting: Double = 0
    ) {
      (self.cadence, self.stall, self.writing) = (cadence, stall, writing)
      (self.storedEvery, self.storedWriting) = (storedEvery, storedWriting)
    }
  }

  /// How a run goes on after a failure.
  public struct Recovery: Hashable, Sendable {
    public enum Elastic: Hashable, Sendable {
      /// The job waits until it has all of its nodes.
      case none
      /// It starts again from its checkpoint on the replicas that are left.
      case restart
      /// The replicas that are left keep their state and go on after so many seconds.
      case resume(pause: Double)
    }

    /// Until the job has nodes again.
    public var requeue: Double
    /// From having nodes to the first step, the state not counted.
    public var start: Double
    /// Reading the state from storage, and from memory where it is kept there.
    public var load: Double
    public var memoryLoad: Double?
    /// Nodes beside those of the job.
    public var spares: Int
    public var elastic: Elastic
    /// Replicas of the model, how many of them break with a node, and how few may go on.
    public var replicas: Int
    public var replicasOfNode: Int
    public var fewestReplicas: Int
    /// Of a state in memory, the copies on other nodes, and how many other nodes there are: further
    /// failures during a restart may take them all.
    public var otherCopies: Int
    public var otherNodes: Int
    /// What is known of fewer replicas; where nothing is, steps take as much longer as replicas are missing.
    public var widths: [Width] = []
    public var warmUp = WarmUp()
    /// Behind how many checkpoints without it a replica is taken back whose process ended; 0 where such an
    /// end takes no replica from the job.
    public var takeBackAfter = 0
    /// From the last step in front of a planned stop to nobody's running.
    public var ending = 0.0

    public init(
      requeue: Double = 0, start: Double = 0, load: Double = 0, memoryLoad: Double? = nil,
      spares: Int = 0, elastic: Elastic = .none, replicas: Int = 1, replicasOfNode: Int = 1,
      fewestReplicas: Int = 1, otherCopies: Int = 1, otherNodes: Int = 1
    ) {
      (self.requeue, self.start, self.load) = (requeue, start, load)
      (self.memoryLoad, self.spares, self.elastic) = (memoryLoad, spares, elastic)
      (self.replicas, self.replicasOfNode) = (replicas, replicasOfNode)
      self.fewestReplicas = fewestReplicas
      (self.otherCopies, self.otherNodes) = (otherCopies, otherNodes)
    }
  }

  public var stretches: [Stretch]
  public var processes: [Process]
  /// Failures at given times, which end the job and are known after so long; none are drawn then.
  public var givenTimes: [Double]
  public var givenDetection: Double
  public var checkpoints: Checkpoints
  public var recovery: Recovery

  public init(
    stretches: [Stretch], processes: [Process] = [], givenTimes: [Double] = [],
    givenDetection: Double = 0, checkpoints: Checkpoints, recovery: Recovery = Recovery()
  ) {
    self.stretches = stretches
    self.processes = processes
    (self.givenTimes, self.givenDetection) = (givenTimes.sorted(), givenDetection)
    (self.checkpoints, self.recovery) = (checkpoints, recovery)
  }

  /// Seconds of all steps, each done once.
  public var productiveSeconds: Double {
    stretches.reduce(0) { $0 + Double($1.steps) * $1.stepSeconds }
  }

  /// How many draws of what holds for a whole run its steps are known with; at least one.
  public var drawCount: Int { max(1, stretches.map(\.draws.count).max() ?? 1) }

  /// The run with one of the draws.
  func drawn(_ number: Int) -> RunModel {
    var model = self
    model.stretches = stretches.map { $0.drawn(number) }
    return model
  }

  public var phaseCount: Int { (stretches.last?.phase ?? -1) + 1 }

  /// Failures a second that end the job or send it back; those that slow it down are not among them.
  public var stoppingRate: Double {
    processes.reduce(0) { sum, process in
      if case .slow = process.effect { sum } else { sum + process.totalRate }
    }
  }

  /// The time between failures that end the job or send it back, in the mean; infinite without any.
  public var meanTimeBetweenFailures: Double {
    if !givenTimes.isEmpty { return productiveSeconds / Double(givenTimes.count) }
    return stoppingRate > 0 ? 1 / stoppingRate : .infinity
  }

  /// What a failure of the mean takes until steps go on, waiting for repair and what is done again left
  /// out.
  public var restartSeconds: Double {
    let detection =
      stoppingRate > 0
      ? processes.reduce(0) { sum, process in
        process.effect == .stop ? sum + process.totalRate * process.detection : sum
      } / stoppingRate : givenDetection
    // Wrong states alone are read from storage whatever memory has.
    let wrong =
      stoppingRate > 0
      ? processes.reduce(0) { $1.effect == .corrupt ? $0 + $1.totalRate : $0 } / stoppingRate : 0
    let anew = recovery.requeue + recovery.start
    let whole = anew + recovery.load
    if case .resume(let pause) = recovery.elastic {
      return detection + (1 - wrong) * pause + wrong * whole
    }
    return detection + wrong * whole + (1 - wrong) * (anew + (recovery.memoryLoad ?? recovery.load))
  }

  /// Steps between two checkpoints of a stretch.
  func stepsBetweenCheckpoints(_ stretch: Stretch) -> Int {
    switch checkpoints.cadence {
    case .phases: .max / 4
    case .steps(let counts): max(1, counts[stretch.phase])
    case .seconds(let seconds):
      Int(max(1, min(1e15, (seconds / stretch.stepSeconds).rounded())))
    }
  }
}

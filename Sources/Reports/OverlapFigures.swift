import Costs
import Engines
import Planning
import Plans
import Quantities
import Schedules
import Simulation

/// What `sluice overlap` found, as JSON and as a page.
public struct OverlapFigures: Encodable, Sendable {
  /// The plan as it is, and as planned.
  public struct Change<Value: Encodable & Sendable>: Encodable, Sendable {
    public var published: Value
    public var planned: Value
  }

  /// What is hidden of each kind of exchange.
  public struct Hidden: Encodable, Sendable {
    /// `f:dispatch` and so on.
    public var kind: String
    public var seconds: Change<Double>
    public var hiddenShare: Change<Double>
  }

  /// A place on the curve.
  public struct Point: Encodable, Sendable {
    public var multiprocessors: Int
    public var publishedSeconds: Double
    public var plannedSeconds: Double
    public var pairwiseSeconds: Double
    public var boundSeconds: Double
    public var gap: Double
    public var computingSeconds: Double
    public var movingSeconds: Double

    init(_ point: OverlapPoint) {
      multiprocessors = point.multiprocessors
      publishedSeconds = point.published
      plannedSeconds = point.planned
      pairwiseSeconds = point.pairwise
      boundSeconds = point.bound
      gap = point.gap
      computingSeconds = point.computing
      movingSeconds = point.moving
    }
  }

  /// One end of what a multiprocessor of an exchange moves.
  public struct End: Encodable, Sendable {
    public var end: String
    public var pairSeconds: Change<Double>
    /// What would be chosen if this end were known to hold.
    public var best: Point
  }

  /// The whole step.
  public struct Step: Encodable, Sendable {
    public var seconds: Change<Double>
    public var peakBytes: Change<Int>
    public var fits: Change<Bool>
    /// Of its expert exchanges what nothing hides, and what computation hides as a share.
    public var exposedSeconds: Change<Double>
    public var hiddenShare: Change<Double>
    public var multiprocessors: Change<Int>
    /// The order of its pairs, `published` or segments; the plan's own where that remains the fastest.
    public var order: Change<String>
    /// At both ends of the exchange's law; predicted faster over all of it.
    public var ends: [StepEnd]
    public var survives: Bool
    /// The planned order is in it; false where the plan as it is remains the fastest that fits.
    public var isChanged: Bool
    /// What of the planned step differs, and every step that was simulated.
    public var change: String
    public var tried: [Tried]
  }

  /// Whole steps at one end of what a multiprocessor of an exchange moves.
  public struct StepEnd: Encodable, Sendable {
    public var end: String
    public var seconds: Change<Double>
  }

  /// A step that was simulated.
  public struct Tried: Encodable, Sendable {
    public var change: String
    public var seconds: Double
    public var peakBytes: Int
    public var fits: Bool
  }

  /// A kind of pair of the step.
  public struct Pair: Encodable, Sendable {
    public var forwardStage: Int
    public var backwardStage: Int
    public var count: Int
    public var seconds: Change<Double>
  }

  public var model: String
  public var cluster: String
  public var plan: String
  public var forwardStage: Int
  public var backwardStage: Int
  public var pairSeconds: Change<Double>
  /// Pairs of segments by dynamic programming, on the chosen multiprocessors.
  public var pairwiseSeconds: Double
  public var boundSeconds: Double
  public var gap: Double
  /// All exchanges of the pair together, and by kind.
  public var hiddenShare: Change<Double>
  public var hidden: [Hidden]
  public var multiprocessors: Change<Int>
  public var pairPeakBytes: Change<Int>
  public var curve: [Point]
  public var order: [String]
  public var ends: [End]
  /// Predicted faster at both ends of the exchange's law.
  public var survives: Bool
  public var isExact: Bool
  public var pairs: [Pair]
  public var step: Step?
  public var schedule: Order?
  public var inputs: Inputs

  /// The order of all passes, planned from what stages take: without optimizer, reductions and draws of load.
  public struct Order: Encodable, Sendable {
    public var makespanSeconds: Double
    public var boundSeconds: Double
    /// The best published order within the same memory.
    public var bestNamed: String?
    public var bestNamedSeconds: Double?
    /// It is a published one; nil where it was planned.
    public var name: String?

    public init(_ order: AutomaticSchedule) {
      makespanSeconds = Double(order.timing.makespan) / 1e9
      boundSeconds = Double(order.bound) / 1e9
      bestNamed = order.bestNamed?.rawValue
      bestNamedSeconds = order.bestNamedMakespan.map { Double($0) / 1e9 }
      name = order.name?.rawValue
    }
  }

  /// - Parameters:
  ///   - step: whole steps before and after; nil where nobody asks.
  public init(
    _ overlap: OverlapPlan, step: OverlappedStep?, _ planned: PlannedStep, _ inputs: Inputs
  ) {
    model = planned.placed.architecture.name
    cluster = planned.cluster.name
    plan = planned.placed.plan.name
    (forwardStage, backwardStage) = (overlap.pair.forward, overlap.pair.backward)
    pairSeconds = Change(published: overlap.before.seconds, planned: overlap.after.seconds)
    pairwiseSeconds = overlap.best.pairwise
    boundSeconds = overlap.best.bound
    gap = overlap.best.gap
    let runs = (overlap.before, overlap.after)
    let kinds: [PairSegment] = [
      .forwardDispatch, .forwardCombine, .backwardCombine, .backwardDispatch,
    ]
    func share(_ sum: Exposure) -> Double {
      sum.total > 0 ? Double(sum.hidden) / Double(sum.total) : 1
    }
    hidden = kinds.map { kind in
      let (before, after) = (runs.0.exposure(of: kind), runs.1.exposure(of: kind))
      return Hidden(
        kind: kind.rawValue,
        seconds: Change(
          published: Double(before.total) / 1e12, planned: Double(after.total) / 1e12),
        hiddenShare: Change(published: share(before), planned: share(after)))
    }
    func all(_ run: PairRun) -> Double {
      share(kinds.reduce(Exposure()) { $0 + run.exposure(of: $1) })
    }
    hiddenShare = Change(published: all(runs.0), planned: all(runs.1))
    multiprocessors = Change(
      published: overlap.own.multiprocessors, planned: overlap.best.multiprocessors)
    pairPeakBytes = Change(published: runs.0.memory, planned: runs.1.memory)
    curve = overlap.curve.map(Point.init)
    order = overlap.best.order.map(\.rawValue)
    ends = overlap.ends.map {
      End(
        end: $0.end.rawValue,
        pairSeconds: Change(published: $0.published, planned: $0.planned),
        best: Point($0.best))
    }
    (survives, isExact) = (overlap.survives, overlap.isExact)
    pairs = overlap.shapes.map {
      Pair(
        forwardStage: $0.forward, backwardStage: $0.backward, count: $0.count,
        seconds: Change(published: $0.published, planned: $0.planned))
    }
    self.step = step.map { Step($0, own: overlap.own.multiprocessors) }
    self.inputs = inputs
  }
}

extension OverlapFigures.Step {
  /// - Parameter own: multiprocessors of a plan that does not name them.
  init(_ step: OverlappedStep, own: Int) {
    typealias Change = OverlapFigures.Change
    func both<Value>(_ value: (OverlappedStep.Candidate) -> Value) -> Change<Value> {
      Change(published: value(step.published), planned: value(step.planned))
    }
    seconds = both(\.seconds)
    peakBytes = both(\.peak)
    fits = both(\.fits)
    exposedSeconds = both(\.exchanges.exposed)
    hiddenShare = both { $0.exchanges.total > 0 ? $0.exchanges.hidden / $0.exchanges.total : 1 }
    multiprocessors = both { $0.plan.communicationSMs ?? own }
    order = both { $0.plan.pairOrder.description }
    ends = zip(step.published.ends, step.planned.ends).map {
      OverlapFigures.StepEnd(
        end: $0.end.rawValue, seconds: Change(published: $0.seconds, planned: $1.seconds))
    }
    survives = step.survives
    isChanged = step.planned.plan != step.published.plan
    change = step.planned.change
    tried = step.tried.map {
      OverlapFigures.Tried(
        change: $0.change, seconds: $0.seconds, peakBytes: $0.peak, fits: $0.fits)
    }
  }
}

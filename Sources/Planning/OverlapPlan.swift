import Clusters
import Costs
import Foundation
import Models
import Plans
import Programs
import Simulation

/// What a pair takes with so many multiprocessors for its exchanges.
public struct OverlapPoint: Hashable, Sendable {
  public var multiprocessors: Int
  /// In the plan's own order, in the fastest, in the order that pairs segments two by two, and what no order
  /// goes below.
  public var published: Double
  public var planned: Double
  public var pairwise: Double
  public var bound: Double
  /// Its kernels together, and its exchanges together.
  public var computing: Double
  public var moving: Double
  /// The fastest order.
  public var order: [PairSegment]

  /// How much longer the planned order takes than the bound, as a share of it.
  public var gap: Double { bound > 0 ? planned / bound - 1 : 0 }
}

/// The fastest order of a plan's merged pairs and the best split of its device's multiprocessors.
///
/// Multiprocessors are no fluid: what exchanges take is left free by all kernels of a pair, whether an
/// exchange runs or not, as the launches of 112 blocks in the published trace have it.
public struct OverlapPlan: Sendable {
  /// What is asked for.
  public struct Request: Sendable {
    /// Multiprocessors that exchanges may take; the plan's own are tried in any case.
    public var multiprocessors = Array(stride(from: 4, through: 64, by: 2))
    public var threads = 1

    public init() {}
  }

  /// Why there is nothing to plan.
  public struct NothingToPlan: Error, CustomStringConvertible {
    public var description: String
  }

  /// The pair that is planned: the commonest of the plan, on the plan's own multiprocessors.
  public let pair: MergedPair
  /// One for every number of multiprocessors, ascending.
  public let curve: [OverlapPoint]
  /// The plan as it is, and the place on the curve that was chosen.
  public let own: OverlapPoint
  public let best: OverlapPoint
  /// At both ends of what a multiprocessor of an exchange moves: the plan as it is, the chosen order there,
  /// and what would be chosen if that end were known to hold.
  public let ends: [End]
  /// The pair before and after, every operation simulated.
  public let before: PairRun
  public let after: PairRun
  /// Pairs of every shape of the plan, the commonest first, before and after.
  public let shapes: [Shape]
  /// Whether segments are all that decides (see `PairParts`).
  public let isExact: Bool
  /// The plan with the chosen order and split.
  public let plan: Plan
  /// Labels that were looked at.
  public let walked: Int
  /// The fastest order of every number of multiprocessors, as stated and at both ends.
  public let found: [Found]

  /// An order that was planned, and where.
  public struct Found: Hashable, Sendable {
    public var order: PairOrder
    public var multiprocessors: Int
    public var end: MultiprocessorRate.End
  }

  /// The pairs of one shape.
  public struct Shape: Hashable, Sendable {
    public var forward: Int
    public var backward: Int
    /// How many a pipeline has in a step.
    public var count: Int
    public var published: Double
    public var planned: Double
  }

  /// What holds at one end of the exchange's law.
  public struct End: Hashable, Sendable {
    public var end: MultiprocessorRate.End
    public var published: Double
    public var planned: Double
    public var best: OverlapPoint
  }

  /// Whether the chosen order is faster than the plan's own wherever the exchange's law lies.
  public var survives: Bool {
    ends.allSatisfy { $0.planned < $0.published } && best.planned < own.published
  }

  /// Plans the pairs of a step.
  ///
  /// - Throws: `NothingToPlan`, and what `PlannedStep` throws.
  public init(_ step: PlannedStep, request: Request) throws {
    let plan = step.placed.plan
    let pairs = MergedPair.all(of: step)
    guard let pair = pairs.first(where: \.hasExchanges) else {
      throw NothingToPlan(
        description: pairs.isEmpty
          ? "\(plan.name) has no overlapped pairs (overlap.expert-exchange: true)"
          : "the pairs of \(plan.name) exchange nothing (expert-parallel \(plan.expertParallel))")
    }
    let most = step.cluster.device.multiprocessors.value - 1
    let counts = Set(request.multiprocessors.filter { $0 <= most } + [pair.multiprocessors])
    let cases = try Self.cases(step, pair, counts.sorted(), threads: request.threads)
    let found = parallelMap(
      cases.flatMap { one in MultiprocessorRate.End.allCases.map { (one, $0) } },
      threads: request.threads
    ) { one, end in PairAnswer(one, end, keepsWeights: plan.keepsWeightsInPlace) }
    let stated = found.filter { $0.end == .stated }
    let place = Self.chosen(stated, own: pair.multiprocessors, found)
    self.pair = pair
    curve = stated.map(\.point)
    guard
      let ownPlace = stated.firstIndex(where: {
        $0.point.multiprocessors == pair.multiprocessors
      })
    else { preconditionFailure("The plan's own multiprocessors are tried.") }
    own = stated[ownPlace].point
    best = stated[place].point
    isExact = stated.allSatisfy(\.isExact)
    walked = found.reduce(0) { $0 + $1.walked }
    self.found = MultiprocessorRate.End.allCases.flatMap { end in
      found.filter { $0.end == end }.map {
        Found(order: $0.order, multiprocessors: $0.point.multiprocessors, end: end)
      }
    }
    let ownOrder = plan.pairOrder
    let answers = stated[place]
    ends = [MultiprocessorRate.End.low, .high].map { end in
      let there = found.filter { $0.end == end }
      let points = there.map(\.point)
      return End(
        end: end, published: points[ownPlace].published,
        planned: there[place].seconds(of: answers.moves),
        best: points.min { ($0.planned, $0.multiprocessors) < ($1.planned, $1.multiprocessors) }
          ?? points[0])
    }
    before = pair.run(ownOrder)
    let order = answers.order
    after = cases[place].pair.run(order)
    shapes = zip(pairs, cases[place].all).map { own, other in
      Shape(
        forward: own.forward, backward: own.backward, count: own.count,
        published: own.run(ownOrder).seconds, planned: other.run(order).seconds)
    }
    self.plan = Self.plan(plan, multiprocessors: best.multiprocessors, order, of: step)
  }

  /// The same pair for each number of multiprocessors.
  private static func cases(
    _ step: PlannedStep, _ pair: MergedPair, _ counts: [Int], threads: Int
  ) throws -> [PairCase] {
    let book = LoweringBook()
    let made = parallelMap(counts, threads: threads) { count -> Result<PairCase, any Error> in
      Result {
        var lowered = LoweredStages(sharing: book)
        let other = try PlannedStep(
          architecture: step.placed.architecture, cluster: step.cluster,
          plan: plan(
            step.placed.plan, multiprocessors: count, step.placed.plan.pairOrder, of: step),
          lowered: &lowered)
        let all = MergedPair.all(of: other)
        guard
          let same = all.first(where: {
            ($0.forward, $0.backward) == (pair.forward, pair.backward)
          })
        else { preconditionFailure("Multiprocessors change no pair.") }
        return PairCase(pair: same, all: all, order: step.placed.plan.pairOrder)
      }
    }
    return try made.map { try $0.get() }
  }

  /// The plan with other multiprocessors for its exchanges; those of kernels outside of pairs go along where
  /// they are the rest of the device.
  static func plan(
    _ plan: Plan, multiprocessors: Int, _ order: PairOrder, of step: PlannedStep
  ) -> Plan {
    var changed = plan
    let all = step.cluster.device.multiprocessors.value
    if let known = plan.computationSMs, let own = plan.communicationSMs, known + own == all {
      changed.computationSMs = all - multiprocessors
    }
    changed.communicationSMs = multiprocessors
    changed.pairOrder = order
    return changed
  }

  /// The fastest of those that are faster than the plan's own order wherever the exchange's law lies; where
  /// none is, the fastest.
  private static func chosen(_ stated: [PairAnswer], own: Int, _ all: [PairAnswer]) -> Int {
    let order = stated.indices.sorted {
      let (one, other) = (stated[$0].point, stated[$1].point)
      return (one.planned, abs(one.multiprocessors - own), one.multiprocessors)
        < (other.planned, abs(other.multiprocessors - own), other.multiprocessors)
    }
    let ends = [MultiprocessorRate.End.low, .high].map { end in all.filter { $0.end == end } }
    guard let mine = stated.firstIndex(where: { $0.point.multiprocessors == own }) else { return 0 }
    return order.first { place in
      stated[place].point.planned < stated[mine].point.published
        && ends.allSatisfy {
          $0[place].seconds(of: stated[place].moves) < $0[mine].point.published
        }
    } ?? order.first ?? 0
  }
}

extension Plan {
  /// From ZeRO stage 2 on a layer's gradients are reduced where its weight halves are.
  var keepsWeightsInPlace: Bool { zeroStage.rawValue >= 2 && replicas > 1 }
}

/// A pair on so many multiprocessors, with the plan's own order.
struct PairCase: Sendable {
  let pair: MergedPair
  /// Those of all shapes.
  let all: [MergedPair]
  let order: PairOrder
}

/// The fastest order of a pair at one end of the exchange's law.
struct PairAnswer: Sendable {
  let end: MultiprocessorRate.End
  let point: OverlapPoint
  let moves: [PairMove]
  let order: PairOrder
  let isExact: Bool
  let walked: Int
  private let work: PairWork

  init(_ one: PairCase, _ end: MultiprocessorRate.End, keepsWeights: Bool) {
    self.end = end
    let pair = end == .stated ? one.pair : one.pair.exchanging(at: end)
    var parts = PairParts(pair)
    if keepsWeights { parts.putWeightsInPlace() }
    let work = PairWork(parts)
    self.work = work
    isExact = parts.isExact
    let published = Double(pair.run(one.order).picoseconds) / 1e12
    let pairwise = PairwiseOrder(work).moves
    var known = [pairwise, work.sequential]
    let listed =
      keepsWeights
      ? PairOrder.publishedSegments.filter { $0.half != .weight } : PairOrder.publishedSegments
    if let moves = work.moves(of: listed) { known.append(moves) }
    var own = listed
    if case .segments(let list) = one.order { own = list }
    let ownMoves = work.moves(of: own)
    if let ownMoves { known.append(ownMoves) }
    let first = known.min {
      (work.picoseconds(of: $0) ?? .max) < (work.picoseconds(of: $1) ?? .max)
    }
    let search = PairSearch(work, known: first ?? pairwise)
    walked = search.walked
    var order = PairOrder.segments(work.list(of: search.moves))
    var planned =
      parts.isExact ? Double(search.picoseconds) / 1e12 : pair.run(order).seconds
    // Where a list cannot say what the plan's own order does, that stays.
    let keepsOwn = planned >= published
    if keepsOwn { (planned, order) = (published, one.order) }
    moves = keepsOwn ? ownMoves ?? search.moves : search.moves
    self.order = order
    var entries = PairOrder.publishedSegments
    if case .segments(let list) = order { entries = list }
    point = OverlapPoint(
      multiprocessors: pair.multiprocessors, published: published, planned: planned,
      pairwise: Double(work.picoseconds(of: pairwise) ?? 0) / 1e12,
      bound: Double(PairSearch.bound(work)) / 1e12, computing: Double(parts.compute) / 1e12,
      moving: Double(parts.moving) / 1e12,
      order: entries)
  }

  /// What moves take here.
  func seconds(of moves: [PairMove]) -> Double {
    Double(work.picoseconds(of: moves) ?? .max) / 1e12
  }
}

import Clusters
import Documents
import HeapModule
import Models
import Plans
import Simulation

/// A search for the best plans of a space that fit the devices' memory.
///
/// Best first, by lower bounds that get sharper: of all plans of one shape, of those that share their
/// kernels but for what is recomputed, of those that share all of them, of a single plan without its schedule, with it; whatever has the lowest bound is looked at next
/// and falls apart into what it stands for, a single plan into its simulation, and that at last into the
/// replay of its allocator. The search ends when no bound is left below the last of the plans that are asked
/// for, so that no better one is missed.
///
/// Work is dealt out in rounds of a fixed size, and what comes back is taken in its order: the outcome does
/// not depend on the number of threads.
public final class PlanSearch: Sendable {
  /// What is asked of a search.
  public struct Request: Sendable {
    /// How many plans are wanted.
    public var count = 10
    public var objective = SearchObjective.time
    /// Bytes of the device that a step may need, its reserve among them; nil for all of its memory.
    public var memoryLimit: Int?
    /// Seconds that a step may take; nil for any.
    public var longestStep: Double?
    /// A plan whose place is asked for.
    public var against: Plan?
    /// Threads; the outcome does not depend on them.
    public var threads = 1
    /// Simulations behind which a search ends without proof, and says so; nil for as many as it takes.
    public var mostSimulations: Int? = 500
    /// Entries that are looked at in vain before a search ends that may end without proof, and whose proof is
    /// far; nil for as many as it takes.
    package var patience: Int?
    /// Plans from which on a space is searched in parts at once, not only when proof turns out to be far off; nil for
    /// `PlanSearch.largeSize`.
    package var largeSize: Int?
    /// Families fall apart into all of their groups at once, where patience may end before they come one behind
    /// the other.
    var opensFamiliesAtOnce = false
    /// Every schedule and dispatcher is looked into, whatever others of them let hope for.
    var isThorough = false
    /// By what share two plans have to differ for their order to mean something.
    public var indifference = 0.0
    /// Asked before every round whether the search is to end with what it has.
    public var isInterrupted: (@Sendable () -> Bool)?
    /// Told after every round how far the search is.
    public var progress: (@Sendable (SearchProgress) -> Void)?

    public init() {}

    /// How many plans lead a search that may end without proof, whatever part of them is wanted: what it names
    /// first does not depend on that.
    var sought: Int { mostSimulations == nil ? count : max(count, 10) }
  }

  private static let round = 64

  let architecture: Architecture
  let cluster: Cluster
  let space: SearchSpace
  let request: Request
  package let bounds: PlanBounds
  let limit: Int
  /// What plans keep free beside what they allocate.
  let room: Double
  let lowered: LoweringBook
  /// Why plans of a base cannot be computed on the cluster whatever the grid has, by its number.
  let faults: [Int: any Error]

  /// A search, ready to run.
  public init(
    _ space: SearchSpace, for architecture: Architecture, on cluster: Cluster,
    request: Request = Request()
  ) {
    self.space = space
    self.architecture = architecture
    self.cluster = cluster
    self.request = request
    limit = request.memoryLimit ?? Int(cluster.device.memory.size.value.bytes)
    let reserve = space.bases.map { $0.memoryReserve.bytes }.min() ?? 0
    room = Double(limit) - Double(reserve)
    bounds = PlanBounds(space, architecture, cluster, room: room)
    lowered = LoweringBook()
    faults = Self.faults(space.bases, architecture, cluster)
  }

  /// A search of a part of another one's space, with what is known of that.
  init(_ part: SearchSpace, of whole: PlanSearch, _ request: Request) {
    (space, self.request) = (part, request)
    (architecture, cluster) = (whole.architecture, whole.cluster)
    (limit, room, lowered) = (whole.limit, whole.room, whole.lowered)
    faults =
      part.bases == whole.space.bases
      ? whole.faults : Self.faults(part.bases, architecture, cluster)
    bounds = PlanBounds(part, sharing: whole.bounds)
  }

  /// Something whose bounds are known.
  struct Entry: Comparable, Sendable {
    indirect enum Node: Sendable {
      case shape(SearchShape)
      /// Groups that differ in what is recomputed alone, by a sketch of the one that recomputes nothing, and
      /// by all of it.
      case sketch(SearchGroup)
      case family(SearchGroup)
      case group(SearchGroup)
      /// A plan, its bound without and with its schedule.
      case candidate(Candidate)
      case bounded(Candidate)
      /// A plan whose step is known with equal loads of experts, and not with those that it draws.
      case even(Candidate)
      /// A plan whose step is known, and whose allocator is not.
      case simulated(SearchPlan)
    }

    /// Plans that it stands for.
    var count: Int
    var seconds: Double
    var bytes: Double
    var node: Node
    /// Bytes are without what the schedule keeps, which is asked for when the plan comes first.
    var isWithoutKept = false
    /// Of a plan with equal loads of experts, which says better than its bound what it takes.
    var even: (value: Double, bytes: Double)?
    /// What it is ordered by.
    var key = 0.0
    /// The number of its family among `OpenEntries`.
    var family = 0
    var sequence = 0

    /// What is opened earlier in a round: simulations, of those with drawn loads first.
    var effort: Int {
      switch node {
      case .even: 4
      case .bounded: 3
      case .simulated: 2
      case .candidate: isWithoutKept ? 2 : 0
      case .shape, .sketch, .family, .group: 1
      }
    }

    static func == (left: Entry, right: Entry) -> Bool { left.sequence == right.sequence }
    static func < (left: Entry, right: Entry) -> Bool {
      (left.key, left.sequence) < (right.key, right.sequence)
    }
  }

  /// What became of a node.
  package struct Finding: Sendable {
    var entries: [Entry] = []
    package var refusals: [String: Int] = [:]
    var outOfMemory = 0
    var plan: SearchPlan?
    var isSimulated = false
    /// Simulated with equal loads of experts.
    var isEven = false
    /// What a simulated plan takes, whether it fits or not.
    var simulated: (seconds: Double, bytes: Double)?
    var leastOverflow: Double?
    /// The least bound of what became no entry because it lies above all that may count, seconds.
    var leastLeft: Double?
  }

  /// Runs the search.
  ///
  /// - Throws: what the plan that others are held against breaks; what the cluster's file lacks or has wrong for
  ///   every plan, in its own words.
  public func run() throws -> SearchOutcome {
    try checkFaults()
    var state = SearchState(request, room: room)
    begin(&state)
    if let against = request.against {
      state.against = try simulated(against)
      state.adopt(seeds(alike: against, ofSize: state.outcome.counts.size))
    }
    var isSown = false
    func sow() {
      state.adopt(seeds(from: state.plans, ofSize: state.outcome.counts.size))
      state.endsInPatience()
      isSown = true
    }
    if state.outcome.counts.size >= request.largeSize ?? largeSize { sow() }
    // No search ends without proof before it has looked for seeds.
    while true {
      let goesOn = advance(&state)
      if !isSown, goesOn ? state.isProofFarOff : state.endsWithoutProof {
        sow()
      } else if !goesOn {
        break
      }
    }
    return state.finished { [self] simulated in verified(simulated) }
  }

  /// Plans from which on a proof is seldom reached: bounds know least of loads that are drawn.
  private var largeSize: Int {
    space.bases.contains { $0.expertLoad != .balanced } ? 100_000 : 10_000_000
  }

  /// The search of a part, from plans that are known.
  func searched(_ seeds: [SearchPlan], _ request: Request) -> SearchOutcome {
    var state = SearchState(request, room: room, seeds: seeds)
    begin(&state)
    while advance(&state) {}
    return state.finished { [self] simulated in verified(simulated) }
  }

  /// Takes the bounds of all shapes.
  private func begin(_ state: inout SearchState) {
    let shapes = space.shapes
    state.outcome.counts.size = shapes.reduce(0) { $0 + size(of: $1) }
    for finding in parallelMap(shapes, threads: request.threads, { begin($0) }) {
      state.take(finding)
    }
  }

  /// A round of the search; false where nothing is left to be looked at.
  private func advance(_ state: inout SearchState) -> Bool {
    guard let entries = state.next(Self.round) else { return false }
    let limits = Limits(cutoff: state.lastOfBest, threshold: state.threshold)
    for (entry, finding) in zip(entries, findings(of: entries, limits)) {
      state.take(finding, of: entry)
    }
    request.progress?(state.progress)
    return true
  }

  /// A plan that is given, under its own conditions.
  private func simulated(_ plan: Plan) throws -> SearchPlan {
    let step = try PlannedStep(
      architecture: architecture, cluster: cluster,
      plan: try plan.balanced(for: architecture, on: cluster))
    return SearchPlan(plan: plan, report: step.report(replaysAllocator: true), bound: 0)
  }

  /// What became of a round's entries, in their order.
  ///
  /// What is likely to take longest is begun first, so that no thread waits long for the last one.
  private func findings(of entries: [Entry], _ limits: Limits) -> [Finding] {
    let efforts = entries.map(\.effort)
    let order = entries.indices.sorted {
      efforts[$0] == efforts[$1] ? $0 < $1 : efforts[$0] > efforts[$1]
    }
    let made = parallelMap(order, threads: request.threads) { open(entries[$0], limits) }
    var findings = [Finding](repeating: Finding(), count: entries.count)
    for (place, finding) in zip(order, made) { findings[place] = finding }
    return findings
  }

  private static func faults(
    _ bases: [Plan], _ architecture: Architecture, _ cluster: Cluster
  ) -> [Int: any Error] {
    var faults: [Int: any Error] = [:]
    for (number, base) in bases.enumerated() {
      do {
        try PlannedStep.checkConstants(of: cluster, for: base, architecture)
      } catch {
        faults[number] = error
      }
    }
    return faults
  }

  /// A fault of the cluster is none of a plan: it ends the search, as does what all bases lack.
  private func checkFaults() throws {
    let errors = space.bases.indices.compactMap { faults[$0] }
    if let error = errors.first(where: { $0 is ConfigurationError }) { throw error }
    if let error = errors.first, errors.count == space.bases.count { throw error }
  }

  /// Plans of a shape.
  func size(of shape: SearchShape) -> Int {
    let families = space.kernelFamilies(of: shape).count
    return families
      * (familySize(of: shape, hasPairs: false) + familySize(of: shape, hasPairs: true))
  }

  /// Plans of a shape that share their kernels but for what is recomputed.
  func familySize(of shape: SearchShape, hasPairs: Bool) -> Int {
    let extents = space.extents
    func size(_ extent: Recomputation) -> Int {
      space.size(of: shape, hasPairs: hasPairs, shape.kernels.recomputing(extent))
    }
    // All that recompute something have equally many.
    let others = extents.filter { $0 != .none }
    return (others.first.map { size($0) * others.count } ?? 0)
      + (extents.contains(.none) ? size(.none) : 0)
  }
}

/// What plans are ordered by.
public enum SearchObjective: String, Hashable, Sendable, CaseIterable {
  /// The step.
  case time
  /// Money for a token, which on one number of GPUs is the step.
  case cost
  /// The peak of the fullest rank.
  case memory
}

/// How far a search is.
public struct SearchProgress: Hashable, Sendable {
  /// Points of the grid, and those about which nothing is decided yet.
  public var size: Int
  public var open: Int
  public var simulations: Int
  /// The best plan's step, seconds.
  public var best: Double?
  /// Seconds below which no step is.
  public var bound: Double?
}

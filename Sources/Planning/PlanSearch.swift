import Clusters
import HeapModule
import Models
import Plans
import Simulation

/// A search for the fastest plans of a space that fit the devices' memory.
///
/// Best first, by lower bounds that get sharper: of all plans of one shape, of those that share their
/// kernels, of a single plan without its schedule, with it; whatever has the lowest bound is looked at next
/// and falls apart into what it stands for, a single plan at last into its simulation. The search ends when
/// no bound is left below the last of the plans that are asked for, so that no better one is missed.
///
/// Work is dealt out in rounds of a fixed size, and what comes back is taken in its order: the outcome does
/// not depend on the number of threads.
public struct PlanSearch: Sendable {
  /// What is asked of a search.
  public struct Request: Sendable {
    /// How many plans are wanted.
    public var count = 10
    /// Bytes that a rank may need at most; nil for the device's memory.
    public var memoryLimit: Int?
    /// A plan whose place is asked for.
    public var against: Plan?
    /// Threads; the outcome does not depend on them.
    public var threads = 1
    /// Simulations behind which a search ends without proof, and says so; nil for as many as it takes.
    public var mostSimulations: Int? = 1000

    public init() {}
  }

  private static let round = 64

  let architecture: Architecture
  let cluster: Cluster
  let space: SearchSpace
  let request: Request
  package let bounds: PlanBounds
  let limit: Int

  /// A search, ready to run.
  public init(
    _ space: SearchSpace, for architecture: Architecture, on cluster: Cluster,
    request: Request = Request()
  ) {
    self.space = space
    self.architecture = architecture
    self.cluster = cluster
    self.request = request
    bounds = PlanBounds(space, architecture, cluster)
    limit = request.memoryLimit ?? Int(cluster.device.memory.size.value.bytes)
  }

  /// Something whose bound is known.
  struct Entry: Comparable, Sendable {
    enum Node: Sendable {
      case shape(SearchShape)
      case group(SearchGroup)
      /// A plan, its bound without and with its schedule.
      case candidate(Candidate)
      case bounded(Candidate)
    }

    var bound: Double
    var sequence = 0
    var node: Node

    static func == (left: Entry, right: Entry) -> Bool { left.sequence == right.sequence }
    static func < (left: Entry, right: Entry) -> Bool {
      (left.bound, left.sequence) < (right.bound, right.sequence)
    }
  }

  /// What became of a node.
  package struct Finding: Sendable {
    var entries: [Entry] = []
    package var refusals: [String: Int] = [:]
    var outOfMemory = 0
    var plan: SearchPlan?
    var isSimulated = false
    var leastOverflow: Double?
  }

  /// Runs the search.
  ///
  /// - Throws: what the plan that others are held against breaks.
  public func run() throws -> SearchOutcome {
    var state = State(count: request.count)
    if let against = request.against {
      let step = try PlannedStep(
        architecture: architecture, cluster: cluster,
        plan: try against.balanced(for: architecture, on: cluster))
      let report = step.report()
      state.against = SearchPlan(plan: against, report: report, bound: 0)
    }
    let shapes = space.shapes
    for finding in parallelMap(shapes, threads: request.threads, { begin($0) }) {
      state.take(finding)
    }
    state.outcome.counts.size = shapes.reduce(0) { $0 + size(of: $1) }
    while let entries = state.next(Self.round, of: request.mostSimulations) {
      for finding in parallelMap(entries, threads: request.threads, { open($0) }) {
        state.take(finding)
      }
    }
    return state.finished()
  }

  /// Plans of a shape.
  func size(of shape: SearchShape) -> Int {
    let members =
      space.members(of: shape, hasPairs: false).count
      + space.members(of: shape, hasPairs: true).count
    return space.kernelSettings(of: shape).count * members
  }

  // MARK: State

  private struct State {
    let count: Int
    var outcome = SearchOutcome(plans: [], front: [], counts: .init(), simulations: 0)
    var against: SearchPlan?
    var found: [SearchPlan] = []
    var heap = Heap<Entry>()
    var sequence = 0
    /// Steps of the best plans, in order.
    var best: [Double] = []

    init(count: Int) { self.count = count }

    mutating func take(_ finding: Finding) {
      for (rule, count) in finding.refusals { outcome.counts.refusals[rule, default: 0] += count }
      outcome.counts.outOfMemory += finding.outOfMemory
      if let bytes = finding.leastOverflow {
        outcome.leastOverflow = min(outcome.leastOverflow ?? .infinity, bytes)
      }
      if finding.isSimulated { outcome.simulations += 1 }
      for var entry in finding.entries {
        sequence += 1
        entry.sequence = sequence
        heap.insert(entry)
      }
      guard let plan = finding.plan else { return }
      outcome.counts.simulated += 1
      found.append(plan)
      let place = best.firstIndex { $0 > plan.report.stepSeconds } ?? best.count
      best.insert(plan.report.stepSeconds, at: place)
      if best.count > count { best.removeLast() }
    }

    /// What is to be looked at next, nothing when the best are known.
    mutating func next(_ most: Int, of simulations: Int?) -> [Entry]? {
      if let simulations, outcome.simulations >= simulations { return nil }
      let threshold = max(lastOfBest, against?.report.stepSeconds ?? 0)
      var entries: [Entry] = []
      while entries.count < most, let entry = heap.min, entry.bound <= threshold {
        entries.append(heap.removeMin())
      }
      return entries.isEmpty ? nil : entries
    }

    /// The step of the last plan that is asked for.
    private var lastOfBest: Double { best.count < count ? .infinity : best[count - 1] }

    func finished() -> SearchOutcome {
      var outcome = outcome
      if let open = heap.min?.bound, open <= lastOfBest { outcome.leastOpen = open }
      let ordered = found.sorted(by: SearchPlan.precedes)
      outcome.plans = Array(ordered.prefix(count))
      outcome.front = SearchOutcome.front(of: found)
      guard let against else { return outcome }
      let seconds = against.report.stepSeconds
      let isComplete = (heap.min?.bound ?? .infinity) > seconds
      outcome.against = SearchOutcome.Place(
        plan: against,
        faster: isComplete ? ordered.count { $0.report.stepSeconds < seconds } : nil)
      return outcome
    }
  }
}

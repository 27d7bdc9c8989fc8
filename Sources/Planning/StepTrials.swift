import Clusters
import Costs
import Models
import Plans
import Simulation

/// Candidates for the overlap of a whole step, simulated one after the other; the plan as it is comes first.
struct StepTrials {
  typealias Candidate = OverlappedStep.Candidate

  /// Splits on which orders from elsewhere are tried, orders on each, and pairs of split and order that are
  /// tried once more with the other keys of the best.
  private static let (mostSplits, mostOrders, mostRunnersUp) = (3, 6, 3)
  /// Times by which buckets are halved or doubled beyond the first sizes.
  private static let mostSizes = 4

  private let step: PlannedStep
  private let overlap: OverlapPlan
  private let threads: Int
  private let book = LoweringBook()
  private(set) var all: [Candidate] = []

  init(_ step: PlannedStep, _ overlap: OverlapPlan, threads: Int) {
    (self.step, self.overlap, self.threads) = (step, overlap, threads)
    all = [Self.candidate("as it is", step)]
  }

  private var own: Plan { step.placed.plan }

  /// Places of all candidates, the best first; the earlier one where two are alike.
  var order: [Int] {
    all.indices.sorted {
      isBetter(all[$0], than: all[$1]) || !isBetter(all[$1], than: all[$0]) && $0 < $1
    }
  }

  /// What does not fit is no better than what does, however fast.
  func isBetter(_ one: Candidate, than other: Candidate) -> Bool {
    one.fits == other.fits ? one.seconds < other.seconds : one.fits
  }

  private var best: Plan { all[order[0]].plan }

  /// A plan that leaves its multiprocessors out goes on to do so where they remain what they are: it is the
  /// same step.
  private func plan(_ count: Int, _ order: PairOrder) -> Plan {
    var made = OverlapPlan.plan(own, multiprocessors: count, order, of: step)
    if count == overlap.own.multiprocessors {
      (made.communicationSMs, made.computationSMs) = (own.communicationSMs, own.computationSMs)
    }
    return made
  }

  /// Multiprocessors of a candidate's exchanges.
  private func multiprocessors(of plan: Plan) -> Int {
    plan.communicationSMs ?? overlap.own.multiprocessors
  }

  // MARK: Candidates

  /// Every split, with the plan's own order and with the one that is planned for it.
  mutating func trySplits() throws {
    try consider(
      overlap.curve.map(\.multiprocessors).flatMap { count -> [Plan] in
        let planned = overlap.found.first { $0.multiprocessors == count && $0.end == .stated }
        return [own.pairOrder, planned?.order].compactMap(\.self).map { plan(count, $0) }
      })
  }

  /// On the best splits orders that were planned for others or for an end of the exchange's law: of these
  /// the fastest by the pair.
  mutating func tryOtherOrders() throws {
    var counts: [Int] = []
    for place in order {
      let count = multiprocessors(of: all[place].plan)
      if !counts.contains(count) { counts.append(count) }
    }
    var orders: [PairOrder] = []
    for found in overlap.found where !orders.contains(found.order) { orders.append(found.order) }
    for count in counts.prefix(Self.mostSplits) {
      let pairs = MergedPair.all(of: try planned(plan(count, own.pairOrder)))
      guard
        let pair = pairs.first(where: {
          ($0.forward, $0.backward) == (overlap.pair.forward, overlap.pair.backward)
        })
      else { continue }
      let seconds = parallelMap(orders, threads: threads) { pair.run($0).picoseconds }
      let fastest = orders.indices.sorted { (seconds[$0], $0) < (seconds[$1], $1) }
      try consider(fastest.prefix(Self.mostOrders).map { plan(count, orders[$0]) })
    }
  }

  /// What else hides communication, each by the key that says it: other buckets of gradients as long as they
  /// gain, then other exchanges of tensor groups.
  mutating func tryOtherKeys() throws {
    if let elements = own.bucketElements {
      try tryBuckets([elements / 2, elements * 2, elements * 4])
      for _ in 0..<Self.mostSizes {
        guard let size = best.gradientBucket, size != elements else { break }
        let next = size < elements ? size / 2 : size * 2
        try tryBuckets([next])
        if best.gradientBucket != next { break }
      }
    }
    guard own.tensorParallel > 1 else { return }
    let chosen = best
    try consider(
      Plan.Overlap.TensorExchange.allCases.filter { $0 != .yes }.map { exchange in
        var plan = chosen
        plan.overlap.tensorExchange = exchange
        return plan
      })
  }

  private mutating func tryBuckets(_ sizes: [Int]) throws {
    let chosen = best
    try consider(
      sizes.filter { $0 > 0 }.map { size in
        var plan = chosen
        plan.gradientBucket = size
        return plan
      })
  }

  /// The next best splits and orders with the other keys of the best.
  mutating func tryRunnersUp() throws {
    let chosen = best
    var others: [Plan] = []
    for place in order {
      var plan = all[place].plan
      (plan.gradientBucket, plan.overlap.tensorExchange) =
        (chosen.gradientBucket, chosen.overlap.tensorExchange)
      if plan != chosen, !others.contains(plan) { others.append(plan) }
    }
    try consider(Array(others.prefix(Self.mostRunnersUp)))
  }

  /// What a plan has that the plan as it is has not.
  private func change(_ plan: Plan) -> String {
    var words: [String] = []
    let count = multiprocessors(of: plan)
    if count != overlap.own.multiprocessors { words.append("\(count) multiprocessors") }
    if plan.pairOrder != own.pairOrder {
      let found = overlap.found.filter { $0.order == plan.pairOrder }
      if found.contains(where: { $0.multiprocessors == count && $0.end == .stated }) {
        words.append("order planned for them")
      } else if let first = found.first {
        let end = first.end == .stated ? "" : " at the \(first.end.rawValue) end"
        words.append("order planned for \(first.multiprocessors)\(end)")
      }
    }
    if plan.gradientBucket != own.gradientBucket, let size = plan.gradientBucket {
      words.append("gradient-bucket \(size)")
    }
    if plan.overlap.tensorExchange != own.overlap.tensorExchange,
      let exchange = plan.overlap.tensorExchange
    {
      words.append("overlap.tensor-exchange \(exchange.rawValue)")
    }
    return words.isEmpty ? "as it is" : words.joined(separator: ", ")
  }

  // MARK: Simulating

  private func planned(_ plan: Plan) throws -> PlannedStep {
    var lowered = LoweredStages(sharing: book)
    return try PlannedStep(
      architecture: step.placed.architecture, cluster: step.cluster, plan: plan, lowered: &lowered)
  }

  /// Simulates what is not known yet; what the plan does not admit is left out.
  private mutating func consider(_ plans: [Plan]) throws {
    var new: [Plan] = []
    for plan in plans where !new.contains(plan) && !all.contains(where: { $0.plan == plan }) {
      new.append(plan)
    }
    let trials = self
    let found = parallelMap(new, threads: threads) { plan in
      Result { () throws -> Candidate? in
        do {
          var made = Self.candidate(trials.change(plan), try trials.planned(plan))
          made.plan = plan
          return made
        } catch is PlanError {
          return nil
        }
      }
    }
    all += try found.compactMap { try $0.get() }
  }

  private static func candidate(_ change: String, _ step: PlannedStep) -> Candidate {
    let report = step.report(replaysAllocator: true)
    return Candidate(
      change: change, plan: step.placed.plan, seconds: report.stepSeconds,
      exchanges: report.expert, peak: report.memory.peak, fits: report.fits)
  }

  /// The steps of a plan at both ends of what a multiprocessor of an exchange moves.
  func ends(of plan: Plan) throws -> [OverlappedStep.End] {
    let step = try planned(plan)
    return parallelMap([MultiprocessorRate.End.low, .high], threads: threads) {
      OverlappedStep.End(end: $0, seconds: step.stepSeconds(exchangingAt: $0))
    }
  }
}

import Plans
import Simulation

/// What a search knows: what is open (`OpenEntries`), and what was found.
struct SearchState {
  private let request: PlanSearch.Request
  var outcome = SearchOutcome(plans: [], front: [], counts: .init(), simulations: 0)
  var against: SearchPlan?
  /// Plans that fit.
  private(set) var plans: [SearchPlan] = []
  /// Plans that were known before, and are not taken again.
  private var seeds: Set<Plan> = []
  /// Simulations that found them.
  private var seedSimulations = 0
  /// Entries that are looked at in vain before it ends without proof; nil for as many as it takes.
  private var patience: Int?
  private var open: OpenEntries
  private var sequence = 0
  /// Entries that were opened.
  private var looks = 0
  /// Those behind which the best plan was found.
  private var looksAtBest = 0
  /// The least bound of what was left out for good, seconds.
  private var leastLeft = Double.infinity
  /// The shortest step that was simulated.
  private var shortest: Double?
  /// Values of the best plans, in order.
  private var best: [Double] = []
  /// Whether this round looks at what is unlikely to be good, since nothing else is open.
  private var isProving = false

  /// - Parameters:
  ///   - room: bytes that a plan may take.
  ///   - seeds: plans that are known.
  init(_ request: PlanSearch.Request, room: Double, seeds: [SearchPlan] = []) {
    self.request = request
    patience = request.patience
    open = OpenEntries(room: room, isThorough: request.isThorough)
    adopt(PlanSearch.Seeds(plans: seeds))
  }

  /// Takes plans that were found elsewhere.
  mutating func adopt(_ found: PlanSearch.Seeds) {
    let known = Set(plans.map(\.plan))
    plans += found.plans.filter { !known.contains($0.plan) }
    seeds.formUnion(found.plans.map(\.plan))
    best = Array(plans.map { $0.value(request.objective) }.sorted().prefix(request.sought))
    shortest = (plans.map(\.report.stepSeconds) + [shortest].compactMap(\.self)).min()
    looksAtBest = looks
    seedSimulations += found.simulations
    outcome.evenSimulations += found.evenSimulations
  }

  /// From now on it ends without proof once it has looked in vain for long, if it may.
  mutating func endsInPatience() {
    looksAtBest = looks
    patience = request.patience ?? PlanSearch.patience
  }

  /// Takes what became of an entry, or of a shape that was looked at first.
  mutating func take(_ finding: PlanSearch.Finding, of entry: PlanSearch.Entry? = nil) {
    learn(finding, of: entry)
    for (rule, count) in finding.refusals { outcome.counts.refusals[rule, default: 0] += count }
    outcome.counts.outOfMemory += finding.outOfMemory
    if let bytes = finding.leastOverflow {
      outcome.leastOverflow = min(outcome.leastOverflow ?? .infinity, bytes)
    }
    if finding.isSimulated { outcome.simulations += 1 }
    if finding.isEven { outcome.evenSimulations += 1 }
    if let left = finding.leastLeft { leastLeft = min(leastLeft, left) }
    for var entry in finding.entries {
      sequence += 1
      entry.sequence = sequence
      entry.key = key(of: entry)
      if case .simulated(let plan) = entry.node {
        if seeds.contains(plan.plan) { continue }
        shortest = min(shortest ?? .infinity, entry.seconds)
      } else if entry.key > threshold {
        // The best plans only get better: this one is never looked at.
        leastLeft = min(leastLeft, entry.seconds)
        continue
      }
      open.insert(entry)
    }
    guard let plan = finding.plan, !seeds.contains(plan.plan) else { return }
    shortest = min(shortest ?? .infinity, plan.report.stepSeconds)
    plans.append(plan)
    let value = plan.value(request.objective)
    let place = best.firstIndex { $0 > value } ?? best.count
    best.insert(value, at: place)
    if best.count > request.sought { best.removeLast() }
    if place == 0 { looksAtBest = looks }
  }

  private func key(of entry: PlanSearch.Entry) -> Double {
    request.objective == .memory ? entry.bytes : entry.seconds
  }

  private mutating func learn(_ finding: PlanSearch.Finding, of entry: PlanSearch.Entry?) {
    guard let entry else { return }
    if let simulated = finding.simulated {
      open.learn(
        from: entry,
        least: request.objective == .memory ? simulated.bytes : simulated.seconds)
      open.learn(from: entry, bytes: simulated.bytes)
    } else if let even = finding.entries.first?.even {
      open.learn(from: entry, least: even.value)
      open.learn(from: entry, bytes: even.bytes)
    } else if let least = (finding.entries.map(key(of:)) + [finding.leastLeft].compactMap(\.self))
      .min()
    {
      open.learn(from: entry, least: least)
      if let bytes = finding.entries.first?.bytes { open.learn(from: entry, bytes: bytes) }
    } else if let bytes = finding.leastOverflow {
      open.learn(from: entry, bytes: bytes)
    }
  }

  /// What is to be looked at next, nothing when the best that are wanted are known.
  ///
  /// Half of it by bounds and half by what steps are likely to be, all of it where no proof is near; of the
  /// latter a few plans are simulated at a time, so that the next round knows better.
  mutating func next(_ most: Int) -> [PlanSearch.Entry]? {
    if request.isInterrupted?() == true {
      outcome.isInterrupted = true
      return nil
    }
    if let most = request.mostSimulations, outcome.simulations >= most { return nil }
    if hasLookedEnough || !mayFindBetter { return nil }
    var entries: [PlanSearch.Entry] = []
    var guesses = 0
    isProving = false
    while entries.count < most, let entry = remove(entries.count, guesses: guesses) {
      if entry.node.level.isSimulated { guesses += 1 }
      if isTooSlow(entry.seconds) {
        outcome.leastSlow = min(outcome.leastSlow ?? .infinity, entry.seconds)
        continue
      }
      entries.append(entry)
    }
    looks += entries.count
    return entries.isEmpty ? nil : entries
  }

  /// Takes out what is looked at in this place of a round.
  private mutating func remove(_ place: Int, guesses: Int) -> PlanSearch.Entry? {
    if place % 2 == 1 || isHasty && isProofFar,
      let entry = open.removeLikeliest(upTo: threshold, simulates: guesses < mostGuesses)
    {
      return entry
    }
    if let entry = open.removeLeast(upTo: threshold, onlyLikely: true) { return entry }
    // Plans that are likely to be slow are left for the proof, which looks at several of them at once.
    if place == 0 { isProving = !isHasty }
    guard isProving, place < Self.mostProofs else { return nil }
    return open.removeLeast(upTo: threshold, onlyLikely: false)
  }

  /// Whether it ends without proof once it has looked in vain.
  private var isHasty: Bool { request.mostSimulations != nil && patience != nil }

  /// Whether a search that need not prove anything has looked at enough: where few plans are worth a
  /// simulation, it would go on for as long as bounds lie low.
  private var hasLookedEnough: Bool {
    guard let most = request.mostSimulations else { return false }
    if looks >= max(Self.fewestLooks, Self.looksForEach * most) { return true }
    guard let patience, best.count == request.sought else { return false }
    return looks - looksAtBest >= patience && isProofFar
  }

  /// Whether bounds lie so far below the best plans that looking at what has the lowest one proves nothing.
  private var isProofFar: Bool {
    (open.least?.key ?? .infinity) < (1 - Self.provableGap) * lastOfBest
  }

  /// Bounds that are looked at before a search ends without proof, if not so many for each simulation that it
  /// may make.
  private static let fewestLooks = 150_000
  private static let looksForEach = 300
  /// Bounds that are looked at before a proof that is far counts as out of reach.
  private static let probation = 8_000
  /// By what share of it bounds may lie below the last of the best for a proof to be near: then patience
  /// does not end.
  private static let provableGap = 0.05

  /// Entries that a round looks at for the proof alone: enough for the threads of a large machine, and few, since
  /// one that turns out well would have spared those behind it.
  private static let mostProofs = 16

  /// Plans that a round simulates because their steps are likely to be short: few as long as little is open.
  private var mostGuesses: Int { best.count < request.sought ? 2 : 8 }

  private func isTooSlow(_ seconds: Double) -> Bool {
    request.longestStep.map { seconds > $0 } ?? false
  }

  /// What lies above it is never looked at.
  var threshold: Double {
    max(lastOfBest, against?.value(request.objective) ?? 0)
  }

  /// The value of the last plan that is sought.
  var lastOfBest: Double {
    best.count < request.sought ? .infinity : best[request.sought - 1]
  }

  /// Whether something is open that may belong to the plans that are wanted.
  var mayFindBetter: Bool {
    guard let least = open.least?.key else { return false }
    let last = best.count < request.count ? .infinity : best[request.count - 1]
    return least <= max(last, against?.value(request.objective) ?? 0)
  }

  /// Whether it ends now, and something that may be better was not looked at.
  var endsWithoutProof: Bool {
    request.mostSimulations != nil && !outcome.isInterrupted && mayFindBetter
  }

  /// Whether it has looked for a while, and bounds lie far below what it found.
  var isProofFarOff: Bool {
    request.mostSimulations != nil && looks >= Self.probation && isProofFar
  }

  var progress: SearchProgress {
    SearchProgress(
      size: outcome.counts.size, open: open.plans,
      simulations: outcome.simulations,
      best: shortest,
      bound: request.objective == .memory ? nil : open.least?.seconds)
  }

  /// The outcome, with the front and the plans that the first one is not told apart from.
  ///
  /// A search that ends early has simulated plans that never came first, and so not to their replay either:
  /// those that belong among the best are looked at now.
  ///
  /// - Parameter verify: the plan with its allocator replayed; nil where it does not fit.
  func finished(
    _ verify: @escaping @Sendable (SearchPlan) -> SearchPlan?
  ) -> SearchOutcome {
    var outcome = outcome
    outcome.longestStep = request.longestStep
    outcome.simulations += seedSimulations
    var checks = Checks(verify)
    let (known, left) = settled(&checks)
    let ordered = known.sorted { SearchPlan.precedes($0, $1, by: request.objective) }
    outcome.plans = Array(ordered.prefix(request.count))
    for plan in known + left {
      outcome.bestOfDegrees[plan.plan.degrees] = min(
        outcome.bestOfDegrees[plan.plan.degrees] ?? .infinity, plan.value(request.objective))
    }
    let worst =
      ordered.count < request.count
      ? Double.infinity : ordered[request.count - 1].value(request.objective)
    if let least = leastOpen, least <= worst { outcome.leastOpen = least }
    outcome.front = Self.front(known, left, &checks)
    setEqual(&outcome, known, left, &checks)
    outcome.counts.simulated = plans.count + waiting.count - checks.refused
    outcome.counts.outOfMemory += checks.refused
    guard let against else { return outcome }
    let value = against.value(request.objective)
    let isComplete = (leastOpen ?? .infinity) > value && !outcome.isInterrupted
    outcome.against = SearchOutcome.Place(
      plan: against,
      better: isComplete ? ordered.count { $0.value(request.objective) < value } : nil)
    return outcome
  }

  /// The lowest bound of what was not simulated.
  private var leastOpen: Double? {
    open.unordered.lazy.filter { entry in
      if case .simulated = entry.node { false } else { true }
    }.map(\.key).min()
  }

  /// Plans that were simulated and did not come to their replay.
  private var waiting: [SearchPlan] {
    open.unordered.compactMap { entry in
      guard case .simulated(let plan) = entry.node, !isTooSlow(entry.seconds),
        !seeds.contains(plan.plan)
      else { return nil }
      return plan
    }
  }

  /// Plans that fit, the best of those that wait among them, and the others that wait.
  private func settled(_ verify: inout Checks) -> (known: [SearchPlan], left: [SearchPlan]) {
    var known = plans
    var left: [SearchPlan] = []
    for plan in waiting.sorted(by: { SearchPlan.precedes($0, $1, by: request.objective) }) {
      let before = known.count { SearchPlan.precedes($0, plan, by: request.objective) }
      if before >= request.count {
        left.append(plan)
      } else if let plan = verify(plan) {
        known.append(plan)
      }
    }
    return (known, left)
  }

  /// Replays of plans that were simulated and did not come to theirs, each once.
  private struct Checks {
    private let verify: @Sendable (SearchPlan) -> SearchPlan?
    private var known: [SearchPlan: SearchPlan?] = [:]
    private(set) var refused = 0

    init(_ verify: @escaping @Sendable (SearchPlan) -> SearchPlan?) { self.verify = verify }

    mutating func callAsFunction(_ plan: SearchPlan) -> SearchPlan? {
      if let result = known[plan] { return result }
      let result = verify(plan)
      note(result, of: plan)
      return result
    }

    /// Several plans at once, on so many threads.
    mutating func look(at plans: [SearchPlan], threads: Int) {
      let plans = plans.filter { known[$0] == nil }
      for (plan, result) in zip(plans, parallelMap(plans, threads: threads, verify)) {
        note(result, of: plan)
      }
    }

    private mutating func note(_ result: SearchPlan?, of plan: SearchPlan) {
      known[plan] = .some(result)
      if result == nil { refused += 1 }
    }
  }

  /// The front of time and memory: of those that wait for their replay its members are looked at.
  private static func front(
    _ known: [SearchPlan], _ left: [SearchPlan], _ verify: inout Checks
  ) -> [SearchPlan] {
    var (known, left) = (known, left)
    while true {
      let front = SearchOutcome.front(of: known + left)
      let open = front.filter(left.contains)
      guard !open.isEmpty else { return front }
      left.removeAll { open.contains($0) }
      known += open.compactMap { verify($0) }
    }
  }

  /// Plans whose step lies no further from the best one's than the model knows.
  private func setEqual(
    _ outcome: inout SearchOutcome, _ known: [SearchPlan], _ left: [SearchPlan],
    _ verify: inout Checks
  ) {
    guard let least = known.map(\.report.stepSeconds).min() else { return }
    let limit = least * (1 + request.indifference)
    func isEqual(_ plan: SearchPlan) -> Bool { plan.report.stepSeconds <= limit }
    let near = left.filter(isEqual).sorted { $0.heldBytes < $1.heldBytes }
    verify.look(at: Array(near.prefix(2 * request.count)), threads: request.threads)
    var lost = 0
    let some = near.prefix(2 * request.count).compactMap { plan in
      let fitting = verify(plan)
      if fitting == nil { lost += 1 }
      return fitting
    }
    outcome.indifferent = known.count(where: isEqual) + near.count - lost
    outcome.isIndifferentComplete =
      leastLeft > limit
      && open.unordered.allSatisfy { entry in
        if case .simulated = entry.node { true } else { entry.seconds > limit }
      }
    outcome.equal = Array(
      (known.filter(isEqual) + some).sorted { left, right in
        if left.heldBytes != right.heldBytes { return left.heldBytes < right.heldBytes }
        if left.plan.simplicity != right.plan.simplicity {
          return left.plan.simplicity < right.plan.simplicity
        }
        return SearchPlan.precedes(left, right)
      }.prefix(request.count))
  }
}

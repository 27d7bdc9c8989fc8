import Engines

/// The ranks of an action on their way through its script, step by step side by side.
///
/// Most of them do the same most of the time: a rank differs from the first only from where its rows do,
/// which is one exchange of many, until all have waited for each other again. So ranks are carried along by
/// the first one, part from it before a step in which their rows differ, and go along with it again once
/// nothing tells them apart. That is exact to the picosecond, and the cost grows with the exchanges of an
/// action, not with exchanges times ranks.
struct ScriptLanes {
  /// A rank that goes its own way, by its number.
  private struct Lane {
    let rank: Int
    let backend: ActionBackend
  }

  private let template: ActionTemplate
  private let script: ActionScript
  /// By step: the exchanges whose rows decide what it takes.
  private let exchanges: [ExchangeSet]
  private let ranks: [ActionRank]
  /// In which exchanges each rank's rows differ from the first one's; nil for one that never goes along.
  private let differences: [ExchangeSet?]
  /// The first rank's before all others.
  private var lanes: [Lane]
  /// Those of the lanes, which keep them, without a count of who holds them: each is asked at every step,
  /// and counting took a quarter of that.
  private var walkers: [Unmanaged<ActionBackend>] = []
  private var isCarried: [Bool]
  /// Where those that are carried along differ.
  private var carried = ExchangeSet()
  /// Kernels, and pieces of several, that were looked at.
  private(set) var walked = 0

  /// - Parameter keepsAllFigures: adds up what the kernels of every rank come to, so that none is carried.
  init(
    _ template: ActionTemplate, _ script: ActionScript, _ ranks: [ActionRank],
    keepsAllFigures: Bool
  ) {
    self.template = template
    self.script = script
    self.ranks = ranks
    exchanges = template.exchanges(of: script)
    let first = ranks[0]
    let differences = ranks.enumerated().map { index, rank in
      index == 0 || keepsAllFigures ? nil : rank.difference(from: first)
    }
    self.differences = differences
    isCarried = differences.map { $0 != nil }
    let meetings = Meetings(count: ranks.count)
    lanes = ranks.indices.filter { differences[$0] == nil }.map { index in
      Lane(
        rank: index,
        backend: ActionBackend(
          template, ranks[index], meetings, keepsSpans: false, keepsLog: false, script: script,
          keepsFigures: keepsAllFigures || index == 0))
    }
    weigh()
  }

  /// Runs the action to its end, and gives what every rank has done; a rank that is carried along to the end
  /// has done what the first one has.
  mutating func run() -> [ActionRecord] {
    carryOut()
    return records()
  }

  /// The same of ranks that leave the action together: the first one's record with the end of the last.
  mutating func runTogether() -> ActionRecord {
    carryOut()
    // Who is carried along to the end is through with the first.
    var last = lanes[0]
    for lane in lanes.dropFirst().sorted(by: { $0.rank < $1.rank })
    where lane.backend.clock > last.backend.clock { last = lane }
    for lane in lanes { walked += lane.backend.walked }
    let first = lanes[0].backend.finishedRecord()
    return last.rank == lanes[0].rank
      ? first
      : LoadedGroup.together(first, last: last.backend.finishedRecord(keepsFigures: false))
  }

  private mutating func carryOut() {
    // Copied once, and not at every step.
    let (script, exchanges) = (script, exchanges)
    for number in script.steps.indices {
      if carried.meets(exchanges[number]) { part(before: exchanges[number]) }
      switch script.steps[number] {
      case .compute(let range):
        forEachWalker { $0.compute(range, script) }
      case .convert(let place):
        let start = script.conversions[place]
        forEachWalker { $0.issue(start.number, of: start.program, start.instance) }
      case .start(let place):
        let sending = script.transfers[place]
        forEachWalker { $0.start(sending, at: place) }
      case .wait(let handle):
        while !allPass({ $0.wait(TransferHandle(handle)) }) {}
        if lanes.count > 1 { join() }
      }
    }
    // What nobody in the action waits for has its end too.
    while !allPass({ $0.settle() }) {}
  }

  private mutating func records() -> [ActionRecord] {
    var carried = lanes[0].backend.finishedRecord(keepsFigures: false)
    var records = ranks.map { rank in
      carried.place(rank, template)
      return carried
    }
    for index in lanes.indices {
      records[lanes[index].rank] = lanes[index].backend.finishedRecord()
      walked += lanes[index].backend.walked
    }
    return records
  }

  /// Asks every rank; those that meet in a transfer pass once all have come.
  private func allPass(_ passes: (ActionBackend) -> Bool) -> Bool {
    var all = true
    forEachWalker { if !passes($0) { all = false } }
    return all
  }

  @inline(__always)
  private func forEachWalker(_ body: (ActionBackend) -> Void) {
    for walker in walkers { walker._withUnsafeGuaranteedRef { body($0) } }
  }

  /// Those whose rows differ in the next step go their own way, from where the first one is.
  private mutating func part(before step: ExchangeSet) {
    for index in ranks.indices where isCarried[index] && differences[index]?.meets(step) == true {
      isCarried[index] = false
      lanes.append(Lane(rank: index, backend: lanes[0].backend.on(ranks[index])))
    }
    weigh()
  }

  /// Those that nothing tells apart from the first go along with it again.
  private mutating func join() {
    var hasJoined = false
    let first = lanes[0].backend
    for index in lanes.indices.dropFirst().reversed()
    where differences[lanes[index].rank] != nil
      && walkers[index]._withUnsafeGuaranteedRef({ $0.doesAs(first) })
    {
      isCarried[lanes[index].rank] = true
      walked += lanes[index].backend.walked
      lanes.remove(at: index)
      hasJoined = true
    }
    if hasJoined { weigh() }
  }

  /// The first comes to meetings for all that it carries along.
  private mutating func weigh() {
    carried = ExchangeSet()
    for index in ranks.indices where isCarried[index] {
      if let difference = differences[index] { carried.formUnion(difference) }
    }
    lanes[0].backend.weight = 1 + ranks.count - lanes.count
    walkers.removeAll(keepingCapacity: true)
    for lane in lanes { walkers.append(Unmanaged.passUnretained(lane.backend)) }
  }
}

/// Exchanges of a forward's stage and of a backward's.
struct ExchangeSet: Equatable, Sendable {
  private var bits: UInt64 = 0

  /// Exchanges from this number on share a bit, so that a set may hold more than was put in, never less.
  private static let last = 31

  func meets(_ other: ExchangeSet) -> Bool { bits & other.bits != 0 }

  mutating func formUnion(_ other: ExchangeSet) { bits |= other.bits }

  mutating func insert(_ exchange: Int, isForward: Bool) {
    bits |= 1 << UInt64(min(exchange, Self.last) + (isForward ? 0 : Self.last + 1))
  }
}

extension ActionRank {
  /// The exchanges in which it has other rows; nil if something else tells them apart.
  fileprivate func difference(from other: ActionRank) -> ExchangeSet? {
    guard isLikeButForRows(other) else { return nil }
    var difference = ExchangeSet()
    for exchange in forwardRows.differences(from: other.forwardRows) {
      difference.insert(exchange, isForward: true)
    }
    for exchange in backwardRows.differences(from: other.backwardRows) {
      difference.insert(exchange, isForward: false)
    }
    return difference
  }
}

extension ExchangeRows {
  fileprivate func differences(from other: ExchangeRows) -> [Int] {
    received.indices.filter {
      received[$0] != other.received[$0] || routed[$0] != other.routed[$0]
        || sent[$0] != other.sent[$0]
    }
  }
}

/// Carries out a schedule on virtual clocks, one per rank, without doing any work.
///
/// A schedule without sends and receives hands everything on by itself. In a lowered one an action
/// needs the receive of what comes from another rank. Where sends are buffered, a receive needs its send to
/// stand at an earlier moment, and a send waits for nothing; where both ends must meet, neither goes on
/// before the other rank stands at its end and the message is through. A `COMMIT` starts its group and ends
/// when all of its transfers are through, which buffered sends need not be.
struct DryRun {
  private(set) var starts: [[Double]]
  private(set) var ends: [[Double]]
  /// The cell at which each rank stands; its number of cells when it is through.
  private(set) var positions: [Int]

  private let schedule: Schedule
  private let times: PassTimes
  private let isLowered: Bool
  private let isGrouped: Bool
  private let endsMeet: Bool
  private var clocks: [Double]
  private var produced: [Double]
  private var sent: [Double]
  private var received: [Double]
  private var arrived: [Double]
  /// The transfers of each rank since its last group ended: number and whether it is a send.
  private var group: [[(message: Int, isSend: Bool)]]
  private var groupIsStarted: [Bool]

  private static let never = Double.infinity

  /// - Parameter manner: how sends are taken; by default as `usualEnds` says.
  init(_ schedule: Schedule, times: PassTimes, ends manner: TransferEnds? = nil) {
    self.schedule = schedule
    self.times = times
    isLowered = schedule.isLowered
    isGrouped = schedule.isGrouped
    endsMeet = (manner ?? schedule.usualEnds) == .rendezvous
    starts = schedule.ranks.map { [Double](repeating: 0, count: $0.count) }
    ends = starts
    positions = schedule.ranks.map { _ in 0 }
    clocks = schedule.ranks.map { _ in 0 }
    produced = [Double](
      repeating: Self.never, count: 2 * schedule.stageCount * schedule.microbatchCount)
    sent = produced
    received = produced
    arrived = produced
    group = schedule.ranks.map { _ in [] }
    groupIsStarted = schedule.ranks.map { _ in false }
    var progress = true
    while progress {
      progress = false
      for rank in positions.indices { if advance(rank) { progress = true } }
    }
  }

  /// Whether every rank reached its end.
  var isComplete: Bool {
    positions.indices.allSatisfy { positions[$0] == schedule.ranks[$0].count }
  }

  /// The time from the first action of all ranks to the last, and that of the busiest rank alone.
  var span: (makespan: Double, longestOfRanks: Double) {
    precondition(isComplete, "Only a schedule that ends has a span.")
    var first = Double.infinity
    var last = 0.0
    var longest = 0.0
    for (rank, cells) in schedule.ranks.enumerated() {
      guard let from = cells.firstIndex(where: { !$0.actions.isEmpty }),
        let to = cells.lastIndex(where: { !$0.actions.isEmpty })
      else { continue }
      first = min(first, starts[rank][from])
      last = max(last, ends[rank][to])
      longest = max(longest, ends[rank][to] - starts[rank][from])
    }
    return (max(0, last - first), longest)
  }

  /// Carries out the cells of a rank until one has to wait; whether anything happened.
  private mutating func advance(_ rank: Int) -> Bool {
    let first = positions[rank]
    var hasStartedGroup = false
    while positions[rank] < schedule.ranks[rank].count {
      let position = positions[rank]
      let cell = schedule.ranks[rank][position]
      if cell == .commit && !groupIsStarted[rank] {
        startGroup(rank)
        hasStartedGroup = true
      }
      if endsMeet, !isGrouped, meet(at: cell, rank) { continue }
      guard let start = startTime(of: cell, rank) else { break }
      starts[rank][position] = start
      finish(cell, rank, start)
      ends[rank][position] = clocks[rank]
      positions[rank] += 1
    }
    return positions[rank] > first || hasStartedGroup
  }

  /// Carries out a send and its receive if their ranks stand at them; whether they do.
  private mutating func meet(at cell: Cell, _ rank: Int) -> Bool {
    guard case .send(let boundary, let stage, let microbatch) = cell else { return false }
    let target = boundary == .activation ? stage + 1 : stage - 1
    let message = schedule.message(boundary, toStage: target, microbatch: microbatch)
    let peer = schedule.rank(ofStage: target, microbatch: microbatch)
    guard produced[message] != Self.never, positions[peer] < schedule.ranks[peer].count,
      schedule.ranks[peer][positions[peer]]
        == .receive(boundary, stage: target, microbatch: microbatch)
    else { return false }
    let end = max(clocks[rank], clocks[peer]) + times.transfer
    arrived[message] = end
    for side in [rank, peer] {
      starts[side][positions[side]] = clocks[side]
      ends[side][positions[side]] = end
      clocks[side] = end
      positions[side] += 1
    }
    return true
  }

  /// When `cell` can start, or nothing if what it needs does not exist yet.
  private func startTime(of cell: Cell, _ rank: Int) -> Double? {
    var start = clocks[rank]
    switch cell {
    case .idle: break
    case .run, .overlapped:
      for action in cell.actions {
        guard let ready = readyTime(of: action, rank) else { return nil }
        start = max(start, ready)
      }
    // Where ends meet, `meet` carries both out.
    case .send where endsMeet && !isGrouped, .receive where endsMeet && !isGrouped: return nil
    case .send(let boundary, let stage, let microbatch):
      let target = boundary == .activation ? stage + 1 : stage - 1
      let ready = produced[schedule.message(boundary, toStage: target, microbatch: microbatch)]
      if ready == Self.never { return nil }
    case .receive(let boundary, let stage, let microbatch):
      let message = schedule.message(boundary, toStage: stage, microbatch: microbatch)
      if !isGrouped && sent[message] == Self.never { return nil }
    case .commit:
      for (message, isSend) in group[rank] {
        if !isSend || endsMeet, sent[message] == Self.never { return nil }
        if endsMeet, received[message] == Self.never { return nil }
      }
    }
    return start
  }

  /// When the input of `action` is on its rank; a backward on the last stage needs its forward.
  private func readyTime(of action: Action, _ rank: Int) -> Double? {
    guard let (boundary, stage) = schedule.input(of: action) else { return 0 }
    let message = schedule.message(
      boundary, toStage: action.stage, microbatch: action.microbatch)
    let source = schedule.rank(ofStage: stage, microbatch: action.microbatch)
    let time: Double
    if source == rank {
      time = produced[message]
    } else if isLowered {
      time = arrived[message]
    } else {
      time = produced[message] + times.transfer
    }
    return time == Self.never ? nil : time
  }

  private mutating func startGroup(_ rank: Int) {
    groupIsStarted[rank] = true
    for (message, isSend) in group[rank] {
      if isSend { sent[message] = clocks[rank] } else { received[message] = clocks[rank] }
    }
  }

  private mutating func finish(_ cell: Cell, _ rank: Int, _ start: Double) {
    switch cell {
    case .idle: break
    case .run, .overlapped:
      clocks[rank] = start + times.duration(of: cell)
      for action in cell.actions {
        guard let (boundary, stage) = schedule.output(of: action) else { continue }
        let message = schedule.message(boundary, toStage: stage, microbatch: action.microbatch)
        produced[message] = clocks[rank]
      }
    case .send(let boundary, let stage, let microbatch):
      let target = boundary == .activation ? stage + 1 : stage - 1
      let message = schedule.message(boundary, toStage: target, microbatch: microbatch)
      if isGrouped { group[rank].append((message, true)) } else { sent[message] = start }
    case .receive(let boundary, let stage, let microbatch):
      let message = schedule.message(boundary, toStage: stage, microbatch: microbatch)
      if isGrouped {
        group[rank].append((message, false))
      } else {
        received[message] = start
        arrived[message] = sent[message] + times.transfer
      }
    case .commit:
      for (message, isSend) in group[rank] where endsMeet || !isSend {
        let start = endsMeet ? max(sent[message], received[message]) : sent[message]
        let arrival = start + times.transfer
        arrived[message] = arrival
        clocks[rank] = max(clocks[rank], arrival)
      }
      group[rank] = []
      groupIsStarted[rank] = false
    }
  }
}

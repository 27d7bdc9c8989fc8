/// How a lowered schedule moves activations and gradients.
public enum TransferStyle: String, Hashable, Sendable, CaseIterable {
  /// Sends and receives start where they stand and are waited for where their data is used.
  case eager
  /// The sends and receives between two `COMMIT`s start together and are waited for at once.
  case batched
  /// Every send and receive is waited for by itself before its rank goes on: both ends meet.
  case waited
}

/// How the sends of a lowered schedule are taken.
public enum TransferEnds: String, Hashable, Sendable, CaseIterable {
  /// A send is over at once; only its receive waits.
  case buffered
  /// Both ends wait for each other: outside groups a rank goes through its sends and receives one by one,
  /// in a group all of them wait together.
  case rendezvous
}

extension Schedule {
  /// Whether sends and receives start in groups, each of which a `COMMIT` ends.
  public var isGrouped: Bool { ranks.contains { $0.contains(.commit) } }

  /// How sends are taken unless something else is said: in groups both ends meet, as batched sends and
  /// receives do; elsewhere sends are buffered.
  public var usualEnds: TransferEnds { isGrouped ? .rendezvous : .buffered }

  /// The schedule with sends and receives where consecutive stages lie on different ranks, and
  /// without idle cells.
  ///
  /// A rank never places its own receives: whoever sends also places the receive, so the orders of
  /// sends and receives cannot disagree. Batched transfers gather what a rank has between two
  /// actions in one group; no group can wait for a later one, because every transfer has a place in
  /// one common order of all actions, and neither can transfers that are waited for one by one.
  /// DualPipe and DualPipeV keep the groups of their published code, merged or apart.
  ///
  /// - Throws: if the schedule is lowered already or its ranks wait for each other.
  public func lowered(_ style: TransferStyle) throws(ScheduleError) -> Schedule {
    if isLowered { throw ScheduleError("the schedule has sends and receives already") }
    switch style {
    case .eager: return try withTransfers()
    case .batched:
      if let published = publishedGroups() { return published }
      var schedule = try withTransfersInTime()
      schedule.ranks = schedule.ranks.map(Self.grouping)
      return schedule
    case .waited: return try withTransfersInTime()
    }
  }

  /// The groups of the published DualPipe code, if this is its order of actions.
  private func publishedGroups() -> Schedule? {
    let published: Schedule?
    if case .bidirectional = placement {
      published = try? .dualPipeBatched(ranks: ranks.count, microbatches: microbatchCount)
    } else if placement == .vShaped(ranks: ranks.count) {
      published = try? .dualPipeVBatched(ranks: ranks.count, microbatches: microbatchCount)
    } else {
      published = nil
    }
    guard let published else { return nil }
    if published.computeOnly == self { return published }
    return published.computeOnly.apart == self ? published.apart : nil
  }

  /// Ends a group before every action that follows transfers, and at the end.
  private static func grouping(_ cells: [Cell]) -> [Cell] {
    var grouped: [Cell] = []
    for cell in cells {
      if let last = grouped.last, last.isTransfer, !cell.isTransfer { grouped.append(.commit) }
      grouped.append(cell)
    }
    if let last = grouped.last, last.isTransfer { grouped.append(.commit) }
    return grouped
  }

  /// Places every transfer where its data is made, and its receive where the other rank stands at that
  /// moment, if forwards take half as long as backwards and transfers no time.
  ///
  /// Where transfers are waited for, the place of a receive decides what waits for it: in an order of
  /// turns alone it would often stand an action or more ahead of the one that needs it.
  private func withTransfersInTime() throws(ScheduleError) -> Schedule {
    let times = PassTimes(forward: 1, backwardInput: 1, backwardWeight: 1, transfer: 0)
    let run = DryRun(self, times: times)
    guard run.isComplete else { throw deadlock(run.positions) }
    var events: [(time: Double, starts: Bool, rank: Int, index: Int)] = []
    for rank in ranks.indices {
      for index in ranks[rank].indices where ranks[rank][index] != .idle {
        events.append((run.starts[rank][index], true, rank, index))
        events.append((run.ends[rank][index], false, rank, index))
      }
    }
    // At one moment what ends comes before what starts.
    events.sort {
      ($0.time, $0.starts ? 1 : 0, $0.rank, $0.index) < (
        $1.time, $1.starts ? 1 : 0, $1.rank, $1.index
      )
    }
    var lowered = self
    lowered.ranks = ranks.map { _ in [] }
    for event in events {
      let cell = ranks[event.rank][event.index]
      if event.starts {
        lowered.ranks[event.rank].append(cell)
      } else {
        for action in cell.actions { appendTransfer(of: action, from: event.rank, to: &lowered) }
      }
    }
    return lowered
  }

  /// Appends what an action hands on, at both ends, if it goes to another rank.
  private func appendTransfer(of action: Action, from rank: Int, to lowered: inout Schedule) {
    guard let (boundary, stage) = output(of: action) else { return }
    let target = self.rank(ofStage: stage, microbatch: action.microbatch)
    if target == rank { return }
    lowered.ranks[rank].append(.send(boundary, stage: action.stage, microbatch: action.microbatch))
    lowered.ranks[target].append(.receive(boundary, stage: stage, microbatch: action.microbatch))
  }

  /// Takes the ranks in turn; each appends its next action if its inputs are there, its sends, and
  /// their receives on the other rank.
  ///
  /// An idle cell passes one turn.
  private func withTransfers() throws(ScheduleError) -> Schedule {
    var lowered = self
    lowered.ranks = ranks.map { _ in [] }
    var next = ranks.map { _ in 0 }
    var arrived = [Bool](repeating: false, count: 2 * stageCount * microbatchCount)
    func isReady(_ action: Action) -> Bool {
      guard let (boundary, _) = input(of: action) else { return true }
      return arrived[message(boundary, toStage: action.stage, microbatch: action.microbatch)]
    }
    var progress = true
    while progress {
      progress = false
      for rank in ranks.indices where next[rank] < ranks[rank].count {
        let cell = ranks[rank][next[rank]]
        guard cell.actions.allSatisfy(isReady) else { continue }
        next[rank] += 1
        progress = true
        if cell != .idle { lowered.ranks[rank].append(cell) }
        for action in cell.actions {
          guard let (boundary, stage) = output(of: action) else { continue }
          arrived[message(boundary, toStage: stage, microbatch: action.microbatch)] = true
          appendTransfer(of: action, from: rank, to: &lowered)
        }
      }
    }
    if next.indices.contains(where: { next[$0] < ranks[$0].count }) {
      try validate()
      throw ScheduleError("the ranks of the schedule wait for each other")
    }
    return lowered
  }
}

/// How a lowered schedule moves activations and gradients.
public enum TransferStyle: String, Hashable, Sendable, CaseIterable {
  /// Sends and receives start where they stand and are waited for where their data is used.
  case eager
  /// The sends and receives between two `COMMIT`s start together and are waited for at once.
  case batched
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
  /// one common order of all actions. DualPipe and DualPipeV keep the groups of their published code.
  ///
  /// - Throws: if the schedule is lowered already or its ranks wait for each other.
  public func lowered(_ style: TransferStyle) throws(ScheduleError) -> Schedule {
    if isLowered { throw ScheduleError("the schedule has sends and receives already") }
    switch style {
    case .eager: return try withTransfers()
    case .batched:
      if let published = publishedGroups() { return published }
      var schedule = try withTransfers()
      schedule.ranks = schedule.ranks.map(Self.grouping)
      return schedule
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
    return published?.computeOnly == self ? published : nil
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
          let target = self.rank(ofStage: stage, microbatch: action.microbatch)
          if target == rank { continue }
          lowered.ranks[rank].append(
            .send(boundary, stage: action.stage, microbatch: action.microbatch))
          lowered.ranks[target].append(
            .receive(boundary, stage: stage, microbatch: action.microbatch))
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

extension Schedule {
  /// Proves that the schedule can be carried out, lowered or not: every stage runs every microbatch
  /// forward and backward exactly once and on its rank, everything starts after what it needs, every
  /// receive has its send, and no rank waits for ever.
  ///
  /// - Parameter ends: how sends are taken; by default as `usualEnds` says.
  /// - Throws: the first fault found, with the cells around it and the offending row marked.
  public func validate(ends: TransferEnds? = nil) throws(ScheduleError) {
    try checkActions()
    if isLowered { try checkTransfers() }
    let run = DryRun(
      self,
      times: PassTimes(forward: 1, backwardInput: 1, backwardWeight: 1, transfer: 0), ends: ends)
    guard run.isComplete else { throw deadlock(run.positions, ends) }
  }

  /// Which cell of which rank is at fault.
  private func fault(_ message: String, _ rank: Int, _ index: Int) -> ScheduleError {
    ScheduleError(
      "rank \(rank), cell \(index + 1): \(message)",
      grid: grid(around: index, onRank: rank))
  }

  /// Every action once, on its rank, forward before backward, input before weight.
  private func checkActions() throws(ScheduleError) {
    guard stageCount > 0, microbatchCount > 0 else {
      throw ScheduleError("a schedule needs at least one stage and one microbatch")
    }
    let actionCount = stageCount * microbatchCount
    var done = [UInt8](repeating: 0, count: actionCount)
    for (rank, cells) in ranks.enumerated() {
      for (index, cell) in cells.enumerated() {
        for action in cell.actions {
          guard (0..<stageCount).contains(action.stage),
            (0..<microbatchCount).contains(action.microbatch)
          else {
            throw fault(
              "\(action) is beyond \(stageCount) stages and \(microbatchCount) microbatches", rank,
              index)
          }
          let home = self.rank(ofStage: action.stage, microbatch: action.microbatch)
          if home != rank {
            throw fault("\(action) belongs to rank \(home)", rank, index)
          }
          let slot = action.stage * microbatchCount + action.microbatch
          if let message = action.follow(&done[slot]) { throw fault(message, rank, index) }
        }
      }
    }
    for (slot, state) in done.enumerated() where state != Action.complete {
      let (stage, microbatch) = slot.quotientAndRemainder(dividingBy: microbatchCount)
      let missing = Action.missing(after: state)
      let home = rank(ofStage: stage, microbatch: microbatch)
      throw fault(
        "\(stage)\(missing.rawValue)\(microbatch) is missing: every stage runs every microbatch "
          + "forward and backward", home, max(0, ranks[home].count - 1))
    }
  }

  /// One send and one receive for everything that goes to another rank, nothing else, and both ends
  /// of every pair of ranks in the same order.
  private func checkTransfers() throws(ScheduleError) {
    var sends = [Int](repeating: 0, count: 2 * stageCount * microbatchCount)
    var receives = sends
    var orders: [Int: (sent: [Int], received: [Int])] = [:]
    for (rank, cells) in ranks.enumerated() {
      for (index, cell) in cells.enumerated() {
        guard let transfer = transfer(of: cell) else { continue }
        let (from, to, microbatch, boundary, isSend) = transfer
        guard (0..<stageCount).contains(from), (0..<stageCount).contains(to),
          (0..<microbatchCount).contains(microbatch)
        else {
          throw fault("\(cell) crosses the end of the pipeline", rank, index)
        }
        let source = self.rank(ofStage: from, microbatch: microbatch)
        let target = self.rank(ofStage: to, microbatch: microbatch)
        if source == target {
          throw fault("\(cell) joins two stages of one rank, which needs no transfer", rank, index)
        }
        if rank != (isSend ? source : target) {
          throw fault("\(cell) belongs to rank \(isSend ? source : target)", rank, index)
        }
        let message = message(boundary, toStage: to, microbatch: microbatch)
        if (isSend ? sends : receives)[message] > 0 {
          throw fault("\(cell) is a repetition", rank, index)
        }
        if isSend { sends[message] = index + 1 } else { receives[message] = index + 1 }
        let channel = source * ranks.count + target
        if isSend {
          orders[channel, default: ([], [])].sent.append(message)
        } else {
          orders[channel, default: ([], [])].received.append(message)
        }
      }
    }
    try checkThatTransfersMatch(sends, receives)
    for channel in orders.keys.sorted() {
      guard let (sent, received) = orders[channel],
        let first = sent.indices.first(where: { sent[$0] != received[$0] })
      else { continue }
      let (source, target) = channel.quotientAndRemainder(dividingBy: ranks.count)
      throw fault(
        "rank \(target) receives from rank \(source) in another order than rank \(source) sends",
        target, receives[received[first]] - 1)
    }
    try checkThatGroupsEnd()
  }

  private func checkThatTransfersMatch(
    _ sends: [Int], _ receives: [Int]
  ) throws(ScheduleError) {
    for (rank, cells) in ranks.enumerated() {
      for (index, cell) in cells.enumerated() {
        for action in cell.actions {
          guard let (boundary, stage) = output(of: action) else { continue }
          let target = self.rank(ofStage: stage, microbatch: action.microbatch)
          if target == rank { continue }
          let message = message(boundary, toStage: stage, microbatch: action.microbatch)
          if sends[message] == 0 {
            let send = Cell.send(boundary, stage: action.stage, microbatch: action.microbatch)
            throw fault("\(action) has no \(send) after it", rank, index)
          }
          if receives[message] == 0 {
            let receive = Cell.receive(boundary, stage: stage, microbatch: action.microbatch)
            throw fault(
              "\(cells[sends[message] - 1]) has no \(receive) on rank \(target)", rank,
              sends[message] - 1)
          }
        }
      }
    }
  }

  /// In a schedule with groups, every transfer belongs to one that ends.
  private func checkThatGroupsEnd() throws(ScheduleError) {
    guard isGrouped else { return }
    for (rank, cells) in ranks.enumerated() {
      guard let last = cells.lastIndex(where: \.isTransfer), cells[last] != .commit else {
        continue
      }
      throw fault("no COMMIT follows \(cells[last]), so it never starts", rank, last)
    }
  }

  /// The two stages that a send or a receive joins.
  private func transfer(
    of cell: Cell
  ) -> (from: Int, to: Int, microbatch: Int, boundary: Boundary, isSend: Bool)? {
    switch cell {
    case .idle, .run, .overlapped, .commit: return nil
    case .send(let boundary, let stage, let microbatch):
      let to = boundary == .activation ? stage + 1 : stage - 1
      return (stage, to, microbatch, boundary, true)
    case .receive(let boundary, let stage, let microbatch):
      let from = boundary == .activation ? stage - 1 : stage + 1
      return (from, stage, microbatch, boundary, false)
    }
  }

  /// The fault of a dry run that stopped with the ranks at `positions`.
  func deadlock(_ positions: [Int], _ ends: TransferEnds? = nil) -> ScheduleError {
    let stuck = positions.indices.filter { positions[$0] < ranks[$0].count }
    let waits = stuck.prefix(8).map { "rank \($0) at \(ranks[$0][positions[$0]])" }
    let more = stuck.count > 8 ? " and \(stuck.count - 8) more" : ""
    guard let rank = stuck.first else { return ScheduleError("the ranks wait for each other") }
    let how = isLowered && ends == .rendezvous ? " where both ends of a message must meet" : ""
    return fault(
      "the ranks wait for each other for ever\(how): \(waits.joined(separator: ", "))\(more)", rank,
      positions[rank])
  }
}

extension Action {
  /// The state of a microbatch on a stage when all of its passes are done: forward, input, weight.
  fileprivate static let complete: UInt8 = 0b111

  /// Marks this action as done in `state`, or says why it may not come now.
  fileprivate func follow(_ state: inout UInt8) -> String? {
    let (needed, made): (UInt8, UInt8) =
      switch pass {
      case .forward: (0, 0b001)
      case .backward: (0b001, 0b110)
      case .backwardInput: (0b001, 0b010)
      case .backwardWeight: (0b010, 0b100)
      }
    if state & made != 0 { return "\(self) is a repetition" }
    if state & needed != needed {
      let before = pass == .backwardWeight ? Pass.backwardInput : .forward
      return "\(self) comes before \(stage)\(before.rawValue)\(microbatch)"
    }
    state |= made
    return nil
  }

  /// The first pass that `state` lacks.
  fileprivate static func missing(after state: UInt8) -> Pass {
    if state & 0b001 == 0 { return .forward }
    return state & 0b010 == 0 ? .backward : .backwardWeight
  }
}

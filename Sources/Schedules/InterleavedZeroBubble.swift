extension Schedule {
  /// Interleaved zero bubble: interleaved 1F1B with a split backward whose weight halves wait until
  /// `rank` of them are pending (ZB-1P of arXiv:2401.10241 over several stages per rank).
  ///
  /// Idle cells are inserted where a forward would start before its activation exists.
  static func interleavedZeroBubble(
    ranks: Int, stagesPerRank: Int, microbatches: Int
  ) throws(ScheduleError) -> Schedule {
    let order = try Interleaving(
      ranks: ranks, stagesPerRank: stagesPerRank, microbatches: microbatches)
    let cells = (0..<ranks).map { rank in
      let warmup = order.warmup(rank, perHop: 1)
      var cells = [Cell](repeating: .idle, count: rank)
      func weight(_ index: Int) -> Cell {
        let (stage, microbatch) = order.backward(index, rank)
        return .backwardWeight(stage, microbatch)
      }
      for index in 0..<order.passes + warmup {
        if index < order.passes {
          let (stage, microbatch) = order.forward(index, rank)
          cells.append(.forward(stage, microbatch))
        }
        if index == warmup - 1 {
          cells += [Cell](repeating: .idle, count: ranks - rank - 1)
        }
        if index >= warmup {
          let (stage, microbatch) = order.backward(index - warmup, rank)
          cells.append(.backwardInput(stage, microbatch))
          if index - warmup >= rank { cells.append(weight(index - warmup - rank)) }
        }
      }
      cells += (max(0, order.passes - rank)..<order.passes).map(weight)
      return cells
    }
    return Schedule(
      ranks: cells, stageCount: ranks * stagesPerRank, microbatchCount: microbatches,
      placement: .looped(ranks: ranks, stagesPerRank: stagesPerRank)
    ).delayingForwards()
  }

  /// Walks all ranks in lock step and inserts an idle cell where a forward's activation was not
  /// made in an earlier step.
  private func delayingForwards() -> Schedule {
    var delayed = self
    delayed.ranks = ranks.map { _ in [] }
    var next = ranks.map { _ in 0 }
    var ready = [Bool](repeating: false, count: 2 * stageCount * microbatchCount)
    while next.indices.contains(where: { next[$0] < ranks[$0].count }) {
      var made: [Int] = []
      for rank in ranks.indices where next[rank] < ranks[rank].count {
        let cell = ranks[rank][next[rank]]
        guard case .run(let action) = cell, action.pass == .forward else {
          delayed.ranks[rank].append(cell)
          next[rank] += 1
          continue
        }
        let needed = message(.activation, toStage: action.stage, microbatch: action.microbatch)
        if action.stage > 0, !ready[needed] {
          delayed.ranks[rank].append(.idle)
          continue
        }
        delayed.ranks[rank].append(cell)
        next[rank] += 1
        if let (boundary, stage) = output(of: action) {
          made.append(message(boundary, toStage: stage, microbatch: action.microbatch))
        }
      }
      for message in made { ready[message] = true }
    }
    return delayed
  }
}

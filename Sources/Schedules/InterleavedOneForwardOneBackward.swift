extension Schedule {
  /// Interleaved 1F1B: every rank holds several stages and prefers the earlier microbatch
  /// (arXiv:2104.04473).
  ///
  /// Idle cells show the lock-step picture in which a backward starts one slot after its gradient.
  static func interleavedOneForwardOneBackward(
    ranks: Int, stagesPerRank: Int, microbatches: Int
  ) throws(ScheduleError) -> Schedule {
    let order = try Interleaving(
      ranks: ranks, stagesPerRank: stagesPerRank, microbatches: microbatches)
    let cells = (0..<ranks).map { rank in
      let warmup = order.warmup(rank, perHop: 2)
      let firstBackward = stagesPerRank * ranks + 2 * (ranks - 1 - rank)
      var cells = [Cell](repeating: .idle, count: rank)
      for index in 0..<order.passes + warmup {
        if index < order.passes {
          let (stage, microbatch) = order.forward(index, rank)
          cells.append(.forward(stage, microbatch))
        } else {
          cells.append(.idle)
        }
        if index == warmup - 1 {
          cells += [Cell](repeating: .idle, count: max(0, firstBackward - warmup - rank))
        }
        if index >= warmup {
          let (stage, microbatch) = order.backward(index - warmup, rank)
          cells.append(.backward(stage, microbatch))
        }
      }
      return cells
    }
    return Schedule(
      ranks: cells, stageCount: ranks * stagesPerRank, microbatchCount: microbatches,
      placement: .looped(ranks: ranks, stagesPerRank: stagesPerRank))
  }
}

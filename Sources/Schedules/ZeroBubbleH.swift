extension Schedule {
  /// ZB-H1: 1F1B with a split backward; rank r keeps r weight halves pending, which fill the drain
  /// (arXiv:2401.10241, section 2.1).
  ///
  /// No rank holds more than `ranks` microbatches, as many as 1F1B's first rank.
  static func zeroBubbleH1(ranks: Int, microbatches: Int) -> Schedule {
    handmadeZeroBubble(ranks: ranks, microbatches: microbatches) { ($0, ranks - $0) }
  }

  /// ZB-H2: about twice as many forwards up front as ZB-H1 and twice as many pending weight halves,
  /// so that no rank waits when all passes take equally long (arXiv:2401.10241, section 2.2).
  ///
  /// No rank holds more than `2 * ranks - 1` microbatches.
  static func zeroBubbleH2(ranks: Int, microbatches: Int) -> Schedule {
    handmadeZeroBubble(ranks: ranks, microbatches: microbatches) {
      (2 * $0, 2 * (ranks - $0) - 1)
    }
  }

  /// One forward, one backward for input, one backward for weight, given how many weight halves a
  /// rank keeps pending and how many forwards it runs before its first backward.
  private static func handmadeZeroBubble(
    ranks: Int, microbatches: Int, _ shape: (Int) -> (pending: Int, warmup: Int)
  ) -> Schedule {
    let cells = (0..<ranks).map { stage in
      let (pending, warmup) = shape(stage)
      var cells = (0..<min(warmup, microbatches)).map { Cell.forward(stage, $0) }
      for microbatch in 0..<microbatches {
        cells.append(.backwardInput(stage, microbatch))
        if microbatch >= pending { cells.append(.backwardWeight(stage, microbatch - pending)) }
        if warmup + microbatch < microbatches {
          cells.append(.forward(stage, warmup + microbatch))
        }
      }
      cells += (max(0, microbatches - pending)..<microbatches).map { .backwardWeight(stage, $0) }
      return cells
    }
    return Schedule(
      ranks: cells, stageCount: ranks, microbatchCount: microbatches,
      placement: .looped(ranks: ranks, stagesPerRank: 1))
  }
}

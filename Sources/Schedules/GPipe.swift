extension Schedule {
  /// GPipe: all forwards, then all backwards, both in microbatch order.
  ///
  /// Every rank holds the activations of all microbatches (arXiv:1811.06965).
  static func gpipe(ranks: Int, microbatches: Int) -> Schedule {
    let cells = (0..<ranks).map { stage in
      (0..<microbatches).map { Cell.forward(stage, $0) }
        + (0..<microbatches).map { Cell.backward(stage, $0) }
    }
    return Schedule(
      ranks: cells, stageCount: ranks, microbatchCount: microbatches,
      placement: .looped(ranks: ranks, stagesPerRank: 1))
  }
}

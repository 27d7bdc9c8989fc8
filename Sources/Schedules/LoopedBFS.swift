extension Schedule {
  /// Looped breadth first: each stage runs all microbatches before the rank's next stage begins,
  /// backwards in the opposite order (arXiv:2211.05953).
  ///
  /// Idle cells show the lock-step picture: one for every rank before this one, two for every rank
  /// behind it.
  static func loopedBreadthFirst(ranks: Int, stagesPerRank: Int, microbatches: Int) -> Schedule {
    let cells = (0..<ranks).map { rank in
      let stages = stride(from: rank, to: ranks * stagesPerRank, by: ranks)
      var cells = [Cell](repeating: .idle, count: rank)
      for stage in stages { cells += (0..<microbatches).map { .forward(stage, $0) } }
      cells += [Cell](repeating: .idle, count: 2 * (ranks - 1 - rank))
      for stage in stages.reversed() {
        cells += (0..<microbatches).reversed().map { .backward(stage, $0) }
      }
      return cells
    }
    return Schedule(
      ranks: cells, stageCount: ranks * stagesPerRank, microbatchCount: microbatches,
      placement: .looped(ranks: ranks, stagesPerRank: stagesPerRank))
  }
}

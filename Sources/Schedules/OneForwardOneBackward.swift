extension Schedule {
  /// 1F1B: warm up, alternate one forward with one backward, drain (arXiv:2006.09503).
  ///
  /// Rank r holds the activations of at most `ranks - r` microbatches.
  static func oneForwardOneBackward(ranks: Int, microbatches: Int) -> Schedule {
    let cells = (0..<ranks).map { stage in
      let warmup = min(ranks - stage - 1, microbatches)
      var cells = (0..<warmup).map { Cell.forward(stage, $0) }
      for microbatch in 0..<(microbatches - warmup) {
        cells += [.forward(stage, warmup + microbatch), .backward(stage, microbatch)]
      }
      cells += ((microbatches - warmup)..<microbatches).map { .backward(stage, $0) }
      return cells
    }
    return Schedule(
      ranks: cells, stageCount: ranks, microbatchCount: microbatches,
      placement: .looped(ranks: ranks, stagesPerRank: 1))
  }
}

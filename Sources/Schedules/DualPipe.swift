extension Schedule {
  /// DualPipe: two directions of microbatches meet in the middle of the ranks, and forwards of one
  /// overlap with backwards of the other (DeepSeek-V3 report, section 3.2.1).
  ///
  /// Rank r holds stages r and P - 1 - r. A rank holds at most P + 1 activations; the bubble is
  /// (P / 2 - 1)(F&B + B - 3W).
  static func dualPipe(ranks: Int, microbatches: Int) throws(ScheduleError) -> Schedule {
    try dualPipeBatched(ranks: ranks, microbatches: microbatches).computeOnly
  }

  /// DualPipe with the sends, receives and groups of the published code.
  static func dualPipeBatched(ranks: Int, microbatches: Int) throws(ScheduleError) -> Schedule {
    guard ranks.isMultiple(of: 2) else {
      throw ScheduleError("dualpipe needs an even number of ranks, not \(ranks)")
    }
    guard microbatches.isMultiple(of: 2) else {
      throw ScheduleError(
        "dualpipe sends half of the microbatches each way, so their number must be even, "
          + "not \(microbatches)")
    }
    guard microbatches >= 2 * ranks else {
      throw ScheduleError(
        "dualpipe needs at least two microbatches per rank, \(2 * ranks) on \(ranks) ranks, "
          + "not \(microbatches)")
    }
    let half = microbatches / 2
    let cells = (0..<ranks).map { rank in
      var steps = DualPipeSteps(
        distance: min(rank, ranks - 1 - rank), depth: ranks / 2, microbatches: half,
        firstMicrobatch: rank < ranks / 2 ? [0, half] : [half, 0], turnsOnOneRank: false)
      return steps.run()
    }
    return Schedule(
      ranks: cells, stageCount: ranks, microbatchCount: microbatches,
      placement: .bidirectional(ranks: ranks))
  }
}

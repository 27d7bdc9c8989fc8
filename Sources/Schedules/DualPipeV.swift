extension Schedule {
  /// DualPipeV: DualPipe cut in half, with the second direction folded into a V over half as many
  /// ranks (DeepSeek's DualPipe repository, 2025).
  ///
  /// Rank r holds stages r and 2P - 1 - r; a rank holds at most 2P + 1 activations.
  static func dualPipeV(ranks: Int, microbatches: Int) throws(ScheduleError) -> Schedule {
    try dualPipeVBatched(ranks: ranks, microbatches: microbatches).computeOnly
  }

  /// DualPipeV with the sends, receives and groups of the published code.
  static func dualPipeVBatched(ranks: Int, microbatches: Int) throws(ScheduleError) -> Schedule {
    guard microbatches >= 2 * ranks else {
      throw ScheduleError(
        "dualpipev needs at least as many microbatches as stages, \(2 * ranks) on \(ranks) ranks, "
          + "not \(microbatches)")
    }
    let cells = (0..<ranks).map { rank in
      var steps = DualPipeSteps(
        distance: rank, depth: ranks, microbatches: microbatches, firstMicrobatch: [0, 0],
        turnsOnOneRank: true)
      return steps.run()
    }
    return Schedule(
      ranks: cells, stageCount: 2 * ranks, microbatchCount: microbatches,
      placement: .vShaped(ranks: ranks))
  }
}

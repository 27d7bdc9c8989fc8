/// How interleaved schedules go through stages and microbatches: in rounds of about `ranks`
/// microbatches, each of which visits every stage of the rank before the next round begins.
struct Interleaving {
  var ranks: Int
  var stagesPerRank: Int
  var microbatches: Int
  var microbatchesPerRound: Int

  init(ranks: Int, stagesPerRank: Int, microbatches: Int) throws(ScheduleError) {
    let rounds = max(1, microbatches / ranks)
    guard microbatches.isMultiple(of: rounds) else {
      throw ScheduleError(
        "an interleaved schedule on \(ranks) ranks takes \(microbatches) microbatches in \(rounds) "
          + "rounds, so their number must be a multiple of \(rounds)")
    }
    self.ranks = ranks
    self.stagesPerRank = stagesPerRank
    self.microbatches = microbatches
    microbatchesPerRound = microbatches / rounds
  }

  /// One stage a rank, where microbatches follow one another whatever their number.
  init(oneStageOn ranks: Int, microbatches: Int) {
    self.ranks = ranks
    self.microbatches = microbatches
    stagesPerRank = 1
    microbatchesPerRound = microbatches
  }

  /// How many forwards, and how many backwards, a rank carries out.
  var passes: Int { stagesPerRank * microbatches }

  /// The forwards of `rank` before its first backward: all stages but the last for one round, and
  /// `perHop` more for every rank behind it.
  func warmup(_ rank: Int, perHop: Int) -> Int {
    min((stagesPerRank - 1) * microbatchesPerRound + perHop * (ranks - 1 - rank), passes)
  }

  /// Stage and microbatch of the `index`th forward of `rank`.
  func forward(_ index: Int, _ rank: Int) -> (stage: Int, microbatch: Int) {
    let local = index / microbatchesPerRound % stagesPerRank
    return (local * ranks + rank, microbatch(index))
  }

  /// Stage and microbatch of the `index`th backward of `rank`: the stages in opposite order.
  func backward(_ index: Int, _ rank: Int) -> (stage: Int, microbatch: Int) {
    let local = stagesPerRank - 1 - index / microbatchesPerRound % stagesPerRank
    return (local * ranks + rank, microbatch(index))
  }

  private func microbatch(_ index: Int) -> Int {
    index / (microbatchesPerRound * stagesPerRank) * microbatchesPerRound
      + index % microbatchesPerRound
  }
}

extension Schedule {
  /// ZBV: the stages run down the ranks and back up, so that the last rank's forward turns at once
  /// into its backward (arXiv:2401.10241, section 6).
  ///
  /// The order is made for at least `2 * ranks - 1` microbatches; what a smaller number leaves out
  /// becomes idle cells. No rank holds more than `2 * ranks` activations of its half-size stages.
  static func zeroBubbleV(ranks: Int, microbatches: Int) -> Schedule {
    let cells = (0..<ranks).map { rank in
      var order = ZeroBubbleVRank(rank: rank, ranks: ranks)
      order.run(microbatches: max(microbatches, 2 * ranks - 1))
      return order.cells.map { cell in
        cell.actions.allSatisfy { $0.microbatch < microbatches } ? cell : .idle
      }
    }
    return Schedule(
      ranks: cells, stageCount: 2 * ranks, microbatchCount: microbatches,
      placement: .vShaped(ranks: ranks))
  }
}

/// The order of one rank, with a counter for every pass of its two stages.
private struct ZeroBubbleVRank {
  enum Leg: Int { case down = 0, up }

  let rank: Int
  let ranks: Int
  var cells: [Cell]
  var forwards = [0, 0]
  var inputs = [0, 0]
  var weights = [0, 0]

  init(rank: Int, ranks: Int) {
    self.rank = rank
    self.ranks = ranks
    cells = [Cell](repeating: .idle, count: rank)
  }

  mutating func run(microbatches: Int) {
    for _ in 0..<2 * (ranks - rank) - 1 { forward(.down) }
    for _ in 0..<rank {
      forward(.up)
      forward(.down)
    }
    for _ in rank..<ranks {
      forward(.up)
      backward(.up)
    }
    while forwards[1] < forwards[0] || forwards[0] < microbatches {
      if forwards[0] < microbatches { forward(.down) }
      backward(.down)
      forward(.up)
      backward(.up)
    }
    for _ in 0..<rank {
      input(.down)
      input(.up)
    }
    for _ in rank..<ranks {
      input(.down)
      weight(.down)
    }
    while weights[1] < inputs[1] { weight(.up) }
    while weights[0] < inputs[0] { weight(.down) }
  }

  private func stage(_ leg: Leg) -> Int { leg == .down ? rank : 2 * ranks - 1 - rank }

  private mutating func forward(_ leg: Leg) {
    cells.append(.forward(stage(leg), forwards[leg.rawValue]))
    forwards[leg.rawValue] += 1
  }

  private mutating func input(_ leg: Leg) {
    cells.append(.backwardInput(stage(leg), inputs[leg.rawValue]))
    inputs[leg.rawValue] += 1
  }

  private mutating func weight(_ leg: Leg) {
    cells.append(.backwardWeight(stage(leg), weights[leg.rawValue]))
    weights[leg.rawValue] += 1
  }

  private mutating func backward(_ leg: Leg) {
    input(leg)
    weight(leg)
  }
}

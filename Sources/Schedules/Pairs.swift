/// How a forward and a backward that a rank may carry out as one go.
public enum PairStyle: String, Hashable, Sendable, CaseIterable {
  /// As one cell, in which each hides what the other waits for.
  case merged
  /// One after the other, the forward first.
  case apart
}

extension ScheduleName {
  /// How forwards and backwards go unless something else is said.
  public var usualPairs: PairStyle {
    self == .dualPipe || self == .dualPipeV ? .merged : .apart
  }

  /// Whether the steady phase of the schedule is one of pairs, which can be carried out as one.
  public var canMergePairs: Bool {
    switch self {
    case .oneForwardOneBackward, .interleavedOneForwardOneBackward, .dualPipe, .dualPipeV: true
    case .gpipe, .loopedBreadthFirst, .interleavedZeroBubble, .zeroBubbleH1, .zeroBubbleH2,
      .zeroBubble1P, .zeroBubble2P, .zeroBubbleV, .vHalf, .vMin:
      false
    }
  }

  /// Refuses pairs that a schedule does not have.
  func check(_ pairs: PairStyle) throws(ScheduleError) {
    guard pairs == .merged, !canMergePairs else { return }
    let names = ScheduleName.allCases.filter(\.canMergePairs).map(\.rawValue)
    throw ScheduleError(
      "\(rawValue) has no phase of whole forwards and backwards in turn that could be merged into "
        + "pairs; \(names.joined(separator: ", ")) have")
  }
}

extension Schedule {
  /// 1F1B and its interleaved form with the forward and the backward of every turn as one cell, as in
  /// Megatron-Core's 1F1B with overlapped expert exchanges.
  ///
  /// The warm-up is that of the interleaved schedule, two forwards for each rank behind, and one
  /// forward longer: else the last rank would have to carry out forward and backward of one
  /// microbatch as one. A pair hands on its results at its end, so that with one forward a hop, as
  /// plain 1F1B has, every pair would wait for a whole one of its neighbour. A rank holds one
  /// activation more than under interleaved 1F1B; with one stage a rank 2 (P − r) in place of P − r.
  static func mergedPairs(_ order: Interleaving) throws(ScheduleError) -> Schedule {
    let cells = (0..<order.ranks).map { rank in
      let warmup = min(order.warmup(rank, perHop: 2) + 1, order.passes)
      var cells: [Cell] = []
      for index in 0..<order.passes + warmup {
        let forward = index < order.passes ? order.forward(index, rank) : nil
        let backward = index >= warmup ? order.backward(index - warmup, rank) : nil
        switch (forward, backward) {
        case (let forward?, let backward?):
          cells.append(
            .overlapped(
              forward: Action(.forward, stage: forward.stage, microbatch: forward.microbatch),
              backward: Action(.backward, stage: backward.stage, microbatch: backward.microbatch)))
        case (let forward?, nil): cells.append(.forward(forward.stage, forward.microbatch))
        case (nil, let backward?): cells.append(.backward(backward.stage, backward.microbatch))
        case (nil, nil): break
        }
      }
      return cells
    }
    let schedule = Schedule(
      ranks: cells, stageCount: order.ranks * order.stagesPerRank,
      microbatchCount: order.microbatches,
      placement: .looped(ranks: order.ranks, stagesPerRank: order.stagesPerRank))
    guard schedule.hasPairs else {
      throw ScheduleError(
        "one microbatch leaves no forward that could be merged with the backward of an earlier one")
    }
    return schedule
  }

  /// The same orders with the parts of every pair one after the other, the forward first, as
  /// DualPipe's open code goes without a function for pairs.
  ///
  /// Sends and receives stay where they are: before and behind both.
  public var apart: Schedule {
    var schedule = self
    schedule.ranks = ranks.map { cells in
      cells.flatMap { cell in
        guard case .overlapped(let forward, let backward) = cell else { return [cell] }
        return [.run(forward), .run(backward)]
      }
    }
    return schedule
  }
}

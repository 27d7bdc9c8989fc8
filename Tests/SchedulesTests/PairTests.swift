import Schedules
import Testing

/// Forwards merged with backwards of earlier microbatches, and pairs taken apart.
@Suite struct PairTests {
  static let merging: [ScheduleName] = [
    .oneForwardOneBackward, .interleavedOneForwardOneBackward, .dualPipe, .dualPipeV,
  ]

  /// Every size is refused with a rule or sound, whole and with every way of sending, also where both ends
  /// of each message must meet.
  @Test(arguments: merging, PairStyle.allCases)
  func soundOrRefused(_ name: ScheduleName, _ pairs: PairStyle) throws {
    var admitted = 0
    for ranks in 1...8 {
      for stagesPerRank in 1...4 {
        for microbatches in 1...20 {
          let schedule: Schedule
          do {
            schedule = try name.schedule(
              ranks: ranks, stagesPerRank: stagesPerRank, microbatches: microbatches, pairs: pairs)
          } catch {
            #expect(error.message.count > 20)
            continue
          }
          admitted += 1
          #expect(schedule.hasPairs == (pairs == .merged))
          try schedule.validate()
          try schedule.lowered(.eager).validate()
          try schedule.lowered(.batched).validate()
          try schedule.lowered(.waited).validate(ends: .rendezvous)
        }
      }
    }
    #expect(admitted > 40)
  }

  /// A rank warms up with two forwards for each rank behind and one more, all stages but the last once
  /// through the round before; then every forward has a backward beside it until forwards run out.
  @Test(arguments: 1...8, 1...4) func oneLongerWarmUp(ranks: Int, stagesPerRank: Int) throws {
    let name: ScheduleName =
      stagesPerRank == 1 ? .oneForwardOneBackward : .interleavedOneForwardOneBackward
    let microbatches = 3 * ranks
    let schedule = try name.schedule(
      ranks: ranks, stagesPerRank: stagesPerRank, microbatches: microbatches, pairs: .merged)
    for (rank, cells) in schedule.ranks.enumerated() {
      let warmUp = min(
        (stagesPerRank - 1) * ranks + 2 * (ranks - 1 - rank) + 1, stagesPerRank * microbatches)
      let counts = cells.map(\.actions.count)
      let pairs = stagesPerRank * microbatches - warmUp
      #expect(
        counts
          == Array(repeating: 1, count: warmUp) + Array(repeating: 2, count: pairs)
          + Array(repeating: 1, count: warmUp))
    }
  }

  /// No pair holds the passes of one microbatch: its backward would need its own forward.
  @Test(arguments: 1...8, 1...4) func pairsAreOfTwoMicrobatches(
    ranks: Int, stagesPerRank: Int
  ) throws {
    for microbatches in [2, ranks, 2 * ranks, 4 * ranks] where microbatches > 1 {
      let schedule = try ScheduleName.interleavedOneForwardOneBackward.schedule(
        ranks: ranks, stagesPerRank: stagesPerRank, microbatches: microbatches, pairs: .merged)
      for case .overlapped(let forward, let backward) in schedule.ranks.joined() {
        #expect(forward.microbatch != backward.microbatch)
        #expect(forward.pass == .forward && backward.pass == .backward)
      }
    }
  }

  /// Where a pair takes as long as its parts, the step is as long as with the parts by themselves; every
  /// saving of a pair in the steady phase is one of the step.
  @Test(arguments: 1...8, 1...4) func nothingIsLost(ranks: Int, stagesPerRank: Int) throws {
    let name: ScheduleName =
      stagesPerRank == 1 ? .oneForwardOneBackward : .interleavedOneForwardOneBackward
    func makespan(_ pairs: PairStyle, _ overlapped: Double, _ style: TransferStyle) throws -> Double
    {
      let schedule = try name.schedule(
        ranks: ranks, stagesPerRank: stagesPerRank, microbatches: 4 * ranks + (ranks == 1 ? 1 : 0),
        pairs: pairs)
      let times = PassTimes(
        forward: 10, backwardInput: 10, backwardWeight: 10, transfer: 0, overlapped: overlapped)
      return try ScheduleTiming(
        schedule.lowered(style), times: times, ends: style == .eager ? nil : .rendezvous
      ).makespan
    }
    let apart = try makespan(.apart, 30, .eager)
    for style in TransferStyle.allCases {
      #expect(try makespan(.merged, 30, style) <= apart)
    }
    let pairs = try name.schedule(
      ranks: ranks, stagesPerRank: stagesPerRank, microbatches: 4 * ranks + (ranks == 1 ? 1 : 0),
      pairs: .merged
    ).ranks[ranks - 1].filter { $0.actions.count == 2 }.count
    #expect(try makespan(.merged, 24, .eager) <= apart - 6 * Double(pairs) + 1e-9)
  }

  /// A rank holds one activation more than with the parts by themselves.
  @Test(arguments: 1...6, 2...4) func oneActivationMore(ranks: Int, stagesPerRank: Int) throws {
    let peaks = try PairStyle.allCases.map { pairs in
      try ScheduleName.interleavedOneForwardOneBackward.schedule(
        ranks: ranks, stagesPerRank: stagesPerRank, microbatches: 3 * ranks, pairs: pairs
      ).peakActivations(releasedAtInput: 0)
    }
    // With few microbatches the first ranks hold all of them anyway.
    let most = Double(3 * ranks * stagesPerRank)
    #expect(peaks[0] == peaks[1].map { min($0 + 1, most) })
  }

  /// The parts of a pair come one after the other, the forward first, and nothing else moves.
  @Test(arguments: [ScheduleName.dualPipe, .dualPipeV]) func apart(_ name: ScheduleName) throws {
    let merged = try name.schedule(ranks: 4, microbatches: 12).lowered(.batched)
    let apart = try name.schedule(ranks: 4, microbatches: 12, pairs: .apart).lowered(.batched)
    #expect(apart == merged.apart && !apart.hasPairs && apart.isGrouped)
    for (cells, parts) in zip(merged.ranks, apart.ranks) {
      #expect(cells.flatMap(\.actions) == parts.flatMap(\.actions))
      #expect(cells.filter(\.isTransfer) == parts.filter(\.isTransfer))
    }
  }

  @Test func whatCannotBeMergedIsRefused() throws {
    for name in ScheduleName.allCases where !Self.merging.contains(name) {
      let error = #expect(throws: ScheduleError.self) {
        _ = try name.schedule(ranks: 2, microbatches: 8, pairs: .merged)
      }
      #expect(error?.message.hasPrefix("\(name.rawValue) has no phase of whole forwards") == true)
    }
    let error = #expect(throws: ScheduleError.self) {
      _ = try ScheduleName.oneForwardOneBackward.schedule(ranks: 2, microbatches: 1, pairs: .merged)
    }
    #expect(error?.message.hasPrefix("one microbatch leaves no forward") == true)
  }

  /// Groups and lone transfers that are waited for cost nothing where messages take no time and neighbours
  /// come to them at once.
  @Test(arguments: [
    (ScheduleName.gpipe, 1), (.oneForwardOneBackward, 1), (.zeroBubbleH1, 1), (.zeroBubbleV, 2),
    (.vHalf, 2),
  ]) func receivesStandWhereTheyArrive(_ name: ScheduleName, _ stagesPerRank: Int) throws {
    let times = PassTimes(forward: 1, backwardInput: 1, backwardWeight: 1, transfer: 0)
    for ranks in [2, 4, 8] {
      let schedule = try name.schedule(
        ranks: ranks, stagesPerRank: stagesPerRank, microbatches: 4 * ranks)
      let alone = try ScheduleTiming(schedule, times: times).makespan
      for style in [TransferStyle.batched, .waited] {
        let timing = try ScheduleTiming(
          schedule.lowered(style), times: times, ends: .rendezvous)
        #expect(timing.makespan == alone)
      }
    }
  }
}

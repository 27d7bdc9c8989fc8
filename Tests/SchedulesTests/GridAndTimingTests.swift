import Schedules
import Testing

@Suite struct GridAndTimingTests {
  @Test func gridWraps() throws {
    let schedule = try ScheduleName.oneForwardOneBackward.schedule(ranks: 2, microbatches: 3)
    #expect(
      schedule.grid(width: 80) == """
        cell     1   2   3   4   5   6
        rank 0   0F0 0F1 0B0 0F2 0B1 0B2
        rank 1   1F0 1B0 1F1 1B1 1F2 1B2

        """)
    let narrow = schedule.grid(width: 22)
    #expect(narrow.split(separator: "\n").allSatisfy { $0.count <= 22 })
    #expect(narrow.contains("cell     4   5   6"))
  }

  @Test(arguments: [80, 200]) func gridByTimeFits(_ width: Int) throws {
    let schedule = try ScheduleName.dualPipe.schedule(ranks: 8, microbatches: 20)
    let times = PassTimes(forward: 10, backwardInput: 12, backwardWeight: 8, transfer: 0.5)
    let lines = try schedule.grid(times: times, width: width).split(separator: "\n")
    #expect(lines.count == 8)
    #expect(lines.allSatisfy { $0.count <= width && $0.contains("X") })
  }

  @Test func loweredTimingsAgree() throws {
    let times = PassTimes(forward: 10, backwardInput: 12, backwardWeight: 8, transfer: 0.5)
    for name in [ScheduleName.oneForwardOneBackward, .zeroBubble2P, .zeroBubbleV, .dualPipe] {
      let schedule = try name.schedule(ranks: 4, microbatches: 12)
      let plain = try ScheduleTiming(schedule, times: times)
      let eager = try ScheduleTiming(schedule.lowered(.eager), times: times)
      let batched = try ScheduleTiming(schedule.lowered(.batched), times: times)
      // Transfers that start at once are what an unlowered schedule assumes; groups only wait more.
      #expect(eager.makespan == plain.makespan)
      #expect(batched.makespan >= plain.makespan)
      #expect(eager.sendCount == plain.sendCount)
      let sends = try schedule.lowered(.eager).ranks.joined().count {
        if case .send = $0 { true } else { false }
      }
      #expect(sends == plain.sendCount)
    }
  }

  @Test func overlappedPairsTakeTheirOwnTime() throws {
    let schedule = try ScheduleName.dualPipe.schedule(ranks: 4, microbatches: 12)
    func makespan(_ overlapped: Double?) throws -> Double {
      try ScheduleTiming(
        schedule,
        times: PassTimes(
          forward: 1, backwardInput: 1, backwardWeight: 1, transfer: 0, overlapped: overlapped)
      ).makespan
    }
    #expect(try makespan(2) < makespan(nil))
    #expect(try makespan(3) == makespan(nil))
  }

  @Test func placements() throws {
    let dual = try ScheduleName.dualPipe.schedule(ranks: 4, microbatches: 8)
    #expect(dual.placement == .bidirectional(ranks: 4))
    #expect(dual.placement.stages(ofRank: 1) == [1, 2])
    let v = try ScheduleName.vMin.schedule(ranks: 3, microbatches: 6)
    #expect(v.placement.stages(ofRank: 0) == [0, 5])
  }
}

import Schedules
import Testing

/// Times and memory of schedules compare, however many stages a rank holds.
@Suite struct UnitTests {
  static let times = PassTimes(forward: 10, backwardInput: 12, backwardWeight: 8, transfer: 0)

  /// Every rank is busy for as long as its share of the model takes, under every schedule.
  @Test(arguments: ScheduleName.allCases) func everyRankDoesItsShare(_ name: ScheduleName) throws {
    let schedule = try name.schedule(ranks: 4, microbatches: 8)
    let timing = try ScheduleTiming(schedule, times: Self.times.ofStage(in: schedule))
    for rate in timing.bubbleRates {
      #expect(abs(timing.makespan * (1 - rate) - 8 * 30) < 1e-9)
    }
  }

  /// What is published in microbatches of a rank's share: P for 1F1B and ZBV, P + 1 for DualPipe and half as
  /// much again for the V's memory in halves.
  @Test(arguments: [
    (ScheduleName.oneForwardOneBackward, 4.0), (.zeroBubbleV, 4), (.dualPipe, 5), (.dualPipeV, 4.5),
    (.vHalf, 3), (.gpipe, 12),
  ]) func memory(_ name: ScheduleName, _ peak: Double) throws {
    let schedule = try name.schedule(ranks: 4, microbatches: 12)
    let peaks = schedule.peakActivations(releasedAtInput: 0).map { $0 * schedule.stageShare }
    #expect(try #require(peaks.max()) == peak)
  }

  @Test func messagesKeepTheirTime() throws {
    let times = PassTimes(
      forward: 1, backwardInput: 2, backwardWeight: 3, transfer: 4, overlapped: 5)
    let schedule = try ScheduleName.interleavedOneForwardOneBackward.schedule(
      ranks: 2, stagesPerRank: 4, microbatches: 4)
    #expect(schedule.stageShare == 0.25)
    #expect(
      times.ofStage(in: schedule)
        == PassTimes(
          forward: 0.25, backwardInput: 0.5, backwardWeight: 0.75, transfer: 4, overlapped: 1.25))
  }
}

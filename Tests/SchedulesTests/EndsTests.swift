import Schedules
import Testing

/// How sends are taken decides which orders hang.
@Suite struct EndsTests {
  @Test func bothSendFirst() throws {
    let schedule = try Schedule(csv: Fixture.text("interleaved-both-send-first.csv"))
    try schedule.validate()
    try schedule.validate(ends: .buffered)
    let error = #expect(throws: ScheduleError.self) { try schedule.validate(ends: .rendezvous) }
    #expect(
      error?.message.contains("must meet: rank 0 at 0SEND_F1, rank 1 at 1SEND_F0") == true)
    #expect(error?.grid?.contains("> rank 0") == true)
  }

  /// The verdict on every schedule that is sent eagerly, and on the same with transfers moved about, is that
  /// of a walk written apart.
  @Test(arguments: ScheduleName.allCases) func verdicts(_ name: ScheduleName) throws {
    var (ending, hanging) = (0, 0)
    for (ranks, microbatches) in [(2, 4), (2, 5), (3, 6), (4, 8)] {
      guard let made = try? name.schedule(ranks: ranks, microbatches: microbatches) else {
        continue
      }
      var schedule = try made.lowered(.eager)
      for _ in 0..<12 {
        let isEnding = Self.endsWhereEndsMeet(schedule)
        if isEnding { ending += 1 } else { hanging += 1 }
        let accepted = (try? schedule.validate(ends: .rendezvous)) != nil
        #expect(accepted == isEnding, "\(ranks) ranks, \(microbatches) microbatches")
        schedule = Self.delayingSends(schedule)
      }
    }
    #expect(ending + hanging >= 24)
    // Two ranks with a stage each can always go hand in hand; stages on both sides of a rank can not.
    if [.interleavedOneForwardOneBackward, .loopedBreadthFirst, .zeroBubbleV].contains(name) {
      #expect(hanging > 0)
    }
  }

  /// Puts every receive that follows a send in front of it.
  private static func delayingSends(_ schedule: Schedule) -> Schedule {
    var changed = schedule
    for rank in changed.ranks.indices {
      for index in changed.ranks[rank].indices.dropLast() {
        if case .send = changed.ranks[rank][index], case .receive = changed.ranks[rank][index + 1] {
          changed.ranks[rank].swapAt(index, index + 1)
        }
      }
    }
    return changed
  }

  /// Takes ranks in turn; each goes on until a transfer whose other end is not where its rank stands.
  private static func endsWhereEndsMeet(_ schedule: Schedule) -> Bool {
    var rest = schedule.ranks.map { Array($0.reversed()) }
    func owner(_ stage: Int, _ microbatch: Int) -> Int? {
      schedule.ranks.firstIndex { cells in
        cells.contains { cell in
          cell.actions.contains { $0.stage == stage && $0.microbatch == microbatch }
        }
      }
    }
    var owners: [[Int]: Int] = [:]
    for stage in 0..<schedule.stageCount {
      for microbatch in 0..<schedule.microbatchCount {
        owners[[stage, microbatch]] = owner(stage, microbatch)
      }
    }
    var hasMoved = true
    while hasMoved {
      hasMoved = false
      for rank in rest.indices {
        while let cell = rest[rank].last {
          if case .receive = cell { break }
          if case .send(let boundary, let stage, let microbatch) = cell {
            let next = boundary == .activation ? stage + 1 : stage - 1
            guard let other = owners[[next, microbatch]],
              rest[other].last == .receive(boundary, stage: next, microbatch: microbatch)
            else { break }
            rest[other].removeLast()
          }
          rest[rank].removeLast()
          hasMoved = true
        }
      }
    }
    return rest.allSatisfy(\.isEmpty)
  }

  /// Two ranks, one microbatch, counted by hand: where ends meet, the receiver's wait and the way count for
  /// both.
  @Test func timesWhereEndsMeet() throws {
    let text =
      "0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1\n"
      + "1RECV_F0,1F0,1RECV_F1,1F1,1B0,1SEND_B0,1B1,1SEND_B1\n"
    let schedule = try Schedule(csv: text)
    let times = PassTimes(forward: 10, backwardInput: 12, backwardWeight: 8, transfer: 3)
    let buffered = try ScheduleTiming(schedule, times: times, ends: .buffered)
    // Rank 0: forwards to 20. Rank 1: forwards from 13 to 33, backwards to 53 and 73. Rank 0: to 76, 96.
    #expect(buffered.makespan == 96)
    #expect(buffered.starts[0][2] == 10)
    let meeting = try ScheduleTiming(schedule, times: times, ends: .rendezvous)
    // Rank 0 sends from 10 to 13 and, while rank 1 computes to 23, from 23 to 26; rank 1's forward to 36,
    // backward to 56, both at 59, rank 0's backward and rank 1's second to 79, both at 82, then to 102.
    #expect(meeting.starts[0][2] == 13)
    #expect(meeting.ends[0][3] == 26)
    #expect(meeting.makespan == 102)
  }

  /// Buffered sends in groups do not wait for their receives.
  @Test func groupsMayBeBuffered() throws {
    let text =
      "0F0,0SEND_F0,COMMIT,0F1,0SEND_F1,COMMIT,0RECV_B0,COMMIT,0B0,0RECV_B1,COMMIT,0B1\n"
      + "1RECV_F0,COMMIT,1F0,1B0,1SEND_B0,COMMIT,1RECV_F1,COMMIT,1F1,1B1,1SEND_B1,COMMIT\n"
    let schedule = try Schedule(csv: text)
    // Both ranks send before they receive what the other sends.
    try schedule.validate(ends: .buffered)
    let error = #expect(throws: ScheduleError.self) { try schedule.validate() }
    #expect(error?.message.contains("rank 0 at COMMIT, rank 1 at COMMIT") == true)
    let times = PassTimes(forward: 10, backwardInput: 12, backwardWeight: 8, transfer: 3)
    let timing = try ScheduleTiming(schedule, times: times, ends: .buffered)
    // Rank 1: forward from 13 to 23, backward to 43, then to 73; rank 0: backward from 46, then from 76.
    #expect(timing.starts[0][3] == 10)
    #expect(timing.starts[0][8] == 46)
    #expect(timing.makespan == 96)
  }
}

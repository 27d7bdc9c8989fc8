import Schedules
import Testing

/// What is wrong is refused, with a message that says where and why.
@Suite struct FaultTests {
  private func message(ofReading text: String) -> String {
    do {
      let schedule = try Schedule(csv: text)
      try schedule.validate()
      return "accepted"
    } catch {
      return error.description
    }
  }

  @Test(arguments: [
    ("", "no actions"),
    ("\n  \n , ,\n", "no actions"),
    (",,\n", "no actions"),
    ("0F0,0X0\n", "line 1, cell 2: '0X0': there is no action 'X'"),
    ("0F0\n1F0,F\n", "line 2, cell 2: 'F': a cell is"),
    ("0F-1\n", "line 1, cell 1: '0F-1'"),
    ("(0F0;0B0)OVERLAP\n", "line 1, cell 1: '(0F0;0B0)OVERLAP': an overlapped pair"),
    ("(0B0;0F0)OVERLAP_F_B\n", "an overlapped pair"),
    ("99999999999999999999F0\n", "a cell is"),
    ("900000000F0\n", "beyond what a schedule of 1 cells can hold"),
    ("0F0,0SEND_F99999999\n", "rank 0"),
    ("0F0,0B0,9223372036854775807SEND_F0\n", "line 1, cell 3"),
    ("0F0,0B0,0SEND_F0\n", "crosses the end of the pipeline"),
    ("0F0,0B0,0SEND_B0\n", "crosses the end of the pipeline"),
    ("0F0,0B0,0RECV_B0,COMMIT\n", "crosses the end of the pipeline"),
    ("0F0,0F9,0B0,0B9\n7F0,8F0,3F0\n", "takes 90 forwards and as many backwards"),
    ("\u{0}\u{1}\u{7f}\n", "line 1, cell 1: '???'"),
    ("0F0,2F0,0B0,2B0\n", "no line has an action of stage 1"),
    ("0F0,1F0,1B0,0B0\n1F1,1B1\n0F1,0B1\n", "stage 0 has actions in line 1 and line 3"),
    ("\n0F0,1F0,1B0,0B0\n\n1F1,1B1\n,,\n0F1,0B1\n", "in line 2 and line 6"),
    ("\n\n0F0,0Q0\n", "line 3, cell 2: '0Q0'"),
    ("0F0\n", "0B0 is missing"),
    ("0F0,0I0\n", "0W0 is missing"),
    ("0F0,0F0,0B0\n", "rank 0, cell 2: 0F0 is a repetition"),
    ("0B0,0F0\n", "0B0 comes before 0F0"),
    ("0F0,0W0,0I0\n", "0W0 comes before 0I0"),
    ("0F0,0B0,0W0\n", "0W0 is a repetition"),
    ("0F0,0B0,0F1,0B1\n1F1,1F0,1B0,1B1\n", "wait for each other for ever: rank 0 at 0B0"),
  ]) func refusals(_ text: String, _ expected: String) {
    let message = message(ofReading: text)
    #expect(message.contains(expected), "\(message)")
  }

  /// Drops every transfer of a sound schedule in turn, and swaps neighbours: never accepted blindly.
  @Test(arguments: [TransferStyle.eager, .batched]) func missingTransfers(
    _ style: TransferStyle
  ) throws {
    let sound = try ScheduleName.zeroBubbleV.schedule(ranks: 3, microbatches: 5).lowered(style)
    try sound.validate()
    for rank in sound.ranks.indices {
      for index in sound.ranks[rank].indices where sound.ranks[rank][index].isTransfer {
        let cell = sound.ranks[rank][index]
        if cell == .commit { continue }
        var broken = sound
        broken.ranks[rank].remove(at: index)
        let error = #expect(throws: ScheduleError.self) { try broken.validate() }
        #expect(error?.message.contains("has no \(cell)") == true)
        #expect(error?.grid?.contains("> rank") == true)
      }
    }
  }

  @Test func crossedGroupsAreADeadlock() throws {
    let text = """
      0F0,0SEND_F0,COMMIT,0F1,0RECV_B0,COMMIT,0SEND_F1,COMMIT,0B0,0RECV_B1,COMMIT,0B1
      1RECV_F0,COMMIT,1F0,1RECV_F1,COMMIT,1F1,1B0,1SEND_B0,COMMIT,1B1,1SEND_B1,COMMIT

      """
    let error = #expect(throws: ScheduleError.self) { try Schedule(csv: text).validate() }
    #expect(error?.message.contains("wait for each other for ever: rank 0 at COMMIT") == true)
  }

  /// Blank lines, and lines of empty cells as spreadsheets write them, are no ranks.
  @Test func blankLinesAreNoRanks() throws {
    let plain = try Schedule(csv: "0F0,0B0\n,1F0,1B0\n")
    let spaced = try Schedule(csv: "\n0F0,0B0\n  \n,1F0,1B0\n,,,\n\n")
    #expect(plain.ranks.count == 2)
    #expect(spaced == plain)
  }

  @Test func gridMarksTheRow() throws {
    let schedule = try Schedule(csv: "0F0,0B0,0F0\n1F0,1B0\n")
    let error = #expect(throws: ScheduleError.self) { try schedule.validate() }
    #expect(
      error?.grid == """
        cell     1     2     3
        > rank 0 0F0   0B0   [0F0]
          rank 1 1F0   1B0

        """)
  }

  @Test func names() throws {
    for name in ScheduleName.allCases { #expect(try ScheduleName(named: name.rawValue) == name) }
    let error = #expect(throws: ScheduleError.self) { try ScheduleName(named: "dualpip") }
    #expect(error?.message.contains("did you mean 'dualpipe'?") == true)
    let far = #expect(throws: ScheduleError.self) { try ScheduleName(named: "foo") }
    #expect(far?.message.hasPrefix("there is no schedule 'foo'; (one of: gpipe 1f1b ") == true)
  }

  @Test(arguments: [
    (ScheduleName.dualPipe, 3, 2, 12, "even number of ranks"),
    (.dualPipe, 4, 2, 9, "must be even"),
    (.dualPipe, 4, 2, 6, "at least two microbatches per rank"),
    (.dualPipeV, 4, 2, 7, "as many microbatches as stages"),
    (.zeroBubbleV, 4, 3, 8, "two stages on every rank"),
    (.gpipe, 4, 2, 8, "one stage on every rank"),
    (.interleavedOneForwardOneBackward, 4, 2, 13, "a multiple of 3"),
    (.gpipe, 0, 1, 8, "at least one"),
    (.loopedBreadthFirst, 4, 4, 1 << 40, "more than"),
    (.loopedBreadthFirst, 1 << 60, 1 << 60, 4, "more than"),
  ]) func rules(
    _ name: ScheduleName, ranks: Int, stagesPerRank: Int, microbatches: Int, rule: String
  ) {
    let error = #expect(throws: ScheduleError.self) {
      try name.schedule(ranks: ranks, stagesPerRank: stagesPerRank, microbatches: microbatches)
    }
    #expect(error?.message.contains(rule) == true, "\(error?.message ?? "")")
  }

  @Test func costsOutOfRange() {
    let costs = PassCosts(forward: 0, backwardInput: 1, backwardWeight: 1, transfer: 0)
    let error = #expect(throws: ScheduleError.self) {
      try ScheduleName.zeroBubble1P.schedule(ranks: 2, microbatches: 4, costs: costs)
    }
    #expect(error?.message.contains("forward cost") == true)
  }

  /// Mutated files are read or refused, never anything else.
  @Test func mutatedFiles() throws {
    let text = Array(
      try ScheduleName.dualPipeV.schedule(ranks: 2, microbatches: 5).lowered(.batched).csv.utf8)
    var state: UInt64 = 7
    func next(_ bound: Int) -> Int {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return Int((z ^ (z >> 31)) % UInt64(bound))
    }
    var (unreadable, invalid) = (0, 0)
    for _ in 0..<2000 {
      var mutated = text
      // Half of them get other numbers only, and stay readable most of the time.
      let keepsItsForm = next(2) == 0
      for _ in 0...next(4) {
        let place = next(mutated.count)
        if keepsItsForm {
          if (48...57).contains(mutated[place]) { mutated[place] = UInt8(48 + next(4)) }
          continue
        }
        switch next(3) {
        case 0: mutated[place] = UInt8(next(256))
        case 1: mutated.remove(at: place)
        default: mutated.insert(Array("0123456789FBIW,;()\n-".utf8)[next(20)], at: place)
        }
      }
      let schedule: Schedule
      do throws(ScheduleError) {
        schedule = try Schedule(csv: String(decoding: mutated, as: UTF8.self))
      } catch {
        unreadable += 1
        #expect(!error.message.isEmpty)
        continue
      }
      do throws(ScheduleError) {
        try schedule.validate()
      } catch {
        invalid += 1
        #expect(!error.message.isEmpty)
        _ = try? schedule.computeOnly.lowered(.eager)
        continue
      }
      _ = try ScheduleTiming(
        schedule,
        times: PassTimes(forward: 1, backwardInput: 1, backwardWeight: 1, transfer: 1))
    }
    // A number may become itself, a letter one that means the same, or a blank.
    #expect(unreadable > 500 && invalid > 200 && unreadable + invalid < 2000)
  }
}

import Foundation
import TestSupport
import Testing

/// `sluice schedule`: what it says of a schedule, and of one in a file.
@Suite struct ScheduleCommandTests {

  /// Grids by cell and by time end with the page: bubble, memory rank by rank, and the unit of both.
  @Test(arguments: ["", " --forward 1"]) func gridsEndWithThePage(_ times: String) throws {
    let line = "schedule 1f1b --ranks 4 --microbatches 8\(times)"
    let result = try Command.run(line.split(separator: " ").map(String.init))
    #expect(result.status == 0)
    let lines = result.output.split(separator: "\n").map {
      $0.split(separator: " ").joined(separator: " ")
    }
    #expect(
      lines.joined(separator: " ").contains(
        "1f1b on 4 ranks with 8 microbatches idles 27.27 % of the time and keeps 4 microbatches' "
          + "activations at most."))
    #expect(lines.contains("Makespan 33 in the unit below"))
    let ranks = try #require(lines.firstIndex { $0.hasPrefix("rank stages bubble") })
    #expect(
      lines[(ranks + 1)...].prefix(4) == [
        "0 0 27.3 % 4 16", "1 1 27.3 % 3 16", "2 2 27.3 % 2 16", "3 3 27.3 % 1 16",
      ])
    #expect(
      lines.suffix(2) == [
        "Times: forward 1, backward for input 1, backward for weight 1, message 0.",
        "Unit: a rank's share of the model (1/4 of its layers), one microbatch.",
      ])
  }

  /// A V's stages are half as long, and its memory is counted in halves: its step is shorter than 1F1B's by
  /// its smaller bubble alone.
  @Test func schedulesCompare() throws {
    func figures(_ name: String) throws -> (makespan: Double, bubble: Double, peak: Double) {
      let json = try CommandTests.json("schedule \(name) --ranks 4 --microbatches 8 --format json")
      let ranks = try #require(json["ranks"] as? [[String: Any]])
      return (
        try #require(json["makespan"] as? Double), try #require(json["bubble_rate"] as? Double),
        try #require(ranks.compactMap { $0["peak_activations"] as? Double }.max())
      )
    }
    let (plain, v) = (try figures("1f1b"), try figures("zbv"))
    #expect(abs(plain.makespan * (1 - plain.bubble) - v.makespan * (1 - v.bubble)) < 1e-9)
    #expect(v.makespan < plain.makespan)
    #expect(plain.peak == 4 && v.peak == 4)
    let json = try CommandTests.json("schedule zbv --ranks 4 --microbatches 8 --format json")
    #expect(json["stage_share"] as? Double == 0.5)
    #expect((json["unit"] as? String)?.contains("1/4 of its layers") == true)
  }

  @Test func checksSayHowSendsAreTaken() throws {
    let scratch = try Scratch()
    let path = try scratch.write(
      "0F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n", "hand-in-hand.csv")
    for (ends, words) in [
      ("buffered", "taken as buffered: none waits"),
      ("rendezvous", "taken as rendezvous: both ends wait"),
    ] {
      let result = try Command.run(["schedule", "--check", path, "--ends", ends])
      #expect(result.status == 0)
      #expect(result.output.contains(words))
      #expect(!result.output.contains("But with"))
    }
  }

  @Test func checksFindWhatHangsWhereEndsMeet() throws {
    let scratch = try Scratch()
    let path = try scratch.write(
      "0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1\n"
        + "1RECV_F0,1F0,1B0,1SEND_B0,1RECV_F1,1F1,1B1,1SEND_B1\n", "both.csv")
    let usual = try Command.run(["schedule", "--check", path])
    #expect(usual.status == 0)
    #expect(usual.output.contains("taken as buffered"))
    #expect(usual.output.contains("But with --ends rendezvous"))
    let meeting = try Command.run(["schedule", "--check", path, "--ends", "rendezvous"])
    #expect(meeting.status == 1)
    #expect(meeting.output.isEmpty)
    #expect(meeting.errors.contains("rank 0 at 0SEND_F1, rank 1 at 1SEND_B0"))
    #expect(meeting.errors.contains("> rank 0"))
  }

  /// Where both ends meet a rank waits with its send, and its next forward is drawn later.
  @Test func picturesShowHowSendsAreTaken() throws {
    let scratch = try Scratch()
    let path = try scratch.write(
      "0F0,0SEND_F0,0F1,0SEND_F1,0F2,0SEND_F2,0RECV_B0,0B0,0RECV_B1,0B1,0RECV_B2,0B2\n"
        + "1RECV_F0,1F0,1B0,1RECV_F1,1F1,1B1,1RECV_F2,1F2,1B2,1SEND_B0,1SEND_B1,1SEND_B2\n",
      "late.csv")
    let pictures = try ["buffered", "rendezvous"].map { ends in
      try Command.run(["schedule", "--check", path, "--format", "svg", "--ends", ends])
    }
    #expect(pictures.allSatisfy { $0.status == 0 && $0.output.hasPrefix("<svg") })
    #expect(pictures[0].output != pictures[1].output)
  }

  /// The orders of planned schedules follow from times, also as CSV.
  @Test func plannedOrdersFollowFromTimes() throws {
    let line = "schedule zb-1p --ranks 4 --microbatches 8 --format csv"
    let (even, slow) = (try Command.run(line), try Command.run("\(line) --transfer 2"))
    #expect(even.status == 0 && slow.status == 0 && even.output != slow.output)
  }

  @Test func endsNeedSendsAndACheck() throws {
    let scratch = try Scratch()
    let path = try scratch.write("0F0,0B0\n1F0,1B0\n", "plain.csv")
    let plain = try Command.run(["schedule", "--check", path, "--ends", "buffered"])
    #expect(plain.status == 1)
    #expect(plain.errors.contains("--ends says how sends are taken, and \(path) has none"))
    let named = try Command.run([
      "schedule", "1f1b", "--ranks", "2", "--microbatches", "2", "--ends", "buffered",
    ])
    #expect(named.status == 1)
    #expect(named.errors.contains("--ends needs --check"))
  }

  @Test func blankLinesAreNoRanks() throws {
    let scratch = try Scratch()
    let path = try scratch.write("0F0,0B0\n\n,1F0,1B0\n,,\n", "spaced.csv")
    let result = try Command.run(["schedule", "--check", path])
    #expect(result.status == 0)
    #expect(result.output.contains("2 ranks, 2 stages, 1 microbatch: complete"))
  }
}

/// Orders that a plan takes from a file.
@Suite struct ScheduleFileTests {
  /// DualPipe's order from a file is DualPipe: the same step, the same memory, to the last digit.
  @Test func aWrittenOrderIsTheNamedOne() throws {
    let folder = try ScratchFolder()
    let order = try Command.run(
      "schedule dualpipe --ranks 16 --microbatches 120 --format csv -o \(folder.file("order.csv"))")
    #expect(order.status == 0, "\(order.errors)")
    let printed = try Command.run("plan deepseek-v3 --print").output
    let own = printed.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      line.hasPrefix("schedule: ") ? "schedule-file: order.csv" : String(line)
    }.joined(separator: "\n")
    let plan = try folder.write(own, to: "own.yaml")
    let named = try CommandTests.json("simulate --json")
    let written = try CommandTests.json("simulate --json --plan \(plan)")
    #expect(named["step_seconds"] as? Double == written["step_seconds"] as? Double)
    #expect(
      (named["memory_bytes"] as? [String: Any])?["peak"] as? Int
        == (written["memory_bytes"] as? [String: Any])?["peak"] as? Int)
  }
}

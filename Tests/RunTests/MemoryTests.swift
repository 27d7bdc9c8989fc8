import Foundation
import TestSupport
import Testing

/// What the system says a rank holds, against what the arena's books say.
@Suite(.serialized, .enabled(if: Program.canTrain)) struct MemoryTests {
  /// A line of `/proc/PID/status`, in KiB.
  private func status(_ process: Int32, _ name: String) throws -> Int {
    let text = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("\(name):") })
    return try #require(line.split(separator: " ").dropFirst().first.flatMap { Int($0) })
  }

  /// Every rank holds as much after 1,000 steps as after 100, but for half a MiB: as many pages as
  /// allocators may still touch for the first time.
  @Test(arguments: [
    ("gpt2-tiny", "data-parallel: 2"),
    ("deepseek-v3-tiny", "data-parallel: 2, expert-parallel: 2, schedule: 1f1b"),
  ])
  func aThousandStepsTakeNoMemory(model: String, plan: String) throws {
    let scene = try Scene(model, plan: plan, steps: 1_000_000, checkpointEvery: 1_000_000)
    var growth: [Int] = []
    let outcome = try Program.sluice("train", scene.run, "--ranks", "2") { _ in
      try #require(Launch.wait { scene.steps() >= 100 })
      let ranks = scene.ranks()
      try #require(ranks.count == 2)
      let early = try ranks.map { try status($0, "VmRSS") }
      try #require(Launch.wait { scene.steps() >= 1000 })
      growth = try zip(ranks, early).map { try status($0, "VmRSS") - $1 }
      kill(try #require(scene.launchers().last), SIGUSR1)
    }
    #expect(outcome.status == 0, "\(outcome.output)")
    #expect(growth.count == 2 && growth.allSatisfy { $0 <= 512 }, "KiB: \(growth)")
  }

  /// The program, its libraries, and the buffers of Open MPI and OpenBLAS: about 45 MiB as measured on
  /// tiny models, with room for other versions of them.
  static let constant = 64 << 20

  /// The peak that the system saw is that of the arena's books, which the simulator predicts, within 5 %
  /// and the constant.
  @Test(arguments: ["data-parallel: 2", "pipeline-parallel: 2, schedule: dualpipe"])
  func peakIsThePredictedOne(plan: String) throws {
    let scene = try Scene("gpt-10m", plan: plan, steps: 1_000_000, checkpointEvery: 1_000_000)
    var peaks: [Int] = []
    let outcome = try Program.sluice(
      "train", scene.run, "--ranks", "2", "--set", "plan.sequence-length=256", "--set",
      "plan.microbatch-size=2", "--check-simulation"
    ) { _ in
      try #require(Launch.wait { scene.steps() >= 3 })
      peaks = try scene.ranks().map { try status($0, "VmHWM") * 1024 }
      for process in scene.ranks() { kill(process, SIGKILL) }
    }
    #expect(outcome.output.contains("equal in all of it"), "\(outcome.output)")
    let log = try String(contentsOfFile: scene.path("log.jsonl"), encoding: .utf8)
    let booked = try #require(
      log.firstMatch(of: /"peak_memory_bytes": ([0-9]+)/).flatMap { Int($0.1) })
    #expect(booked > 2 * Self.constant, "a model whose memory outweighs the program's")
    #expect(peaks.count == 2)
    for peak in peaks {
      #expect(peak > booked * 9 / 10 && peak <= booked * 21 / 20 + Self.constant)
    }
  }
}

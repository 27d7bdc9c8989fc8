import Documents
import Foundation
import Glibc
import Quantities
import Runs
import Training

/// Kills ranks of an elastic run, and finds out what came of it.
struct FaultBench {
  let options: FaultOptions
  let scene: FaultScene

  private let signals: StopSignals

  init(_ options: FaultOptions, _ scene: FaultScene, _ signals: StopSignals) {
    (self.options, self.scene, self.signals) = (options, scene, signals)
  }

  /// - Parameter aside: called with the run at a standstill, evenly among the kills, `pauses` times.
  func run(pauses: Int, aside: () throws -> Void) throws -> FaultReport {
    let process = try scene.start([
      "--ranks", "\(options.ranks)", "--elastic", "--take-back-after", "1",
    ])
    let start = Date().timeIntervalSince1970
    var kills: [(seconds: Double, gone: Double, ranks: Int, log: String)] = []
    var clock = FaultClock()
    do {
      try wait(process, looking: 50_000) { scene.newestStep() != nil }
      var generator = SeededGenerator(seed: UInt64(options.seed))
      var due = Date().timeIntervalSince1970 - start
      for number in 0..<options.kills {
        if number * (pauses + 1) / options.kills > clock.pauses.count {
          let seconds = try pause(
            process, behind: kills.last.map { start + $0.gone }, &clock, aside)
          due += seconds
        }
        due += -log(1 - generator.unit()) * options.mean
        var ranks: [Int32] = []
        try wait(process) {
          ranks = Date().timeIntervalSince1970 - start < due ? [] : scene.ranks()
          // The last one is left: without it the run has ended.
          return ranks.count > 1
        }
        let victim = ranks[Int(generator.next() % UInt64(ranks.count))]
        let time = Date().timeIntervalSince1970 - start
        kill(victim, SIGKILL)
        // The next one is drawn for ranks that are there, not for those that end with this one.
        try wait(process) { !ranks.contains(where: LostRanks.isAlive) }
        let gone = Date().timeIntervalSince1970 - start
        // Read later: the ranks that start now need the processor.
        kills.append((time, gone, ranks.count, scene.log()))
      }
      // A last interval without a kill.
      let last = kills[kills.count - 1].seconds + options.mean + start
      try wait(process, looking: 500_000) {
        Date().timeIntervalSince1970 >= last && scene.newestStep()?.ended ?? 0 > last
      }
    } catch {
      process.terminate()
      process.waitUntilExit()
      throw FaultError(description: "\(error); sluice said: \(scene.output.suffix(2000))")
    }
    process.terminate()
    process.waitUntilExit()
    let end = Date().timeIntervalSince1970
    guard process.terminationStatus == ExitStatus.interrupted.rawValue else {
      throw FaultError(description: "sluice ended early: \(scene.output.suffix(2000))")
    }
    let steps = scene.steps()
    let checksum = try checksum(of: steps)
    let found = kills.map {
      FaultReport.Kill(
        seconds: $0.seconds, gone: $0.gone, ranks: $0.ranks, made: FaultLog($0.log).steps)
    }
    return FaultReport(
      options: options, wall: clock.time(of: end) - start, start: start,
      kills: found.map { clock.kill($0, start) }, steps: steps.map(clock.step), checksum: checksum)
  }

  /// Brings the ranks to a standstill while something else is measured, and lets them go on.
  ///
  /// - Parameter kill: the newest kill in seconds since 1970, behind which steps are waited for; nil for none.
  /// - Returns: how long it was.
  private func pause(
    _ process: Process, behind kill: Double?, _ clock: inout FaultClock, _ aside: () throws -> Void
  ) throws -> Double {
    let kill = kill ?? 0
    try wait(process) { scene.newestStep()?.ended ?? 0 > kill }
    let ranks = scene.ranks()
    let begin = Date().timeIntervalSince1970
    for rank in ranks { Glibc.kill(rank, SIGSTOP) }
    defer { for rank in ranks { Glibc.kill(rank, SIGCONT) } }
    try aside()
    let end = Date().timeIntervalSince1970
    clock.pauses.append((begin, end))
    return end - begin
  }

  /// - Parameter interval: microseconds between two looks, each of which takes time from the ranks.
  private func wait(
    _ process: Process, looking interval: UInt32 = 20_000, until isTrue: () -> Bool
  ) throws {
    while !isTrue() {
      guard process.isRunning else { throw FaultError(description: "the run ended by itself") }
      guard signals.poll() == .goOn else { throw FaultError(description: "told to end") }
      usleep(interval)
    }
  }

  /// The checksum of the losses of all steps, found equal to those of a run without kills.
  private func checksum(of steps: [FaultReport.Step]) throws -> String {
    guard steps.map(\.number) == Array(1...max(1, steps.count)) else {
      throw FaultError(description: "the log does not hold every step once")
    }
    let lanes = ElasticPlans(
      try RunFile.readPhases(path: scene.run, overrides: []), minimum: 1
    ).choice(for: options.ranks)?.gradientLanes
    let process = try scene.start([
      "--ranks", "\(options.ranks)", "--set", "plan.gradient-lanes=\(lanes ?? options.ranks)",
      "--set", "steps=\(steps.count)", "--set", "checkpoints=null",
      "--set", "log.file=\(scene.folder.path)/calm.jsonl",
    ])
    process.waitUntilExit()
    let calm = scene.steps("calm.jsonl")
    guard process.terminationStatus == 0, calm.map(\.loss) == steps.map(\.loss) else {
      throw FaultError(description: "the losses are not those of a run without kills")
    }
    // FNV-1a over the bits, as 16 hexadecimal digits.
    let sum = steps.prefix(20).reduce(0xcbf2_9ce4_8422_2325 as UInt64) { sum, step in
      (0..<8).reduce(sum) { ($0 ^ step.loss.bitPattern >> (8 * $1) & 0xff) &* 0x100_0000_01b3 }
    }
    return String(sum, radix: 16)
  }
}

import Foundation
import Runs
import Training

/// What a run that goes on is made of, each measured by itself.
///
/// Launches as the supervisor of `sluice train --elastic` makes them, on every number of ranks with which the run
/// goes on, in a folder of their own: what is fed to a forecast comes from nothing of the run with kills.
/// Only what a kill itself takes until everything has ended is measured with one, in launches for this alone.
final class FaultCalibration {
  /// What was measured on a number of ranks, in seconds.
  struct Width {
    var ranks: Int
    /// The first steps behind a start, and later ones.
    var first: [Double] = []
    var later: [Double] = []
    /// Between steps, where no checkpoint is written, and beyond that where one is.
    var between: [Double] = []
    var stalls: [Double] = []
    /// From the launch to the first step, and from the last step's checkpoint to the end of all.
    var starts: [Double] = []
    var endings: [Double] = []
    /// From a kill to the end of all.
    var detections: [Double] = []

    /// A later step with what lies behind it.
    var step: Double { later.mean + between.mean }
  }

  private(set) var widths: [Width]
  private let options: FaultOptions
  private let scene: FaultScene
  private let choices: [ElasticPlans.Choice]
  private let signals: StopSignals

  /// Ranks of a run that stands still meanwhile.
  private var standing: [Int32] = []
  /// Whether nothing was launched yet.
  private var isNew = true

  /// Steps that count as the first ones behind a start.
  var warmSteps: Int { max(1, options.every / 2) }

  init(_ options: FaultOptions, _ scene: FaultScene, _ signals: StopSignals) throws {
    (self.options, self.scene, self.signals) = (options, scene, signals)
    let plans = ElasticPlans(
      try RunFile.readPhases(path: scene.run, overrides: []), minimum: 1)
    var choices: [ElasticPlans.Choice] = []
    for ranks in (1...options.ranks).reversed() {
      guard let choice = plans.choice(for: ranks), choice.ranks != choices.last?.ranks else {
        continue
      }
      choices.append(choice)
    }
    self.choices = choices
    widths = choices.map { Width(ranks: $0.ranks) }
  }

  /// How long the steps stand still for a checkpoint: on any number of ranks, since the disk decides, so that
  /// there are many of them.
  var stall: Double { widths.flatMap(\.stalls).mean }

  /// Steps of a launch: those behind the first checkpoint are none of the first steps any more.
  private var steps: Int { 3 * options.every }

  /// Launches on every number of ranks in turn, as a run with kills makes them: fewer behind a kill of one more,
  /// all ranks behind an end of fewer that was wanted, from a checkpoint of theirs.
  func measure() throws {
    standing = scene.ranks()
    if isNew { try launch(choices[0], steps: options.every) }
    isNew = false
    for index in choices.indices.dropFirst() {
      widths[index - 1].detections.append(try detection(choices[index - 1]))
      try measure(index)
      if index == 1 { try measure(0) }
    }
  }

  private func measure(_ index: Int) throws {
    let begin = Date().timeIntervalSince1970
    let status = try launch(choices[index], steps: steps)
    let end = Date().timeIntervalSince1970
    guard status == 0 else { throw failure("ended with \(status)") }
    try read(into: &widths[index], begin, end)
  }

  private func read(into width: inout Width, _ begin: Double, _ end: Double) throws {
    let count = steps
    let steps = Array(scene.steps("calibration.jsonl").suffix(count))
    guard steps.count == count, steps[0].isFirst, let first = steps.first, let last = steps.last,
      first.ended > begin
    else { throw failure("has steps missing in its log") }
    width.starts.append(first.ended - first.seconds - begin)
    width.first += steps.prefix(warmSteps).map(\.seconds)
    width.later += steps.dropFirst(options.every).map(\.seconds)
    var gaps: [Double] = []
    var stalls: [Double] = []
    for (before, after) in zip(steps, steps.dropFirst()) {
      let gap = after.ended - after.seconds - before.ended
      if before.number.isMultiple(of: options.every) {
        stalls.append(gap)
      } else {
        gaps.append(gap)
      }
    }
    width.between += gaps
    width.stalls += stalls.map { max(0, $0 - gaps.mean) }
    // The last step's checkpoint lies in front of the end.
    width.endings.append(max(0, end - last.ended - stalls.mean))
  }

  /// From the kill of a rank, in the middle of steps, to the end of all.
  private func detection(_ choice: ElasticPlans.Choice) throws -> Double {
    let before = scene.newestStep("calibration.jsonl")?.number ?? 0
    let scene = scene
    let killer = Killer(scene, behind: before + 2, sparing: standing)
    let status = try launch(choice, steps: 100 * options.every)
    let end = Date().timeIntervalSince1970
    guard let time = killer.wait() else { throw failure("was not there to be killed") }
    guard status != 0 else { throw failure("went on without a rank") }
    return end - time
  }

  /// Runs ranks to their end; what they say goes where the run's output goes.
  ///
  /// - Returns: the status.
  @discardableResult private func launch(
    _ choice: ElasticPlans.Choice, steps: Int
  ) throws -> Int32 {
    var arguments = [
      "train", scene.run, "--resume-if-any", "--stop-after", "\(steps)",
      "--set", "checkpoints.folder=\(scene.folder.path)/calibration",
      "--set", "log.file=\(scene.folder.path)/calibration.jsonl",
    ]
    arguments += choice.overrides.flatMap { ["--set", $0] }
    return try scene.withOutputAside("calibration.txt") {
      var launch = Launch(
        ranks: choice.ranks, command: [scene.program] + arguments, environment: scene.environment)
      launch.endsAtOnce = true
      let outcome = try launch.run(signals)
      if outcome.status != 0 { outcome.endRanks() }
      return outcome.status
    }
  }

  private func failure(_ what: String) -> FaultError {
    FaultError(
      description: "a launch to measure \(what); it said: "
        + "\(scene.log("calibration.txt").suffix(2000))")
  }
}

/// Kills a rank behind some step, from a thread of its own: the launch is waited for meanwhile.
private final class Killer: @unchecked Sendable {
  private let isOver = DispatchSemaphore(value: 0)
  private var time: Double?

  init(_ scene: FaultScene, behind step: Int, sparing others: [Int32]) {
    Thread.detachNewThread { [self] in
      defer { isOver.signal() }
      for _ in 0..<6000 {
        usleep(20_000)
        guard scene.newestStep("calibration.jsonl")?.number ?? 0 >= step,
          let last = scene.ranks().last(where: { !others.contains($0) })
        else { continue }
        time = Date().timeIntervalSince1970
        kill(last, SIGKILL)
        return
      }
    }
  }

  /// When it was; nil where nothing came to be killed.
  func wait() -> Double? {
    isOver.wait()
    return time
  }
}

extension [Double] {
  /// 0 of none.
  var mean: Double { isEmpty ? 0 : reduce(0, +) / Double(count) }
}

#if MPI
  import Checkpoints
  import Documents
  import Foundation
  import Plans
  import Reports
  import Runs
  import Training

  /// What a run shows while it goes on: one line that is overwritten where a terminal shows it, else a
  /// line now and then; and a summary at the end.
  struct ProgressBoard {
    private let run: RunFile
    private let ranks: Int
    private let isLive: Bool
    private let isSilent: Bool
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    private var firstStep = 0
    private var isBegun = false
    /// What the steps have come to so far.
    private var course: RunSummary
    /// Ranks that were slow at the last step.
    private var slow: [Int] = []
    /// Why standard output was lost, if it was; the run goes on without it.
    private(set) var outputFailure: (any Error)?

    /// - Parameter peakRate: what the ranks reach in products together, FLOPs a second; nil where it was not
    ///   measured.
    init(_ run: RunFile, ranks: Int, peakRate: Double?, isLive: Bool, isSilent: Bool) {
      course = RunSummary(
        name: run.name, ranks: ranks,
        parameters: run.model.architecture.parameters.filter { $0.sharedWith == nil }
          .reduce(0) { $0 + $1.count })
      course.peakRate = peakRate
      course.plannedSteps = run.steps
      self.run = run
      self.ranks = ranks
      self.isLive = isLive
      self.isSilent = isSilent
      start = clock.now
    }

    /// Prints text, unless standard output was lost before.
    mutating func say(_ text: String) {
      guard !isSilent, outputFailure == nil else { return }
      do { try StandardOutput.write(text.utf8) } catch { outputFailure = error }
    }

    /// Says what begins.
    mutating func begin(_ notices: [String], step: Int) {
      firstStep = step
      course.firstStep = step
      for notice in notices { say("note: \(printable(notice, atMost: .max))\n") }
      let model = run.model.architecture
      say(
        "\(run.name): \(model.family.rawValue), \(grouped(course.parameters)) parameters, "
          + "\(run.plan.summary), \(ranks) \(ranks == 1 ? "rank" : "ranks")"
          + (step > 0 ? ", going on after step \(step)" : "") + "\n")
    }

    /// Takes in a step and shows it.
    ///
    /// - Parameter opening: what was evaluated before the first step.
    mutating func show(_ metrics: StepMetrics, after opening: StepMetrics? = nil) {
      if !isBegun, let opening { show(opening: opening) }
      isBegun = true
      if metrics.slowRanks.map(\.rank) != slow {
        slow = metrics.slowRanks.map(\.rank)
        let what = metrics.slowRanks.map(words).joined(separator: ", ")
        say(
          "note: \(slow.isEmpty ? "no rank is slow any more" : what), over the "
            + "\(SlowRanks.window) steps up to \(metrics.step)\n")
      }
      for notice in metrics.notices { say("note: \(printable(notice, atMost: .max))\n") }
      course.add(RunFigures.Step(metrics))
      let spacing = max(1, run.steps / 10)
      let isDue =
        metrics.step.isMultiple(of: spacing) || metrics.step == firstStep + 1
        || metrics.step == run.steps
      let isEvaluated = metrics.evaluationLoss != nil || metrics.heldOut != nil
      guard isLive || isDue || isEvaluated else { return }
      say(isLive ? "\r\u{1b}[K\(line(metrics))" : line(metrics) + "\n")
    }

    private mutating func show(opening: StepMetrics) {
      course.add(RunFigures.Step(opening))
      if let before = opening.heldOut {
        say("before the first step  \(words(before))\n")
      } else if let loss = opening.evaluationLoss {
        say("before the first step  evaluation \(decimals(loss))\n")
      }
    }

    private func line(_ metrics: StepMetrics) -> String {
      let done = metrics.step - firstStep
      let elapsed = start.duration(to: clock.now) / .seconds(1)
      let left = elapsed / Double(max(1, done)) * Double(run.steps - metrics.step)
      var parts = ["step \(metrics.step)/\(run.steps)", "loss \(decimals(metrics.loss))"]
      if let policy = metrics.policy {
        parts.append(String(format: "reward %.3f", policy.reward))
        parts.append(String(format: "length %.1f", policy.meanLength))
      }
      if let heldOut = metrics.heldOut { parts.append(words(heldOut)) }
      if let loss = metrics.evaluationLoss { parts.append("evaluation \(decimals(loss))") }
      parts.append("\(grouped(Int(metrics.tokensPerSecond ?? 0))) tokens/s")
      if let share = metrics.utilization {
        parts.append(String(format: "MFU %.1f %%", share * 100))
      }
      if !metrics.slowRanks.isEmpty {
        parts.append("slow: \(metrics.slowRanks.map { "rank \($0.rank)" }.joined(separator: ", "))")
      }
      parts.append("\(RunSummary.time(left)) left")
      return parts.joined(separator: "  ")
    }

    private func words(_ slow: StepMetrics.SlowRank) -> String {
      String(
        format: "rank %d on %@ computes %.1f times as long as ranks with the same work", slow.rank,
        slow.host, slow.factor)
    }

    private func words(_ heldOut: PolicyMetrics.HeldOut) -> String {
      String(
        format: "held-out accuracy %.3f, length %.1f", heldOut.accuracy, heldOut.meanLength)
    }

    /// What has come of it so far.
    ///
    /// - Parameter outputIsLost: whether the run ends because its log or trace cannot be written.
    func summary(isFinished: Bool, _ wish: StopWish, outputIsLost: Bool) -> RunSummary {
      var summary = course
      summary.isFinished = isFinished
      summary.ending =
        wish == .interrupt
        ? "ended by a signal"
        : outputIsLost ? "ended since an output is lost" : "stopped as asked"
      summary.elapsed = start.duration(to: clock.now) / .seconds(1)
      summary.checkpoint = run.checkpoints.flatMap { CheckpointFolder(path: $0.folder).latest }
      summary.log = run.log.file
      return summary
    }

    /// Says what has come of it.
    mutating func end(_ summary: RunSummary) {
      say((isLive ? "\n" : "") + ReportPage(run: summary).text)
    }

    private func decimals(_ number: Double?) -> String {
      // A nought has no sign, and what is no number has none either.
      number.map { $0.isNaN ? "nan" : String(format: "%.4f", abs($0) < 5e-5 ? 0 : $0) } ?? "–"
    }
  }

  extension Plan {
    /// Degrees above 1 and the schedule: `DP2·PP2·EP2, dualpipe`.
    var summary: String {
      let degrees = [
        ("DP", dataParallel), ("PP", pipelineParallel), ("EP", expertParallel),
      ].filter { $0.1 > 1 }.map { "\($0.0)\($0.1)" }
      let split = degrees.isEmpty ? "one rank" : degrees.joined(separator: "·")
      guard pipelineParallel > 1, case .named(let name) = schedule else { return split }
      return "\(split), \(name)"
    }
  }
#endif

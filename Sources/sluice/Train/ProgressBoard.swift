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
    private var first: StepMetrics?
    private var last: StepMetrics?
    private var evaluations: [(step: Int, loss: Double)] = []
    private var heldOut: [PolicyMetrics.HeldOut] = []
    private var seconds = 0.0
    private var trained = 0
    private var peak = 0
    /// Ranks that were slow at the last step.
    private var slow: [Int] = []
    private var utilizations: (sum: Double, seconds: Double) = (0, 0)
    /// Why standard output was lost, if it was; the run goes on without it.
    private(set) var outputFailure: (any Error)?
    /// What the ranks reach in products together, FLOPs a second; nil where it was not measured.
    private let peakRate: Double?

    init(_ run: RunFile, ranks: Int, peakRate: Double?, isLive: Bool, isSilent: Bool) {
      self.peakRate = peakRate
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
      for notice in notices { say("note: \(printable(notice, atMost: .max))\n") }
      let model = run.model.architecture
      let count = model.parameters.filter { $0.sharedWith == nil }.reduce(0) { $0 + $1.count }
      say(
        "\(run.name): \(model.family.rawValue), \(grouped(count)) parameters, "
          + "\(run.plan.summary), \(ranks) \(ranks == 1 ? "rank" : "ranks")"
          + (step > 0 ? ", going on after step \(step)" : "") + "\n")
    }

    /// Takes in a step and shows it.
    ///
    /// - Parameter opening: what was evaluated before the first step.
    mutating func show(_ metrics: StepMetrics, after opening: StepMetrics? = nil) {
      if first == nil, let before = opening?.heldOut {
        heldOut.append(before)
        say("before the first step  \(words(before))\n")
      } else if first == nil, let loss = opening?.evaluationLoss {
        evaluations.append((0, loss))
        say("before the first step  evaluation \(decimals(loss))\n")
      }
      if metrics.slowRanks.map(\.rank) != slow {
        slow = metrics.slowRanks.map(\.rank)
        let what = metrics.slowRanks.map(words).joined(separator: ", ")
        say(
          "note: \(slow.isEmpty ? "no rank is slow any more" : what), over the "
            + "\(SlowRanks.window) steps up to \(metrics.step)\n")
      }
      for notice in metrics.notices { say("note: \(printable(notice, atMost: .max))\n") }
      if let after = metrics.heldOut { heldOut.append(after) }
      if first == nil { first = metrics }
      last = metrics
      seconds += metrics.seconds ?? 0
      if let share = metrics.utilization, let time = metrics.seconds {
        utilizations.sum += share * time
        utilizations.seconds += time
      }
      trained += metrics.globalBatch * run.plan.sequenceLength
      peak = max(peak, metrics.peakMemory ?? 0)
      if let loss = metrics.evaluationLoss { evaluations.append((metrics.step, loss)) }
      let spacing = max(1, run.steps / 10)
      let isDue =
        metrics.step.isMultiple(of: spacing) || metrics.step == firstStep + 1
        || metrics.step == run.steps
      let isEvaluated = metrics.evaluationLoss != nil || metrics.heldOut != nil
      guard isLive || isDue || isEvaluated else { return }
      say(isLive ? "\r\u{1b}[K\(line(metrics))" : line(metrics) + "\n")
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
      parts.append("\(time(left)) left")
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

    /// Says what has come of it.
    ///
    /// - Parameter outputIsLost: whether the run ends because its log or trace cannot be written.
    mutating func end(isFinished: Bool, _ wish: StopWish, outputIsLost: Bool) {
      guard let first, let last else { return say(endingWithoutStep(isFinished, wish)) }
      var table = TextTable([.left, .left])
      let count = last.step - firstStep
      let ending =
        isFinished
        ? ""
        : wish == .interrupt
          ? ", ended by a signal"
          : outputIsLost ? ", ended since an output is lost" : ", stopped as asked"
      table.add("steps", "\(count) (\(last.step) of \(run.steps)\(ending))")
      table.add("loss", "\(decimals(first.loss)) → \(decimals(last.loss))")
      if let best = evaluations.last {
        table.add(
          "evaluation", "\(decimals(best.loss)), perplexity \(decimals(exp(best.loss)))")
      }
      if let first = heldOut.first, let last = heldOut.last {
        table.add(
          "held-out", String(format: "accuracy %.3f → %.3f", first.accuracy, last.accuracy))
      }
      let elapsed = start.duration(to: clock.now) / .seconds(1)
      table.add("time", "\(time(elapsed)), \(time(seconds)) of it in steps")
      table.add("speed", "\(grouped(Int(Double(trained) / max(seconds, 1e-9)))) tokens/s")
      if let peakRate, utilizations.seconds > 0 {
        table.add(
          "MFU",
          String(
            format: "%.1f %% of %.1f GFLOP/s that the ranks reach in products",
            100 * utilizations.sum / utilizations.seconds, peakRate / 1e9))
      }
      table.add("memory", "\(grouped(peak / 1024)) KiB on the fullest rank, at its peak")
      if let checkpoints = run.checkpoints {
        let folder = CheckpointFolder(path: checkpoints.folder)
        if let latest = folder.latest { table.add("checkpoint", latest) }
      }
      if let log = run.log.file { table.add("metrics", log) }
      say((isLive ? "\n" : "") + table.text())
    }

    private func endingWithoutStep(_ isFinished: Bool, _ wish: StopWish) -> String {
      if isFinished { return "there is no step left to do\n" }
      let ending = wish == .interrupt ? "ended by a signal" : "stopped as asked"
      return "\(ending) after step \(firstStep), before the next one\n"
    }

    private func decimals(_ number: Double?) -> String {
      number.map { String(format: "%.4f", $0) } ?? "–"
    }

    /// `0:42`, `12:05`, `3:20:00`.
    private func time(_ seconds: Double) -> String {
      let whole = Int(seconds.rounded())
      let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
      return hours > 0
        ? String(format: "%d:%02d:%02d", hours, minutes, rest)
        : String(format: "%d:%02d", minutes, rest)
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

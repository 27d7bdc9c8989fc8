import Documents
import Quantities

// MARK: - Text

extension ForecastFigures {
  private static let columns = 100

  /// The verdict, where time goes, the phases, checkpoints, and what would help.
  public var page: String {
    let head =
      [verdict, cost].flatMap { wrapped($0, width: Self.columns) }
      + inputs.lines(width: Self.columns)
    var text = head.map { $0 + "\n" }.joined() + "\n" + lostTable + "\n" + phaseTable + "\n"
    text += sentences.flatMap { wrapped($0, width: Self.columns) }.map { $0 + "\n" }.joined()
    if !sensitivities.isEmpty { text += "\n" + improvements }
    let notes = assumptions.flatMap { wrapped("assumed: \($0)", width: Self.columns) }
    return text + (notes.isEmpty ? "" : "\n" + notes.map { $0 + "\n" }.joined())
  }

  /// How long the run takes, and how sure that is.
  var verdict: String {
    "\(run) on \(grouped(gpus)) GPUs takes \(days(wallSeconds.mean)) days; of \(grouped(runs)) runs "
      + "nine in ten take \(days(wallSeconds.p5)) to \(days(wallSeconds.p95)). Steps alone are "
      + "\(days(productiveSeconds)) days: goodput \(percent(goodput))."
  }

  private var cost: String {
    "\(thousands(gpuHours)) GPU-hours (steps alone \(thousands(productiveGpuHours))), "
      + "\(fixed(usDollars / 1e6, decimals: 3)) million US$ at \(decimal(usDollarsPerGpuHour)) an hour; "
      + "\(fixed(failures, decimals: 1)) failures in the mean."
      + (unfinishedRuns > 0
        ? " \(counted(unfinishedRuns, "run")) never came to an end and was given up." : "")
  }

  func days(_ seconds: Double) -> String { fixed(seconds / 86_400, decimals: 2) }

  func thousands(_ hours: Double) -> String {
    hours < 10_000 ? fixed(hours, decimals: 1) : fixed(hours / 1e3, decimals: 1) + "K"
  }

  /// What was lost, with the words for it.
  var lostParts: [(name: String, seconds: Double, words: String)] {
    [
      ("detection", lostSeconds.detection, "until everybody knows"),
      ("restart", lostSeconds.restart, "requeue, start, loading"),
      ("recomputation", lostSeconds.recomputation, "steps done again"),
      ("checkpoint", lostSeconds.checkpoint, "steps standing still for checkpoints"),
      ("straggler", lostSeconds.straggler, "slow nodes"),
      ("idle", lostSeconds.idle, "waiting for nodes, missing replicas"),
    ]
  }

  private var lostTable: String {
    var table = TextTable([.left])
    table.alignments = [.left, .right, .right, .left]
    table.add("where the time goes", "hours", "share", "")
    let whole = max(wallSeconds.mean, 1e-9)
    table.add(
      "steps", fixed(productiveSeconds / 3600, decimals: 2), percent(productiveSeconds / whole), "")
    for part in lostParts {
      table.add(
        part.name, fixed(part.seconds / 3600, decimals: 2), percent(part.seconds / whole),
        part.words)
    }
    return table.text(width: Self.columns)
  }

  private var phaseTable: String {
    var table = TextTable([.left])
    table.add(
      "phase", "batch", "sequence", "steps", "step, s", "MFU", "GPU-h of steps", "GPU-h", "days")
    for phase in phases {
      let isLong = phase.settings.count > 1
      func total(_ batch: String, _ setting: Setting?) -> [String] {
        [
          phase.name, batch, setting.map { grouped($0.sequenceTokens) } ?? "",
          grouped(phase.steps), setting.map { fixed($0.stepSeconds, decimals: 3) } ?? "",
          setting?.mfu.map { percent($0) } ?? "", thousands(phase.productiveGpuHours),
          thousands(phase.gpuHours), days(phase.wallSeconds),
        ]
      }
      guard isLong else {
        table.add(
          total(phase.settings.first.map { grouped($0.globalBatch) } ?? "", phase.settings.first))
        continue
      }
      table.add(total("", nil))
      for setting in phase.settings {
        table.add([
          "", grouped(setting.globalBatch), grouped(setting.sequenceTokens),
          grouped(setting.steps), fixed(setting.stepSeconds, decimals: 3),
          setting.mfu.map { percent($0) } ?? "",
          thousands(Double(setting.steps) * setting.stepSeconds * Double(gpus) / 3600),
        ])
      }
    }
    return table.text()
  }

  /// What checkpoints and failures are like, a sentence each.
  var sentences: [String] {
    var lines: [String] = []
    if let between = secondsBetweenFailures {
      lines.append(
        "A failure every \(Seconds(between)) in the mean, and \(Seconds(restartSeconds)) until steps go "
          + "on.")
    }
    if checkpointStallSeconds > 0 {
      var line =
        "A checkpoint of \(fixed(checkpointBytes / 1e12, decimals: 3)) TB holds steps up for "
        + "\(Seconds(checkpointStallSeconds))"
      if checkpointWritingSeconds > 0 {
        line += " and is written in \(Seconds(checkpointWritingSeconds))"
      }
      if let cadenceSeconds { line += "; one after every \(Seconds(cadenceSeconds)) of work" }
      lines.append(line + ".")
    }
    if let best = bestCadenceSeconds, let young = youngsCadenceSeconds,
      let daly = dalysCadenceSeconds, checkpointStallSeconds > 0
    {
      lines.append(
        "Best cadence \(Seconds(best)) (least exact expectation); Young's \(Seconds(young)), Daly's "
          + "\(Seconds(daly)).")
    }
    if let expected = expectedWallSeconds {
      lines.append(
        "Daly's exact expectation, without waiting for nodes and slow ones: \(days(expected)) days"
          + (firstOrderGoodput.map { "; goodput to first order \(percent($0))" } ?? "") + ".")
    }
    let full = phases.flatMap(\.settings).count { $0.fits == false }
    if full > 0 { lines.append("\(counted(full, "setting")) of steps does not fit the memory.") }
    return lines
  }

  private var improvements: String {
    var table = TextTable([.left, .right, .right])
    table.add("what would help", "hours saved", "±")
    for item in sensitivities {
      table.add(
        item.change, fixed(item.savedHours, decimals: 1), fixed(item.standardError, decimals: 1))
    }
    return table.text()
  }
}

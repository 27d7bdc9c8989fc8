import Quantities

extension ForecastFigures {
  /// How long the run takes, and how sure that is; of runs that were given up nobody knows.
  var verdict: String {
    guard let wall = wallSeconds else {
      return "\(run) on \(grouped(gpus)) GPUs does not end: none of \(counted(runs, "run")) did. "
        + "Steps alone are \(ReadableTime(for: productiveSeconds).text(productiveSeconds))."
    }
    let steps = "Steps alone are \(unit.text(productiveSeconds))"
    let most = "\(unit.number(wall.p5)) to \(unit.number(wall.p95))"
    guard unfinishedRuns > 0 else {
      return
        "\(run) on \(grouped(gpus)) GPUs takes \(unit.text(wall.mean)); of \(grouped(runs)) runs "
        + "nine in ten take \(most). \(steps): goodput \(percent(goodput))."
    }
    return "\(run) on \(grouped(gpus)) GPUs ends in only \(grouped(runs - unfinishedRuns)) of "
      + "\(counted(runs, "run")); these take \(unit.text(wall.mean)), nine in ten of them \(most). "
      + "\(steps): goodput of all \(percent(goodput))."
  }

  /// What did not come to an end.
  var remarks: [String] {
    unfinishedRuns > 0
      ? [
        "\(counted(unfinishedRuns, "run")) never came to an end and was given up: "
          + "\(Seconds(undoneSeconds)) of steps undone in the mean of all runs. Hours, money and what "
          + "was lost count such a run until then, \(unit.text(elapsedSeconds)) in the mean of all."
      ] : []
  }

  func thousands(_ hours: Double) -> String {
    hours < 10_000 ? Self.sized(hours) : fixed(hours / 1e3, decimals: 1) + "K"
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

  /// Beyond this many times the steps a time says nothing, and runs are given up.
  private static let mostExpected = 1000.0

  /// What the best cadence makes least.
  private var expectation: String {
    takesCorruptionForStops ? "expectation, corruption taken for stops" : "exact expectation"
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
        "A checkpoint of \(checkpointSize) holds steps up for "
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
        "Best cadence \(Seconds(best)) (least \(expectation)); Young's \(Seconds(young)), Daly's "
          + "\(Seconds(daly)).")
    }
    if let expected = expectedWallSeconds {
      let time =
        expected > Self.mostExpected * productiveSeconds
        ? "over a thousand times the steps" : unit.text(expected)
      let form = takesCorruptionForStops ? "Daly's expectation" : "Daly's exact expectation"
      lines.append(
        "\(form), without waiting for nodes and slow ones"
          + (takesCorruptionForStops
            ? ", silent corruption taken for a stop that is known at once" : "")
          + ": \(time)"
          + (firstOrderGoodput.map { "; goodput to first order \(percent($0))" } ?? "") + ".")
    }
    lines += phases.compactMap(rolloutSentence)
    let full = phases.flatMap(\.settings).count { $0.fits == false }
    if full > 0 { lines.append("\(counted(full, "setting")) of steps does not fit the memory.") }
    return lines
  }

  /// In the decimal units of storage.
  private var checkpointSize: String {
    let units: [(bytes: Double, name: String)] = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB")]
    let unit = units.first { checkpointBytes >= $0.bytes } ?? (1e3, "kB")
    return "\(fixed(checkpointBytes / unit.bytes, decimals: 3)) \(unit.name)"
  }

  /// What the time of a phase of reinforcement learning hangs on.
  private func rolloutSentence(_ phase: Phase) -> String? {
    let settings = phase.settings.filter { $0.rollout != nil }
    let whole = settings.reduce(0) { $0 + Double($1.steps) * $1.stepSeconds }
    guard whole > 0 else { return nil }
    func share(_ part: (Rollout) -> Double) -> String {
      percent(
        settings.reduce(0) {
          $0 + Double($1.steps) * $1.stepSeconds * ($1.rollout.map(part) ?? 0)
        } / whole)
    }
    return
      "Of the steps of \(phase.name) generating takes \(share(\.generation)) (with fewer than half of "
      + "the completions left \(share(\.draining))), scores \(share(\.scores)), training "
      + "\(share(\.training)), the rest \(share(\.other))."
  }
}

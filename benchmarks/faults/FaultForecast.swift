import Documents
import Foundation

/// What `sluice forecast` makes of a run with kills, fed with what its parts take when they are measured alone.
struct FaultForecast {
  let calibration: FaultCalibration
  /// Of steps that count over the time from the first step's beginning to the last one's end.
  let measured: Double
  /// Seconds of the kills from the first step's beginning.
  let kills: [Double]
  let steps: Int
  private let wall: Double
  private let lost: FaultParts
  private let options: FaultOptions
  private let scene: FaultScene

  init(_ report: FaultReport, _ calibration: FaultCalibration, _ scene: FaultScene) {
    (options, self.calibration, self.scene) = (report.options, calibration, scene)
    // A kill in front of the first checkpoint has the first step made again.
    let begin = (report.kills.first?.made.first ?? report.steps[0]).began
    steps = report.steps.count
    wall = report.steps[steps - 1].ended - begin
    kills = report.kills.map { report.start + $0.seconds - begin }
    measured = report.useful / wall
    lost = report.parts
  }

  /// What forecasts with the same kills and with rates alone say, beside what was measured.
  func text() throws -> String {
    let bytes = try forecast(settings(writing: 1e15), runs: 1)["checkpoint_bytes"]?.double ?? 0
    let common = settings(writing: bytes / max(1e-6, calibration.stall))
    let file = scene.folder.appending(path: "kills.txt")
    try kills.map { "\($0)\n" }.joined().write(to: file, atomically: true, encoding: .utf8)
    let same = try forecast(common + ["--failure-times", file.path], runs: 1)
    let cause =
      "cluster.failures.causes=[{name: kills, of: job, rate: \(86_400_000 / options.mean)}]"
    let drawn = try forecast(common + ["--set", cause], runs: 2000)
    // A step's own time, without what lies behind it.
    let all = calibration.widths[0]
    let share = all.later.mean / all.step
    func goodput(_ figures: JSONValue, _ percentile: String) -> Double {
      100 * share * (figures["seconds_in_steps"]?.double ?? 0)
        / (figures["wall_seconds"]?[percentile]?.double ?? .infinity)
    }
    let lines = [
      parts,
      String(
        format: "from the first step to the last: %d steps in %.1f s, forecast %.1f s", steps, wall,
        same["wall_seconds"]?["mean"]?.double ?? 0),
      parts(of: same),
      FaultPartsTable(parts: lost, calibration: calibration, forecast: same).text,
      String(
        format: "goodput: measured %.2f %%, forecast with the same kills %.2f %%, with rates alone "
          + "%.2f %% (nine in ten %.2f to %.2f %%)", 100 * measured, goodput(same, "mean"),
        goodput(drawn, "mean"), goodput(drawn, "p95"), goodput(drawn, "p5")),
    ]
    return lines.joined(separator: "\n")
  }

  /// Where the time went, by the run's log and by the forecast with the same kills.
  private func parts(of forecast: JSONValue) -> String {
    let seconds = forecast["lost_seconds"]
    func part(_ name: String) -> Double { seconds?[name]?.double ?? 0 }
    let all = calibration.widths[0]
    let inSteps = (forecast["seconds_in_steps"]?.double ?? 0) * all.later.mean / all.step
    let whole = (forecast["wall_seconds"]?["mean"]?.double ?? 0) - inSteps
    let (detection, again) = (part("detection"), part("recomputation"))
    return String(
      format:
        "  measured and forecast: in steps that count %.1f and %.1f s, known of kills %.1f and %.1f s, "
        + "made again %.1f and %.1f s, starts, ends and checkpoints %.1f (%.1f behind kills) and %.1f s",
      lost.steps, inSteps, lost.detection, detection, lost.recomputation, again,
      lost.restart + lost.others, lost.restart, whole - detection - again)
  }

  /// What is fed to the forecast.
  private var parts: String {
    let widths = calibration.widths.map {
      String(
        format:
          "  %d ranks: a step %.4f s and %.4f s behind it, a checkpoint %.4f s (longest %.4f), "
          + "a start %.3f s, an end %.3f s, known %.3f s after a kill", $0.ranks, $0.later.mean,
        $0.between.mean, $0.stalls.mean, $0.stalls.max() ?? 0, $0.starts.mean, $0.endings.mean,
        $0.detections.mean)
    }
    return String(
      format: "fed to the forecast, from launches of their own (%d on each number of ranks):\n%@\n"
        + "  the first %d steps take %.3f times as long, a checkpoint %.4f s (the mean of %d)",
      calibration.widths[0].starts.count, widths.joined(separator: "\n"), calibration.warmSteps,
      warmRatio, calibration.stall, calibration.widths.flatMap(\.stalls).count)
  }

  /// The first steps over later ones, in the mean of all numbers of ranks.
  private var warmRatio: Double {
    max(1, calibration.widths.map { $0.first.mean / $0.later.mean }.mean)
  }

  /// - Parameter rate: bytes a second of checkpoints.
  private func settings(writing rate: Double) -> [String] {
    let all = calibration.widths[0]
    // All ranks end by themselves at the run's end alone.
    let fewer = calibration.widths.dropFirst()
    let detection = calibration.widths.flatMap(\.detections).mean
    let widths = calibration.widths.map {
      "{replicas: \($0.ranks), step-ratio: \($0.ranks == all.ranks ? 1 : $0.step / all.step), "
        + "start: \($0.starts.mean) s}"
    }
    let recovery =
      "{elastic: restart, take-back-after: 1, ending: \(fewer.flatMap(\.endings).mean) s, "
      + "warm-steps: \(calibration.warmSteps), warm-ratio: \(warmRatio), spares: 0, "
      + "widths: [\(widths.joined(separator: ", "))]}"
    return [
      "recovery=\(recovery)", "checkpoints.asynchronous=false",
      "cluster.failures.detection=\(detection) s", "cluster.failures.requeue=0 s",
      "cluster.failures.start=\(all.starts.mean) s", "cluster.failures.start-per-rank=0 s",
      "cluster.storage.write=\(rate) B/s", "cluster.storage.read=1e15 B/s",
      "cluster.storage.total-write=null", "cluster.storage.total-read=null",
    ].flatMap { ["--set", $0] }
  }

  private func forecast(_ words: [String], runs: Int) throws -> JSONValue {
    let text = try scene.output(
      of: [
        "forecast", scene.run, "--cluster", "h800-2048", "--step-seconds",
        "\(calibration.widths[0].step)", "--json", "--runs", "\(runs)", "--set", "steps=\(steps)",
      ] + words)
    return try JSONValue(Array(text.utf8))
  }
}

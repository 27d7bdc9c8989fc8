import Documents
import Foundation

/// What `sluice forecast` makes of a run with kills, fed with what the run itself measured.
///
/// A kill costs the start behind it; the ranks' return, at the next checkpoint, another one, which a forecast
/// that loses no node at given times is told as a requeue. What lies between steps (the checkpoint, the log) is told as a part
/// of each, which the goodput leaves out again.
struct FaultForecast {
  /// Seconds of a step, of a start behind a kill, of a return, and of what lies behind a step.
  private(set) var step: Double
  private(set) var start: Double
  private(set) var comingBack: Double
  private(set) var between: Double
  /// Of steps over the time from the first step's beginning to the last one's end.
  private(set) var measured: Double
  /// Seconds of the kills from the first step's beginning.
  let kills: [Double]
  let steps: Int
  private let options: FaultOptions
  private let scene: FaultScene

  init(_ report: FaultReport, _ scene: FaultScene) {
    (options, self.scene) = (report.options, scene)
    let steps = report.steps
    self.steps = steps.count
    let begin = steps[0].ended - steps[0].seconds
    let times = report.kills.map { report.start + $0.seconds }
    kills = times.map { $0 - begin }
    var starts: [Double] = []
    var returns: [Double] = []
    var rest = 0.0
    for (before, after) in zip(steps, steps.dropFirst()) {
      let gap = after.ended - after.seconds - before.ended
      if let kill = times.last(where: { before.ended < $0 && $0 < after.ended }) {
        starts.append(after.ended - after.seconds - kill)
      } else if gap > 0.3, before.number.isMultiple(of: options.every) {
        returns.append(gap)
      } else {
        rest += max(0, gap)
      }
    }
    func mean(_ values: [Double]) -> Double {
      values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
    }
    step = report.useful / Double(steps.count)
    start = mean(starts)
    // Not every kill has a return of its own: some fall in front of it.
    comingBack = returns.reduce(0, +) / Double(max(1, kills.count))
    between = rest / Double(steps.count)
    measured = report.useful / (steps[steps.count - 1].ended - begin)
  }

  /// What forecasts with the same kills and with rates alone say, beside what was measured.
  func text() throws -> String {
    let common = [
      "failures.detection=0 s", "failures.requeue=\(comingBack) s", "failures.start=\(start) s",
      "failures.start-per-rank=0 s", "storage.write=1e15 B/s",
      "storage.read=1e15 B/s", "storage.total-write=null", "storage.total-read=null",
    ].flatMap { ["--set", "cluster.\($0)"] }
    let file = scene.folder.appending(path: "kills.txt")
    try kills.map { "\($0)\n" }.joined().write(to: file, atomically: true, encoding: .utf8)
    let same = try forecast(common + ["--failure-times", file.path, "--runs", "1"])
    let rate = 86_400_000 / options.mean
    let cause = "cluster.failures.causes=[{name: kills, of: job, rate: \(rate)}]"
    let drawn = try forecast(common + ["--set", cause, "--runs", "2000"])
    let wall = Double(steps) * step
    let share = step / (step + between)
    func goodput(_ percentile: String) -> Double {
      100 * wall / (drawn["wall_seconds"]?[percentile]?.double ?? .infinity)
    }
    return String(
      format: """
        fed to the forecast: a step %.4f s and %.4f s behind it, a start %.2f s, a return %.2f s a kill
        goodput from the first step to the last: measured %.2f %%, forecast with the same kills %.2f %%, with \
        rates alone %.2f %% (nine in ten %.2f to %.2f %%)
        """, step, between, start, comingBack, 100 * measured,
      100 * share * (same["goodput"]?.double ?? 0), 100 * share * (drawn["goodput"]?.double ?? 0),
      goodput("p95"), goodput("p5"))
  }

  private func forecast(_ words: [String]) throws -> JSONValue {
    let text = try scene.output(
      of: [
        "forecast", scene.run, "--cluster", "h800-2048", "--step-seconds", "\(step + between)",
        "--json",
        "--set", "steps=\(steps)",
      ] + words)
    return try JSONValue(Array(text.utf8))
  }
}

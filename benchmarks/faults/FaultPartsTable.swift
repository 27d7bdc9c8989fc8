import Documents
import Foundation

/// What lies between steps, by kind: how often it was and how long in all, measured beside forecast.
struct FaultPartsTable {
  let parts: FaultParts
  let calibration: FaultCalibration
  /// The forecast with the same kills.
  let forecast: JSONValue

  private func figure(_ name: String) -> Double { forecast[name]?.double ?? 0 }
  private func lost(_ name: String) -> Double { forecast["lost_seconds"]?[name]?.double ?? 0 }

  var text: String {
    let stall = calibration.stall
    let returns = figure("planned_stops")
    let saved = (lost("checkpoint") / max(1e-9, stall)).rounded()
    let all = calibration.widths[0]
    let behind = figure("seconds_in_steps") * all.between.mean / all.step
    let rows = [
      row("checkpoints", "on", parts.checkpoints, saved - returns, (saved - returns) * stall),
      row(
        "ranks taken back (a checkpoint, an end, a start)", "from", parts.returns, returns,
        returns * stall + figure("planned_stop_seconds")),
      row(
        "starts behind kills", "of", parts.restarts, nil,
        lost("restart") - figure("planned_stop_seconds") - figure("warm_up_seconds")),
      row("between other steps", "", [0: parts.between], nil, behind),
      row("from a checkpoint's step to a kill", "", [0: parts.cut], nil, nil),
    ]
    return "  between steps, by kind:\n" + rows.joined(separator: "\n")
  }

  /// A kind's number and seconds, and what one is like by the ranks.
  private func row(
    _ name: String, _ word: String, _ measured: [Int: [Double]], _ count: Double?,
    _ seconds: Double?
  ) -> String {
    let whole = measured.values.flatMap { $0 }
    var text = String(
      format: "    %@: measured %d in %.2f s", name, whole.count, whole.reduce(0, +))
    if let seconds {
      text += ", forecast " + (count.map { String(format: "%.0f in ", $0) } ?? "")
      text += String(format: "%.2f s", seconds)
    } else {
      text += ", in the forecast among the others"
    }
    for (ranks, values) in measured.sorted(by: { $0.key > $1.key }) where !values.isEmpty {
      let sorted = values.sorted()
      text += String(
        format: "\n      %@%d of %.4f s in the mean, median %.4f, longest %.4f",
        word.isEmpty ? "" : "\(word) \(ranks) ranks ", values.count, values.mean,
        sorted[sorted.count / 2], sorted[sorted.count - 1])
    }
    return text
  }
}

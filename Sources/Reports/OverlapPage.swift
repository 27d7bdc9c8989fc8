import Documents
import Quantities

// MARK: - Text

extension OverlapFigures {
  private static let columns = 100

  /// What is hidden and why, the curve, the doubt and the order.
  public var page: String {
    var text = inputs.lines(width: Self.columns).map { $0 + "\n" }.joined()
    text +=
      "\(plan): forward of stage \(forwardStage) beside backward of stage \(backwardStage), "
      + "balanced loads\n\n"
    text += comparison + "\n" + sentences + "\n" + points + "\n"
    text +=
      wrapped("order: " + order.joined(separator: ", "), width: Self.columns)
      .joined(separator: "\n") + "\n"
    return text
  }

  private func milliseconds(_ seconds: Double) -> String { fixed(seconds * 1e3, decimals: 2) }

  private var comparison: String {
    var table = TextTable([.left, .right, .right])
    table.add("", "as it is", "planned")
    table.add(
      "pair, ms", milliseconds(pairSeconds.published), milliseconds(pairSeconds.planned))
    table.add(
      "multiprocessors of exchanges", "\(multiprocessors.published)",
      "\(multiprocessors.planned)")
    table.add(
      "exchanges hidden", percent(hiddenShare.published), percent(hiddenShare.planned))
    for kind in hidden where kind.seconds.published > 0 {
      table.add(
        "  \(kind.kind), \(milliseconds(kind.seconds.published)) and "
          + "\(milliseconds(kind.seconds.planned)) ms",
        percent(kind.hiddenShare.published), percent(kind.hiddenShare.planned))
    }
    table.add(
      "held at most beyond its start, GiB", gibibytes(Double(pairPeakBytes.published)),
      gibibytes(Double(pairPeakBytes.planned)))
    if let step {
      table.add(
        "whole step, s", fixed(step.seconds.published, decimals: 4),
        fixed(step.seconds.planned, decimals: 4))
      table.add(
        "fullest rank, GiB", gibibytes(Double(step.peakBytes.published)),
        gibibytes(Double(step.peakBytes.planned)))
    }
    return table.text()
  }

  /// How near the bound it is, and how far the answer hangs on what nobody has published.
  private var sentences: String {
    var lines = [
      "No order of the pair's kernels on \(multiprocessors.planned) multiprocessors ends before "
        + "\(milliseconds(boundSeconds)) ms: the planned one is \(percent(gap, decimals: 2)) above; "
        + "segments in pairs by dynamic programming take \(milliseconds(pairwiseSeconds)) ms."
    ]
    if !isExact {
      lines.append(
        "The pair waits for more than its own exchanges, which moving its segments leaves out; the "
          + "times of pair and step are simulated.")
    }
    for end in ends {
      let best = end.best
      lines.append(
        "If a multiprocessor of an exchange moves what the \(end.end) end of its range says: "
          + "\(milliseconds(end.pairSeconds.published)) ms as it is, "
          + "\(milliseconds(end.pairSeconds.planned)) planned; known beforehand, the best were "
          + "\(best.multiprocessors) multiprocessors and \(milliseconds(best.plannedSeconds)) ms.")
    }
    lines.append(
      survives
        ? "Predicted faster over the whole range."
        : "No gain that survives the whole range: what is faster depends on which kernels run.")
    if let step {
      lines.append(
        (step.isChanged
          ? "Of the whole step the fastest has: \(step.change)"
          : "The whole step is fastest as it is")
          + (step.tried.isEmpty
            ? "."
            : " ("
              + step.tried.map {
                "\($0.change): \(fixed($0.seconds, decimals: 4)) s"
                  + ($0.fits ? "" : ", does not fit")
              }.joined(separator: "; ") + ")."))
    }
    if let schedule {
      lines.append(
        "All passes of a pipeline take \(fixed(schedule.makespanSeconds, decimals: 3)) s in the order "
          + "written (\(schedule.name ?? "planned")), no order on its placement less than "
          + "\(fixed(schedule.boundSeconds, decimals: 3)); "
          + (schedule.bestNamedSeconds.map {
            "\(schedule.bestNamed ?? ""), the best published one within the memory, "
              + "\(fixed($0, decimals: 3)) s."
          } ?? "no published one keeps within the memory."))
    }
    return lines.flatMap { wrapped($0, width: Self.columns) }.joined(separator: "\n") + "\n"
  }

  private var points: String {
    var table = TextTable(Array(repeating: .right, count: 7) + [.left])
    table.add(
      ["SMs", "as it is, ms", "planned", "in pairs", "bound", "computes", "moves", ""])
    let longest = curve.map(\.plannedSeconds).max() ?? 1
    for point in curve {
      let bar = String(
        repeating: "█", count: max(1, Int((16 * point.plannedSeconds / longest).rounded())))
      table.add(
        [
          "\(point.multiprocessors)", milliseconds(point.publishedSeconds),
          milliseconds(point.plannedSeconds), milliseconds(point.pairwiseSeconds),
          milliseconds(point.boundSeconds), milliseconds(point.computingSeconds),
          milliseconds(point.movingSeconds),
          bar
            + (point.multiprocessors == multiprocessors.planned
              ? " planned"
              : point.multiprocessors == multiprocessors.published ? " as it is" : ""),
        ])
    }
    return table.text()
  }
}

import Quantities

extension CalibrationFigures.Point {
  /// The same as fits of shipped tables have it.
  fileprivate var fitPoint: FitPoint {
    FitPoint(
      "\(series), \(threeFigures(size)) \(unit) (\(file):\(line))", series: series,
      measured: measuredSeconds, predicted: predictedSeconds, isFitted: isFitted)
  }
}

extension CalibrationFigures.Part {
  /// How far off rows are that no constant saw, what lies beyond the rows, and what these do not decide.
  fileprivate func sentences(on base: String) -> [String] {
    var lines: [String] = []
    let held = points.filter { !$0.isFitted }
    func error(_ point: CalibrationFigures.Point) -> Double {
      abs(point.predictedSeconds / point.measuredSeconds - 1)
    }
    if let worst = held.max(by: { error($0) < error($1) }) {
      lines.append(
        "Rows that no constant saw: \(percent(meanError)) off on average; the worst, \(worst.file):"
          + "\(worst.line), took \(threeFigures(worst.measuredSeconds * 1e6)) us and is put at "
          + "\(threeFigures(worst.predictedSeconds * 1e6)) us.")
    }
    lines.append("What is extrapolated: \(extrapolated).")
    if !undetermined.isEmpty {
      lines.append(
        "As in \(base), not decided by these rows: \(undetermined.joined(separator: ", ")).")
    }
    return lines
  }
}

extension ReportPage {
  /// A cluster calibrated from benchmark outputs: constants beside the base's, and every row.
  public init(calibration figures: CalibrationFigures) throws {
    let points = figures.parts.flatMap(\.points)
    let held = points.count { !$0.isFitted }
    let known = figures.parts.flatMap(\.constants).count { !$0.isAssumed } + figures.values.count
    try self.init(
      "calibrate",
      verdict: "\(counted(known, "value")) of \(figures.base) replaced by what "
        + "\(counted(figures.files.count, "file")) measured"
        + (points.isEmpty ? "." : "; \(counted(held, "row")) predicted that no constant saw."),
      figures: figures)
    remarks = figures.refused.map { "Not fitted: \($0.what): \($0.reason)" } + figures.remarks
    inputs =
      [.init("Cluster", figures.base)] + figures.files.map { .init($0.path, $0.format, in: .head) }
    facts = figures.parts.enumerated().map { index, part in
      Fact(
        part.title, .share(part.meanError, key: "parts.\(index).mean_error"),
        note: "mean error; \(percent(part.worstError)) at worst")
    }
    sections = figures.traces.map { Section($0.file, [.table(Self.table(of: $0))]) }
    for part in figures.parts {
      let points = part.points.map(\.fitPoint)
      sections.append(
        Section(
          part.title,
          [
            .table(Self.table(of: part.constants, titled: part.title)),
            .table(Self.residuals("predicted by the written file", points) { $0.series }),
            .text(part.sentences(on: figures.base)),
          ] + Self.blocks(against: points)))
    }
    guard !figures.values.isEmpty else { return }
    sections.append(
      Section(
        "Measured as they are",
        [.table(Self.table(of: figures.values, titled: "measured as they are"))]))
  }

  private static func table(
    of constants: [CalibrationFigures.Constant], titled title: String
  ) -> ReportTable {
    var table = ReportTable(
      title,
      [
        .init("key", isText: true), .init("base"), .init("measured"),
        .init("source", isText: true, isAside: true),
      ])
    for one in constants {
      table.add([
        ReportFigure(one.key), ReportFigure(one.base ?? "–"),
        ReportFigure((one.value ?? "none") + (one.isAssumed ? " *" : "")),
        ReportFigure((one.isAssumed ? "Assumed: " : "") + one.source),
      ])
    }
    if constants.contains(where: \.isAssumed) {
      table.note = "* assumed, not decided by these rows"
    }
    return table
  }

  private static func table(of trace: CalibrationFigures.Trace) -> ReportTable {
    var table = ReportTable(
      "\(trace.file)\(trace.device.map { ", \($0)" } ?? "")",
      [.init("kernels", isText: true), .init("count"), .init("ms"), .init("share")])
    let all = trace.kernels.reduce(0) { $0 + $1.seconds }
    func milliseconds(_ seconds: Double) -> ReportFigure {
      ReportFigure(threeFigures(seconds * 1e3), seconds)
    }
    for kernels in trace.kernels {
      table.add([
        ReportFigure(kernels.name), .count(kernels.count), milliseconds(kernels.seconds),
        .share(all > 0 ? kernels.seconds / all : 0),
      ])
    }
    table.note =
      [
        ("Computing", trace.computingSeconds), ("messages under way", trace.communicatingSeconds),
        ("of these exposed", trace.exposedSeconds), ("first to last kernel", trace.seconds),
      ].map { "\($0) \(threeFigures($1 * 1e3)) ms" }.joined(separator: ", ") + "."
    return table
  }
}

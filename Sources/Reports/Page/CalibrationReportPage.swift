import Quantities

extension CalibrationFigures.Point {
  /// The same as fits of shipped tables have it.
  fileprivate var fitPoint: FitPoint {
    FitPoint(
      "\(series), \(threeFigures(size)) \(unit) (\(file):\(line))", series: series,
      measured: measuredSeconds, predicted: predictedSeconds, isFitted: isFitted)
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
    inputs = [.init("Cluster", figures.base)] + figures.files.map { .init($0.path, $0.format) }
    facts = figures.parts.enumerated().map { index, part in
      Fact(
        part.title, .share(part.meanError, key: "parts.\(index).mean_error"),
        note: "mean error; \(percent(part.worstError)) at worst")
    }
    sections = figures.traces.map { Section($0.file, [.table(Self.table(of: $0))]) }
    for part in figures.parts {
      let lead =
        "Extrapolated: \(part.extrapolated)."
        + (part.undetermined.isEmpty
          ? "" : " As in \(figures.base), since no row decides them: ")
        + part.undetermined.joined(separator: ", ")
      sections.append(
        Section(
          part.title, lead: lead,
          [.table(Self.table(of: part.constants))]
            + Self.blocks(against: part.points.map(\.fitPoint))))
    }
    guard !figures.values.isEmpty else { return }
    sections.append(Section("Measured as they are", [.table(Self.table(of: figures.values))]))
  }

  private static func table(of constants: [CalibrationFigures.Constant]) -> ReportTable {
    var table = ReportTable(
      "Constants",
      [
        .init("key", isText: true), .init("base"), .init("measured"), .init("source", isText: true),
      ])
    for one in constants {
      table.add([
        ReportFigure(one.key), ReportFigure(one.base ?? "–"), ReportFigure(one.value ?? "none"),
        ReportFigure((one.isAssumed ? "Assumed: " : "") + one.source),
      ])
    }
    return table
  }

  private static func table(of trace: CalibrationFigures.Trace) -> ReportTable {
    var table = ReportTable(
      "Kernels" + (trace.device.map { " on \($0)" } ?? ""),
      [.init("kernels", isText: true), .init("count"), .init("ms")])
    func milliseconds(_ seconds: Double) -> ReportFigure {
      ReportFigure(threeFigures(seconds * 1e3), seconds)
    }
    for kernels in trace.kernels {
      table.add([
        ReportFigure(kernels.name), .count(kernels.count), milliseconds(kernels.seconds),
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

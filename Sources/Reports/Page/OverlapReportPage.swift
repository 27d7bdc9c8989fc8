import Planning
import Plans
import Quantities
import Simulation

extension ReportPage {
  /// A pair of forward and backward before and after, and what planning it rests on.
  public init(overlap figures: OverlapFigures, _ plan: OverlapPlan) throws {
    try self.init("overlap", verdict: figures.verdict, figures: figures)
    remarks = figures.doubts
    facts = figures.facts
    inputs = figures.inputs.lines(assuming: [])
    inputs.append(.init("Order", figures.order.joined(separator: ", ")))
    let longest = max(plan.before.picoseconds, plan.after.picoseconds)
    sections = [
      Section(
        "The pair",
        lead:
          "What computes above, what is sent below it; where computation waits for an exchange, its "
          + "row says so.",
        [
          .picture(
            plan.before.picture(
              "As it is: \(milliseconds(figures.pairSeconds.published)) ms", over: longest)),
          .picture(
            plan.after.picture(
              "Planned: \(milliseconds(figures.pairSeconds.planned)) ms", over: longest)),
          .table(figures.hiddenTable),
        ]),
      Section(
        "How many multiprocessors",
        lead:
          "Few move slowly, many take from the kernels beside them. No order of the pair's kernels ends "
          + "below the bound.",
        [.picture(figures.curvePicture), .table(figures.curveTable)]),
    ]
    if let step = figures.step {
      sections.append(
        Section(
          "The whole step", lead: "Simulated with warm-up, tail and draws of load.",
          [.table(step.table)]))
    }
  }
}

private func milliseconds(_ seconds: Double) -> String { fixed(seconds * 1e3, decimals: 2) }

extension PairRun {
  fileprivate func picture(_ title: String, over longest: Int64) -> LanePicture {
    var rows = [LanePicture.Row("computation", []), LanePicture.Row("exchanges", [])]
    for span in PairPicture.joined(spans) {
      switch span.what {
      case .computes(let half):
        rows[0].spans.append(.init(half.name, span.start, span.end, half.tone))
      case .waits(let segment, _):
        rows[0].spans.append(
          .init("waits for \(segment?.rawValue ?? "a transfer")", span.start, span.end, .waiting))
      case .moves(let segment, _):
        guard let segment else { continue }
        rows[1].spans.append(.init(segment.rawValue, span.start, span.end, segment.half.tone))
      }
    }
    var picture = LanePicture(
      title, description: "The pair by stream", rows: rows, duration: longest, unit: 1_000)
    picture.group = "pair"
    picture.legend = [PairSegment.Half.forward, .backward, .weight].map {
      .init(tones: [$0.tone], text: $0.name)
    }
    picture.legend.append(.init(tones: [.waiting], text: "waits for an exchange"))
    return picture
  }
}

extension PairSegment.Half {
  fileprivate var name: String {
    switch self {
    case .forward: "forward"
    case .backward: "backward for input"
    case .weight: "backward for weight"
    }
  }

  fileprivate var tone: PageTone {
    switch self {
    case .forward: .pass(.forward)
    case .backward: .pass(.backwardInput)
    case .weight: .pass(.backwardWeight)
    }
  }
}

extension OverlapFigures {
  fileprivate var verdict: String {
    let (before, after) = (pairSeconds.published, pairSeconds.planned)
    guard survives, after < before else {
      return "No order of a pair of \(model) is predicted faster than the plan's own, "
        + "\(milliseconds(before)) ms, over the whole range of what is not known."
    }
    return "A pair of \(model) is predicted to take \(milliseconds(after)) ms in place of "
      + "\(milliseconds(before)), with \(multiprocessors.planned) multiprocessors for exchanges."
  }

  fileprivate var doubts: [String] {
    ends.map { end in
      "If a multiprocessor of an exchange moves what the \(end.end) end of its range says, the pair takes "
        + "\(milliseconds(end.pairSeconds.published)) ms as it is and "
        + "\(milliseconds(end.pairSeconds.planned)) planned."
    }
  }

  fileprivate var facts: [ReportPage.Fact] {
    [
      .init(
        "Pair",
        .init(
          "\(milliseconds(pairSeconds.planned)) ms", pairSeconds.planned,
          key: "pair_seconds.planned"),
        note: "\(milliseconds(pairSeconds.published)) as it is"),
      .init(
        "Bound", .init("\(milliseconds(boundSeconds)) ms", boundSeconds, key: "bound_seconds"),
        note: "\(percent(gap, decimals: 2)) below the planned pair"),
      .init(
        "Multiprocessors", .count(multiprocessors.planned, key: "multiprocessors.planned"),
        note: "\(multiprocessors.published) as it is"),
      .init(
        "Hidden", .share(hiddenShare.planned, key: "hidden_share.planned"),
        note: "\(percent(hiddenShare.published)) as it is"),
    ]
  }

  fileprivate var hiddenTable: ReportTable {
    var table = ReportTable(
      "Exchanges",
      [
        .init("exchange", isText: true), .init("as it is, ms"), .init("hidden"),
        .init("planned, ms"), .init("hidden"),
      ])
    for (index, kind) in hidden.enumerated() {
      let key = "hidden.\(index)."
      table.add([
        ReportFigure(kind.kind),
        .init(
          milliseconds(kind.seconds.published), kind.seconds.published,
          key: key + "seconds.published"),
        .share(kind.hiddenShare.published, key: key + "hidden_share.published"),
        .init(
          milliseconds(kind.seconds.planned), kind.seconds.planned, key: key + "seconds.planned"),
        .share(kind.hiddenShare.planned, key: key + "hidden_share.planned"),
      ])
    }
    return table
  }

  fileprivate var curvePicture: PlotPicture {
    func line(
      _ name: String, _ index: Int, _ value: (Point) -> Double
    ) -> PlotPicture.Series {
      PlotPicture.Series(
        name, .line, .series(index),
        curve.map { point in
          PlotPicture.Point(
            Double(point.multiprocessors), value(point) * 1e3,
            "\(name), \(point.multiprocessors): \(milliseconds(value(point))) ms")
        })
    }
    let series = [
      line("as it is", 0, \.publishedSeconds), line("planned", 1, \.plannedSeconds),
      line("bound", 2, \.boundSeconds),
    ]
    let places = curve.map { Double($0.multiprocessors) }
    let highest = series.flatMap(\.points).map(\.y).max() ?? 1
    return PlotPicture(
      "Time of the pair", description: "Milliseconds over multiprocessors of exchanges",
      x: .init(
        "multiprocessors of exchanges", (places.min() ?? 0)...(places.max() ?? 1),
        text: { decimal($0) }),
      y: .init("ms", 0...highest * 1.05, text: { decimal($0) }), series: series)
  }

  fileprivate var curveTable: ReportTable {
    var table = ReportTable(
      "Every split, ms",
      ["multiprocessors", "as it is", "planned", "in pairs", "bound", "computes", "moves"].map {
        .init($0)
      })
    for (index, point) in curve.enumerated() {
      func cell(_ value: Double, _ key: String) -> ReportFigure {
        .init(milliseconds(value), value, key: "curve.\(index).\(key)")
      }
      table.add([
        .count(point.multiprocessors, key: "curve.\(index).multiprocessors"),
        cell(point.publishedSeconds, "published_seconds"),
        cell(point.plannedSeconds, "planned_seconds"),
        cell(point.pairwiseSeconds, "pairwise_seconds"), cell(point.boundSeconds, "bound_seconds"),
        cell(point.computingSeconds, "computing_seconds"),
        cell(point.movingSeconds, "moving_seconds"),
      ])
    }
    return table
  }
}

extension OverlapFigures.Step {
  fileprivate var table: ReportTable {
    var table = ReportTable(
      "Steps",
      [.init("what differs", isText: true), .init("step, s"), .init("fullest rank, GiB")])
    table.add([
      ReportFigure("as it is"), .seconds(seconds.published, key: "step.seconds.published"),
      .gibibytes(peakBytes.published, key: "step.peak_bytes.published"),
    ])
    for (index, step) in tried.enumerated() {
      table.add([
        ReportFigure(step.change), .seconds(step.seconds, key: "step.tried.\(index).seconds"),
        .gibibytes(step.peakBytes, key: "step.tried.\(index).peak_bytes"),
      ])
    }
    table.note = isChanged ? "" : "The plan as it is remains the fastest that fits."
    return table
  }
}

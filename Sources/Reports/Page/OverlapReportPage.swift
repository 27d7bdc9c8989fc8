import Planning
import Plans
import Quantities
import Simulation

extension ReportPage {
  /// What planning a pair of forward and backward comes to, without what only its runs show.
  public init(overlap figures: OverlapFigures) throws {
    try self.init("overlap", verdict: figures.verdict, figures: figures)
    remarks = figures.doubts
    facts = figures.facts
    inputs = figures.inputs.lines(assuming: [])
    inputs.append(
      .init("Order", "\(figures.order.count) segments", details: figures.order, in: .foot))
    sections = [
      Section(
        "The pair",
        lead:
          "What computes above, what is sent below it; where computation waits for an exchange, its "
          + "row says so.", [.table(figures.pairTable)]),
      Section("How sure that is", [.text(figures.bounds)]),
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

  /// The same with the pair before and after, over time.
  public init(overlap figures: OverlapFigures, _ plan: OverlapPlan) throws {
    try self.init(overlap: figures)
    let longest = max(plan.before.picoseconds, plan.after.picoseconds)
    let (before, after) = (figures.pairSeconds.published, figures.pairSeconds.planned)
    sections[0].blocks.insert(
      contentsOf: [
        .picture(
          plan.before.picture("As it is: \(figures.milliseconds(before)) ms", over: longest)),
        .picture(plan.after.picture("Planned: \(figures.milliseconds(after)) ms", over: longest)),
      ], at: 0)
  }
}

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
    [
      "Plan \(plan): forward of stage \(forwardStage) beside backward of stage \(backwardStage), "
        + "balanced loads."
    ]
      + ends.map { end in
        "If a multiprocessor of an exchange moves what the \(end.end) end of its range says, the pair "
          + "takes \(milliseconds(end.pairSeconds.published)) ms as it is and "
          + "\(milliseconds(end.pairSeconds.planned)) planned; known beforehand, the best were "
          + "\(end.best.multiprocessors) multiprocessors and "
          + "\(milliseconds(end.best.plannedSeconds)) ms."
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

  fileprivate var pairTable: ReportTable {
    var table = ReportTable(
      "Before and after", [.init("what", isText: true), .init("as it is"), .init("planned")])
    func add<Value>(
      _ name: String, _ change: Change<Value>, _ key: String,
      _ figure: (Value, String) -> ReportFigure
    ) {
      table.add([
        ReportFigure(name), figure(change.published, "\(key).published"),
        figure(change.planned, "\(key).planned"),
      ])
    }
    let time: (Double, String) -> ReportFigure = {
      .init(milliseconds($0), $0, key: $1)
    }
    let share: (Double, String) -> ReportFigure = { .share($0, key: $1) }
    let bytes: (Int, String) -> ReportFigure = { .gibibytes($0, key: $1) }
    add("pair, ms", pairSeconds, "pair_seconds", time)
    add("multiprocessors of exchanges", multiprocessors, "multiprocessors") { .count($0, key: $1) }
    add("exchanges hidden", hiddenShare, "hidden_share", share)
    for (index, kind) in hidden.enumerated() where kind.seconds.published > 0 {
      add("\(kind.kind), ms", kind.seconds, "hidden.\(index).seconds", time)
      add("\(kind.kind), hidden", kind.hiddenShare, "hidden.\(index).hidden_share", share)
    }
    add("held at most beyond its start, GiB", pairPeakBytes, "pair_peak_bytes", bytes)
    if let step {
      add("whole step, s", step.seconds, "step.seconds") {
        .init(fixed($0, decimals: 4), $0, key: $1)
      }
      add("exchanges exposed in the step, s", step.exposedSeconds, "step.exposed_seconds") {
        .init(fixed($0, decimals: 4), $0, key: $1)
      }
      add("fullest rank, GiB", step.peakBytes, "step.peak_bytes", bytes)
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
    let values = series.flatMap(\.points).map(\.y)
    let (low, high) = (values.min() ?? 0, values.max() ?? 1)
    // What the lines are apart is small beside what they are.
    let margin = max((high - low) * 0.06, high * 0.01)
    return PlotPicture(
      "Time of the pair", description: "Milliseconds over multiprocessors of exchanges",
      x: .init(
        "multiprocessors of exchanges", (places.min() ?? 0)...(places.max() ?? 1),
        text: { decimal($0) }),
      y: .init("ms", low - margin...high + margin, text: { decimal($0) }), series: series)
  }

  fileprivate var curveTable: ReportTable {
    var table = ReportTable(
      "Every split, ms",
      [.init("multiprocessors", short: "SMs")]
        + ["as it is", "planned", "in pairs", "bound", "computes", "moves"].map { .init($0) }
        + [.init("which", short: "", isText: true)])
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
        ReportFigure(
          point.multiprocessors == multiprocessors.planned
            ? "planned" : point.multiprocessors == multiprocessors.published ? "as it is" : ""),
      ])
    }
    table.bars = 2
    return table
  }
}

extension OverlapFigures.Step {
  fileprivate var table: ReportTable {
    var table = ReportTable(
      "Steps",
      [
        .init("what differs", isText: true), .init("step, s"), .init("fullest rank, GiB"),
        .init("fits", isText: true),
      ])
    func time(_ value: Double, _ key: String) -> ReportFigure {
      ReportFigure(fixed(value, decimals: 4), value, key: key)
    }
    table.add([
      ReportFigure("as it is"), time(seconds.published, "step.seconds.published"),
      .gibibytes(peakBytes.published, key: "step.peak_bytes.published"),
      ReportFigure(fits.published ? "yes" : "no"),
    ])
    for index in fastestFirst {
      let step = tried[index]
      table.add([
        ReportFigure(step.change), time(step.seconds, "step.tried.\(index).seconds"),
        .gibibytes(step.peakBytes, key: "step.tried.\(index).peak_bytes"),
        ReportFigure(step.fits ? "yes" : "no"),
      ])
    }
    return table
  }
}

import Quantities

extension ReportPage {
  /// A step, or the best plan, over one or two values.
  public init(sweep figures: SweepFigures) throws {
    try self.init("sweep", verdict: figures.verdict, figures: figures)
    remarks = figures.notes
    inputs = figures.inputs.lines(assuming: [])
    for axis in figures.axes {
      inputs.append(.init("Swept", "\(axis.key): \(axis.values.joined(separator: ", "))"))
    }
    let what = figures.isSearched ? "the best plan" : "the step"
    sections = [
      Section(
        "Seconds of \(what)",
        lead: figures.axes.count > 1
          ? "A line for every \(figures.axes[1].key)." : "A point for every place.",
        [
          .picture(
            figures.plot("Seconds of a step", "s", { $0.stepSeconds }) {
              fixed($0, decimals: 3) + " s"
            }),
          .table(figures.table),
        ])
    ]
    if figures.points.contains(where: { $0.mfu != nil }) {
      sections.append(
        Section(
          "What it is worth",
          [
            .picture(
              figures.plot("Model FLOPs over the peak", "MFU", { $0.mfu }) { percent($0) }),
            .picture(
              figures.plot(
                "Memory of the fullest rank", "GiB",
                {
                  $0.peakBytes.map { Double($0) / 0x1p30 }
                }
              ) { fixed($0, decimals: 1) + " GiB" }),
          ]))
    }
    if !figures.findings.isEmpty {
      sections.append(Section("What changes from place to place", [.text(figures.findings)]))
    }
  }
}

extension SweepFigures {
  fileprivate var verdict: String {
    let known = points.filter { $0.stepSeconds != nil }
    guard let best = known.min(by: { ($0.stepSeconds ?? 0) < ($1.stepSeconds ?? 0) }),
      let worst = known.max(by: { ($0.stepSeconds ?? 0) < ($1.stepSeconds ?? 0) }),
      let low = best.stepSeconds, let high = worst.stepSeconds
    else { return "No place has a step." }
    func place(_ point: Point) -> String {
      zip(axes, point.values).map { "\($0.key) \($1)" }.joined(separator: ", ")
    }
    guard high > low * 1.0005 else {
      return "The step takes \(fixed(low, decimals: 3)) s at every place."
    }
    return "The step takes \(fixed(low, decimals: 3)) s at \(place(best)), and "
      + "\(fixed(high, decimals: 3)) s at \(place(worst))."
  }

  /// A line for each value of the second axis over those of the first.
  fileprivate func plot(
    _ title: String, _ unit: String, _ value: (Point) -> Double?,
    text: @escaping @Sendable (Double) -> String
  ) -> PlotPicture {
    let places = axes[0].places
    let count = axes.count > 1 ? axes[1].values.count : 1
    let series = (0..<count).map { line -> PlotPicture.Series in
      let dots = places.indices.compactMap { index -> PlotPicture.Point? in
        let point = points[index * count + line]
        guard let height = value(point) else { return nil }
        let name = "\(point.values.joined(separator: ", ")): \(text(height))"
        return PlotPicture.Point(
          places[index], height, name + (point.fits == false ? "\ndoes not fit" : ""))
      }
      return PlotPicture.Series(
        axes.count > 1 ? axes[1].values[line] : title, .line, .series(line), dots)
    }
    let heights = series.flatMap(\.points).map(\.y)
    let (low, high) = (heights.min() ?? 0, heights.max() ?? 1)
    // Where everything lies close together, the scale does not begin at zero.
    let isClose = high - low < 0.25 * high && high > low
    let bottom = isClose ? low - (high - low) * 0.3 : 0
    let top = high + (isClose ? (high - low) * 0.15 : high * 0.05)
    var x = PlotPicture.Scale(
      axes[0].key, (places.min() ?? 0)...(places.max() ?? 1), text: { decimal($0) })
    if places.count <= 12 {
      x.names = zip(places, axes[0].values).map { (value: $0, text: $1) }
    }
    return PlotPicture(
      title, description: "\(title) over \(axes.map(\.key).joined(separator: " and "))", x: x,
      y: .init(
        unit, bottom...max(top, bottom + 1e-12), text: { isClose ? decimal($0) : threeFigures($0) }),
      series: series)
  }

  fileprivate var table: ReportTable {
    var table = ReportTable(
      "Every place",
      axes.map { .init($0.key) } + [
        .init("step, s"), .init("MFU"), .init("tokens/s and GPU", short: "tok/s/GPU"),
        .init("peak, GiB"), .init("US$ a trillion tokens", short: "US$/T"),
      ] + (points.contains { $0.fits == false } ? [.init("fits", isText: true)] : [])
        + (isSearched ? [.init("best plan", isText: true)] : [])
        + (points.contains { $0.reason != nil } ? [.init("why none", isText: true)] : []))
    for (index, point) in points.enumerated() {
      func cell(_ value: Double?, _ key: String, _ text: (Double) -> String) -> ReportFigure {
        value.map { ReportFigure(text($0), $0, key: "points.\(index).\(key)") } ?? ReportFigure("–")
      }
      var cells = zip(axes, point.values).map { axis, text in
        ReportFigure(text, axis.isNumeric ? Axis.number(text) : nil)
      }
      cells += [
        cell(point.stepSeconds, "step_seconds") { fixed($0, decimals: 3) },
        cell(point.mfu, "mfu") { percent($0) },
        cell(point.tokensPerSecondPerGpu, "tokens_per_second_per_gpu") { tokenRate($0) },
        cell(point.peakBytes.map(Double.init), "peak_bytes") { fixed($0 / 0x1p30, decimals: 1) },
        cell(point.usDollarsPerTrillionTokens, "us_dollars_per_trillion_tokens") { large($0) },
      ]
      if points.contains(where: { $0.fits == false }) {
        cells.append(ReportFigure(point.fits.map { $0 ? "yes" : "no" } ?? "–"))
      }
      if isSearched { cells.append(ReportFigure(point.name ?? "")) }
      if points.contains(where: { $0.reason != nil }) {
        cells.append(ReportFigure(point.reason ?? ""))
      }
      table.add(cells)
    }
    table.bars = axes.count
    return table
  }
}

extension SweepFigures.Axis {
  /// The number that a value begins with.
  static func number(_ text: String) -> Double? {
    text.split(separator: " ").first.flatMap { Double($0) }
  }

  /// Whether all values are different numbers of one and the same unit.
  var isNumeric: Bool {
    let numbers = values.compactMap(Self.number)
    let units = Set(values.map { $0.split(separator: " ").dropFirst().joined() })
    return numbers.count == values.count && units.count == 1 && Set(numbers).count == numbers.count
  }

  /// Places on a scale: the numbers of the values, else their positions.
  var places: [Double] {
    isNumeric ? values.compactMap(Self.number) : values.indices.map(Double.init)
  }
}

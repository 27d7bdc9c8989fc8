import Engines
import Quantities
import Simulation

extension ReportPage {
  /// A step of CPU ranks as it is simulated, without what happens when.
  public init(predicted figures: PredictionFigures, _ inputs: Inputs) throws {
    try self.init("simulate", verdict: figures.verdict, figures: figures)
    facts = figures.facts
    self.inputs = inputs.lines(assuming: [])
    sections = figures.sections
  }

  /// The same with its ranks over time.
  ///
  /// - Parameter lanes: see `ProcessorStep.picture`.
  public init(
    predicted figures: PredictionFigures, _ inputs: Inputs, _ lanes: LanePicture
  ) throws {
    try self.init(predicted: figures, inputs)
    sections.insert(
      Section(
        "The step",
        lead: "Every row is a rank, every box an action: its pass by colour.", [.picture(lanes)]),
      at: 0)
  }

  /// A real step beside what was predicted of it, which `train --predict` says behind the run.
  public init(compared figures: PredictionFigures) throws {
    try self.init("train", verdict: figures.verdict, figures: figures)
    facts = figures.facts
    sections = figures.sections
  }
}

extension ProcessorStep {
  /// The most ranks that are drawn.
  private static let mostRanks = 32

  /// What every rank does when, of many ranks some that are evenly chosen.
  public func picture(_ outcome: Outcome) -> LanePicture {
    let pipelines = placed.plan.worldSize / input.ranks.count
    let rows = StepLanes.spread(outcome.timelines.count, most: Self.mostRanks).map { rank in
      let lanes = StepLanes(
        input, placed.schedule, duration: 1, [(rank / pipelines, outcome.timelines[rank])])
      var row = lanes.overview("").rows[0]
      row.label = "rank \(rank)"
      row.identifier = nil
      return row
    }
    let all = outcome.timelines.count
    let some = rows.count < all ? ", \(rows.count) of \(grouped(all))" : ""
    var picture = LanePicture(
      "The step by rank\(some)", description: "What every rank does in the simulated step",
      rows: rows, duration: rows.flatMap(\.spans).map(\.end).max() ?? 1)
    picture.legend = StepLanes.plainLegend
    return picture
  }
}

extension PredictionFigures {
  fileprivate var verdict: String {
    let simulated =
      "A step of \(model) takes \(Self.milliseconds(predictedSeconds)) ms as simulated on "
      + "\(counted(ranks, "CPU rank")) of \(cluster)"
    guard let measured else { return simulated + "." }
    return "\(simulated), and \(Self.milliseconds(measured.stepSeconds)) ms as measured: "
      + "predicted \(signedPercent(measured.error))."
  }

  fileprivate var facts: [ReportPage.Fact] {
    var facts = [
      ReportPage.Fact(
        "Step",
        .init(
          "\(Self.milliseconds(predictedSeconds)) ms", predictedSeconds, key: "predicted_seconds"),
        note: "as simulated, \(fixed(tokensPerSecond, decimals: 0)) tokens/s")
    ]
    if let measured {
      let quartiles = measured.quartiles.map(Self.milliseconds)
      facts.append(
        .init(
          "Measured",
          .init(
            "\(Self.milliseconds(measured.stepSeconds)) ms", measured.stepSeconds,
            key: "measured.step_seconds"),
          note:
            "median of \(counted(measured.steps, "step")), quartiles "
            + "\(quartiles.joined(separator: " and "))"))
    }
    return facts
  }

  fileprivate var sections: [ReportPage.Section] {
    [
      .init(
        "Where the time goes",
        lead: measured == nil
          ? "Seconds of every rank by what it does."
          : "Seconds of every simulated rank by what it does; the table has the mean of ranks, beside "
            + "the step that was recorded.",
        [.picture(rankPicture), .table(partsTable), .table(rankTable)]),
      .init(
        "Kernels",
        lead: measured == nil
          ? "The classes of kernels that take most, in the mean of ranks."
          : "The classes of kernels that lie furthest apart first, in the mean of ranks.",
        [.picture(kernelPicture), .table(kernelTable)]),
    ]
  }

  // MARK: Parts

  private struct Kind {
    var name: String
    var key: String
    var path: KeyPath<Parts, Double>
    var tone: PageTone
  }

  private static var kinds: [Kind] {
    [
      .init(name: "matrix products", key: "products", path: \.products, tone: .series(0)),
      .init(name: "attention", key: "attention", path: \.attention, tone: .series(1)),
      .init(name: "other kernels", key: "kernels", path: \.kernels, tone: .series(2)),
      .init(name: "engine, beside kernels", key: "engine", path: \.engine, tone: .pale),
      .init(name: "messages", key: "messages", path: \.messages, tone: .transfer),
      .init(name: "waiting for peers", key: "waiting", path: \.waiting, tone: .waiting),
    ]
  }

  /// The most ranks that have a bar.
  private static let mostBars = 64

  private var rankPicture: BarPicture {
    let shown = StepLanes.spread(partsByRank.count, most: Self.mostBars)
    return BarPicture(
      "Time of the ranks", description: "Seconds of every rank by what it does",
      bars: shown.map { rank in
        (
          "rank \(rank)",
          Self.kinds.map { .init($0.name, partsByRank[rank][keyPath: $0.path], $0.tone) }
        )
      }, text: { LanePicture.time($0) })
  }

  private var rankTable: ReportTable {
    var table = ReportTable(
      "Milliseconds of every rank", [.init("rank")] + Self.kinds.map { .init($0.name) })
    table.isAside = true
    table.shown = 12
    for (rank, parts) in partsByRank.enumerated() {
      table.add(
        [ReportFigure("\(rank)", Double(rank))]
          + Self.kinds.map {
            Self.figure(parts[keyPath: $0.path], "parts_by_rank.\(rank).\($0.key)")
          })
    }
    return table
  }

  private var partsTable: ReportTable {
    var table = ReportTable("Milliseconds in the mean of ranks", columns("part"))
    for kind in Self.kinds {
      add(
        kind.name, (parts[keyPath: kind.path], "parts.\(kind.key)"),
        measured.map { ($0.parts[keyPath: kind.path], "measured.parts.\(kind.key)") }, to: &table)
    }
    return table
  }

  // MARK: Kernels

  /// The most classes of kernels that are shown before somebody asks for more.
  private static let mostClasses = 10

  /// The classes of kernels that take most, or that lie furthest apart, first, with their places.
  private var sortedClasses: [(offset: Int, element: Class)] {
    func weight(_ item: Class) -> Double {
      item.measuredSeconds.map { abs($0 - item.predictedSeconds) } ?? item.predictedSeconds
    }
    return classes.enumerated().sorted {
      (weight($0.element), $1.offset) > (weight($1.element), $0.offset)
    }
  }

  private var kernelPicture: BarPicture {
    let shown = sortedClasses.prefix(Self.mostClasses).map(\.element)
    return BarPicture(
      "Time of kernels", description: "Mean seconds of the ranks by class of kernels",
      bars: shown.flatMap { item -> [(label: String, parts: [BarPicture.Part])] in
        let simulated = (
          item.kernel, [BarPicture.Part("simulated", item.predictedSeconds, .accent)]
        )
        guard let seconds = item.measuredSeconds else { return [simulated] }
        return [simulated, ("", [.init("recorded step", seconds, .series(1))])]
      }, text: { LanePicture.time($0) })
  }

  private var kernelTable: ReportTable {
    var table = ReportTable(
      measured == nil ? "Kernels" : "Where they part", columns("class of kernels"))
    // What is compared stands behind a run, which has no --json to show the others.
    table.shown = measured == nil ? Self.mostClasses : nil
    for (index, item) in sortedClasses {
      add(
        item.kernel, (item.predictedSeconds, "classes.\(index).predicted_seconds"),
        item.measuredSeconds.map { ($0, "classes.\(index).measured_seconds") }, to: &table)
    }
    return table
  }

  // MARK: Rows

  private func columns(_ first: String) -> [ReportTable.Column] {
    [.init(first, isText: true), .init("simulated")]
      + (measured == nil ? [] : [.init("recorded step"), .init("apart")])
  }

  /// A row with what was predicted, and what was recorded beside it.
  private func add(
    _ name: String, _ predicted: (seconds: Double, key: String),
    _ recorded: (seconds: Double, key: String)?, to table: inout ReportTable
  ) {
    var cells = [ReportFigure(name), Self.figure(predicted.seconds, predicted.key)]
    if let recorded {
      let apart = predicted.seconds - recorded.seconds
      cells += [
        Self.figure(recorded.seconds, recorded.key),
        ReportFigure((apart < 0 ? "" : "+") + Self.milliseconds(apart), apart),
      ]
    }
    table.add(cells)
  }

  private static func milliseconds(_ seconds: Double) -> String {
    fixed(seconds * 1e3, decimals: 3)
  }

  private static func figure(_ seconds: Double, _ key: String) -> ReportFigure {
    ReportFigure(milliseconds(seconds), seconds, key: key)
  }
}

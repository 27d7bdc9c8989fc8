import Quantities

extension ReportPage {
  /// A whole run that things happen to.
  public init(forecast figures: ForecastFigures) throws {
    try self.init("forecast", verdict: figures.verdict, figures: figures)
    remarks = figures.remarks
    inputs = figures.inputs.lines(assuming: figures.assumptions)
    facts = [
      figures.wallFact,
      Fact(
        "Failures",
        .init(ForecastFigures.sized(figures.failures), figures.failures, key: "failures"),
        note: "in the mean"),
      Fact("Goodput", .share(figures.goodput, key: "goodput")),
      Fact(
        "GPU-hours", .init(figures.thousands(figures.gpuHours), figures.gpuHours, key: "gpu_hours"),
        note: "steps alone \(figures.thousands(figures.productiveGpuHours))"),
      figures.priceFact,
    ]
    sections = [
      Section(
        "Where the time goes", lead: "Means of all runs.",
        [.picture(figures.lostPicture), .table(figures.lostTable)]),
      Section(
        "Phases", lead: "Each step that differs is simulated once.",
        [
          .picture(figures.phasePicture), .table(figures.phaseTable), .table(figures.settingTable),
        ]),
      Section("Failures and checkpoints", [.text(figures.sentences)]),
    ]
    if !figures.endings.isEmpty {
      sections.insert(
        Section(
          "How sure that is",
          lead: "Each run has failures of its own; the line says what share of "
            + (figures.unfinishedRuns > 0 ? "those that end" : "runs") + " has ended by then.",
          [.picture(figures.spreadPicture)]), at: 1)
    }
    guard !figures.sensitivities.isEmpty else { return }
    sections.append(
      Section(
        "What would help",
        lead: "One thing better at a time, with the same chance"
          + (figures.unfinishedRuns > 0 ? ", of runs that end either way." : "."),
        [.table(figures.improvementTable)]))
  }
}

extension ForecastFigures {
  private static let tones: [PageTone] = (0..<7).map { .series($0) }

  fileprivate var wallFact: ReportPage.Fact {
    let unit = unit
    guard let wall = wallSeconds else {
      return .init(unit.title, ReportFigure("–"), note: "no run came to an end")
    }
    return .init(
      unit.title, .init(unit.number(wall.mean), wall.mean, key: "wall_seconds.mean"),
      note: "\(unit.number(wall.p5)) to \(unit.number(wall.p95)) of nine runs in ten")
  }

  /// Millions, or dollars where they are few.
  fileprivate var priceFact: ReportPage.Fact {
    let isMuch = usDollars >= 1e5
    return .init(
      isMuch ? "Million US$" : "US$",
      .init(
        isMuch
          ? fixed(usDollars / 1e6, decimals: 3)
          : usDollars < 10_000 ? Self.sized(usDollars) : grouped(Int(usDollars.rounded())),
        usDollars, key: "us_dollars"),
      note: "at \(decimal(usDollarsPerGpuHour)) an hour")
  }

  fileprivate var lostPicture: BarPicture {
    let unit = partUnit
    let parts = lostParts.enumerated().map { index, part in
      BarPicture.Part(part.name, part.seconds / unit.seconds, Self.tones[index + 1])
    }
    return BarPicture(
      "\(unit.title) that are no steps", description: "Lost time by what it was lost to",
      bars: parts.map { ($0.name, [$0]) }, text: { "\(fixed($0, decimals: 1)) \(unit.name)" })
  }

  fileprivate var lostTable: ReportTable {
    var table = ReportTable(
      "Where the time goes",
      [
        .init("what", isText: true), .init(partUnit.name), .init("share"),
        .init("what it is", short: "", isText: true),
      ])
    let whole = max(elapsedSeconds, 1e-9)
    table.add([
      ReportFigure("steps"),
      ReportFigure(
        part(productiveSeconds), productiveSeconds, key: "productive_seconds"),
      .share(productiveSeconds / whole), ReportFigure("each done once"),
    ])
    if undoneSeconds > 0 {
      table.add([
        ReportFigure("of them never done"),
        ReportFigure(part(undoneSeconds), undoneSeconds, key: "undone_seconds"),
        ReportFigure(""), ReportFigure("of runs that were given up"),
      ])
    }
    for part in lostParts {
      table.add([
        ReportFigure(part.name),
        ReportFigure(
          self.part(part.seconds), part.seconds,
          key: "lost_seconds.\(part.name)"),
        .share(part.seconds / whole), ReportFigure(part.words),
      ])
    }
    return table
  }

  /// The share of runs that has ended by a time, at no more than 200 places.
  fileprivate var spreadPicture: PlotPicture {
    let unit = unit
    let times = endings.map { $0 / unit.seconds }
    let count = min(200, times.count)
    let points = (0..<count).map { place -> PlotPicture.Point in
      let index = count < 2 ? 0 : place * (times.count - 1) / (count - 1)
      let share = Double(index + 1) / Double(times.count)
      let time = fixed(times[index], decimals: 2)
      return PlotPicture.Point(
        times[index], share, "\(percent(share)) within \(time) \(unit.name)")
    }
    return PlotPicture(
      "Share of runs that have ended", description: "Share of runs that have ended by a time",
      x: .init(
        unit.name, (times.first ?? 0)...(times.last ?? 1),
        text: { fixed($0, decimals: 2) }),
      y: .init("share", 0...1, text: { percent($0, decimals: 0) }),
      series: [.init("runs", .line, .series(0), points)])
  }

  fileprivate var phasePicture: BarPicture {
    BarPicture(
      "GPU-hours of the phases", description: "GPU-hours of steps and of what was lost, by phase",
      bars: phases.map { phase in
        (
          phase.name,
          [
            BarPicture.Part("steps", phase.productiveGpuHours, .series(0)),
            BarPicture.Part("lost", max(0, phase.gpuHours - phase.productiveGpuHours), .series(3)),
          ]
        )
      }, text: { $0 < 10 ? Self.sized($0) : grouped(Int($0.rounded())) })
  }

  fileprivate var phaseTable: ReportTable {
    var table = ReportTable(
      "Phases",
      [
        .init("phase", isText: true), .init("steps"), .init("GPU-hours of steps"),
        .init("GPU-hours"), .init(unit.name),
      ])
    for (number, phase) in phases.enumerated() {
      let key = "phases.\(number)."
      table.add([
        ReportFigure(phase.name), .count(phase.steps, key: key + "steps"),
        ReportFigure(
          thousands(phase.productiveGpuHours), phase.productiveGpuHours,
          key: key + "productive_gpu_hours"),
        ReportFigure(thousands(phase.gpuHours), phase.gpuHours, key: key + "gpu_hours"),
        ReportFigure(unit.number(phase.wallSeconds), phase.wallSeconds, key: key + "wall_seconds"),
      ])
    }
    return table
  }

  fileprivate var settingTable: ReportTable {
    var table = ReportTable(
      "Every step that differs",
      [
        .init("phase", isText: true), .init("batch"), .init("sequence"), .init("steps"),
        .init("step, s"), .init("MFU"), .init("GPU-hours of steps"),
        .init("fits", isText: true),
      ])
    for (number, phase) in phases.enumerated() {
      for (index, setting) in phase.settings.enumerated() {
        let key = "phases.\(number).settings.\(index)"
        table.add([
          ReportFigure(phase.name), .count(setting.globalBatch, key: "\(key).global_batch"),
          .count(setting.sequenceTokens, key: "\(key).sequence_tokens"),
          .count(setting.steps, key: "\(key).steps"),
          ReportFigure(
            Self.stepText(setting.stepSeconds), setting.stepSeconds, key: "\(key).step_seconds"),
          setting.mfu.map { .share($0, key: "\(key).mfu") } ?? ReportFigure("–"),
          hours(Double(setting.steps) * setting.stepSeconds),
          ReportFigure(setting.fits.map { $0 ? "yes" : "no" } ?? "–"),
        ])
      }
    }
    return table
  }

  /// Seconds with three decimals, of a shorter step three figures.
  private static func stepText(_ seconds: Double) -> String {
    seconds < 0.1 ? threeFigures(seconds) : fixed(seconds, decimals: 3)
  }

  /// GPU-hours of all devices over some seconds.
  private func hours(_ seconds: Double) -> ReportFigure {
    let value = seconds * Double(gpus) / 3600
    return ReportFigure(thousands(value), value)
  }

  fileprivate var improvementTable: ReportTable {
    let unit = savingUnit
    var table = ReportTable(
      "What would help, \(unit.name) saved",
      [.init("what", isText: true), .init(unit.name), .init("±")])
    for (index, item) in sensitivities.enumerated() {
      table.add([
        ReportFigure(item.change),
        ReportFigure(
          unit.number(item.savedHours * 3600, decimals: 1), item.savedHours,
          key: "sensitivities.\(index).saved_hours"),
        ReportFigure(
          unit.number(item.standardError * 3600, decimals: 1), item.standardError,
          key: "sensitivities.\(index).standard_error"),
      ])
    }
    return table
  }
}

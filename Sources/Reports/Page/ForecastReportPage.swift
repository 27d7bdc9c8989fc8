import Quantities

extension ReportPage {
  /// A whole run that things happen to.
  public init(forecast figures: ForecastFigures) throws {
    try self.init("forecast", verdict: figures.verdict, figures: figures)
    remarks = figures.remarks
    inputs = figures.inputs.lines(assuming: figures.assumptions)
    facts = [
      Fact(
        "Days",
        .init(
          figures.days(figures.wallSeconds.mean), figures.wallSeconds.mean,
          key: "wall_seconds.mean"),
        note:
          "\(figures.days(figures.wallSeconds.p5)) to \(figures.days(figures.wallSeconds.p95)) of nine "
          + "runs in ten"),
      Fact(
        "Failures",
        .init(fixed(figures.failures, decimals: 1), figures.failures, key: "failures"),
        note: "in the mean"),
      Fact("Goodput", .share(figures.goodput, key: "goodput")),
      Fact(
        "GPU-hours", .init(figures.thousands(figures.gpuHours), figures.gpuHours, key: "gpu_hours"),
        note: "steps alone \(figures.thousands(figures.productiveGpuHours))"),
      Fact(
        "Million US$",
        .init(fixed(figures.usDollars / 1e6, decimals: 3), figures.usDollars, key: "us_dollars"),
        note: "at \(decimal(figures.usDollarsPerGpuHour)) an hour"),
    ]
    sections = [
      Section(
        "Where the time goes", lead: "Means of all runs.",
        [.picture(figures.lostPicture), .table(figures.lostTable)]),
      Section(
        "How sure that is",
        lead: "Each run has failures of its own; the line says what share of runs ends by a day.",
        [.picture(figures.spreadPicture)]),
      Section(
        "Phases", lead: "Each step that differs is simulated once.",
        [
          .picture(figures.phasePicture), .table(figures.phaseTable), .table(figures.settingTable),
        ]),
      Section("Failures and checkpoints", [.text(figures.sentences)]),
    ]
    guard !figures.sensitivities.isEmpty else { return }
    sections.append(
      Section(
        "What would help", lead: "One thing better at a time, with the same chance.",
        [.table(figures.improvementTable)]))
  }
}

extension ForecastFigures {
  private static let tones: [PageTone] = (0..<7).map { .series($0) }

  fileprivate var lostPicture: BarPicture {
    let parts = lostParts.enumerated().map { index, part in
      BarPicture.Part(part.name, part.seconds / 3600, Self.tones[index + 1])
    }
    return BarPicture(
      "Hours that are no steps", description: "Lost hours by what they were lost to",
      bars: parts.map { ($0.name, [$0]) }, text: { fixed($0, decimals: 1) + " h" })
  }

  fileprivate var lostTable: ReportTable {
    var table = ReportTable(
      "Where the time goes",
      [
        .init("what", isText: true), .init("hours"), .init("share"),
        .init("what it is", short: "", isText: true),
      ])
    let whole = max(wallSeconds.mean, 1e-9)
    table.add([
      ReportFigure("steps"),
      ReportFigure(
        fixed(productiveSeconds / 3600, decimals: 2), productiveSeconds, key: "productive_seconds"),
      .share(productiveSeconds / whole), ReportFigure("each done once"),
    ])
    if undoneSeconds > 0 {
      table.add([
        ReportFigure("of them never done"),
        ReportFigure(
          fixed(undoneSeconds / 3600, decimals: 2), undoneSeconds, key: "undone_seconds"),
        ReportFigure(""), ReportFigure("of runs that were given up"),
      ])
    }
    for part in lostParts {
      table.add([
        ReportFigure(part.name),
        ReportFigure(
          fixed(part.seconds / 3600, decimals: 2), part.seconds,
          key: "lost_seconds.\(part.name)"),
        .share(part.seconds / whole), ReportFigure(part.words),
      ])
    }
    return table
  }

  /// The share of runs that has ended by a day, at no more than 200 places.
  fileprivate var spreadPicture: PlotPicture {
    let count = min(200, days.count)
    let points = (0..<count).map { place -> PlotPicture.Point in
      let index = count < 2 ? 0 : place * (days.count - 1) / (count - 1)
      let share = Double(index + 1) / Double(days.count)
      return PlotPicture.Point(
        days[index], share, "\(percent(share)) within \(fixed(days[index], decimals: 2)) days")
    }
    return PlotPicture(
      "Share of runs that have ended", description: "Share of runs that have ended by a day",
      x: .init("days", (days.first ?? 0)...(days.last ?? 1), text: { fixed($0, decimals: 2) }),
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
      }, text: { grouped(Int($0.rounded())) })
  }

  fileprivate var phaseTable: ReportTable {
    var table = ReportTable(
      "Phases",
      [
        .init("phase", isText: true), .init("steps"), .init("GPU-hours of steps"),
        .init("GPU-hours"), .init("days"),
      ])
    for (number, phase) in phases.enumerated() {
      let key = "phases.\(number)."
      table.add([
        ReportFigure(phase.name), .count(phase.steps, key: key + "steps"),
        ReportFigure(
          thousands(phase.productiveGpuHours), phase.productiveGpuHours,
          key: key + "productive_gpu_hours"),
        ReportFigure(thousands(phase.gpuHours), phase.gpuHours, key: key + "gpu_hours"),
        ReportFigure(days(phase.wallSeconds), phase.wallSeconds, key: key + "wall_seconds"),
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
          .seconds(setting.stepSeconds, key: "\(key).step_seconds"),
          setting.mfu.map { .share($0, key: "\(key).mfu") } ?? ReportFigure("–"),
          hours(Double(setting.steps) * setting.stepSeconds),
          ReportFigure(setting.fits.map { $0 ? "yes" : "no" } ?? "–"),
        ])
      }
    }
    return table
  }

  /// GPU-hours of all devices over some seconds.
  private func hours(_ seconds: Double) -> ReportFigure {
    let value = seconds * Double(gpus) / 3600
    return ReportFigure(thousands(value), value)
  }

  fileprivate var improvementTable: ReportTable {
    var table = ReportTable(
      "What would help, hours saved", [.init("what", isText: true), .init("hours"), .init("±")])
    for (index, item) in sensitivities.enumerated() {
      table.add([
        ReportFigure(item.change),
        ReportFigure(
          fixed(item.savedHours, decimals: 1), item.savedHours,
          key: "sensitivities.\(index).saved_hours"),
        ReportFigure(
          fixed(item.standardError, decimals: 1), item.standardError,
          key: "sensitivities.\(index).standard_error"),
      ])
    }
    return table
  }
}

import Quantities
import Schedules

extension ReportPage {
  /// A pipeline schedule, without its cells over time.
  public init(schedule figures: ScheduleReport) throws {
    try self.init("schedule", verdict: figures.verdict, figures: figures)
    remarks = figures.remarks
    facts = [
      .init("Bubble", .share(figures.bubbleRate, key: "bubble_rate"), note: "mean over ranks"),
      .init(
        "Makespan", ReportFigure(decimal(figures.makespan), figures.makespan, key: "makespan"),
        note: "in the unit below"),
      .init("Microbatches", .count(figures.microbatches, key: "microbatches")),
      .init("Stages", .count(figures.stages, key: "stages")),
      .init("Sends", .count(figures.sends, key: "sends"), note: figures.endsText),
    ]
    inputs = figures.pageInputs
    sections = [
      Section(
        "Who does what when",
        lead:
          "Every row is a pipeline rank; colours name the pass, numbers the microbatch. What is left "
          + "empty is bubble.", [.table(figures.rankTable)]),
      Section(
        "What it costs each rank",
        [.picture(figures.bubblePicture), .picture(figures.memoryPicture)]),
    ]
  }

  /// The same with its cells over time.
  ///
  /// - Parameters:
  ///   - figures: what the schedule costs.
  ///   - schedule: the same schedule.
  public init(schedule figures: ScheduleReport, _ schedule: Schedule) throws {
    try self.init(schedule: figures)
    sections[0].blocks.insert(.picture(figures.lanes(schedule)), at: 0)
  }
}

extension ScheduleReport {
  fileprivate var verdict: String {
    let most = ranks.map(\.peakActivations).max() ?? 0
    return "\(name) on \(counted(ranks.count, "rank")) with "
      + "\(counted(microbatches, "microbatch", plural: "microbatches")) idles "
      + "\(percent(bubbleRate, decimals: 2)) of the time and keeps \(decimal(most)) microbatches' activations at most."
  }

  /// What was checked, and where it would hang.
  fileprivate var remarks: [String] {
    [
      "\(counted(ranks.count, "rank")), \(counted(stages, "stage")), "
        + "\(counted(microbatches, "microbatch", plural: "microbatches")): complete, in order, free of "
        + "deadlock."
    ]
      + (hangsAtRendezvous.map {
        ["But with --ends rendezvous, as where a send waits for its receive: \($0)"]
      } ?? [])
  }

  fileprivate var endsText: String {
    switch ends {
    case TransferEnds.buffered.rawValue?: "taken as buffered: none waits for its receive"
    case TransferEnds.rendezvous.rawValue?: "taken as rendezvous: both ends wait to meet"
    default: ""
    }
  }

  fileprivate var pageInputs: [ReportPage.Input] {
    var lines: [ReportPage.Input] = []
    if let file = inputs.file { lines.append(.init("File", file)) }
    if let schedule = inputs.schedule { lines.append(.init("Schedule", schedule)) }
    if let ranks = inputs.ranks { lines.append(.init("Ranks", "\(ranks)")) }
    if let stages = inputs.stagesPerRank { lines.append(.init("Stages of a rank", "\(stages)")) }
    if let pairs = inputs.pairs { lines.append(.init("Pairs", pairs)) }
    if let sends = inputs.sends ?? ends { lines.append(.init("Sends", sends)) }
    lines.append(.init("Times", timesText, in: .foot))
    lines.append(.init("Unit", unitText, in: .foot))
    lines.append(.init("Version", inputs.version))
    return lines
  }

  /// The cells with their times; a unit of them is drawn as a millisecond.
  fileprivate func lanes(_ schedule: Schedule) -> LanePicture {
    func picoseconds(_ time: Double) -> Int64 { Int64((time * 1e9).rounded()) }
    let isTwoWay = if case .bidirectional = schedule.placement { true } else { false }
    let rows = ranks.map { rank -> LanePicture.Row in
      let stages = schedule.placement.stages(ofRank: rank.rank)
      func tone(_ action: Action) -> PageTone {
        let tint =
          isTwoWay
          ? (action.stage == rank.rank ? 0 : 1) : stages.firstIndex(of: action.stage) ?? 0
        return .pass(action.pass, tint: tint)
      }
      let cells = schedule.ranks[rank.rank].filter { $0 != .idle }
      let spans = zip(cells, rank.cells).compactMap { cell, entry -> LanePicture.Span? in
        let actions = cell.actions
        guard let first = actions.first, entry.end > entry.start else { return nil }
        var span = LanePicture.Span(
          actions.map { "\($0)" }.joined(separator: "+"), picoseconds(entry.start),
          picoseconds(entry.end), tone(first))
        span.tones = actions.map(tone)
        return span
      }
      return .init("rank \(rank.rank)", spans)
    }
    var picture = LanePicture(
      name, description: "The actions of every rank of \(name) over time", rows: rows,
      duration: max(1, picoseconds(makespan)), unit: 1_000_000)
    picture.isPlain = true
    let passes = Set(schedule.ranks.joined().flatMap { $0.actions.map(\.pass) })
    picture.legend = Action.Pass.allCases.filter(passes.contains).map {
      .init(tones: [.pass($0)], text: $0.traceName)
    }
    if schedule.hasPairs {
      picture.legend.append(
        .init(tones: [.pass(.forward), .pass(.backward)], text: "overlapped pair"))
    }
    if schedule.ranks.indices.contains(where: { schedule.placement.stages(ofRank: $0).count > 1 }) {
      picture.legend.append(
        .init(
          tones: [.pass(.forward, tint: 1)],
          text: isTwoWay ? "paler: the other direction" : "paler: the rank's later stages"))
    }
    picture.legend.append(.init(tones: [.bubble], text: "bubble"))
    return picture
  }

  fileprivate var rankTable: ReportTable {
    var table = ReportTable(
      "Ranks",
      [
        .init("rank"), .init("stages", isText: true), .init("bubble"), .init("peak activations"),
        .init("cells"),
      ])
    for (index, rank) in ranks.enumerated() {
      table.add([
        ReportFigure("\(rank.rank)", Double(rank.rank), key: "ranks.\(index).rank"),
        ReportFigure(rank.stages.map(String.init).joined(separator: ", ")),
        .share(rank.bubbleRate, key: "ranks.\(index).bubble_rate"),
        ReportFigure(
          decimal(rank.peakActivations), rank.peakActivations,
          key: "ranks.\(index).peak_activations"), .count(rank.cells.count),
      ])
    }
    return table
  }

  fileprivate var bubblePicture: BarPicture {
    BarPicture(
      "Share of the time without an action", description: "Bubble of every rank",
      bars: ranks.map { ("rank \($0.rank)", [.init("bubble", $0.bubbleRate, .accent)]) },
      text: { percent($0) })
  }

  fileprivate var memoryPicture: BarPicture {
    BarPicture(
      "Activations kept at most, in those of a rank's share of one microbatch",
      description: "Peak activations of every rank",
      bars: ranks.map {
        ("rank \($0.rank)", [.init("activations", $0.peakActivations, .activations)])
      },
      text: { decimal($0) })
  }
}

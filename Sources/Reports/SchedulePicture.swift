import Quantities
import Schedules

/// A schedule drawn as SVG: a row per rank over a common time axis.
///
/// Colours name the pass, tints the stage within the rank, numbers the microbatch. An overlapped pair
/// shows its forward above its backward. Times and memory are in the units of `ScheduleReport`. The card behind it follows the reader's light or dark theme.
public struct SchedulePicture: Sendable {
  /// The most actions that a picture may show.
  public static let largestActionCount = 40_000

  let schedule: Schedule
  let name: String
  /// What a stage takes.
  let times: PassTimes
  let timing: ScheduleTiming

  // Lengths in pixels.
  let marginLeft = 76.0
  let marginRight = 150.0
  let top = 86.0
  let rowHeight = 34.0
  let rowGap = 6.0
  let chartWidth: Double

  /// Times the schedule, a rank's share of whose model takes `times`; throws if it cannot be carried out
  /// or has too many actions to show.
  ///
  /// - Parameter ends: how sends are taken; by default buffered, in groups with both ends meeting.
  public init(
    _ schedule: Schedule, name: String, times: PassTimes, ends: TransferEnds? = nil
  ) throws(ScheduleError) {
    let actions = schedule.ranks.reduce(0) { $0 + $1.reduce(0) { $0 + $1.actions.count } }
    guard actions <= Self.largestActionCount else {
      throw ScheduleError(
        "the picture would show \(actions) actions; at most \(Self.largestActionCount) can be "
          + "drawn")
    }
    self.schedule = schedule
    self.name = name
    let times = times.ofStage(in: schedule)
    self.times = times
    timing = try ScheduleTiming(schedule, times: times, ends: ends)
    let shortest = [times.forward, times.backwardInput, times.backwardWeight].min() ?? 1
    let wanted = timing.makespan / shortest * 22
    let drawn = min(max(wanted, 620), max(1480, timing.makespan / shortest * 5))
    let legend = Self.legendEntries(schedule, times)
    let needed = legend.reduce(40) { $0 + Self.legendPitch($1.label) }
    chartWidth = max(drawn, needed - marginLeft - marginRight)
  }

  var rowPitch: Double { rowHeight + rowGap }
  var chartBottom: Double { top + Double(schedule.ranks.count) * rowPitch - rowGap }
  var width: Double { marginLeft + chartWidth + marginRight }
  var height: Double { chartBottom + 62 }

  /// The picture as a document of its own.
  public var svg: String {
    let description =
      "Pipeline schedule \(name) on \(schedule.ranks.count) ranks with "
      + "\(schedule.microbatchCount) microbatches"
    var lines = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(number(width))\" "
        + "height=\"\(number(height))\" viewBox=\"0 0 \(number(width)) \(number(height))\" "
        + "role=\"img\" aria-label=\"\(escaped(description))\">",
      Self.style,
      "<rect class=\"card\" width=\"\(number(width))\" height=\"\(number(height))\" rx=\"10\"/>",
    ]
    lines += header + axis
    for rank in schedule.ranks.indices { lines += row(rank) }
    lines += legend + ["</svg>"]
    return lines.joined(separator: "\n") + "\n"
  }

  /// Places on the time axis in pixels.
  func x(_ time: Double) -> Double {
    marginLeft + (timing.makespan > 0 ? time / timing.makespan * chartWidth : 0)
  }

  private static let style = """
    <style>
    text { font-family: -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; font-size: 12px }
    .card { fill: #ffffff; stroke: #d0d7de }
    .title { fill: #1f2328; font-size: 17px; font-weight: 600 }
    .label { fill: #1f2328 }
    .note { fill: #59636e }
    .track { fill: #eff2f5 }
    .tick { stroke: #d1d9e0; stroke-width: 1 }
    .cell { text-anchor: middle; font-weight: 500 }
    .on-dark { fill: #ffffff }
    .on-light { fill: #14181d }
    .end { text-anchor: end }
    .middle { text-anchor: middle }
    @media (prefers-color-scheme: dark) {
      .card { fill: #0d1117; stroke: #30363d }
      .title, .label { fill: #e6edf3 }
      .note { fill: #9aa4af }
      .track { fill: #1b2129 }
      .tick { stroke: #30363d }
    }
    </style>
    """
}

// MARK: - Around the chart

extension SchedulePicture {
  private var header: [String] {
    let stages =
      schedule.stageCount == schedule.ranks.count
      ? "" : ", \(counted(schedule.stageCount, "stage"))"
    let title =
      "\(name): \(counted(schedule.ranks.count, "rank"))\(stages), "
      + counted(schedule.microbatchCount, "microbatch", plural: "microbatches")
    let mean = timing.bubbleRates.reduce(0, +) / Double(max(1, timing.bubbleRates.count))
    let right = width - 20
    return [
      text(title, x: 20, y: 32, class: "title"),
      text(
        "bubble \(percent(mean)) of the time", x: right, y: 32,
        class: "title end"),
      text("bubble", x: right - 76, y: top - 12, class: "note end"),
      text("peak live", x: right, y: top - 12, class: "note end"),
    ] + unit
  }

  /// What times and memory are counted in, where a stage is not it.
  private var unit: [String] {
    guard schedule.stageShare != 1 else { return [] }
    let note =
      "unit: a rank's share of the model, of which a stage is \(decimal(schedule.stageShare))"
    return [text(note, x: marginLeft, y: top - 12, class: "note")]
  }

  /// Vertical lines at round times, numbered below.
  private var axis: [String] {
    let step = roundStep(timing.makespan, most: max(4, Int(chartWidth / 70)))
    var lines: [String] = []
    var time = 0.0
    while time <= timing.makespan * 1.000_001, step > 0 {
      let place = number(x(time))
      lines.append(
        "<line class=\"tick\" x1=\"\(place)\" y1=\"\(number(top - 6))\" x2=\"\(place)\" "
          + "y2=\"\(number(chartBottom + 6))\"/>")
      lines.append(
        text(decimal(time), x: x(time), y: chartBottom + 20, class: "note middle"))
      time += step
    }
    return lines
  }

  /// What the legend says, each entry with its colours.
  private static func legendEntries(
    _ schedule: Schedule, _ times: PassTimes
  ) -> [(label: String, tones: [Tone])] {
    let passes = Set(schedule.ranks.joined().flatMap { $0.actions.map(\.pass) })
    var entries: [(label: String, tones: [Tone])] = []
    for (pass, name, time) in [
      (Action.Pass.forward, "forward", times.forward),
      (.backwardInput, "backward for input", times.backwardInput),
      (.backwardWeight, "backward for weight", times.backwardWeight),
      (.backward, "backward", times.backwardInput + times.backwardWeight),
    ] where passes.contains(pass) {
      entries.append(("\(name) (\(decimal(time)))", [Tone(pass, tint: 0)]))
    }
    if schedule.ranks.joined().contains(where: { $0.actions.count == 2 }) {
      entries.append(
        (
          "overlapped pair (\(decimal(times.overlapped)))",
          [Tone(.forward, tint: 0), Tone(.backward, tint: 0)]
        ))
    }
    if schedule.ranks.indices.contains(where: { schedule.placement.stages(ofRank: $0).count > 1 }) {
      let isTwoWay = if case .bidirectional = schedule.placement { true } else { false }
      let label = isTwoWay ? "paler: the other direction" : "paler: the rank's later stages"
      entries.append((label, [Tone(.forward, tint: 1)]))
    }
    return entries
  }

  /// How much of the legend's line an entry takes.
  private static func legendPitch(_ label: String) -> Double {
    38 + Double(label.count) * 6.4
  }

  private var legend: [String] {
    var lines: [String] = []
    var left = 20.0
    let y = height - 24
    for (label, tones) in Self.legendEntries(schedule, times) {
      for (index, tone) in tones.enumerated() {
        let part = 14 / Double(tones.count)
        lines.append(
          rectangle(left, y + part * Double(index), 14, part, fill: tone.fill, corner: 2))
      }
      lines.append(text(label, x: left + 20, y: y + 11, class: "label"))
      left += Self.legendPitch(label)
    }
    return lines
  }
}

// MARK: - Rows

extension SchedulePicture {
  private func row(_ rank: Int) -> [String] {
    let y = top + Double(rank) * rowPitch
    let stages = schedule.placement.stages(ofRank: rank)
    var lines = [
      rectangle(marginLeft, y, chartWidth, rowHeight, class: "track", corner: 3),
      text("rank \(rank)", x: 20, y: y + rowHeight / 2 + 4, class: "label"),
    ]
    for (index, cell) in schedule.ranks[rank].enumerated() where !cell.actions.isEmpty {
      let (start, end) = (x(timing.starts[rank][index]), x(timing.ends[rank][index]))
      let share = rowHeight / Double(cell.actions.count)
      for (part, action) in cell.actions.enumerated() {
        let tint = stages.firstIndex(of: action.stage) ?? 0
        let tone = Tone(action.pass, tint: isMirrored(rank, action) ? 1 : isTwoWay ? 0 : tint)
        lines += box(
          action, tone, left: start, top: y + Double(part) * share, width: end - start,
          height: share, title: "\(cell)")
      }
    }
    let right = width - 20
    lines.append(
      text(
        percent(timing.bubbleRates[rank]), x: right - 76, y: y + rowHeight / 2 + 4,
        class: "label end"))
    lines.append(
      text(
        decimal(timing.peakActivations[rank] * schedule.stageShare), x: right,
        y: y + rowHeight / 2 + 4,
        class: "label end"))
    return lines
  }

  private var isTwoWay: Bool {
    if case .bidirectional = schedule.placement { true } else { false }
  }

  /// Whether an action runs against the first direction of DualPipe.
  private func isMirrored(_ rank: Int, _ action: Action) -> Bool {
    isTwoWay && action.stage != rank
  }

  private func box(
    _ action: Action, _ tone: Tone, left: Double, top: Double, width: Double, height: Double,
    title: String
  ) -> [String] {
    let gap = min(0.75, width * 0.06)
    var lines = [
      "<g><title>\(escaped(title))</title>",
      rectangle(
        left + gap, top, max(width - 2 * gap, 0.5), height, fill: tone.fill,
        corner: min(3, width / 4)),
    ]
    let label = String(action.microbatch)
    let size = min(13, height - 4, (width - 2 * gap - 2) / (0.6 * Double(label.count)))
    if size >= 6.5 {
      lines.append(
        text(
          label, x: left + width / 2, y: top + height / 2 + size * 0.36,
          class: "cell \(tone.isDark ? "on-dark" : "on-light")", size: size))
    }
    lines.append("</g>")
    return lines
  }
}

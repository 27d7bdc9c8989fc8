import Engines
import Plans
import Programs
import Schedules
import Simulation

/// The pictures of a step's timeline: by position, by stream, by kernel.
struct StepLanes {
  private let input: StepInput
  private let duration: Int64
  /// One timeline per pipeline position that is shown, of its slowest replica.
  let timelines: [(position: Int, timeline: Timeline)]
  private var names: TraceNames
  private let schedule: Schedule

  /// The most boxes of one picture, and the most positions whose streams are shown.
  private static let mostBoxes = 24_000
  static let mostPositions = 16

  init(
    _ input: StepInput, _ schedule: Schedule, duration: Int64,
    _ timelines: [(position: Int, timeline: Timeline)]
  ) {
    (self.input, self.schedule, self.duration) = (input, schedule, duration)
    let boxes = timelines.map(\.timeline.items.count).max() ?? 1
    let kept = Self.spread(timelines.count, most: max(4, Self.mostBoxes / max(1, boxes)))
    self.timelines = kept.map { timelines[$0] }
    names = TraceNames(input)
  }

  /// Indices of `count` things of which at most `most` are shown: evenly, the ends among them.
  static func spread(_ count: Int, most: Int) -> [Int] {
    guard count > most else { return Array(0..<count) }
    return Set((0..<most).map { $0 * (count - 1) / max(1, most - 1) }).sorted()
  }

  // MARK: - The step by position

  func overview(_ description: String) -> LanePicture {
    var picture = LanePicture(
      "The step by pipeline position", description: description,
      rows: timelines.map { position, timeline in
        var row = LanePicture.Row("position \(position)", actions(timeline, position))
        row.identifier = "actions\(position)"
        return row
      }, duration: duration)
    picture.legend = legend
    picture.group = "step"
    return picture
  }

  /// Actions and what the optimizer does; what waits takes is left empty.
  private func actions(_ timeline: Timeline, _ position: Int) -> [LanePicture.Span] {
    let transfers = input.ranks[position].transfers
    return timeline.items.compactMap { item in
      guard item.end > item.start else { return nil }
      switch item.item {
      case .run(let action):
        return .init(Self.name(action), item.start, item.end, tone(action, position))
      case .overlapped(let forward, let backward):
        return .init(
          "\(Self.name(forward))+\(Self.name(backward))", item.start, item.end,
          tone(forward, position), tone(backward, position))
      case .wait, .start, .handOver: return nil
      case .lane, .gather, .reduce, .norm, .agree, .update, .settle:
        return .init(
          TraceNames.title(of: item.item, transfers), item.start, item.end, .optimizer)
      }
    }
  }

  private static func name(_ action: Action) -> String { "\(action)" }

  private func tone(_ action: Action, _ position: Int) -> PageTone {
    let stages = schedule.placement.stages(ofRank: position)
    let isTwoWay = if case .bidirectional = schedule.placement { true } else { false }
    let tint =
      isTwoWay
      ? (action.stage == position ? 0 : 1) : stages.firstIndex(of: action.stage) ?? 0
    return .pass(action.pass, tint: tint)
  }

  /// What the colours mean where no schedule says which of them occur.
  static let plainLegend: [PictureFrame.Entry] =
    Action.Pass.allCases.map { .init(tones: [.pass($0)], text: $0.traceName) } + [
      .init(tones: [.pass(.forward), .pass(.backward)], text: "overlapped pair"),
      .init(tones: [.optimizer], text: "optimizer"), .init(tones: [.bubble], text: "bubble"),
    ]

  private var legend: [PictureFrame.Entry] {
    var passes: [Action.Pass] = []
    var hasPairs = false
    var hasTints = false
    for (position, timeline) in timelines {
      for item in timeline.items {
        switch item.item {
        case .run(let action):
          if !passes.contains(action.pass) { passes.append(action.pass) }
          if tone(action, position) != .pass(action.pass) { hasTints = true }
        case .overlapped: hasPairs = true
        default: break
        }
      }
    }
    var entries = Action.Pass.allCases.filter(passes.contains).map {
      PictureFrame.Entry(tones: [.pass($0)], text: $0.traceName)
    }
    if hasPairs {
      entries.append(.init(tones: [.pass(.forward), .pass(.backward)], text: "overlapped pair"))
    }
    if hasTints {
      let isTwoWay = if case .bidirectional = schedule.placement { true } else { false }
      entries.append(
        .init(
          tones: [.pass(.forward, tint: 1)],
          text: isTwoWay ? "paler: the other direction" : "paler: the rank's later stages"))
    }
    return entries + [
      .init(tones: [.optimizer], text: "optimizer"), .init(tones: [.bubble], text: "bubble"),
    ]
  }

  // MARK: - A position by stream

  /// A picture for every position that is shown, with one row per stream.
  mutating func streams() -> [(position: Int, picture: LanePicture)] {
    Self.spread(timelines.count, most: Self.mostPositions).map { index in
      let (position, timeline) = timelines[index]
      // The boxes are those of the overview.
      var rows = [LanePicture.Row("actions", [])]
      rows[0].shows = "actions\(position)"
      rows.append(.init("waits", merged(waits(timeline, position), "waits"), isThin: true))
      var byStream: [Stream: [LanePicture.Span]] = [:]
      for item in timeline.items {
        for span in item.spans where span.stream != .compute {
          byStream[span.stream, default: []].append(
            .init(
              names.title(of: span, in: item.item), item.start + span.start,
              item.start + span.end, .transfer))
        }
      }
      for stream in Stream.allCases {
        guard let spans = byStream[stream] else { continue }
        rows.append(.init(stream.traceName, merged(spans, "transfers"), isThin: true))
      }
      var byTrack: [String: [LanePicture.Span]] = [:]
      for span in timeline.transfers {
        byTrack[span.traceTrack, default: []].append(
          .init(
            Self.withoutMicrobatch(TraceNames.title(of: span)), span.start, span.end, .transfer))
      }
      for track in ["send", "receive", "reduce and gather"] {
        guard let spans = byTrack[track] else { continue }
        rows.append(.init(track, merged(spans, "transfers"), isThin: true))
      }
      var picture = LanePicture(
        "Position \(position) by stream",
        description: "Position \(position): actions, waits and transfers over the step",
        rows: rows, duration: duration)
      picture.group = "step"
      return (position, picture)
    }
  }

  /// The times in which the compute stream stands still for something that it waits for.
  private mutating func waits(_ timeline: Timeline, _ position: Int) -> [LanePicture.Span] {
    var spans: [LanePicture.Span] = []
    for item in timeline.items {
      if case .wait = item.item {
        spans.append(
          .init(
            Self.withoutMicrobatch(
              TraceNames.title(of: item.item, input.ranks[position].transfers)), item.start,
            item.end, .waiting))
      }
      for span in item.spans {
        guard case .wait = span.kind else { continue }
        spans.append(
          .init(
            names.title(of: span, in: item.item), item.start + span.start, item.start + span.end,
            .waiting))
      }
    }
    return spans
  }

  /// `send activation of stage 2, microbatch 3` for all microbatches.
  private static func withoutMicrobatch(_ title: String) -> String {
    title.split(separator: ", microbatch ").first.map(String.init) ?? title
  }

  /// Spans that touch or lie closer than could be seen, as one.
  private func merged(_ spans: [LanePicture.Span], _ word: String) -> [LanePicture.Span] {
    let least = duration / 1000
    var result: [LanePicture.Span] = []
    var count = 1
    for span in spans.sorted(by: { ($0.start, $0.end) < ($1.start, $1.end) })
    where span.end > span.start {
      guard let last = result.indices.last, span.start - result[last].end < least else {
        result.append(span)
        count = 1
        continue
      }
      count += 1
      result[last].end = max(result[last].end, span.end)
      result[last].name = "\(count) \(word)"
    }
    return result
  }
}

import Engines
import Programs
import Quantities
import Schedules
import Simulation

/// Actions of a step from within, kernel by kernel: of all that run the same kernels the one in the middle.
struct ActionLanes {
  /// Actions that run the same kernels.
  private struct Class {
    /// Without layers and microbatches, what the spans are.
    var signature: [String]
    /// `3F`, `3F+12B`.
    var kinds: [String]
    var positions: [Int]
    var count: Int
    var item: ItemSpan
    var position: Int
  }

  /// The most classes that are shown, those first of which there are most.
  private static let mostClasses = 14
  /// The most lines of the table beside a picture.
  private static let mostRows = 14

  private var names: TraceNames
  private var classes: [Class] = []

  init(_ input: StepInput, _ timelines: [(position: Int, timeline: Timeline)]) {
    names = TraceNames(input)
    for (position, timeline) in timelines { add(timeline, position) }
    classes.sort { $0.count > $1.count }
  }

  private mutating func add(_ timeline: Timeline, _ position: Int) {
    var kinds: [String] = []
    var items: [String: [ItemSpan]] = [:]
    for item in timeline.items where !item.spans.isEmpty {
      guard let kind = Self.kind(of: item.item) else { continue }
      if items[kind] == nil { kinds.append(kind) }
      items[kind, default: []].append(item)
    }
    for kind in kinds {
      guard let all = items[kind] else { continue }
      let ordered = all.sorted { ($0.end - $0.start, $0.start) < ($1.end - $1.start, $1.start) }
      let middle = ordered[ordered.count / 2]
      let signature = signature(of: middle)
      if let known = classes.firstIndex(where: { $0.signature == signature }) {
        classes[known].count += all.count
        if classes[known].positions.last != position { classes[known].positions.append(position) }
        classes[known].kinds.append(kind)
      } else {
        classes.append(
          Class(
            signature: signature, kinds: [kind], positions: [position], count: all.count,
            item: middle, position: position))
      }
    }
  }

  private static func kind(of item: Item) -> String? {
    func text(_ action: Action) -> String { "\(action.stage)\(action.pass.rawValue)" }
    switch item {
    case .run(let action): return text(action)
    case .overlapped(let forward, let backward): return "\(text(forward))+\(text(backward))"
    default: return nil
    }
  }

  private mutating func signature(of item: ItemSpan) -> [String] {
    let word =
      switch item.item {
      case .run(let action): "\(action.pass)"
      default: "pair"
      }
    return [word]
      + item.spans.map { span in
        (span.isForward ? "F " : "B ") + Self.withoutLayer(names.title(of: span, in: item.item))
      }.sorted()
  }

  /// `L12 matmul` and `wait for L12 dispatch` without the layer.
  private static func withoutLayer(_ title: String) -> String {
    title.split(separator: " ").filter { word in
      !(word.first == "L" && word.count > 1 && word.dropFirst().allSatisfy(\.isNumber))
    }.joined(separator: " ")
  }

  /// Where each kind of action is among the options, for pictures that choose here.
  var choices: [String: Int] {
    var result: [String: Int] = [:]
    for (index, one) in classes.prefix(Self.mostClasses).enumerated() {
      for kind in one.kinds where result[kind] == nil { result[kind] = index }
    }
    return result
  }

  /// A picture with its table for every class.
  mutating func options() -> [(name: String, blocks: [ReportBlock])] {
    let classes = Array(classes.prefix(Self.mostClasses))
    return classes.map { one in
      (name: Self.name(one), blocks: [.picture(picture(of: one)), .table(table(of: one))])
    }
  }

  private static func name(_ one: Class) -> String {
    let word =
      switch one.item.item {
      case .run(let action): action.pass.traceName
      default: "overlapped pair"
      }
    let places = one.positions.count == 1 ? "position" : "positions"
    return "\(word) at \(places) \(ranges(one.positions)): \(grouped(one.count)) alike"
  }

  /// `0–3, 7`.
  private static func ranges(_ numbers: [Int]) -> String {
    var parts: [(Int, Int)] = []
    for number in numbers {
      if let last = parts.last, last.1 == number - 1 {
        parts[parts.count - 1].1 = number
      } else {
        parts.append((number, number))
      }
    }
    return parts.map { $0.0 == $0.1 ? "\($0.0)" : "\($0.0)–\($0.1)" }.joined(separator: ", ")
  }

  private mutating func picture(of one: Class) -> LanePicture {
    let item = one.item
    var compute: [LanePicture.Span] = []
    var lanes: [(name: String, spans: [LanePicture.Span])] = []
    for span in item.spans.sorted(by: { ($0.start, $0.end) < ($1.start, $1.end) })
    where span.end > span.start {
      let title = names.title(of: span, in: item.item)
      guard span.stream != .compute else {
        let isWait = if case .wait = span.kind { true } else { false }
        compute.append(
          .init(title, span.start, span.end, isWait ? .waiting : Self.tone(span, in: item.item)))
        continue
      }
      let made = LanePicture.Span(title, span.start, span.end, Self.tone(span, in: item.item))
      let name = span.stream.traceName
      if let place = lanes.firstIndex(where: {
        $0.name == name && ($0.spans.last?.end ?? 0) <= span.start
      }) {
        lanes[place].spans.append(made)
      } else {
        lanes.append((name, [made]))
      }
    }
    let end = item.spans.map(\.end).max() ?? 0
    let duration = max(item.end - item.start, end)
    let title = TraceNames.title(of: item.item, [])
    var picture = LanePicture(
      "\(title) at position \(one.position), the one in the middle of \(grouped(one.count))",
      description: "Kernels, waits and transfers of \(title), "
        + LanePicture.time(Double(duration) / 1e12),
      rows: [.init("compute", compute)] + lanes.map { .init($0.name, $0.spans) },
      duration: duration, unit: 1000)
    picture.legend = Self.legend(of: item.item) + [.init(tones: [.waiting], text: "waits")]
    return picture
  }

  private static func tone(_ span: Timeline.Span, in item: Item) -> PageTone {
    if span.isForward { return .pass(.forward) }
    if case .run(let action) = item { return .pass(action.pass) }
    return .pass(.backward)
  }

  private static func legend(of item: Item) -> [PictureFrame.Entry] {
    switch item {
    case .run(let action): [.init(tones: [.pass(action.pass)], text: action.pass.traceName)]
    default:
      [
        .init(tones: [.pass(.forward)], text: "its forward"),
        .init(tones: [.pass(.backward)], text: "its backward"),
      ]
    }
  }

  /// Kernels and waits by name, the longest first.
  private mutating func table(of one: Class) -> ReportTable {
    var order: [String] = []
    var sums: [String: (count: Int, time: Int64)] = [:]
    for span in one.item.spans where span.stream == .compute {
      let title = Self.withoutLayer(names.title(of: span, in: one.item.item))
      if sums[title] == nil { order.append(title) }
      sums[title, default: (0, 0)].count += 1
      sums[title, default: (0, 0)].time += span.end - span.start
    }
    let duration = Double(max(1, one.item.end - one.item.start))
    var table = ReportTable(
      "What its compute stream does",
      [.init("kernel or wait", isText: true), .init("times"), .init("ms"), .init("share")])
    let sorted = order.compactMap { name in sums[name].map { (name: name, sum: $0) } }
      .filter { $0.sum.time > 0 }.sorted { $0.sum.time > $1.sum.time }
    for (name, sum) in sorted {
      table.add([
        ReportFigure(name), .count(sum.count),
        ReportFigure(fixed(Double(sum.time) / 1e9, decimals: 3), Double(sum.time) / 1e12),
        .share(Double(sum.time) / duration),
      ])
    }
    table.shown = Self.mostRows
    return table
  }
}

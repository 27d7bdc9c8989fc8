import Planning
import Plans
import Programs
import Quantities
import Simulation

/// A pair before and after, by stream, and its time over the multiprocessors of its exchanges, as SVG.
public struct PairPicture: Sendable {
  private let overlap: OverlapPlan
  private let title: String
  private let margin = (left: 110.0, right: 24.0, top: 64.0)
  private let width = 1180.0
  private let rowHeight = 26.0

  public init(_ overlap: OverlapPlan, title: String) {
    (self.overlap, self.title) = (overlap, title)
  }

  /// Colours: of a forward, of a backward for the input, of weight halves, of waits.
  private static let forward = "#2f6fd6"
  private static let backward = "#c2570c"
  private static let weight = "#7d52c4"
  private static let wait = "#d0342c"

  private var longest: Int64 { max(overlap.before.picoseconds, overlap.after.picoseconds) }

  private func x(_ time: Int64) -> Double {
    margin.left + Double(time) / Double(max(1, longest)) * (width - margin.left - margin.right)
  }

  /// The picture.
  public var svg: String {
    let height = margin.top + 4 * rowHeight + 150 + 240
    var parts = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(number(width)) \(number(height))\" "
        + "font-family=\"sans-serif\" font-size=\"12\">",
      "<rect width=\"\(number(width))\" height=\"\(number(height))\" fill=\"white\"/>",
      text(title, 16, 24, size: 16),
    ]
    parts += legend(44)
    var top = margin.top
    for (name, run) in [("as it is", overlap.before), ("planned", overlap.after)] {
      parts += rows(name, run, top)
      top += 2 * rowHeight + 44
    }
    parts += chart(top + 20, height: 190)
    return parts.joined(separator: "\n") + "\n</svg>\n"
  }

  private func legend(_ y: Double) -> [String] {
    var (parts, left) = ([String](), 16.0)
    for (colour, label) in [
      (Self.forward, "forward"), (Self.backward, "backward for input"),
      (Self.weight, "backward for weight"), (Self.wait, "waits for an exchange"),
    ] {
      parts.append(rectangle(left, y - 10, 12, 12, colour))
      parts.append(text(label, left + 18, y))
      left += 40 + 7 * Double(label.count)
    }
    return parts
  }

  private func rows(_ name: String, _ run: PairRun, _ top: Double) -> [String] {
    var parts = [
      text(
        "\(name): \(fixed(run.seconds * 1e3, decimals: 2)) ms", margin.left, top + 12),
      text("computation", 16, top + 18 + rowHeight / 2 + 4),
      text("exchanges", 16, top + 18 + rowHeight * 1.5 + 4),
    ]
    let (compute, exchanges) = (top + 18, top + 18 + rowHeight)
    for span in Self.joined(run.spans) {
      switch span.what {
      case .computes(let half):
        let colour =
          switch half {
          case .forward: Self.forward
          case .backward: Self.backward
          case .weight: Self.weight
          }
        parts.append(box(span, compute, colour))
      case .waits: parts.append(box(span, compute, Self.wait))
      case .moves(let segment, _):
        guard let segment else { continue }
        parts.append(
          box(
            span, exchanges, segment.half == .forward ? Self.forward : Self.backward,
            label: segment.rawValue))
      }
    }
    return parts
  }

  /// Kernels of one half that follow one another, as one.
  static func joined(_ spans: [PairRun.Span]) -> [PairRun.Span] {
    var made: [PairRun.Span] = []
    for span in spans.sorted(by: { ($0.start, $0.end) < ($1.start, $1.end) }) {
      if case .computes = span.what,
        let last = made.lastIndex(where: { $0.stream == .compute }),
        made[last].what == span.what, span.start - made[last].end < 1_000_000
      {
        made[last].end = span.end
      } else {
        made.append(span)
      }
    }
    return made
  }

  private func box(
    _ span: PairRun.Span, _ y: Double, _ colour: String, label: String? = nil
  ) -> String {
    let (left, right) = (x(span.start), x(span.end))
    var parts =
      "<g><title>\(label ?? "") \(fixed(Double(span.end - span.start) / 1e9, decimals: 3)) ms</title>"
      + rectangle(left, y + 1, max(0.4, right - left - 0.4), rowHeight - 3, colour)
    if let label, right - left > 8 * Double(label.count) {
      parts += text(label, left + 4, y + rowHeight / 2 + 4, colour: "white")
    }
    return parts + "</g>"
  }

  /// Milliseconds of the pair over multiprocessors.
  private func chart(_ top: Double, height: Double) -> [String] {
    let curve = overlap.curve
    let most = curve.map { max($0.published, $0.planned) }.max() ?? 1
    let least = curve.map(\.bound).min() ?? 0
    let base = max(0, least - (most - least) * 0.1)
    let (first, last) = (
      Double(curve.first?.multiprocessors ?? 0), Double(curve.last?.multiprocessors ?? 1)
    )
    func place(_ point: OverlapPoint, _ value: Double) -> (Double, Double) {
      let share = last > first ? (Double(point.multiprocessors) - first) / (last - first) : 0.5
      return (
        margin.left + share * (width - margin.left - 160),
        top + height * (1 - (value - base) / max(1e-12, most - base))
      )
    }
    var parts: [String] = []
    for tick in 0...4 {
      let value = base + (most - base) * Double(tick) / 4
      let y = top + height * (1 - Double(tick) / 4)
      parts.append(
        "<line x1=\"\(number(margin.left))\" y1=\"\(number(y))\" x2=\"\(number(width - 160))\" "
          + "y2=\"\(number(y))\" stroke=\"#dddddd\"/>")
      parts.append(text("\(fixed(value * 1e3, decimals: 1)) ms", 40, y + 4))
    }
    for (name, colour, value) in [
      ("as it is", "#555555", \OverlapPoint.published), ("planned", "#1b6ca8", \.planned),
      ("bound", "#2e8b57", \.bound),
    ] {
      let dots = curve.map { place($0, $0[keyPath: value]) }
      let path = dots.map { "\(number($0.0)),\(number($0.1))" }.joined(separator: " ")
      parts.append(
        "<polyline points=\"\(path)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"2\"/>")
      if let end = dots.last { parts.append(text(name, end.0 + 8, end.1 + 4, colour: colour)) }
    }
    for point in curve where point.multiprocessors % 4 == 0 || curve.count < 12 {
      parts.append(
        text("\(point.multiprocessors)", place(point, base).0 - 6, top + height + 18))
    }
    parts.append(text("multiprocessors of exchanges", margin.left, top + height + 36))
    return parts
  }

  private func number(_ value: Double) -> String { fixed(value, decimals: 2) }

  private func rectangle(
    _ x: Double, _ y: Double, _ width: Double, _ height: Double, _ colour: String
  ) -> String {
    "<rect x=\"\(number(x))\" y=\"\(number(y))\" width=\"\(number(width))\" "
      + "height=\"\(number(height))\" fill=\"\(colour)\"/>"
  }

  private func text(
    _ text: String, _ x: Double, _ y: Double, size: Int = 12, colour: String = "#222222"
  ) -> String {
    let plain = text.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
    return "<text x=\"\(number(x))\" y=\"\(number(y))\" font-size=\"\(size)\" fill=\"\(colour)\">"
      + "\(plain)</text>"
  }
}

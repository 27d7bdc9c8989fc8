import Quantities

/// Steps over the first axis of a sweep, a line for each value of the second, as SVG.
public struct SweepChart: Sendable {
  private let figures: SweepFigures
  private let size = (width: 720.0, height: 420.0)
  private let margin = (left: 80.0, right: 180.0, top: 30.0, bottom: 60.0)

  public init(_ figures: SweepFigures) { self.figures = figures }

  private static let colours = [
    "#1b6ca8", "#c4511b", "#2e8b57", "#7a4fa3", "#a8851b", "#555555",
  ]

  /// The picture.
  public var svg: String {
    let steps = figures.points.compactMap(\.stepSeconds)
    let (width, height) = (size.width, size.height)
    var parts = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(width) \(height)\" "
        + "font-family=\"sans-serif\" font-size=\"12\">",
      "<rect width=\"\(width)\" height=\"\(height)\" fill=\"white\"/>",
    ]
    let top = (steps.max() ?? 1) * 1.05
    let places = figures.axes[0].places
    let (least, most) = (places.min() ?? 0, places.max() ?? 1)
    let inner = (
      width: width - margin.left - margin.right, height: height - margin.top - margin.bottom
    )
    func x(_ place: Double) -> Double {
      margin.left + (most > least ? (place - least) / (most - least) : 0.5) * inner.width
    }
    func y(_ step: Double) -> Double { margin.top + (1 - step / top) * inner.height }
    for tick in 0...4 {
      let step = top * Double(tick) / 4
      parts.append(line(margin.left, y(step), width - margin.right, y(step), "#dddddd"))
      parts.append(
        text(threeFigures(step), margin.left - 8, y(step) + 4, anchor: "end"))
    }
    parts.append(text("step, s", margin.left - 8, margin.top - 12, anchor: "end"))
    for (place, value) in zip(places, figures.axes[0].values) {
      parts.append(text(value, x(place), height - margin.bottom + 18, anchor: "middle"))
    }
    parts.append(
      text(
        figures.axes[0].key, margin.left + inner.width / 2, height - 14, anchor: "middle"))
    let count = figures.axes.count > 1 ? figures.axes[1].values.count : 1
    for series in 0..<count {
      let colour = Self.colours[series % Self.colours.count]
      let dots = places.indices.compactMap { index -> (Double, Double)? in
        figures.points[index * count + series].stepSeconds.map { (x(places[index]), y($0)) }
      }
      let path = dots.map { "\(round($0.0)),\(round($0.1))" }.joined(separator: " ")
      parts.append(
        "<polyline points=\"\(path)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"2\"/>")
      for dot in dots {
        parts.append(
          "<circle cx=\"\(round(dot.0))\" cy=\"\(round(dot.1))\" r=\"3\" fill=\"\(colour)\"/>")
      }
      guard figures.axes.count > 1, let last = dots.last else { continue }
      parts.append(
        text(figures.axes[1].values[series], last.0 + 8, last.1 + 4, anchor: "start"))
    }
    return parts.joined(separator: "\n") + "\n</svg>\n"
  }

  private func round(_ value: Double) -> String { fixed(value, decimals: 1) }

  private func line(
    _ x: Double, _ y: Double, _ toX: Double, _ toY: Double, _ colour: String
  ) -> String {
    "<line x1=\"\(round(x))\" y1=\"\(round(y))\" x2=\"\(round(toX))\" y2=\"\(round(toY))\" "
      + "stroke=\"\(colour)\"/>"
  }

  private func text(_ text: String, _ x: Double, _ y: Double, anchor: String) -> String {
    let plain = text.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
    return "<text x=\"\(round(x))\" y=\"\(round(y))\" text-anchor=\"\(anchor)\">\(plain)</text>"
  }
}

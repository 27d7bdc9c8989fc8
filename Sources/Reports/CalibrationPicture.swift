import Calibration
import Foundation
import Quantities

/// Measurements and what the fitted constants say of them, one panel a part, as SVG.
///
/// Time over size, both in powers of ten. Filled dots were fitted, hollow ones predicted from the others; lines are the
/// predictions.
public struct CalibrationPicture {
  private let figures: CalibrationFigures
  private let panel = (width: 720.0, height: 340.0)
  private let margin = (left: 80.0, right: 240.0, top: 40.0, bottom: 50.0)

  public init(_ figures: CalibrationFigures) { self.figures = figures }

  private static let colours = [
    "#1b6ca8", "#c4511b", "#2e8b57", "#7a4fa3", "#a8851b", "#555555",
  ]

  /// The picture.
  public var svg: String {
    let parts = figures.parts.filter { !$0.points.isEmpty }
    let height = panel.height * Double(max(1, parts.count))
    var lines = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(panel.width) \(height)\" "
        + "font-family=\"sans-serif\" font-size=\"12\">",
      "<rect width=\"\(panel.width)\" height=\"\(height)\" fill=\"white\"/>",
    ]
    for (index, part) in parts.enumerated() {
      lines.append(
        "<g transform=\"translate(0 \(fixed(panel.height * Double(index), decimals: 0)))\">")
      lines += drawn(part)
      lines.append("</g>")
    }
    return lines.joined(separator: "\n") + "\n</svg>\n"
  }

  private func drawn(_ part: CalibrationFigures.Part) -> [String] {
    let sizes = part.points.map { log10(max($0.size, 1)) }
    let times = part.points.flatMap { [$0.measuredSeconds, $0.predictedSeconds] }
      .filter { $0 > 0 }.map { log10($0 * 1e6) }
    let across = Axis(sizes, from: margin.left, to: panel.width - margin.right)
    let up = Axis(times, from: panel.height - margin.bottom, to: margin.top)
    var lines = [
      text(part.title, margin.left, 18, anchor: "start"),
      text("us", margin.left - 8, margin.top - 10, anchor: "end"),
      text(
        part.points[0].unit, panel.width - margin.right, panel.height - 14, anchor: "end"),
    ]
    for power in up.powers {
      let y = up.place(power)
      lines.append(rule(margin.left, y, panel.width - margin.right, y))
      lines.append(text(label(power), margin.left - 8, y + 4, anchor: "end"))
    }
    for power in across.powers {
      let x = across.place(power)
      lines.append(rule(x, margin.top, x, panel.height - margin.bottom))
      lines.append(text(label(power), x, panel.height - margin.bottom + 18, anchor: "middle"))
    }
    var names: [String] = []
    for point in part.points where !names.contains(point.series) { names.append(point.series) }
    for (place, name) in names.enumerated() {
      let colour = Self.colours[place % Self.colours.count]
      let own = part.points.filter { $0.series == name }.sorted { $0.size < $1.size }
      lines += series(own, colour, across, up)
      if place < 14 {
        let y = margin.top + 16 * Double(place)
        lines.append(
          "<circle cx=\"\(round(panel.width - margin.right + 14))\" cy=\"\(round(y))\" r=\"4\" "
            + "fill=\"\(colour)\"/>")
        lines.append(text(name, panel.width - margin.right + 24, y + 4, anchor: "start"))
      }
    }
    return lines
  }

  private func series(
    _ points: [CalibrationFigures.Point], _ colour: String, _ across: Axis, _ up: Axis
  ) -> [String] {
    func x(_ point: CalibrationFigures.Point) -> Double { across.place(log10(max(point.size, 1))) }
    let path = points.filter { $0.predictedSeconds > 0 }.map {
      "\(round(x($0))),\(round(up.place(log10($0.predictedSeconds * 1e6))))"
    }.joined(separator: " ")
    return [
      "<polyline points=\"\(path)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"1\"/>"
    ]
      + points.map { point in
        "<circle cx=\"\(round(x(point)))\" "
          + "cy=\"\(round(up.place(log10(point.measuredSeconds * 1e6))))\" r=\"3\" "
          + "fill=\"\(point.isFitted ? colour : "white")\" stroke=\"\(colour)\"/>"
      }
  }

  /// A range of powers of ten on the paper.
  private struct Axis {
    var least: Double
    var most: Double
    var start: Double
    var end: Double

    init(_ values: [Double], from start: Double, to end: Double) {
      least = (values.min() ?? 0).rounded(.down)
      most = max(least + 1, (values.max() ?? 1).rounded(.up))
      (self.start, self.end) = (start, end)
    }

    var powers: [Double] {
      Array(stride(from: least, through: most, by: max(1, ((most - least) / 8).rounded(.up))))
    }

    func place(_ value: Double) -> Double {
      start + (value - least) / (most - least) * (end - start)
    }
  }

  private func label(_ power: Double) -> String {
    abs(power) <= 3 ? threeFigures(pow(10, power)) : "1e\(Int(power))"
  }

  private func round(_ value: Double) -> String { fixed(value, decimals: 1) }

  private func rule(_ x: Double, _ y: Double, _ toX: Double, _ toY: Double) -> String {
    "<line x1=\"\(round(x))\" y1=\"\(round(y))\" x2=\"\(round(toX))\" y2=\"\(round(toY))\" "
      + "stroke=\"#dddddd\"/>"
  }

  private func text(_ text: String, _ x: Double, _ y: Double, anchor: String) -> String {
    let plain = text.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
    return "<text x=\"\(round(x))\" y=\"\(round(y))\" text-anchor=\"\(anchor)\">\(plain)</text>"
  }
}

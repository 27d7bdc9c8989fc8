import Foundation

/// Points, lines and areas over two scales.
public struct PlotPicture: PagePicture {
  public struct Scale: Sendable {
    public var title: String
    public var range: ClosedRange<Double>
    public var isLogarithmic: Bool
    public var text: @Sendable (Double) -> String
    /// Places with their own names, where the scale has no numbers.
    public var names: [(value: Double, text: String)] = []

    public init(
      _ title: String, _ range: ClosedRange<Double>, isLogarithmic: Bool = false,
      text: @escaping @Sendable (Double) -> String
    ) {
      self.title = title
      self.isLogarithmic = isLogarithmic
      self.text = text
      // A scale has a length.
      self.range =
        range.lowerBound < range.upperBound
        ? range
        : range.lowerBound - abs(range.lowerBound) * 0.1 - 1e-12...range.upperBound
          + abs(range.upperBound) * 0.1 + 1e-12
    }

    /// From 0 to 1.
    func place(_ value: Double) -> Double {
      guard isLogarithmic else {
        return (value - range.lowerBound) / (range.upperBound - range.lowerBound)
      }
      return log(value / range.lowerBound) / log(range.upperBound / range.lowerBound)
    }

    func ticks(_ count: Int) -> [PictureFrame.Tick] {
      guard names.isEmpty else {
        return names.map { .init(place: place($0.value), text: $0.text) }
      }
      var values: [Double] = []
      if isLogarithmic {
        let (low, high) = (log10(range.lowerBound), log10(range.upperBound))
        let step = max(1, ((high - low) / Double(count)).rounded(.up))
        var power = low.rounded(.up)
        while power <= high {
          values.append(pow(10, power))
          power += step
        }
      } else {
        let step = roundStep(range.upperBound - range.lowerBound, most: count)
        var index = (range.lowerBound / step).rounded(.up)
        while index * step <= range.upperBound * (1 + 1e-9) {
          values.append(index * step)
          index += 1
        }
      }
      return values.map { .init(place: place($0), text: text($0)) }
    }
  }

  public struct Point: Sendable {
    public var x: Double
    public var y: Double
    public var tip: String

    public init(_ x: Double, _ y: Double, _ tip: String) {
      (self.x, self.y, self.tip) = (x, y, tip)
    }
  }

  public enum Shape: Sendable {
    /// Points joined in their order.
    case line
    case points
    /// Pale points.
    case rings
  }

  public struct Series: Sendable {
    public var name: String
    public var shape: Shape
    public var tone: PageTone
    public var points: [Point]

    public init(_ name: String, _ shape: Shape, _ tone: PageTone, _ points: [Point]) {
      (self.name, self.shape, self.tone, self.points) = (name, shape, tone, points)
    }
  }

  public var title: String
  public var description: String
  public var x: Scale
  public var y: Scale
  public var series: [Series]
  /// Lines at a height, with a name.
  public var rules: [(name: String, y: Double)] = []
  /// Lines through two points: where prediction and publication agree, and beside it.
  public var guides: [(from: (Double, Double), to: (Double, Double))] = []
  public var height = 320.0

  public init(
    _ title: String, description: String, x: Scale, y: Scale, series: [Series]
  ) {
    (self.title, self.description, self.x, self.y) = (title, description, x, y)
    self.series = series
  }

  private static let units = 10_000.0

  private func horizontal(_ value: Double) -> String {
    Markup.number((x.place(value) * Self.units).rounded())
  }

  private func vertical(_ value: Double) -> String {
    Markup.number(((1 - y.place(value)) * Self.units).rounded())
  }

  public func html(_ writer: inout PageWriter) -> String {
    var shapes = ""
    for tick in y.ticks(5) {
      let top = Markup.number(((1 - tick.place) * Self.units).rounded())
      shapes += "<path class=\"grid\" d=\"M0 \(top)H\(Int(Self.units))\"/>"
    }
    for guide in guides {
      shapes +=
        "<path class=\"guide\" d=\"M\(horizontal(guide.from.0)) \(vertical(guide.from.1))"
        + "L\(horizontal(guide.to.0)) \(vertical(guide.to.1))\"/>"
    }
    for rule in rules {
      shapes += "<path class=\"rule\" d=\"M0 \(vertical(rule.y))H\(Int(Self.units))\"/>"
    }
    for series in series { shapes += paths(series) }
    return PictureFrame(
      kind: "plot", title: title, description: description, upright: y.ticks(5), height: height,
      shapes: shapes, width: Self.units, depth: Self.units, ticks: x.ticks(7), axis: x.title,
      uprightAxis: y.title,
      legend: series.count > 1
        ? series.map {
          .init(tones: [$0.tone], text: $0.name, isPale: $0.shape == .rings)
        } : [],
      marks: rules.map { (1, 1 - y.place($0.y), $0.name) }
    ).html
  }

  /// A point is a line without length and with round ends, which no stretching distorts.
  private func paths(_ series: Series) -> String {
    let points = series.points.filter { $0.x.isFinite && $0.y.isFinite }
    var text = ""
    if series.shape == .line, points.count > 1 {
      let places = points.map { "\(horizontal($0.x)) \(vertical($0.y))" }
      text += "<path class=\"line \(series.tone.name)\" d=\"M\(places.joined(separator: "L"))\"/>"
    }
    for point in points {
      text +=
        "<path class=\"\(series.shape == .rings ? "ring" : "dot") \(series.tone.name)\" "
        + "d=\"M\(horizontal(point.x)) \(vertical(point.y))h0\""
        + Markup.attribute("data-tip", point.tip) + "/>"
    }
    return text
  }
}

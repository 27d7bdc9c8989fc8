/// Bars that lie one below the other, each of parts.
public struct BarPicture: PagePicture {
  public struct Part: Sendable {
    public var name: String
    public var value: Double
    public var tones: [PageTone]

    public init(_ name: String, _ value: Double, _ tones: PageTone...) {
      (self.name, self.value, self.tones) = (name, value, tones)
    }
  }

  public var title: String
  public var description: String
  public var bars: [(label: String, parts: [Part])]
  /// A value with its unit.
  public var text: @Sendable (Double) -> String
  /// The end of the scale; the longest bar's by default.
  public var most: Double?
  /// A limit that is drawn across.
  public var limit: (name: String, value: Double)?

  public init(
    _ title: String, description: String, bars: [(label: String, parts: [Part])],
    text: @escaping @Sendable (Double) -> String
  ) {
    (self.title, self.description, self.bars, self.text) = (title, description, bars, text)
  }

  private static let units = 10_000.0

  public func html(_ writer: inout PageWriter) -> String {
    let sums = bars.map { $0.parts.reduce(0) { $0 + max(0, $1.value) } }
    let most = max(most ?? 0, sums.max() ?? 0, limit?.value ?? 0)
    guard most > 0, most.isFinite else { return "" }
    let pitch = bars.count > 24 ? 14.0 : 22.0
    let height = pitch - 4
    var shapes = ""
    for (row, bar) in bars.enumerated() {
      var left = 0.0
      for part in bar.parts where part.value > 0 {
        let (from, to) = (left / most * Self.units, (left + part.value) / most * Self.units)
        left += part.value
        let tip = "\(bar.label): \(part.name), \(text(part.value))"
        let depth = height / Double(max(1, part.tones.count))
        shapes += "<g\(Markup.attribute("data-tip", tip))>"
        for (index, tone) in part.tones.enumerated() {
          let top = Double(row) * pitch + Double(index) * depth
          shapes +=
            "<rect class=\"\(tone.name)\" x=\"\(Markup.number(from))\" y=\"\(Markup.number(top))\" "
            + "width=\"\(Markup.number(max(1, to - from)))\" height=\"\(Markup.number(depth))\"/>"
        }
        shapes += "</g>"
      }
    }
    let depth = Double(bars.count) * pitch
    var marks: [(x: Double, y: Double, text: String)] = []
    if let limit {
      let x = Markup.number(limit.value / most * Self.units)
      shapes += "<path class=\"rule\" d=\"M\(x) 0V\(Markup.number(depth))\"/>"
      marks.append((limit.value / most, 0, limit.name))
    }
    return PictureFrame(
      kind: "bars", title: title, description: description,
      rows: bars.map { ($0.label, pitch) }, height: depth, shapes: shapes, width: Self.units,
      depth: depth, ticks: PictureFrame.ticks(to: most, count: 8) { text($0) }, legend: legend,
      marks: marks
    ).html
  }

  /// Each part once, in the order in which they come.
  private var legend: [PictureFrame.Entry] {
    var names: [String] = []
    var entries: [PictureFrame.Entry] = []
    for part in bars.flatMap(\.parts) where part.value > 0 && !names.contains(part.name) {
      names.append(part.name)
      entries.append(.init(tones: part.tones, text: part.name))
    }
    return entries.count > 1 ? entries : []
  }
}

/// Rows of boxes over a common time: a step by pipeline position, a position by stream, an action by kernel.
///
/// The shapes hold the times themselves: whoever points at one is told its name, start and length from what
/// is drawn. Wheel, buttons and keys zoom; the rows of one `group` zoom together.
public struct LanePicture: PagePicture {
  public struct Span: Codable, Sendable {
    /// Picoseconds.
    public var start: Int64
    public var end: Int64
    public var name: String
    /// One colour, or an upper and a lower one.
    public var tones: [PageTone]

    public init(_ name: String, _ start: Int64, _ end: Int64, _ tones: PageTone...) {
      (self.name, self.start, self.end, self.tones) = (name, start, end, tones)
    }
  }

  public struct Row: Codable, Sendable {
    public var label: String
    public var spans: [Span]
    public var isThin = false
    /// The name under which other pictures of the page may show the same boxes.
    public var identifier: String?
    /// The name of a row of another picture whose boxes are shown here.
    public var shows: String?

    public init(_ label: String, _ spans: [Span], isThin: Bool = false) {
      (self.label, self.spans, self.isThin) = (label, spans, isThin)
    }
  }

  public var title: String
  public var description: String
  public var rows: [Row]
  /// All of the time that is shown, picoseconds.
  public var duration: Int64
  /// What entries of the legend say.
  var legend: [PictureFrame.Entry] = []
  /// Picoseconds of a unit of the drawing: 1,000,000 for a step, 1,000 for an action.
  public var unit: Int64
  /// Pictures of one group show the same time.
  public var group: String?
  /// Where a span's kind, its name without microbatches, is an option of a choice on the page: by kind, the
  /// number of the option.
  public var choices: [String: Int] = [:]
  public var choice: String?

  /// Times are numbers without a unit, a millisecond of the spans each one.
  public var isPlain = false

  public init(
    _ title: String, description: String, rows: [Row], duration: Int64, unit: Int64 = 1_000_000
  ) {
    (self.title, self.description, self.rows) = (title, description, rows)
    (self.duration, self.unit) = (max(1, duration), unit)
  }

  private static let gap = 4.0

  public func html(_ writer: inout PageWriter) -> String {
    var shapes = ""
    var top = 0.0
    var labels: [(String, Double)] = []
    for row in rows {
      let height = row.isThin ? 10.0 : 18.0
      shapes +=
        "<g transform=\"translate(0 \(Markup.number(top)))\""
        + Markup.attribute("data-row", row.label)
        + (row.shows.map { Markup.attribute("data-shows", $0) } ?? "") + ">"
      shapes +=
        "<rect class=\"track\" width=\"\(duration / unit)\" height=\"\(Markup.number(height))\"/>"
      if let shown = row.shows {
        shapes += "<use\(Markup.attribute("href", "#" + shown))/></g>\n"
      } else {
        let name = row.identifier.map { Markup.attribute("id", $0) } ?? ""
        shapes += "<g\(name)>" + paths(row, height, &writer) + "</g></g>\n"
      }
      labels.append((row.label, height + Self.gap))
      top += height + Self.gap
    }
    let width = Double(duration / unit)
    var attributes = " tabindex=\"0\" data-unit=\"\(Double(unit) / 1e12)\""
    attributes += Markup.attribute(
      "aria-description", "Arrow keys go from box to box, + and - zoom, Home shows all of it")
    if isPlain { attributes += " data-plain" }
    if let group { attributes += Markup.attribute("data-group", group) }
    if let choice, !choices.isEmpty {
      let list = choices.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
      attributes += Markup.attribute("data-choose", choice)
      attributes += Markup.attribute("data-kinds", list.joined(separator: ";"))
    }
    return PictureFrame(
      kind: "lanes", title: title, description: description, attributes: attributes, rows: labels,
      height: top, shapes: shapes, width: width, depth: top,
      ticks: PictureFrame.ticks(to: Double(duration) / 1e12, count: 8) {
        isPlain ? decimal($0 * 1e3) : Self.time($0)
      },
      legend: legend, tools: Self.tools
    ).html
  }

  /// A path per colour, its boxes in the order of time, and in its attribute their names.
  private func paths(_ row: Row, _ height: Double, _ writer: inout PageWriter) -> String {
    struct Path {
      var tone: PageTone
      var isLower: Bool
      var depth: Double
      var boxes = ""
      var names: [String] = []
      var last: Int64 = 0
    }
    var paths: [Path] = []
    for span in row.spans {
      let start = span.start / unit
      let length = max(1, span.end / unit - start)
      for (index, tone) in span.tones.prefix(2).enumerated() {
        let isLower = index == 1
        let depth = span.tones.count > 1 ? height / 2 : height
        let place =
          paths.firstIndex { $0.tone == tone && $0.isLower == isLower && $0.depth == depth }
          ?? {
            paths.append(Path(tone: tone, isLower: isLower, depth: depth))
            return paths.count - 1
          }()
        paths[place].boxes += "m\(start - paths[place].last) 0h\(length)"
        if row.isThin {
          // A line as thick as the row is high takes half the letters, and needs no gaps.
          paths[place].last = start + length
        } else {
          paths[place].boxes += "v\(Markup.number(depth))h-\(length)z"
          paths[place].last = start
        }
        if !isLower { paths[place].names.append("\(writer.place(of: span.name))") }
      }
    }
    return paths.map { path in
      "<path class=\"\(row.isThin ? "thin " : "")\(path.tone.name)\""
        + (path.isLower ? " transform=\"translate(0 \(Markup.number(path.depth)))\"" : "")
        + (path.isLower ? "" : " data-i=\"\(path.names.joined(separator: " "))\"")
        + " d=\"\(path.boxes)\"/>"
    }.joined()
  }

  /// Seconds in the unit that suits them.
  static func time(_ seconds: Double) -> String {
    switch abs(seconds) {
    case 0: "0"
    case ..<1e-6: "\(decimal(seconds * 1e9)) ns"
    case ..<1e-3: "\(decimal(seconds * 1e6)) µs"
    case ..<1: "\(decimal(seconds * 1e3)) ms"
    default: "\(decimal(seconds)) s"
    }
  }

  private static let tools =
    "<span class=\"tools\"><button type=\"button\" data-do=\"in\" aria-label=\"Zoom in\">+</button>"
    + "<button type=\"button\" data-do=\"out\" aria-label=\"Zoom out\">−</button>"
    + "<button type=\"button\" data-do=\"left\" aria-label=\"Earlier\">‹</button>"
    + "<button type=\"button\" data-do=\"right\" aria-label=\"Later\">›</button>"
    + "<button type=\"button\" data-do=\"all\">All</button></span>"
}

/// Plans as lines over upright scales, one scale for every setting and figure; handles at each scale narrow
/// down which lines, and which rows of the table below, are seen.
public struct ParallelPicture: PagePicture {
  public struct Axis: Sendable {
    public var title: String
    /// A value per line: words are places in the order in which they first come, unless all are numbers.
    public var texts: [String]
    public var values: [Double?]

    /// An axis of numbers with their texts.
    public init(_ title: String, _ figures: [ReportFigure]) {
      self.title = title
      texts = figures.map(\.text)
      values = figures.map(\.value)
    }

    /// An axis of settings.
    public init(_ title: String, words: [String]) {
      self.title = title
      texts = words
      values = words.map { Double($0) }
    }

    /// Where each line crosses it, from 0 to 1, and what stands at its ends.
    fileprivate var places: (lines: [Double], low: String, high: String) {
      let numbers = values.compactMap { $0 }
      if numbers.count == texts.count, let low = numbers.min(), let high = numbers.max() {
        let lines = numbers.map { high > low ? ($0 - low) / (high - low) : 0.5 }
        let lowText = zip(numbers, texts).first { $0.0 == low }?.1 ?? ""
        let highText = zip(numbers, texts).first { $0.0 == high }?.1 ?? ""
        return (lines, lowText, highText)
      }
      var words: [String] = []
      for text in texts where !words.contains(text) { words.append(text) }
      words.sort()
      let lines = texts.map { text in
        words.count > 1 ? Double(words.firstIndex(of: text) ?? 0) / Double(words.count - 1) : 0.5
      }
      return (lines, words.first ?? "", words.last ?? "")
    }
  }

  public var title: String
  public var names: [String]
  public var axes: [Axis]

  public init(_ title: String, names: [String], axes: [Axis]) {
    (self.title, self.names, self.axes) = (title, names, axes)
  }

  public func html(_ writer: inout PageWriter) -> String {
    let places = axes.map(\.places)
    var shapes = ""
    for axis in axes.indices {
      shapes += "<path class=\"grid\" d=\"M\(axis * 1000 + 500) 0V1000\"/>"
    }
    for (line, name) in names.enumerated() {
      let points = axes.indices.map { axis in
        "\(axis * 1000 + 500) \(Int(((1 - places[axis].lines[line]) * 960 + 20).rounded()))"
      }
      let where_ = axes.indices.map { "\(Int((places[$0].lines[line] * 1000).rounded()))" }
      let tip =
        name + "\n" + axes.map { "\($0.title): \($0.texts[line])" }.joined(separator: "\n")
      shapes += "<path class=\"way\" d=\"M\(points.joined(separator: "L"))\""
      shapes += Markup.attribute("data-at", where_.joined(separator: " "))
      shapes += Markup.attribute("data-name", name) + Markup.attribute("data-tip", tip) + "/>"
    }
    var text =
      "<figure class=\"pic par\"\(Markup.attribute("aria-label", title))><figcaption><span>\(Markup.escaped(title))</span>"
    text += "<span class=\"tools\"><button type=\"button\" data-do=\"all\">All</button></span>"
    text += "</figcaption><div class=\"parallel\" style=\"--axes:\(axes.count)\">"
    text += "<div class=\"heads\">"
    for (axis, place) in zip(axes, places) {
      text += "<span><b>\(Markup.escaped(axis.title))</b>\(Markup.escaped(place.high))</span>"
    }
    text +=
      "</div><svg viewBox=\"0 0 \(axes.count * 1000) 1000\" preserveAspectRatio=\"none\" role=\"img\""
    text += Markup.attribute(
      "aria-label", "\(title): \(names.count) lines over \(axes.count) scales")
    text += ">\(shapes)</svg><div class=\"heads feet\">"
    for (index, (axis, place)) in zip(axes, places).enumerated() {
      let name = Markup.escaped(axis.title)
      text += "<span>\(Markup.escaped(place.low))"
      text +=
        "<input type=\"range\" min=\"0\" max=\"1000\" value=\"0\" data-axis=\"\(index)\" data-end=\"low\" "
        + "aria-label=\"least \(name)\">"
      text +=
        "<input type=\"range\" min=\"0\" max=\"1000\" value=\"1000\" data-axis=\"\(index)\" "
        + "data-end=\"high\" aria-label=\"greatest \(name)\"></span>"
    }
    return text + "</div></div><output class=\"note\"></output></figure>\n"
  }
}

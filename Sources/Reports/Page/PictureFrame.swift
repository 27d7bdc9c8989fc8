/// What stands around the shapes of a picture: names of rows at the left, a scale below, a legend.
///
/// Shapes are SVG that stretches with the page; words are HTML, so that they keep their size, can be
/// selected and read aloud.
struct PictureFrame {
  /// A place on a scale, from 0 to 1.
  struct Tick {
    var place: Double
    var text: String
  }

  struct Entry {
    var tones: [PageTone]
    var text: String
    var isPale = false
  }

  /// `lanes`, `bars` or `plot`.
  var kind: String
  var title: String
  /// What a reader is told who does not see it.
  var description: String
  var attributes = ""
  /// Labels at the left, each with the height of its row; or at places of an upright scale.
  var rows: [(text: String, height: Double)] = []
  var upright: [Tick] = []
  var height: Double
  /// The inside of the SVG, in units of which it is `width` wide and `depth` deep.
  var shapes: String
  var width: Double
  var depth: Double
  var ticks: [Tick] = []
  /// What the scales count.
  var axis = ""
  var uprightAxis = ""
  var legend: [Entry] = []
  /// Words on the picture, at places from 0 to 1 from the left and the top.
  var marks: [(x: Double, y: Double, text: String)] = []
  /// Tools above, as HTML.
  var tools = ""

  var html: String {
    var text = "<figure class=\"pic \(kind)\"\(Markup.attribute("aria-label", title))\(attributes)>"
    text += "<figcaption><span>\(Markup.escaped(title))</span>\(tools)</figcaption>"
    text += "<div class=\"frame\">"
    let length = rows.map(\.text.count).max() ?? upright.map(\.text.count).max() ?? 0
    text += "<div class=\"labels\" style=\"--n:\(min(22, max(2, length)))\" aria-hidden=\"true\">"
    if !uprightAxis.isEmpty { text += "<b>\(Markup.escaped(uprightAxis))</b>" }
    for row in rows {
      text +=
        "<span style=\"height:\(Markup.number(row.height))px\">\(Markup.escaped(row.text))</span>"
    }
    for tick in upright {
      text += "<i style=\"top:\(percentage(1 - tick.place))\">\(Markup.escaped(tick.text))</i>"
    }
    text += "</div><div class=\"view\" style=\"--h:\(Markup.number(height))px\">"
    text +=
      "<svg viewBox=\"0 0 \(Markup.number(width)) \(Markup.number(depth))\" "
      + "preserveAspectRatio=\"none\" role=\"img\"\(Markup.attribute("aria-label", description))>"
    text += shapes + "</svg>"
    for mark in marks {
      text +=
        "<span class=\"mark\(mark.x < 0.05 ? " first" : "")\" style=\"left:\(percentage(mark.x));top:\(percentage(mark.y))\">"
        + Markup.escaped(mark.text) + "</span>"
    }
    text += "</div><div class=\"axis\" aria-hidden=\"true\">"
    for tick in ticks {
      text +=
        "<i\(tick.place > 0.97 ? " class=\"end\"" : "") style=\"left:\(percentage(tick.place))\">"
      text += Markup.escaped(tick.text) + "</i>"
    }
    if !axis.isEmpty { text += "<b>\(Markup.escaped(axis))</b>" }
    text += "</div></div>"
    if !legend.isEmpty {
      text += "<ul class=\"legend\">"
      for entry in legend {
        text +=
          "<li>"
          + entry.tones.map {
            "<i class=\"sw \($0.name)\(entry.isPale ? " faint" : "")\"></i>"
          }.joined()
        text += Markup.escaped(entry.text) + "</li>"
      }
      text += "</ul>"
    }
    return text + "</figure>\n"
  }

  private func percentage(_ share: Double) -> String {
    Markup.number((share * 10_000).rounded() / 100) + "%"
  }

  /// Round places of a scale from 0 to `most`, at most `count` of them.
  static func ticks(to most: Double, count: Int, _ text: (Double) -> String) -> [Tick] {
    guard most > 0, most.isFinite else { return [] }
    let step = roundStep(most, most: count)
    return (0...Int((most / step * 1.000_001).rounded(.down))).map { index in
      let value = Double(index) * step
      return Tick(place: value / most, text: text(value))
    }
  }
}

/// The smallest of 1, 2, 5 times a power of ten of which at most `most` fit into `range`.
func roundStep(_ range: Double, most: Int) -> Double {
  guard range > 0, range.isFinite else { return 0 }
  var power = 1e-12
  while true {
    for factor in [1.0, 2, 5] where range / (power * factor) <= Double(most) {
      return power * factor
    }
    power *= 10
  }
}

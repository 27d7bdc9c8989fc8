import Quantities
import Schedules

/// The colour of an action: its pass decides the hue, its place among the rank's stages the tint.
struct Tone: Hashable {
  let red: Int
  let green: Int
  let blue: Int

  /// Whether white text reads on it.
  let isDark: Bool

  init(_ pass: Action.Pass, tint: Int) {
    let (red, green, blue) =
      switch pass {
      case .forward: (0x2f, 0x6f, 0xd6)
      case .backward: (0xc2, 0x57, 0x0c)
      case .backwardInput: (0x0f, 0x7f, 0x6b)
      case .backwardWeight: (0x7d, 0x52, 0xc4)
      }
    let share = [0, 0.55, 0.3, 0.72][min(tint, 3)]
    func mixed(_ part: Int) -> Int { Int((Double(part) + (255 - Double(part)) * share).rounded()) }
    (self.red, self.green, self.blue) = (mixed(red), mixed(green), mixed(blue))
    isDark = share < 0.25
  }

  /// `#2f6fd6`.
  var fill: String {
    "#"
      + [red, green, blue].map { part in
        let digits = String(part, radix: 16)
        return digits.count == 1 ? "0" + digits : digits
      }.joined()
  }
}

extension SchedulePicture {
  func text(
    _ content: String, x: Double, y: Double, class name: String, size: Double? = nil
  ) -> String {
    let style = size.map { " style=\"font-size:\(number($0))px\"" } ?? ""
    return "<text class=\"\(name)\" x=\"\(number(x))\" y=\"\(number(y))\"\(style)>"
      + "\(escaped(content))</text>"
  }

  func rectangle(
    _ x: Double, _ y: Double, _ width: Double, _ height: Double, fill: String? = nil,
    class name: String? = nil, corner: Double
  ) -> String {
    let paint = fill.map { " fill=\"\($0)\"" } ?? ""
    let style = name.map { " class=\"\($0)\"" } ?? ""
    return "<rect\(style) x=\"\(number(x))\" y=\"\(number(y))\" width=\"\(number(width))\" "
      + "height=\"\(number(height))\" rx=\"\(number(corner))\"\(paint)/>"
  }

  /// A length with at most two decimals.
  func number(_ value: Double) -> String { decimal((value * 100).rounded() / 100) }

  func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      default: result.append(character)
      }
    }
    return result
  }
}

/// A number without superfluous decimals, at most three.
func decimal(_ value: Double) -> String {
  var text = fixed(value, decimals: 3)
  while text.hasSuffix("0") { text.removeLast() }
  if text.hasSuffix(".") { text.removeLast() }
  return text
}

/// Text on its way into HTML, where whatever a file says stays text.
enum Markup {
  /// `text` for the content of an element or for an attribute in double quotes.
  ///
  /// Control characters, which HTML has no place for, and marks that turn the direction of what follows
  /// become the sign of a replaced character.
  static func escaped(_ text: String) -> String {
    var result = ""
    result.reserveCapacity(text.utf8.count + 16)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      case "\n", "\t": result.unicodeScalars.append(scalar)
      case _ where scalar.value < 32 || 127..<160 ~= scalar.value: result += "\u{FFFD}"
      case "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}": result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// JSON for the inside of a script element: no tag can begin or end in it.
  static func scriptData(_ json: String) -> String {
    var result = ""
    result.reserveCapacity(json.utf8.count)
    for character in json.unicodeScalars {
      if character == "<" {
        result += "\\u003c"
      } else {
        result.unicodeScalars.append(character)
      }
    }
    return result
  }

  /// ` name="value"`, the value escaped.
  static func attribute(_ name: String, _ value: String) -> String {
    " \(name)=\"\(escaped(value))\""
  }

  /// A sentence in which no line ends between a number and its unit.
  static func unbroken(_ text: String) -> String {
    var result = text
    for unit in ["%", "s", "GiB", "MiB", "GPUs", "GPU"] {
      for end in [" ", ".", ",", ";", ":"] {
        result = result.replacing(" \(unit)\(end)", with: "\u{A0}\(unit)\(end)")
      }
    }
    return escaped(result)
  }

  /// A coordinate with at most two decimals.
  static func number(_ value: Double) -> String { decimal((value * 100).rounded() / 100) }
}

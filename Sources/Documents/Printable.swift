/// `text` on one line and of bounded length, whatever names and files may hold: for messages.
///
/// What is no character to read, such as a newline, is written by its number: `\u{a}`.
///
/// - Parameter limit: characters of the text that are shown; of a longer one an ellipsis says so.
public func printable(_ text: String, atMost limit: Int = 120) -> String {
  var result = ""
  for scalar in text.unicodeScalars.prefix(limit) {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned:
      result += "\\u{\(String(scalar.value, radix: 16))}"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return text.unicodeScalars.count > limit ? result + "…" : result
}

/// Where in a completion the answer stands that a rule compares; white space around it does not count.
public struct AnswerPlace: Hashable, Sendable {
  /// The text behind whose last occurrence the answer stands; nil for the whole completion.
  var marker: String?
  /// The name of the tag, `<name>…</name>`, whose last occurrence holds the answer; nil for none.
  var tag: String?

  /// The whole completion.
  public static let whole = AnswerPlace()

  /// The answer behind the last occurrence of a text.
  public static func after(_ marker: String) -> AnswerPlace { .init(marker: marker) }

  /// The answer in a completion; nil where it has none at this place.
  func answer(in completion: String) -> String? {
    var text = Array(completion.utf8)[...]
    if let marker {
      guard let last = Self.last(Array(marker.utf8), in: text) else { return nil }
      text = text[(last + marker.utf8.count)...]
    }
    if let tag {
      let (opening, closing) = (Array("<\(tag)>".utf8), Array("</\(tag)>".utf8))
      guard let end = Self.last(closing, in: text),
        let start = Self.last(opening, in: text[..<end])
      else { return nil }
      text = text[(start + opening.count)..<end]
    }
    return trimmed(String(decoding: text, as: UTF8.self))
  }

  /// Where a text occurs last; nil where it does not.
  private static func last(_ sought: [UInt8], in text: ArraySlice<UInt8>) -> Int? {
    guard sought.count <= text.count else { return nil }
    return (text.startIndex...(text.endIndex - sought.count)).last {
      text[$0...].starts(with: sought)
    }
  }
}

/// A text without the white space around it.
func trimmed(_ text: String) -> String {
  let front = text.drop(while: \.isWhitespace)
  guard let last = front.lastIndex(where: { !$0.isWhitespace }) else { return "" }
  return String(front[...last])
}

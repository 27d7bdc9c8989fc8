/// JSON with comments, as hjson reads it and people write it: `//`, `#` and `/* … */`.
enum CommentedJSON {
  /// The text with blanks for its comments, every line where it was; nil where it is no JSON.
  static func withoutComments(_ text: String) -> String? {
    var result: [UInt8] = []
    let bytes = Array(text.utf8)
    var (position, isQuoted) = (0, false)
    func begins(_ mark: String) -> Bool { bytes[position...].starts(with: mark.utf8) }
    while position < bytes.count {
      let next = bytes[position]
      if isQuoted {
        result.append(next)
        if next == UInt8(ascii: "\\"), position + 1 < bytes.count {
          position += 1
          result.append(bytes[position])
        }
        if next == UInt8(ascii: "\"") { isQuoted = false }
      } else if begins("/*") {
        position += 2
        while position < bytes.count, !begins("*/") {
          result.append(isBreak(bytes[position]) ? bytes[position] : UInt8(ascii: " "))
          position += 1
        }
        position += 1
      } else if next == UInt8(ascii: "#") || (begins("//") && result.last != UInt8(ascii: ":")) {
        // A colon in front makes it an address: `http://…`.
        while position < bytes.count, !isBreak(bytes[position]) { position += 1 }
        continue
      } else {
        isQuoted = next == UInt8(ascii: "\"")
        result.append(next)
      }
      position += 1
    }
    // A table is all that such a file holds; anything else has comments of its own kind.
    guard result.first(where: { !isBlank($0) }) == UInt8(ascii: "{") else { return nil }
    return String(decoding: result, as: UTF8.self)
  }

  private static func isBreak(_ byte: UInt8) -> Bool { byte == 10 || byte == 13 }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 || isBreak(byte) }
}

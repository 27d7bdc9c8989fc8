/// A JSON text as a tree, for what programs write: headers of safetensors, checkpoint indices,
/// tokenizers, rows of tokens, prompts and the answers to them.
///
/// What people write goes through `Document`, whose parser knows lines and is made for small files.
public enum JSONValue: Hashable, Sendable {
  case null
  case boolean(Bool)
  case integer(Int)
  /// A whole number beyond 64 bits, as it is written.
  case long(String)
  case decimal(Double)
  case string(String)
  case list([JSONValue])
  /// Keys in the order of the text; none twice.
  case table([Entry])

  /// A key with its value.
  public struct Entry: Hashable, Sendable {
    public var key: String
    public var value: JSONValue

    public init(key: String, value: JSONValue) { (self.key, self.value) = (key, value) }
  }

  /// Why a text is not JSON, and the byte at which it is not.
  public struct Failure: Error, Hashable {
    public var rule: String
    public var offset: Int

    public init(rule: String, offset: Int) { (self.rule, self.offset) = (rule, offset) }
  }

  /// Reads a text that consists of one value.
  public init(_ bytes: [UInt8]) throws(Failure) {
    var parser = JSONParser(bytes: bytes)
    self = try parser.parseDocument()
  }

  /// The value of a key; nil if this is no table or has no such key.
  ///
  /// Time grows with the keys.
  public subscript(key: String) -> JSONValue? {
    guard case .table(let entries) = self else { return nil }
    return entries.first { $0.key == key }?.value
  }

  public var text: String? { if case .string(let text) = self { text } else { nil } }
  public var number: Int? { if case .integer(let number) = self { number } else { nil } }
  public var flag: Bool? { if case .boolean(let flag) = self { flag } else { nil } }
  public var items: [JSONValue]? { if case .list(let items) = self { items } else { nil } }
  public var entries: [Entry]? { if case .table(let entries) = self { entries } else { nil } }
}

/// Reads JSON (RFC 8259) in one pass, with a bound on nesting.
private struct JSONParser {
  let bytes: [UInt8]
  var position = 0
  static let deepestNesting = 64

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func parseDocument() throws(JSONValue.Failure) -> JSONValue {
    let value = try parseValue(depth: 0)
    skipSpace()
    guard position == bytes.count else { throw failure("has text behind its end") }
    return value
  }

  private func failure(_ rule: String) -> JSONValue.Failure { .init(rule: rule, offset: position) }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      position += 1
    }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    position += 1
    return true
  }

  private mutating func parseValue(depth: Int) throws(JSONValue.Failure) -> JSONValue {
    guard depth <= Self.deepestNesting else { throw failure("is nested too deeply") }
    skipSpace()
    guard let byte = next else { throw failure("ends too early") }
    switch byte {
    case UInt8(ascii: "{"): return try parseTable(depth: depth)
    case UInt8(ascii: "["): return try parseList(depth: depth)
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "t"): return try parseWord("true", .boolean(true))
    case UInt8(ascii: "f"): return try parseWord("false", .boolean(false))
    case UInt8(ascii: "n"): return try parseWord("null", .null)
    default: return try parseNumber()
    }
  }

  private mutating func parseWord(
    _ word: StaticString, _ value: JSONValue
  ) throws(JSONValue.Failure) -> JSONValue {
    let length = word.utf8CodeUnitCount
    guard position + length <= bytes.count,
      (0..<length).allSatisfy({ bytes[position + $0] == word.utf8Start[$0] })
    else { throw failure("is not JSON") }
    position += length
    return value
  }

  private mutating func parseTable(depth: Int) throws(JSONValue.Failure) -> JSONValue {
    position += 1
    var entries: [JSONValue.Entry] = []
    // Bytes, since texts that Unicode calls equal are different keys.
    var seen: Set<[UInt8]> = []
    skipSpace()
    if take(UInt8(ascii: "}")) { return .table([]) }
    while true {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw failure("lacks a key") }
      let key = try parseString()
      guard seen.insert(Array(key.utf8)).inserted else { throw failure("has the key \(key) twice") }
      skipSpace()
      guard take(UInt8(ascii: ":")) else { throw failure("lacks a colon") }
      entries.append(.init(key: key, value: try parseValue(depth: depth + 1)))
      skipSpace()
      if take(UInt8(ascii: "}")) { return .table(entries) }
      guard take(UInt8(ascii: ",")) else { throw failure("lacks a comma or a closing brace") }
    }
  }

  private mutating func parseList(depth: Int) throws(JSONValue.Failure) -> JSONValue {
    position += 1
    var items: [JSONValue] = []
    skipSpace()
    if take(UInt8(ascii: "]")) { return .list([]) }
    while true {
      items.append(try parseValue(depth: depth + 1))
      skipSpace()
      if take(UInt8(ascii: "]")) { return .list(items) }
      guard take(UInt8(ascii: ",")) else { throw failure("lacks a comma or a closing bracket") }
    }
  }

  /// A number as RFC 8259 writes it: `01`, `+1`, `1.` and `.5` are none.
  private mutating func parseNumber() throws(JSONValue.Failure) -> JSONValue {
    let start = position
    _ = take(UInt8(ascii: "-"))
    let whole = digits()
    var isNumber = whole > 0 && (whole == 1 || bytes[position - whole] != UInt8(ascii: "0"))
    if take(UInt8(ascii: ".")) { isNumber = digits() > 0 && isNumber }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      position += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
      isNumber = digits() > 0 && isNumber
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isNumber, let number = Int(text) { return .integer(number) }
    if isNumber, position - start == whole + (text.hasPrefix("-") ? 1 : 0) { return .long(text) }
    guard isNumber, let number = Double(text), number.isFinite else {
      position = start
      throw failure("is not JSON")
    }
    return .decimal(number)
  }

  /// Skips digits and says how many there were.
  private mutating func digits() -> Int {
    let start = position
    while let byte = next, "0123456789".utf8.contains(byte) { position += 1 }
    return position - start
  }
}

extension JSONParser {
  private mutating func parseString() throws(JSONValue.Failure) -> String {
    position += 1
    let start = position
    while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 {
      position += 1
    }
    if next == UInt8(ascii: "\"") {
      guard let text = String(validating: bytes[start..<position], as: UTF8.self) else {
        throw failure("is not valid UTF-8")
      }
      position += 1
      return text
    }
    return try parseEscapedString(Array(bytes[start..<position]))
  }

  /// The rest of a string from its first escape on, behind what was read of it.
  private mutating func parseEscapedString(
    _ beginning: [UInt8]
  ) throws(JSONValue.Failure) -> String {
    var content = beginning
    while let byte = next {
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: content, as: UTF8.self) else {
          throw failure("is not valid UTF-8")
        }
        return text
      case UInt8(ascii: "\\"): content += Array(String(try parseEscape()).utf8)
      case 0..<0x20: throw failure("has a control character in a string")
      default: content.append(byte)
      }
    }
    throw failure("ends within a string")
  }

  private mutating func parseEscape() throws(JSONValue.Failure) -> Character {
    guard let byte = next else { throw failure("ends within a string") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return Character(try parseScalar())
    default: throw failure("has an unknown escape in a string")
    }
  }

  /// A `\u` escape or a pair of them; half a pair alone becomes the replacement character.
  private mutating func parseScalar() throws(JSONValue.Failure) -> Unicode.Scalar {
    let high = try parseUnit()
    guard 0xD800..<0xDC00 ~= high, position + 1 < bytes.count,
      bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u")
    else { return Unicode.Scalar(high) ?? "\u{FFFD}" }
    let mark = position
    position += 2
    let low = try parseUnit()
    guard 0xDC00..<0xE000 ~= low else {
      position = mark
      return "\u{FFFD}"
    }
    return Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00)) ?? "\u{FFFD}"
  }

  private mutating func parseUnit() throws(JSONValue.Failure) -> UInt32 {
    guard position + 4 <= bytes.count,
      let unit = UInt32(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16),
      bytes[position] != UInt8(ascii: "+")
    else { throw failure("has a broken \\u escape") }
    position += 4
    return unit
  }
}

extension JSONValue {
  /// The value for a message: a short one as it is written, of others how much there is.
  public var shown: String {
    switch self {
    case .null: "null"
    case .boolean(let flag): "\(flag)"
    case .integer(let number): "\(number)"
    case .long(let text): text
    case .decimal(let number): "\(number)"
    case .string(let text): Self.quoted(text)
    case .list(let items):
      items.count > 8
        ? "a list of \(items.count)" : "[\(items.map(\.shown).joined(separator: ", "))]"
    case .table(let entries):
      "{\(entries.map { "\($0.key): \($0.value.shown)" }.joined(separator: ", "))}"
    }
  }

  /// A text as a JSON string, quotes included.
  public static func quoted(_ text: String) -> String {
    var result: [UInt8] = [UInt8(ascii: "\"")]
    result.reserveCapacity(text.utf8.count + 2)
    // What is escaped is ASCII, whose bytes are in no other scalar.
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): result += "\\\"".utf8
      case UInt8(ascii: "\\"): result += "\\\\".utf8
      case UInt8(ascii: "\n"): result += "\\n".utf8
      case UInt8(ascii: "\r"): result += "\\r".utf8
      case UInt8(ascii: "\t"): result += "\\t".utf8
      case ..<0x20:
        let digits = String(byte, radix: 16)
        result += "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".utf8
      default: result.append(byte)
      }
    }
    result.append(UInt8(ascii: "\""))
    return String(decoding: result, as: UTF8.self)
  }
}

extension JSONValue {
  /// The value as JSON on one line without spaces, keys in their order.
  ///
  /// Reading it back gives the same value.
  public var compact: String {
    switch self {
    case .null: "null"
    case .boolean(let flag): "\(flag)"
    case .integer(let number): "\(number)"
    case .long(let text): text
    case .decimal(let number): "\(number)"
    case .string(let text): Self.quoted(text)
    case .list(let items): "[\(items.map(\.compact).joined(separator: ","))]"
    case .table(let entries):
      "{\(entries.map { "\(Self.quoted($0.key)):\($0.value.compact)" }.joined(separator: ","))}"
    }
  }

  /// A number of either kind.
  public var double: Double? {
    switch self {
    case .integer(let number): Double(number)
    case .long(let text): Double(text)
    case .decimal(let number): number
    default: nil
    }
  }

  var isNumberOrFlag: Bool { double != nil || flag != nil }
}

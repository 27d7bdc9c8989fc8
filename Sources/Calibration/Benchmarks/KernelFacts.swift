/// What the arguments of a trace's event say.
struct KernelFacts {
  var stream: Int?
  var external: Int?
  var bytes: Int?
  var collective: String?
  var inputs: Int?
  var outputs: Int?
  var group: Int?
  var format: String?
  var ranks: String?
  var shapes: [[Int]] = []
  var formats: [String] = []

  /// Reads a table of arguments.
  mutating func read(_ event: JSONObject, _ arguments: JSONSlice) {
    let table = JSONObject(bytes: event.bytes, start: arguments.start, end: arguments.end)
    func integer(_ value: JSONSlice) -> Int? { Int(table.text(value)) }
    table.forEach { key, value in
      if table.isText(key, "stream") {
        stream = integer(value)
      } else if table.isText(key, "External id") || table.isText(key, "external id") {
        external = integer(value)
      } else if table.isText(key, "bytes") || table.isText(key, "Bytes") {
        bytes = integer(value).flatMap { $0 >= 0 ? $0 : nil }
      } else if table.isText(key, "Collective name") {
        collective = table.text(value)
      } else if table.isText(key, "In msg nelems") {
        inputs = integer(value)
      } else if table.isText(key, "Out msg nelems") {
        outputs = integer(value)
      } else if table.isText(key, "Group size") {
        group = integer(value)
      } else if table.isText(key, "dtype") {
        format = table.text(value)
      } else if table.isText(key, "Process Group Ranks") {
        ranks = table.text(value)
      } else if table.isText(key, "Input Dims") || table.isText(key, "Input dims") {
        shapes = Self.lists(table.text(value))
      } else if table.isText(key, "Input type") {
        formats = table.text(value).split(separator: "\"", omittingEmptySubsequences: false)
          .enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }
      }
    }
  }

  /// `[[4096, 7168], [7168, 2048], []]` as lists of numbers; deeper lists end it.
  private static func lists(_ text: String) -> [[Int]] {
    var lists: [[Int]] = []
    var depth = 0
    var current: [Int] = []
    var digits = ""
    for character in text {
      switch character {
      case "[":
        depth += 1
        guard depth <= 2 else { return lists }
        current = []
      case "]", ",":
        if let number = Int(digits) { current.append(number) }
        digits = ""
        if character == "]" {
          if depth == 2 { lists.append(current) }
          depth -= 1
        }
      // JSON may have white space anywhere, ends of lines too.
      case _ where character.isWhitespace: continue
      default: digits.append(character)
      }
    }
    return lists
  }
}

import Documents

/// The text of a benchmark, in lines without what launchers put in front of them.
struct BenchmarkText: Sendable {
  struct Line: Sendable {
    /// Counted from one.
    var number: Int
    /// Without prefixes, colours and white space around.
    var text: String
    /// Whether its end was written: a log may be cut within a line.
    var isWhole: Bool

    /// What white space separates.
    var words: [Substring] {
      text.split(whereSeparator: { $0 == " " || $0 == "\t" })
    }
  }

  let file: String
  let lines: [Line]

  /// Lines end at line feeds and at the carriage returns with which progress overwrites itself.
  init(_ bytes: some Sequence<UInt8>, file: String) throws(ConfigurationError) {
    self.file = file
    var lines: [Line] = []
    var number = 1
    var current: [UInt8] = []
    func take(_ isWhole: Bool) {
      let text = Self.plain(current)
      if !text.isEmpty { lines.append(Line(number: number, text: text, isWhole: isWhole)) }
      current.removeAll(keepingCapacity: true)
    }
    for byte in try Self.decoded(bytes, file) {
      switch byte {
      case 0:
        throw ConfigurationError(file: file, rule: "is not text: it has a byte of zero")
      case UInt8(ascii: "\n"):
        take(true)
        number += 1
      case UInt8(ascii: "\r"): take(true)
      default: current.append(byte)
      }
    }
    take(false)
    guard !lines.isEmpty else { throw ConfigurationError(file: file, rule: "is empty") }
    self.lines = withoutCommonPrefix(lines)
  }

  /// Bytes as UTF-8, without the mark that spreadsheets and Windows begin text with.
  ///
  /// PowerShell writes what a program prints as UTF-16.
  private static func decoded(
    _ bytes: some Sequence<UInt8>, _ file: String
  ) throws(ConfigurationError) -> [UInt8] {
    let bytes = Array(bytes)
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return Array(bytes.dropFirst(3)) }
    let isLittle = bytes.starts(with: [0xFF, 0xFE])
    guard isLittle || bytes.starts(with: [0xFE, 0xFF]) else { return bytes }
    guard bytes.count.isMultiple(of: 2) else {
      throw ConfigurationError(file: file, rule: "ends within a character of UTF-16: it is cut")
    }
    let units = stride(from: 2, to: bytes.count, by: 2).map { place in
      let (first, second) = (UInt16(bytes[place]), UInt16(bytes[place + 1]))
      return isLittle ? first | second << 8 : first << 8 | second
    }
    return Array(String(decoding: units, as: UTF16.self).utf8)
  }

  func error(_ line: Line?, _ rule: String, value: String? = nil) -> ConfigurationError {
    ConfigurationError(file: file, line: line?.number, value: value, rule: rule)
  }

  func place(_ line: Line) -> MeasuredPlace { MeasuredPlace(file: file, line: line.number) }

  /// A line without colours, the tags of mpirun (`[1,0]<stdout>:`), times of day and labels of srun (`0: `).
  private static func plain(_ bytes: [UInt8]) -> String {
    var kept: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] == 0x1B, index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: "[") {
        index += 2
        while index < bytes.count, !(0x40...0x7E).contains(bytes[index]) { index += 1 }
        index += 1
        continue
      }
      kept.append(bytes[index])
      index += 1
    }
    var text = Substring(String(decoding: kept, as: UTF8.self))
    var isShorter = true
    while isShorter {
      text = trimmed(text)
      let rest = withoutTag(text)
      isShorter = rest.utf8.count < text.utf8.count
      text = rest
    }
    return String(text)
  }

  private static func trimmed(_ text: Substring) -> Substring {
    var text = text.drop { $0 == " " || $0 == "\t" }
    while let last = text.last, last == " " || last == "\t" { text.removeLast() }
    return text
  }

  /// Whether a text is a date as C writes it, `Mon Jan  5 12:00:00 2026`.
  private static func isDate(_ text: Substring) -> Bool {
    let words = text.split(separator: " ")
    guard words.count == 5, text.utf8.count < 30 else { return false }
    return words[0].count == 3 && words[1].count == 3 && words[3].count { $0 == ":" } == 2
      && words[4].count == 4 && words[4].allSatisfy(\.isNumber)
  }

  private static func withoutTag(_ text: Substring) -> Substring {
    if text.first == "[", let end = text.range(of: ">:"),
      text[..<end.lowerBound].contains("]<std"), text[..<end.lowerBound].utf8.count < 60
    {
      return text[end.upperBound...]
    }
    // Mon Jan  5 12:00:00 2026[1,0]<stdout>: of Open MPI, which puts the time in front of its tag.
    if let tag = text.firstIndex(of: "["), isDate(text[..<tag]),
      let end = text[tag...].range(of: ">:"), text[tag..<end.lowerBound].contains("]<std")
    {
      return text[end.upperBound...]
    }
    let word = text.prefix { $0 != " " }
    // 2025-01-01T12:00:00.000Z in front of a container's log.
    if word.utf8.count >= 20, word.dropFirst(4).first == "-", word.dropFirst(10).first == "T",
      word.prefix(4).allSatisfy(\.isNumber)
    {
      return text[word.endIndex...]
    }
    if word.last == ":", word.utf8.count > 1, word.dropLast().allSatisfy(\.isNumber) {
      return text[word.endIndex...]
    }
    return text
  }
}

/// Lines without the words that a logger or a container puts in front of each: `2026-01-02 12:00:00,123 - INFO - `,
/// `worker-0  | `, `stdout F `.
///
/// How many there are is seen at the first line that a benchmark begins with a sign of its own.
private func withoutCommonPrefix(_ lines: [BenchmarkText.Line]) -> [BenchmarkText.Line] {
  let signs: Set<Substring> = [
    "nThread", "Collective", "size", "Size", "OSU", "Rank", "nccl-tests",
  ]
  func place(_ words: [Substring]) -> Int? {
    words.indices.first { index in
      words[index] == "#bytes"
        || words[index] == "#" && index + 1 < words.count && signs.contains(words[index + 1])
    }
  }
  guard let count = lines.lazy.compactMap({ place($0.words) }).first, (1...8).contains(count)
  else { return lines }
  return lines.compactMap { line in
    let words = line.text.split(
      maxSplits: count, omittingEmptySubsequences: true, whereSeparator: { $0 == " " || $0 == "\t" }
    )
    guard words.count > count else { return nil }
    var line = line
    line.text = String(words[count].drop { $0 == " " || $0 == "\t" })
    return line
  }
}

extension Substring {
  /// Where some text begins and ends within.
  func range(of wanted: String) -> Range<Index>? { firstRange(of: wanted) }
}

/// The numbers in some text, in order, signs and exponents included: `2741 us, 38.20 GB/s` has two.
func numbers(in text: some StringProtocol) -> [Double] {
  text.split { !($0.isNumber || $0 == "." || $0 == "e" || $0 == "-" || $0 == "+") }
    .compactMap { word in
      Double(String(word)).flatMap { $0.isFinite ? $0 : nil }
    }
}

/// A positive number, or nil.
///
/// What is subnormal counts as nothing: threads that have run kernels flush it to zero, others do not,
/// and no benchmark measures it.
func positive(_ text: some StringProtocol) -> Double? {
  guard let value = Double(String(text)), value.isNormal, value > 0 else { return nil }
  return value
}

/// A whole number of at least one, below 2^53, or nil.
func counting(_ text: some StringProtocol) -> Int? {
  guard let value = Int(String(text)), value > 0, value < 1 << 53 else { return nil }
  return value
}

import Documents

/// 1 for an answer that is the right table: the same cells in the same rows and columns.
///
/// Cells stand between commas, tabs or bars, whichever the text has: a Markdown table equals its CSV.
/// White space around a cell does not count, numbers are equal by value, and quotes around a cell between
/// commas or tabs are no part of it (RFC 4180).
public struct TableRule: RewardRule {
  private let field: String
  private let place: AnswerPlace

  public init(field: String = "answer", place: AnswerPlace = .whole) {
    (self.field, self.place) = (field, place)
  }

  public var neededField: String? { field }

  public func reward(of completion: String, to prompt: TaskPrompt) throws -> Double {
    let right = Self.cells(of: try prompt.text(of: field))
    guard let answer = place.answer(in: completion) else { return 0 }
    return Self.cells(of: answer) == right ? 1 : 0
  }

  /// A cell, a number where its text is one.
  enum Cell: Hashable {
    case number(WrittenNumber)
    case text([UInt8])

    init(_ text: String) {
      let text = trimmed(text)
      let bytes = Array(text.utf8)
      if let value = try? JSONValue(bytes), value.double != nil, let number = WrittenNumber(bytes) {
        self = .number(number)
      } else {
        self = .text(Array(text.utf8))
      }
    }
  }

  /// The cells of a table, row by row.
  static func cells(of text: String) -> [[Cell]] {
    let lines = text.split(whereSeparator: \.isNewline).map { trimmed(String($0)) }
      .filter { !$0.isEmpty }
    let separator: Character =
      lines.contains { $0.contains("|") } ? "|" : lines.contains { $0.contains("\t") } ? "\t" : ","
    return lines.enumerated().compactMap { index, line in
      var parts = parts(of: line, separator)
      if separator == "|" {
        if line.hasPrefix("|") { parts.removeFirst() }
        if line.hasSuffix("|"), !parts.isEmpty { parts.removeLast() }
        // The line below a Markdown table's head; further down it is a row of dashes.
        let isRule =
          index == 1
          && parts.allSatisfy { $0.contains("-") && $0.allSatisfy { "-: ".contains($0) } }
        if isRule { return nil }
      }
      return parts.map(Cell.init)
    }
  }

  /// What stands between separators; within quotes a separator is text, and two quotes are one.
  private static func parts(of line: String, _ separator: Character) -> [String] {
    let plain = line.split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    guard separator != "|", line.contains("\"") else { return plain }
    var parts: [String] = []
    var open: String?
    for part in plain {
      let text = open.map { $0 + String(separator) + part } ?? part
      // A cell that begins with a quote goes on until its quotes are even.
      let isQuoted = trimmed(text).hasPrefix("\"")
      guard isQuoted, text.count(where: { $0 == "\"" }) % 2 == 1 else {
        parts.append(isQuoted ? unquoted(trimmed(text)) : text)
        open = nil
        continue
      }
      open = text
    }
    // A quote that nothing closes is text.
    return open == nil ? parts : plain
  }

  private static func unquoted(_ cell: String) -> String {
    guard cell.count > 1, cell.hasSuffix("\"") else { return cell }
    return String(cell.dropFirst().dropLast()).replacing("\"\"", with: "\"")
  }
}

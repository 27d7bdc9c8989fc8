import Foundation
import Tasks
import Testing

/// Tasks solved by other means than those that made them.
enum SolvedTask {
  static func answer(of text: String, _ kind: TaskKind) throws -> String {
    let asked = String(text.dropLast())
    switch kind {
    case .digitSum: return "\(asked.compactMap(\.wholeNumberValue).reduce(0, +) % 5)"
    case .addition: return "\(asked.split(separator: "+").compactMap { Int($0) }.reduce(0, +))"
    case .sortDigits: return String(asked.dropFirst().sorted())
    case .copy: return asked.replacing("\"", with: "")
    case .language: return try spoken(asked)
    case .tableCell, .tableExtreme, .tableSum, .tableTranspose, .tableSort:
      return try table(asked, kind)
    case .jsonList:
      let parts = asked.split(separator: ",").map { $0.split(separator: ":") }.sorted {
        $0[0] < $1[0]
      }
      return "{" + parts.map { "\"\($0[0])\":\($0[1])" }.joined(separator: ",") + "}"
    case .jsonAdd:
      let parts = asked.split(separator: "+")
      let added = parts[1].split(separator: ":")
      return parts[0].dropLast() + ",\"\(added[0])\":\(added[1])}"
    case .jsonSort:
      let parts = asked.dropFirst().dropLast(2).split(separator: ",").sorted()
      return "{\(parts.joined(separator: ","))}"
    case .jsonMend: return mended(asked)
    case .jsonTable:
      let rows = try #require(
        try JSONSerialization.jsonObject(with: Data(asked.utf8)) as? [[String: Int]])
      let head = String(asked[..<(asked.firstIndex(of: "}") ?? asked.endIndex)])
      let keys = head.filter(\.isLetter).map { String($0) }
      let lines = rows.map { row in
        keys.map { "\(row[$0] ?? -1)" }.joined(separator: ",")
      }
      return ([keys.joined(separator: ",")] + lines).joined(separator: "\n")
    }
  }

  private static func spoken(_ asked: String) throws -> String {
    let parts = asked.split(separator: " ")
    let formatter = NumberFormatter()
    formatter.numberStyle = .spellOut
    formatter.locale = Locale(identifier: String(parts[0]))
    return try parts[1].map { digit in
      try #require(formatter.string(from: NSNumber(value: digit.wholeNumberValue ?? -1)))
    }.joined(separator: " ")
  }

  private static func table(_ asked: String, _ kind: TaskKind) throws -> String {
    var lines = asked.split(separator: "\n").map(String.init)
    let order = lines.removeLast()
    let cells = lines.map { $0.split(separator: ",", omittingEmptySubsequences: false) }
    let column = cells[0].firstIndex { order.hasSuffix($0) && !$0.isEmpty } ?? 0
    func number(_ row: [Substring]) -> Int { Int(row[column]) ?? -1 }
    let sorted = cells.dropFirst().sorted { number($0) < number($1) }
    switch kind {
    case .tableCell:
      let row = cells.first { $0[0] == order.dropFirst().prefix(1) }
      return String(try #require(row)[column])
    case .tableExtreme:
      let row = order.hasPrefix("?>") ? sorted.last : sorted.first
      return String(try #require(row)[0])
    case .tableSum: return "\(cells.dropFirst().map(number).reduce(0, +))"
    case .tableTranspose:
      return cells[0].indices.map { place in cells.map { $0[place] }.joined(separator: ",") }
        .joined(separator: "\n")
    default:
      return ([cells[0]] + sorted).map { $0.joined(separator: ",") }.joined(separator: "\n")
    }
  }

  /// The one JSON object of letters and numbers that has the broken text's letters and numbers.
  private static func mended(_ asked: String) -> String {
    let parts = asked.matches(of: /[a-z]|\d+/).map { String($0.output) }
    let pairs = stride(from: 0, to: parts.count, by: 2).map { "\"\(parts[$0])\":\(parts[$0 + 1])" }
    return "{\(pairs.joined(separator: ","))}"
  }
}

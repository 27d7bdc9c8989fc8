/// Rows of a table that say nothing to fit, counted by why.
struct LeftOutRows {
  enum Reason: String, CaseIterable {
    case cut = "cut short"
    case empty = "of 0 bytes, which moves nothing"
    case unread = "without a time and rates in numbers"
  }

  private var rows: [Reason: (count: Int, first: Int)] = [:]

  mutating func note(_ line: BenchmarkText.Line, _ reason: Reason) {
    rows[reason, default: (0, line.number)].count += 1
  }

  /// A line for each reason.
  func remarks(of file: String) -> [String] {
    Reason.allCases.compactMap { reason in
      rows[reason].map { count, first in
        count == 1
          ? "\(file):\(first): a row left out, \(reason.rawValue)"
          : "\(file):\(first): the first of \(count) rows left out, \(reason.rawValue)"
      }
    }
  }
}

/// A table of whole numbers, its rows and columns named by letters.
private struct NumberTable {
  var columns: [String]
  var rows: [(name: String, values: [Int])]

  /// As CSV, the corner empty; every line ends.
  var text: String {
    ([[""] + columns] + rows.map { [$0.name] + $0.values.map(String.init) })
      .map { $0.joined(separator: ",") + "\n" }.joined()
  }

  /// The same without the last line's end: an answer.
  var answer: String { String(text.dropLast()) }

  func column(_ index: Int) -> [Int] { rows.map { $0.values[index] } }

  var transposed: NumberTable {
    NumberTable(
      columns: rows.map(\.name),
      rows: columns.indices.map { (columns[$0], column($0)) })
  }
}

extension TaskKind {
  /// Three rows of two columns of digits, or four of four with numbers of two digits; within a column
  /// all numbers are different, so that orders and extremes are unique.
  func table(_ tier: Int, _ chance: inout TaskChance) -> TaskQuestion {
    let (rowCount, columnCount) = tier == 1 ? (3, 2) : (4, 4)
    let values = (0..<columnCount).map { _ in
      chance.some(rowCount, of: Array(tier == 1 ? 0...9 : 10...99))
    }
    let rows = ["w", "x", "y", "z"].prefix(rowCount).enumerated().map { row, name in
      (name: name, values: values.map { $0[row] })
    }
    let table = NumberTable(
      columns: Array(["a", "b", "c", "d"].prefix(columnCount)), rows: Array(rows))
    let column = chance.below(columnCount)
    let name = table.columns[column]
    func question(_ asked: String, _ answer: String) -> TaskQuestion {
      TaskQuestion(self, tier: tier, text: "\(table.text)?\(asked)=", answer: answer)
    }
    switch self {
    case .tableCell:
      let row = table.rows[chance.below(rowCount)]
      return question("\(row.name),\(name)", "\(row.values[column])")
    case .tableExtreme:
      let isLargest = chance.below(2) == 0
      let best = table.rows.max { isLargest == ($0.values[column] < $1.values[column]) }
      return question("\(isLargest ? ">" : "<")\(name)", best?.name ?? "")
    case .tableSum: return question("+\(name)", "\(table.column(column).reduce(0, +))")
    case .tableTranspose: return question("T", table.transposed.answer)
    default:
      var sorted = table
      sorted.rows.sort { $0.values[column] < $1.values[column] }
      return question("^\(name)", sorted.answer)
    }
  }
}

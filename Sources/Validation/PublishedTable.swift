/// A table of published results that ships inside the program.
package struct PublishedTable: Sendable {
  /// The rows in the order of the file.
  package let rows: [PublishedRow]

  /// Parses comma-separated text whose first line names the columns; quotes protect commas.
  init(_ bytes: [UInt8]) {
    var lines = bytes.split(separator: UInt8(ascii: "\n")).map { Self.cells(of: $0) }[...]
    let columns = lines.popFirst() ?? []
    rows = lines.map { PublishedRow(columns: columns, cells: $0) }
  }

  private static func cells(of line: ArraySlice<UInt8>) -> [String] {
    var cells: [[UInt8]] = [[]]
    var isQuoted = false
    for byte in line where byte != UInt8(ascii: "\r") {
      switch byte {
      case UInt8(ascii: "\""): isQuoted.toggle()
      case UInt8(ascii: ",") where !isQuoted: cells.append([])
      default: cells[cells.count - 1].append(byte)
      }
    }
    return cells.map { String(decoding: $0, as: UTF8.self) }
  }
}

/// One row of a published table.
package struct PublishedRow: Sendable {
  package let columns: [String]
  let cells: [String]

  /// The text in a column; empty where the row is shorter.
  package subscript(column: String) -> String {
    guard let index = columns.firstIndex(of: column) else {
      preconditionFailure("A published table has no column \(column).")
    }
    return index < cells.count ? cells[index] : ""
  }

  /// The number in a column; the tables ship with the program, so that a hole is our mistake.
  func number(_ column: String) -> Double {
    guard let value = Double(self[column]) else {
      preconditionFailure("A published row lacks the number \(column).")
    }
    return value
  }

  func integer(_ column: String) -> Int { Int(number(column)) }

  /// The text in a column; nil where the table has none of that name.
  func text(_ column: String) -> String? { columns.contains(column) ? self[column] : nil }

  /// A degree: 1 where the column is empty.
  func degree(_ column: String) -> Int { Int(self[column]) ?? 1 }
}

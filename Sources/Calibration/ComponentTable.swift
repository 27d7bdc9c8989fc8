/// A table of component measurements that ships inside the program.
package struct ComponentTable {
  /// Column names, then one dictionary per row.
  package let rows: [[String: String]]

  /// Parses comma-separated text whose first line names the columns; quotes protect commas.
  package init(_ bytes: [UInt8]) {
    let lines = bytes.split(separator: UInt8(ascii: "\n")).map { Self.cells(of: $0) }
    guard let header = lines.first else {
      rows = []
      return
    }
    rows = lines.dropFirst().map { line in
      Dictionary(zip(header, line), uniquingKeysWith: { first, _ in first })
    }
  }

  /// One line as a row; nil where it has another number of cells than there are columns.
  package static func row(_ line: String, columns: [String]) -> [String: String]? {
    let cells = cells(of: Array(line.utf8)[...])
    guard cells.count == columns.count else { return nil }
    return Dictionary(zip(columns, cells), uniquingKeysWith: { first, _ in first })
  }

  private static func cells(of line: ArraySlice<UInt8>) -> [String] {
    var cells: [String] = []
    var cell: [UInt8] = []
    var quoted = false
    for byte in line where byte != UInt8(ascii: "\r") {
      if byte == UInt8(ascii: "\"") {
        quoted.toggle()
      } else if byte == UInt8(ascii: ","), !quoted {
        cells.append(String(decoding: cell, as: UTF8.self))
        cell.removeAll(keepingCapacity: true)
      } else {
        cell.append(byte)
      }
    }
    cells.append(String(decoding: cell, as: UTF8.self))
    return cells
  }
}

extension [String: String] {
  /// The number in a column; the tables ship with the program, so that a hole is our mistake.
  package func number(_ column: String) -> Double {
    guard let text = self[column], let value = Double(text) else {
      preconditionFailure("A component row lacks the number \(column).")
    }
    return value
  }

  package func integer(_ column: String) -> Int { Int(number(column)) }

  package func text(_ column: String) -> String { self[column] ?? "" }

  /// The parts of a shape key such as `m=4096, n=1536, layout=TN`.
  package func shape(_ column: String) -> [String: String] {
    var parts: [String: String] = [:]
    for part in text(column).split(separator: ",") {
      let pair = part.split(separator: "=")
      guard pair.count == 2 else { continue }
      parts[pair[0].filter { $0 != " " }] = String(pair[1])
    }
    return parts
  }
}

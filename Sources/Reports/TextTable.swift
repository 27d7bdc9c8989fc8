import Documents

/// Rows of cells in aligned columns, for a terminal.
public struct TextTable: Hashable, Sendable {
  /// Where the text of a column stands.
  public enum Alignment: Hashable, Sendable {
    case left, right
  }

  /// One entry per column; columns beyond it are right-aligned.
  public var alignments: [Alignment]
  public private(set) var rows: [[String]] = []
  /// Spaces in front of every row, and between columns.
  public var indent = 2
  public var gap = 2

  public init(_ alignments: [Alignment]) { self.alignments = alignments }

  /// Adds a row; it may have fewer cells than others.
  public mutating func add(_ cells: String...) { rows.append(cells) }

  /// Adds a row of any length.
  public mutating func add(_ cells: [String]) { rows.append(cells) }

  /// The rows with trailing spaces removed, each ended by a newline.
  ///
  /// With a `width`, a last column that is left-aligned is broken between words and goes on below.
  public func text(width: Int? = nil) -> String {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in
      rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0
    }
    let margin = String(repeating: " ", count: indent)
    let space = String(repeating: " ", count: gap)
    let before = indent + widths.dropLast().reduce(0) { $0 + $1 + gap }
    return rows.map { row in
      var cells = row
      var rest: [String] = []
      if let width, row.count == count, let last = row.last {
        var lines = wrapped(last, width: max(20, width - before))
        cells[count - 1] = lines.isEmpty ? "" : lines.removeFirst()
        rest = lines.map { String(repeating: " ", count: before) + $0 + "\n" }
      }
      let line = cells.enumerated().map { column, cell in
        let padding = String(repeating: " ", count: max(0, widths[column] - cell.count))
        let isLeft = column < alignments.count && alignments[column] == .left
        return isLeft ? cell + padding : padding + cell
      }
      return trimmed(margin + line.joined(separator: space)) + "\n" + rest.joined()
    }.joined()
  }
}

/// `line` without spaces at its end.
func trimmed(_ line: String) -> String {
  // By bytes: a space is one, and characters of several cost much more to walk.
  let spaces = line.utf8.reversed().prefix { $0 == UInt8(ascii: " ") }.count
  return String(line.utf8.dropLast(spaces)) ?? line
}

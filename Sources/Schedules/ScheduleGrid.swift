extension Schedule {
  /// The schedule as text, a row per rank and a column per cell, for a terminal.
  ///
  /// What does not fit in `width` characters goes on in further blocks of rows below.
  public func grid(width: Int = 100) -> String {
    let labels = ranks.map { $0.map(\.gridLabel) }
    let cellWidth = 1 + (labels.joined().map(\.count).max() ?? 0)
    let margin = gridMargin
    let columns = max(1, (width - margin) / cellWidth)
    let steps = ranks.map(\.count).max() ?? 0
    return stride(from: 0, to: max(steps, 1), by: columns).map { first in
      gridBlock(labels, first..<min(steps, first + columns), cellWidth, marked: nil)
    }.joined(separator: "\n")
  }

  /// The schedule as text by time, one line per rank, scaled so that the makespan fits in `width`.
  ///
  /// A cell wide enough shows its action, others the letter of their pass; a dot
  /// is idle time, `X` an overlapped pair.
  public func grid(times: PassTimes, width: Int = 100) throws(ScheduleError) -> String {
    let timing = try ScheduleTiming(self, times: times)
    let margin = gridMargin
    let columns = max(10, width - margin)
    let scale = timing.makespan > 0 ? Double(columns) / timing.makespan : 0
    let rows = ranks.indices.map { rank in
      var line = [Character](repeating: ".", count: columns)
      for (index, cell) in ranks[rank].enumerated() where !cell.actions.isEmpty {
        let first = min(columns - 1, Int((timing.starts[rank][index] * scale).rounded()))
        let end = min(columns, Int((timing.ends[rank][index] * scale).rounded()))
        let label = cell.gridLabel
        let filled = Array(
          end - first > label.count
            ? label + String(repeating: "-", count: end - first - label.count - 1) + " "
            : String(repeating: cell.gridLetter, count: max(0, end - first)))
        line.replaceSubrange(first..<first + filled.count, with: filled)
      }
      return "rank \(rank)".padded(to: margin) + String(line)
    }
    return rows.joined(separator: "\n") + "\n"
  }

  /// The cells around a fault: its row starts with `>`, its cell stands in brackets.
  func grid(around index: Int, onRank rank: Int, width: Int = 100) -> String {
    let window = 5
    let columns = max(0, index - window)..<index + window + 1
    let nearby = max(0, rank - 8)..<min(ranks.count, rank + 9)
    let labels = ranks.enumerated().map { row, cells -> [String] in
      guard nearby.contains(row) else { return [] }
      return cells.enumerated().map { column, cell in
        guard columns.contains(column) else { return "" }
        return row == rank && column == index ? "[\(cell.gridLabel)]" : cell.gridLabel
      }
    }
    let cellWidth = 1 + (labels.joined().map(\.count).max() ?? 0)
    let steps = ranks[nearby].map(\.count).max() ?? 0
    return gridBlock(
      labels, columns.clamped(to: 0..<steps), cellWidth, marked: rank, rows: nearby)
  }

  private var gridMargin: Int { "rank \(max(0, ranks.count - 1)) ".count + 2 }

  private func gridBlock(
    _ labels: [[String]], _ columns: Range<Int>, _ cellWidth: Int, marked: Int?,
    rows: Range<Int>? = nil
  ) -> String {
    let numbers = columns.map { "\($0 + 1)".padded(to: cellWidth) }.joined()
    var lines = ["cell".padded(to: gridMargin) + numbers]
    for rank in rows ?? labels.indices {
      let mark = marked.map { $0 == rank ? "> " : "  " } ?? ""
      let cells = columns.map { column in
        (column < labels[rank].count ? labels[rank][column] : "").padded(to: cellWidth)
      }
      lines.append("\(mark)rank \(rank)".padded(to: gridMargin) + cells.joined())
    }
    return lines.map { line in
      String(line.reversed().drop { $0 == " " }.reversed()) + "\n"
    }.joined()
  }
}

extension Cell {
  /// A short text for a grid.
  var gridLabel: String {
    switch self {
    case .overlapped(let forward, let backward): "\(forward)+\(backward)"
    case .send(let boundary, let stage, let microbatch):
      "\(stage)S\(boundary.rawValue)\(microbatch)"
    case .receive(let boundary, let stage, let microbatch):
      "\(stage)R\(boundary.rawValue)\(microbatch)"
    case .commit: "|"
    case .idle, .run: description
    }
  }

  fileprivate var gridLetter: Character {
    switch self {
    case .run(let action): action.pass.rawValue
    case .overlapped: "X"
    case .idle, .send, .receive, .commit: "."
    }
  }
}

extension String {
  fileprivate func padded(to width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }
}

import Documents

extension ReportTable {
  /// The longest bar beside a number, in characters.
  private static let longestBar = 12.0

  /// The table as lines of a terminal; none where it belongs to a picture or has no rows.
  ///
  /// Where columns need more than `width`, they go on in a further table below, behind the first column.
  ///
  /// - Parameter limit: the most rows where rows may be thinned.
  func lines(width: Int, rows limit: Int) -> [String] {
    guard !isAside, !rows.isEmpty else { return [] }
    let kept = shownColumns(width: width)
    let (cells, rest) = shownCells(kept, limit: limit)
    var aligned = kept.map { columns[$0].isText }
    var header = kept.map { columns[$0].short }
    // What the first column holds is said by the title.
    let isTitled = aligned.first != true
    if !isTitled { header[0] = title }
    var all = [header] + cells
    if let bars = barCells(rest.shown) {
      aligned.append(true)
      all = zip(all, [""] + bars).map { $0 + [$1] }
    }
    var lines = isTitled ? [title] : []
    for (index, group) in groups(of: all, aligned, width: width).enumerated() {
      if index > 0 { lines.append("") }
      var table = TextTable(group.map { aligned[$0] ? .left : .right })
      for row in all { table.add(group.map { row[$0] }) }
      lines += table.lines(width: width)
    }
    if rest.hidden > 0 {
      lines.append("  and \(counted(rest.hidden, "row")) more, which --json shows")
    }
    if !note.isEmpty { lines += wrapped(note, width: width - 2).map { "  " + $0 } }
    return lines
  }

  /// Words from which on a column stands last, where what is left of the line goes on below.
  private static let longWords = 24
  /// The least room for words that go on below.
  private static let wrappedWords = 20

  /// From so many characters on names of rows, too, stand last where not all columns fit: they would be
  /// repeated in every table below.
  private static let longNames = 48

  private func shownColumns(width: Int) -> [Int] {
    var kept = columns.indices.filter { !columns[$0].isAside }
    func longest(_ column: Int) -> Int {
      rows.map { $0.cells.count > column ? $0.cells[column].text.count : 0 }.max() ?? 0
    }
    if let words = kept.dropFirst().filter({ columns[$0].isText }).max(by: {
      longest($0) < longest($1)
    }), longest(words) >= Self.longWords {
      kept.removeAll { $0 == words }
      kept.append(words)
    }
    let needed = kept.reduce(0) { $0 + max(longest($1), columns[$1].short.count) + 2 }
    if let first = kept.first, columns[first].isText, longest(first) >= Self.longNames,
      needed > width
    {
      kept.removeFirst()
      kept.append(first)
    }
    return kept
  }

  /// Cells of the rows that are shown, which rows these are, and how many are not.
  private func shownCells(
    _ kept: [Int], limit: Int
  ) -> (cells: [[String]], rest: (shown: [Int], hidden: Int)) {
    var entries = rows.indices.map { row in
      (
        row: row, last: row,
        cells: kept.map { $0 < rows[row].cells.count ? rows[row].cells[$0].text : "" }
      )
    }
    if isThinned {
      entries = entries.reduce(into: []) { joined, entry in
        if let before = joined.last, before.cells.dropFirst() == entry.cells.dropFirst() {
          joined[joined.count - 1].last = entry.row
        } else {
          joined.append(entry)
        }
      }
      for index in entries.indices where entries[index].last > entries[index].row {
        entries[index].cells[0] += "–" + rows[entries[index].last].cells[kept[0]].text
      }
    }
    let places =
      isThinned
      ? Self.spread(entries.count, most: limit) { index in
        (entries[index].row...entries[index].last).contains { rows[$0].isKept }
      } : Array(entries.indices.prefix(shown ?? .max))
    let chosen = places.map { entries[$0] }
    return (chosen.map(\.cells), (chosen.map(\.row), entries.count - chosen.count))
  }

  /// Indices that stand for all: the ends, those that must be shown, others evenly in between.
  private static func spread(_ count: Int, most: Int, mustShow: (Int) -> Bool) -> [Int] {
    guard count > most else { return Array(0..<count) }
    let even = (0..<most - 1).map { $0 * (count - 1) / (most - 2) }
    return Set(even + (0..<count).filter(mustShow)).sorted()
  }

  private func barCells(_ shown: [Int]) -> [String]? {
    guard let bars else { return nil }
    let values = shown.map { rows[$0].cells[bars].value }
    let most = values.compactMap { $0 }.max() ?? 0
    return values.map { value in
      guard let value, most > 0 else { return "" }
      return String(
        repeating: "█", count: max(1, Int((Self.longestBar * value / most).rounded())))
    }
  }

  /// Columns that stand beside each other, each group behind the first column.
  private func groups(of cells: [[String]], _ isText: [Bool], width: Int) -> [[Int]] {
    let widths = (cells.first ?? []).indices.map { column in
      (cells.map { $0[column].count }.max() ?? 0) + 2
    }
    guard let first = widths.first else { return [] }
    var groups: [[Int]] = [[0]]
    var used = first
    for column in widths.indices.dropFirst() {
      // Words in the last column go on in the line below.
      let isLast = column == widths.count - 1 && isText[column]
      let needed = isLast ? min(widths[column], Self.wrappedWords + 2) : widths[column]
      if used + needed > width, groups[groups.count - 1].count > 1 {
        groups.append([0])
        used = first
      }
      groups[groups.count - 1].append(column)
      used += needed
    }
    return groups
  }
}

extension TextTable {
  func lines(width: Int) -> [String] {
    text(width: width).split(separator: "\n", omittingEmptySubsequences: false).dropLast()
      .map(String.init)
  }
}

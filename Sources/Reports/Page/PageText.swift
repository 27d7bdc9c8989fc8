import Documents

extension ReportPage {
  private static let columns = 100
  /// The most lines of an input, and rows of a table that may be thinned.
  private static let inputLines = 3
  private static let thinnedRows = 3...10

  /// The page for a terminal: the verdict with what is said of it and what was moved, the figures that everybody
  /// asks for, paragraphs and tables of every section, what was assumed.
  public var text: String {
    for rows in Self.thinnedRows.reversed() {
      let lines = lines(rows: rows)
      if lines.count <= mostLines ?? .max || rows == Self.thinnedRows.lowerBound {
        return lines.map { $0 + "\n" }.joined()
      }
    }
    return ""
  }

  private func lines(rows: Int) -> [String] {
    let head = ([verdict] + remarks).flatMap { paragraph($0, width: Self.columns) }
    var blocks = [head + inputLines(in: .head), factLines]
    blocks += sections.flatMap { $0.lines(width: Self.columns, rows: rows) }
    blocks.append(inputLines(in: .foot))
    let filled = blocks.filter { !$0.isEmpty }
    return Array(filled.joined(separator: [""]))
  }

  /// Inputs of one place with what they say, such as `Set: plan.zero-stage=1.`, most cut where that is long.
  private func inputLines(in place: Input.Place) -> [String] {
    inputs.filter { $0.place == place }.flatMap { input -> [String] in
      let said = input.details.isEmpty ? input.text : input.details.joined(separator: "; ")
      let lines = wrapped("\(input.name): \(said).", width: Self.columns)
        .map { $0.count > Self.columns ? $0.prefix(Self.columns - 1) + "…" : $0 }
      guard !input.isWhole, lines.count > Self.inputLines else { return lines }
      return lines.prefix(Self.inputLines - 1) + ["… (all of it with --json)"]
    }
  }

  private var factLines: [String] {
    var table = TextTable([.left, .left, .left])
    for fact in facts { table.add(fact.name, fact.figure.text, fact.note) }
    return table.lines(width: Self.columns)
  }
}

extension ReportPage.Section {
  /// What a terminal shows: blocks of lines, between which a line is left empty.
  fileprivate func lines(width: Int, rows: Int) -> [[String]] {
    var text = BlockText(title: title, width: width, rows: rows)
    text.add(blocks)
    return text.lines
  }
}

/// Blocks of a page on their way to a terminal.
private struct BlockText {
  /// What says of what paragraphs are, until a table has said it.
  var title: String?
  let width: Int
  let rows: Int
  var lines: [[String]] = []
  /// Whether the last block is a table, beside which another one may stand.
  private var endsWithTable = false
  private var endsWithText = false

  init(title: String, width: Int, rows: Int) {
    (self.title, self.width, self.rows) = (title, width, rows)
  }

  mutating func add(_ blocks: [ReportBlock]) {
    for block in blocks {
      switch block {
      case .text(let paragraphs): add(paragraphs.flatMap { paragraph($0, width: width) })
      case .folded(let title, let parts):
        add(parts.flatMap { paragraph("\(title): \($0)", width: width) })
      case .table(let table): add(table)
      case .choice(let choice) where !choice.isAside:
        for option in choice.options {
          var text = BlockText(title: option.name, width: width, rows: rows)
          text.add(option.blocks)
          lines += text.lines
        }
        if !lines.isEmpty { title = nil }
        (endsWithTable, endsWithText) = (false, false)
      case .choice, .picture: continue
      }
    }
  }

  private mutating func add(_ paragraphs: [String]) {
    guard !paragraphs.isEmpty else { return }
    if endsWithText {
      lines[lines.count - 1] += paragraphs
    } else {
      lines.append([title].compactMap { $0 } + paragraphs)
    }
    title = nil
    (endsWithTable, endsWithText) = (false, true)
  }

  private mutating func add(_ table: ReportTable) {
    let own = table.lines(width: width, rows: rows)
    guard !own.isEmpty else { return }
    title = nil
    endsWithText = false
    if endsWithTable, let left = lines.last, let both = besides(left, own, width: width) {
      lines[lines.count - 1] = both
      endsWithTable = false
    } else {
      lines.append(own)
      endsWithTable = true
    }
  }
}

/// A paragraph whose further lines are set in, so that its beginning is seen.
private func paragraph(_ text: String, width: Int) -> [String] {
  let lines = wrapped(text, width: width - 2)
  return lines.prefix(1) + lines.dropFirst().map { "  " + $0 }
}

/// The most lines of blocks that stand side by side: what is longer is read from top to bottom.
private let besideLines = 12

/// Two blocks side by side; nil where they are too wide or too long for that.
private func besides(_ left: [String], _ right: [String], width: Int) -> [String]? {
  let start = (left.map(\.count).max() ?? 0) + 2
  guard start + (right.map(\.count).max() ?? 0) <= width,
    max(left.count, right.count) <= besideLines
  else { return nil }
  return (0..<max(left.count, right.count)).map { row in
    let line = row < left.count ? left[row] : ""
    guard row < right.count else { return line }
    return line + String(repeating: " ", count: start - line.count) + right[row]
  }
}

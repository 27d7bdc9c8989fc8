extension KeyReference {
  private static let mark =
    "A value marked * may carry where it comes from: {value: …, source: …}, or {value: …, "
    + "assumption: …}."

  /// Whether any value may be written with its source.
  private var hasSources: Bool {
    sections.contains { $0.keys.contains { $0.form?.description.contains("*") == true } }
  }

  /// The reference for a terminal of 100 columns.
  public var text: String {
    var lines = wrapped(introduction, width: 100)
    if hasSources { lines += wrapped(Self.mark, width: 100) }
    for section in sections where !section.keys.isEmpty || !section.path.isEmpty {
      lines.append("")
      if !section.path.isEmpty {
        lines += [section.path] + wrapped(section.summary, width: 98).map { "  " + $0 }
      }
      lines += section.rows
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// The same reference as a page of Markdown.
  public var markdown: String {
    var text = "# The keys of \(noun)\n\n\(introduction)\n"
    if hasSources { text += "\n\(Self.mark.replacing("*", with: "\\*"))\n" }
    for section in sections where !section.keys.isEmpty || !section.path.isEmpty {
      if !section.path.isEmpty {
        text += "\n## `\(section.path)`\n"
        if !section.summary.isEmpty { text += "\n\(escaped(section.summary))\n" }
      }
      guard !section.keys.isEmpty else { continue }
      text += "\n| key | value | left out | meaning |\n|---|---|---|---|\n"
      for key in section.keys {
        let cells = [key.value, key.absence, key.meaning].map(escaped)
        text += "| `\(key.name)` | \(cells.joined(separator: " | ")) |\n"
      }
    }
    return text
  }

  private func escaped(_ text: String) -> String {
    text.replacing("|", with: "\\|").replacing("*", with: "\\*").replacing("<", with: "&lt;")
  }
}

extension KeyEntry {
  /// What may be written.
  fileprivate var value: String {
    let plain = form?.description ?? ""
    guard keys != nil else { return plain }
    return plain + (isList ? "; or a list of tables" : "; or a table")
  }

  /// What happens where the key is left out.
  fileprivate var absence: String { fallback ?? "required" }
}

extension KeyReference.Section {
  /// What the table is, and whether it may be left out.
  fileprivate var summary: String {
    guard !meaning.isEmpty, let fallback else { return meaning }
    return "\(meaning) Left out: \(fallback)."
  }

  /// The keys in columns of their own width, cells broken between words.
  fileprivate var rows: [String] {
    guard !keys.isEmpty else { return [] }
    let cells =
      [["key", "value", "left out", "meaning"]]
      + keys.map { [$0.name, $0.value, $0.absence, $0.meaning] }
    var widths = [25, 24, 16].enumerated().map { column, most in
      min(most, cells.map { $0[column].count }.max() ?? 0)
    }
    // Names are never broken.
    widths[0] = cells.map { $0[0].count }.max() ?? 0
    let rest = max(20, 100 - 2 - widths.reduce(0) { $0 + $1 + 2 })
    return cells.flatMap { row in
      let columns = zip(row, widths + [rest]).map { wrapped($0, width: $1) }
      return (0..<(columns.map(\.count).max() ?? 0)).map { line in
        let parts = columns.enumerated().map { index, lines in
          let cell = line < lines.count ? lines[line] : ""
          guard index < widths.count else { return cell }
          return cell + String(repeating: " ", count: max(0, widths[index] - cell.count))
        }
        let joined = "  " + parts.joined(separator: "  ")
        return String(joined.reversed().drop { $0 == " " }.reversed())
      }
    }
  }
}

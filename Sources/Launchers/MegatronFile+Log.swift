/// Arguments that a run prints: `  num_layers ........... 12`.
extension MegatronFile {
  /// A printed argument.
  private struct Printed {
    /// Who prints it, where the line says so: `[rank0]:`, `0:`.
    var rank: String
    var name: String
    var value: String
    var line: Int

    init?(_ text: Substring, line: Int) {
      let words = text.split(separator: " ", omittingEmptySubsequences: true)
      guard let dots = words.firstIndex(where: { $0.count >= 3 && $0.allSatisfy { $0 == "." } }),
        dots > 0, let name = words[dots - 1].split(separator: ":").last,
        name.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" })
      else { return nil }
      let glued = words[dots - 1].dropLast(name.count)
      rank = MegatronFile.rank(glued.isEmpty && dots > 1 ? words[dots - 2] : glued)
      (self.name, self.line) = (String(name), line)
      value = words[(dots + 1)...].joined(separator: " ")
    }
  }

  /// A rank's name without what stands around it; nothing where the word is none, as times are.
  private static func rank(_ word: Substring) -> String {
    let bare = word.filter { !"[](): ".contains($0) }
    let isName = bare.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" }
    return isName && word.count { $0 == ":" } < 2 ? String(bare) : ""
  }

  /// Whether a text holds the arguments that a run prints.
  static func isLog(_ text: String) -> Bool {
    var count = 0
    for line in text.split(whereSeparator: \.isNewline) where Printed(line, line: 0) != nil {
      count += 1
      if count >= 5 { return true }
    }
    return false
  }

  /// The options that a run has printed; of several tables the last counts, as of an option that is written twice.
  static func log(_ text: String, file: String) -> [GivenOption] {
    // A few lines that look like arguments are no table of their own.
    let all = tables(text)
    let whole = all.filter { $0.count >= 5 }
    func options(_ table: [Printed]) -> [GivenOption] {
      table.map { printed in
        let (name, values) = MegatronOptions.canonical(printed.name, [printed.value])
        return GivenOption(
          name: name, spelling: printed.name, values: values, file: file, line: printed.line,
          written: printed.value)
      }
    }
    guard let last = whole.last else { return options(all.flatMap(\.self)) }
    let values = Dictionary(last.map { ($0.name, $0.value) }) { $1 }
    // The beginning of a table that ranks print one behind the other says nothing else.
    let earlier = whole.dropLast().filter { table in
      !table.allSatisfy { values[$0.name] == $0.value }
    }
    return options(last)
      + earlier.map { table in
        GivenOption(
          name: "earlier-table", spelling: "arguments:\(table[0].line)", values: [], file: file,
          line: table[0].line)
      }
  }

  /// Whose table a line begins or ends: `[rank0]: ------ arguments ------`; nil where it does neither.
  private static func rank(_ line: Substring, at mark: String) -> String? {
    guard let mark = line.firstRange(of: "--- \(mark) ---") else { return nil }
    let words = line[..<mark.lowerBound].split(separator: " ")
    return words.last { !$0.allSatisfy { $0 == "-" } }.map { rank($0) } ?? ""
  }

  /// The tables of one run behind another, each of all ranks that print it.
  ///
  /// A run begins where a rank prints the heading again, or, without headings, a name that it printed before.
  /// Of ranks that print at once each line may come again.
  private static func tables(_ text: String) -> [[Printed]] {
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    let hasHeadings = lines.contains { rank($0, at: "arguments") != nil }
    var tables: [[Printed]] = [[]]
    // What each rank printed of the table, and the ranks that have not ended theirs.
    var names: [String: Set<String>] = [:]
    var open: Set<String> = []
    for (index, line) in lines.enumerated() {
      if let rank = rank(line, at: "arguments") {
        if names[rank] != nil {
          tables.append([])
          names = [:]
        }
        names[rank] = []
        open.insert(rank)
      } else if let rank = rank(line, at: "end of arguments") {
        open.remove(rank)
      }
      guard !hasHeadings || !open.isEmpty, let printed = Printed(line, line: index + 1),
        tables[tables.count - 1].last?.name != printed.name
      else { continue }
      if !hasHeadings, names[printed.rank]?.contains(printed.name) == true {
        tables.append([])
        names = [:]
      }
      if !hasHeadings { names[printed.rank, default: []].insert(printed.name) }
      tables[tables.count - 1].append(printed)
    }
    return tables.map(withoutRepetitions)
  }

  /// A table with the last line of each name.
  private static func withoutRepetitions(_ table: [Printed]) -> [Printed] {
    let last = Dictionary(table.map { ($0.name, $0.line) }) { $1 }
    return table.filter { last[$0.name] == $0.line }
  }
}

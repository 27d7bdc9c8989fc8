import Documents
import Models
import Quantities

/// Collects the counts of a file and holds them against the model.
struct ExpertCountsReader {
  /// The largest count: products with the experts that a token chooses stay exact.
  private static let largestCount = 10_000_000_000_000

  private let name: String
  private let mixtures: [Int: Mixture]
  private var counts: [Int: [Int?]] = [:]
  /// The line that a layer's counts end on.
  private var lines: [Int: Int] = [:]

  init(name: String, _ architecture: Architecture) {
    self.name = name
    var mixtures: [Int: Mixture] = [:]
    for unit in architecture.units {
      guard let layer = architecture.layerNumber(of: unit) else { continue }
      mixtures[layer] = architecture.feedForward(of: unit)?.mixture
    }
    self.mixtures = mixtures
  }

  private func failure(
    _ rule: String, line: Int? = nil, at key: String = "", value: String? = nil,
    suggestion: String? = nil
  ) -> ConfigurationError {
    ConfigurationError(
      file: name, line: line, keyPath: key, value: value, rule: rule, suggestion: suggestion)
  }

  /// The rule that a wrong layer breaks: which there are.
  private func checkLayer(_ layer: Int) -> String? {
    guard mixtures[layer] == nil else { return nil }
    let known = mixtures.keys.sorted()
    guard let first = known.first, let last = known.last else {
      return "the model has no routed experts"
    }
    return "is no layer with routed experts: the model's are \(first) to \(last)"
      + (last - first + 1 == known.count ? "" : ", not all of them")
  }

  // MARK: JSON Lines

  /// Reads one line of metrics.
  mutating func readMetrics(_ line: [UInt8], line number: Int) throws(ConfigurationError) {
    let table = try Document(bytes: line, name: name, firstLine: number)
      .table(toleratesUnknownKeys: true)
    guard let list = table.field("expert_load") else {
      throw failure(
        "the last line has no key expert_load", line: number,
        suggestion: nearestName(to: "expert_load", among: table.keys))
    }
    for item in try list.items() {
      let entry = try item.table(toleratesUnknownKeys: true)
      let layer = try entry.required("layer", .integer())
      if let rule = checkLayer(layer) { throw entry.error(rule, at: "layer") }
      if counts[layer] != nil { throw entry.error("layer is given twice", at: "layer") }
      counts[layer] = try entry.required(
        "counts", .list(of: .integer(in: 0...Self.largestCount)))
      lines[layer] = number
    }
  }

  // MARK: Comma-separated text

  private enum Column: String, CaseIterable { case layer, expert, tokens }

  /// Reads a table whose first line names the columns.
  mutating func readTable(_ lines: [(number: Int, text: Substring.UTF8View)])
    throws(ConfigurationError)
  {
    let columns = try columns(of: lines[0].text, line: lines[0].number)
    for (number, text) in lines.dropFirst() {
      let cells = cells(of: text)
      guard cells.count == columns.count else {
        throw failure(
          "has \(cells.count) cells and the first line \(columns.count) columns", line: number)
      }
      var values: [Column: Int] = [:]
      for (column, cell) in zip(columns, cells) {
        values[column] = try whole(cell, column, line: number)
      }
      try add(
        layer: values[.layer] ?? 0, expert: values[.expert] ?? 0, tokens: values[.tokens] ?? 0,
        line: number)
    }
  }

  private func cells(of text: Substring.UTF8View) -> [String] {
    let blanks = [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r")]
    return text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map { cell in
      var cell = cell[...]
      while let first = cell.first, blanks.contains(first) { cell.removeFirst() }
      while let last = cell.last, blanks.contains(last) { cell.removeLast() }
      return String(decoding: cell, as: UTF8.self)
    }
  }

  private func columns(
    of text: Substring.UTF8View, line: Int
  ) throws(ConfigurationError) -> [Column] {
    let names = Column.allCases.map(\.rawValue)
    var columns: [Column] = []
    for cell in cells(of: text) {
      guard let column = Column(rawValue: cell) else {
        throw failure(
          "expected JSON lines, or a first line with the columns \(names.joined(separator: ", "))",
          line: line, value: cell, suggestion: nearestName(to: cell, among: names))
      }
      if columns.contains(column) {
        throw failure("column is there twice", line: line, value: cell)
      }
      columns.append(column)
    }
    if let missing = Column.allCases.first(where: { !columns.contains($0) }) {
      throw failure("column \(missing.rawValue) is missing", line: line)
    }
    return columns
  }

  private func whole(
    _ cell: String, _ column: Column, line: Int
  ) throws(ConfigurationError) -> Int {
    guard !cell.isEmpty, cell.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let number = Int(cell), number <= Self.largestCount
    else {
      throw failure(
        "expected a whole number from 0 to \(Self.largestCount)", line: line,
        at: column.rawValue, value: cell)
    }
    return number
  }

  private mutating func add(
    layer: Int, expert: Int, tokens: Int, line: Int
  ) throws(ConfigurationError) {
    if let rule = checkLayer(layer) {
      throw failure(rule, line: line, at: Column.layer.rawValue, value: String(layer))
    }
    let experts = mixtures[layer]?.routedExperts ?? 0
    func expertFailure(_ rule: String) -> ConfigurationError {
      failure(rule, line: line, at: Column.expert.rawValue, value: String(expert))
    }
    guard expert < experts else {
      throw expertFailure("layer \(layer) has experts 0 to \(experts - 1)")
    }
    var known = counts[layer] ?? Array(repeating: nil, count: experts)
    if known[expert] != nil { throw expertFailure("is given twice for layer \(layer)") }
    known[expert] = tokens
    counts[layer] = known
    lines[layer] = line
  }

  // MARK: Rules

  /// The counts of all mixture layers, once they are complete and possible.
  func finished() throws(ConfigurationError) -> [Int: [Int]] {
    var finished: [Int: [Int]] = [:]
    for layer in mixtures.keys.sorted() {
      guard let mixture = mixtures[layer] else { continue }
      guard let found = counts[layer] else {
        throw failure("has no counts of layer \(layer), whose experts are routed")
      }
      finished[layer] = try checked(found, layer, mixture)
    }
    return finished
  }

  private func checked(
    _ found: [Int?], _ layer: Int, _ mixture: Mixture
  ) throws(ConfigurationError) -> [Int] {
    let experts = mixture.routedExperts
    let known = found.compactMap { $0 }
    guard known.count == experts else {
      throw failure(
        "layer \(layer) has counts of \(known.count) experts and the model \(experts)",
        line: lines[layer])
    }
    let total = known.reduce(0, +)
    guard total > 0 else {
      throw failure("layer \(layer) has no token at all", line: lines[layer])
    }
    let chosen = mixture.expertsPerToken
    guard let largest = known.max(), largest * chosen <= total else {
      let expert = known.firstIndex(of: known.max() ?? 0) ?? 0
      throw failure(
        "layer \(layer): expert \(expert) has more than 1/\(chosen) of the layer's counts, though "
          + "each token chooses \(chosen) different experts", line: lines[layer])
    }
    return known
  }
}

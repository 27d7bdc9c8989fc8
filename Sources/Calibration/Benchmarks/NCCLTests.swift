import Documents

/// Reads the output of nccl-tests and rccl-tests: `all_reduce_perf` and its sisters.
///
/// Columns are found by the line that names them; without it thirteen fields are expected. The time out of
/// place counts, and rates are computed from it: the printed ones have two decimals. Sizes are those of the largest
/// buffer, of gathers and scatters all ranks' together. Names of tests, ranks and hosts may lack where
/// people cut their logs: what the rates imply is used, the rest is asked for.
struct NCCLTests {
  private let text: BenchmarkText
  private let facts: MeasurementFacts
  private var result = Measurements()
  private var test = Test()
  /// The first row whose time or rates are no numbers.
  private var unread: BenchmarkText.Line?
  private var leftOut = LeftOutRows()

  /// One table with what its head said.
  private struct Test {
    var name: String?
    var ranks = 0
    /// How many ranks lie on each host.
    var hosts: [String: Int] = [:]
    var columns: Columns?
    var rows: [Row] = []
  }

  private struct Columns {
    var reduction: Int? = 3
    var root: Int? = 4
    var time = 5
    var algorithm = 6
    var bus = 7
    var wrong = 8
    var count = 13
  }

  private struct Row {
    var bytes: Int
    var seconds, algorithmRate, busRate: Double
    var reduction: String
    var root: Int
    var line: BenchmarkText.Line

    /// Whether elements are added up, or the like.
    var adds: Bool { ["sum", "prod", "min", "max", "avg"].contains(reduction) }
  }

  static func recognises(_ text: BenchmarkText) -> Bool {
    var rows = 0
    for line in text.lines {
      if line.text.contains("Collective test starting:")
        || line.text.hasPrefix("# nccl-tests version")
        || line.text.hasPrefix("rccl-tests: Version") || line.text.hasPrefix("# nThread")
      {
        return true
      }
      let words = line.words
      if words.first == "#", columns(words) != nil { return true }
      if words.count == 13, Int(words[0]) != nil, Int(words[1]) != nil, Double(words[2]) == nil {
        rows += 1
      }
    }
    return rows > 1
  }

  static func read(
    _ text: BenchmarkText, _ facts: MeasurementFacts
  ) throws(ConfigurationError) -> Measurements {
    var reader = NCCLTests(text: text, facts: facts)
    for line in text.lines { try reader.read(line) }
    try reader.finish()
    guard !reader.result.collectives.isEmpty || !reader.result.remarks.isEmpty else {
      if let unread = reader.unread {
        throw text.error(unread, "expected a time and rates as numbers with a decimal point")
      }
      throw text.error(
        nil, "has no row of a collective that moves bytes: the head alone of an nccl-tests log")
    }
    reader.result.remarks += reader.leftOut.remarks(of: text.file)
    return reader.result
  }

  private init(text: BenchmarkText, facts: MeasurementFacts) {
    self.text = text
    self.facts = facts
  }

  private mutating func read(_ line: BenchmarkText.Line) throws(ConfigurationError) {
    let words = line.words
    if let start = line.text.range(of: "Collective test starting:") {
      try finish()
      test.name = String(line.text[start.upperBound...].split(separator: " ").first ?? "")
    } else if line.text.hasPrefix("# nThread") {
      if !test.rows.isEmpty { try finish() }
    } else if words.count > 4, words[0] == "#", words[1] == "Rank", Int(words[2]) != nil {
      test.ranks += 1
      if let on = words.firstIndex(of: "on"), on + 1 < words.count {
        test.hosts[String(words[on + 1]), default: 0] += 1
      }
      if let bus = line.text.lastIndex(of: "]") {
        let name = line.text[line.text.index(after: bus)...].drop { $0 == " " }
        result.devices.append(MeasuredDevice(name: String(name), place: text.place(line)))
      }
    } else if words.first == "#" {
      try checkUnits(line, words)
      if let columns = Self.columns(words) { test.columns = columns }
    } else if let row = try row(line, words) {
      test.rows.append(row)
    } else if let name = words.lazy.map({ $0.split(separator: "/").last ?? $0 })
      .first(where: { $0.hasSuffix("_perf") })
    {
      // The command, where a shell or a launcher shows it.
      if !test.rows.isEmpty { try finish() }
      test.name = String(name)
    }
  }

  private static func columns(_ words: [Substring]) -> Columns? {
    let names = Array(words.dropFirst())
    guard let size = names.firstIndex(of: "size"), let time = names.firstIndex(of: "time"),
      let algorithm = names.firstIndex(of: "algbw"), let bus = names.firstIndex(of: "busbw"),
      size < time, time < algorithm, algorithm < bus
    else { return nil }
    // Later columns differ between versions: times of iterations, a clock.
    let wrong = names.indices.first { $0 > bus && ["#wrong", "error"].contains(names[$0]) }
    // Behind the rates a row may be cut off: what stands there is not relied on.
    func early(_ name: Substring) -> Int? { names[..<bus].firstIndex(of: name) }
    return Columns(
      reduction: early("redop"), root: early("root"), time: time, algorithm: algorithm, bus: bus,
      wrong: wrong ?? bus + 1, count: names.count)
  }

  private static let units: Set<Substring> = ["(B)", "(elements)", "(us)", "(GB/s)"]

  /// Refuses units that no version prints: a table that was rewritten has other numbers, too.
  private func checkUnits(
    _ line: BenchmarkText.Line, _ words: [Substring]
  ) throws(ConfigurationError) {
    guard words.contains("(B)") || words.contains("(elements)") else { return }
    let other = words.first { $0.hasPrefix("(") && $0.hasSuffix(")") && !Self.units.contains($0) }
    guard let other else { return }
    throw text.error(
      line, "expected the units of nccl-tests, B, elements, us and GB/s", value: String(other))
  }

  /// Bytes of an element, by the names of types.
  private static func width(_ type: Substring) -> Int? {
    if type.hasPrefix("fp8") || type.hasPrefix("f8") { return 1 }
    let widths = [
      (1, ["int8", "uint8", "char"]), (2, ["half", "float16", "bfloat16", "bf16"]),
      (4, ["int32", "uint32", "int", "float", "float32"]),
      (8, ["int64", "uint64", "double", "float64"]),
    ]
    return widths.first { $0.1.contains(String(type)) }?.0
  }

  /// Refuses a count of elements of which a row's bytes are no multiple.
  private func checkCount(
    _ bytes: Int, _ line: BenchmarkText.Line, _ words: [Substring]
  ) throws(ConfigurationError) {
    guard words.count > 2, let count = Int(words[1]), count > 0 else { return }
    guard let width = Self.width(words[2]) else {
      throw text.error(
        line, "expected a type of nccl-tests, such as float, half or bfloat16",
        value: String(words[2]))
    }
    let (each, isTooMuch) = count.multipliedReportingOverflow(by: width)
    guard !isTooMuch, bytes % each == 0 else {
      throw text.error(
        line,
        "size and count contradict each other: \(bytes) B are no multiple of \(count) x "
          + "\(width) B (\(words[2]))")
    }
  }

  private mutating func row(
    _ line: BenchmarkText.Line, _ words: [Substring]
  ) throws(ConfigurationError) -> Row? {
    guard let first = words.first, isRow(line, words) else { return nil }
    guard let bytes = Int(first) else {
      guard first.allSatisfy(\.isNumber), words.count > 2 else { return nil }
      throw text.error(line, "expected a size in bytes up to 2^53", value: String(first))
    }
    let columns = test.columns ?? Columns()
    guard words.count >= columns.count || line.isWhole && words.count > columns.wrong,
      words.count > columns.bus
    else {
      leftOut.note(line, .cut)
      return nil
    }
    guard let time = Double(words[columns.time]), let algorithm = Double(words[columns.algorithm]),
      let bus = Double(words[columns.bus])
    else {
      unread = unread ?? line
      leftOut.note(line, .unread)
      return nil
    }
    // Gathers of fewer elements than ranks move nothing.
    guard try text.size(first, line) != nil else {
      leftOut.note(line, .empty)
      return nil
    }
    try checkCount(bytes, line, words)
    _ = try text.measured(words[columns.time], "a time", line)
    _ = try text.measured(words[columns.algorithm], "algbw", line, zero: true)
    _ = try text.measured(words[columns.bus], "busbw", line, zero: true)
    guard time < 1e12 else {
      throw text.error(line, "expected a time below 10^12 us", value: String(words[columns.time]))
    }
    if columns.wrong < words.count, let wrong = Double(words[columns.wrong]), wrong > 0 {
      result.remarks.append(
        "\(text.file):\(line.number): left out, its result was wrong (#wrong "
          + "\(words[columns.wrong]))"
      )
      return nil
    }
    let seconds = time * 1e-6
    let rate = Double(bytes) / seconds / 1e9
    // Times have three or more figures, rates two decimals.
    guard abs(rate - algorithm) <= 0.012 * rate + 0.0051 else {
      throw text.error(
        line,
        "the units contradict each other: \(bytes) B in \(words[columns.time]) us are "
          + "\(figures(rate)) GB/s, not \(words[columns.algorithm])")
    }
    return Row(
      bytes: bytes, seconds: seconds, algorithmRate: rate, busRate: bus,
      reduction: columns.reduction.map { String(words[$0]) } ?? "",
      root: columns.root.flatMap { Int(words[$0]) } ?? -1, line: line)
  }

  /// Whether a line that begins with a number is a row: a count of elements and a type follow, as far as it goes.
  private func isRow(_ line: BenchmarkText.Line, _ words: [Substring]) -> Bool {
    if words.count > 2 { return Int(words[1]) != nil && Double(words[2]) == nil }
    return test.columns != nil && words.dropFirst().allSatisfy { Int($0) != nil }
  }

  // MARK: What a table is of

  private mutating func finish() throws(ConfigurationError) {
    defer { test = Test(name: nil, columns: test.columns) }
    guard let last = test.rows.last else { return }
    guard let kind = try kind(last) else {
      result.remarks.append(
        "\(text.file): \(test.rows.count) rows of \(test.name ?? "a test") left out: the "
          + "formulas have no "
          + "such collective")
      return
    }
    let ranks = try ranks(kind)
    let nodes = try nodes(ranks)
    for row in test.rows {
      result.collectives.append(
        MeasuredCollective(
          kind: kind, ranks: ranks, nodes: nodes, bytes: Double(row.bytes), seconds: row.seconds,
          place: text.place(row.line)))
    }
  }

  /// The kind of collective; nil where the formulas have none such.
  private mutating func kind(_ last: Row) throws(ConfigurationError) -> CollectiveCell.Kind? {
    if let name = test.name {
      guard let kind = Self.kinds.first(where: { name.hasPrefix($0.0) }) else { return nil }
      if let given = facts.collective, let known = kind.1, given != known {
        result.facts.contradict(
          .collective,
          text.error(last.line, "is of \(name), and --collective says \(given.rawValue)"))
      }
      return kind.1
    }
    if let given = facts.collective {
      result.facts.use(.collective)
      return given
    }
    // More than the size crosses a rank's link in all-reduces alone.
    if let factor = busFactor, factor.value - factor.error > 1 { return .allReduce }
    if last.root >= 0 { return nil }
    // Of what adds up without a root, the other one is left.
    if let factor = busFactor, factor.value + factor.error < 1, last.adds { return .reduceScatter }
    throw text.error(
      test.rows[0].line,
      "the log does not say which collective it is of: --collective all-reduce, all-gather, "
        + "reduce-scatter, all-to-all or send")
  }

  private static let kinds: [(String, CollectiveCell.Kind?)] = [
    ("all_reduce", .allReduce), ("all_gather", .allGather), ("reduce_scatter", .reduceScatter),
    ("alltoallv", nil), ("alltoall", .allToAll), ("sendrecv", .send), ("broadcast", nil),
    ("reduce", nil), ("gather", nil), ("scatter", nil), ("hypercube", nil),
  ]

  /// Rates on the bus over rates of the algorithm, from the row that rounding hurts least.
  private var busFactor: (value: Double, error: Double)? {
    guard let best = test.rows.max(by: { $0.busRate < $1.busRate }), best.busRate > 0.5 else {
      return nil
    }
    let value = best.busRate / best.algorithmRate
    // Times are cut to a microsecond from 10 ms.
    return (value, value * (0.0055 / best.busRate + 0.6e-6 / best.seconds) + 1e-4)
  }

  private mutating func ranks(_ kind: CollectiveCell.Kind) throws(ConfigurationError) -> Int {
    let said = test.ranks > 0 ? test.ranks : nil
    if let given = facts.ranks, let said, given != said {
      result.facts.contradict(
        .ranks,
        text.error(test.rows[0].line, "the log has \(said) ranks, and --ranks says \(given)"))
    }
    if said == nil, facts.ranks != nil { result.facts.use(.ranks) }
    if let known = said ?? facts.ranks {
      try check(known, kind)
      return known
    }
    if let implied = impliedRanks(kind) { return implied }
    throw text.error(test.rows[0].line, "the log does not say how many ranks took part: --ranks N")
  }

  /// Refuses a number of ranks that the printed rates rule out.
  private func check(_ ranks: Int, _ kind: CollectiveCell.Kind) throws(ConfigurationError) {
    guard ranks > 1 else {
      throw text.error(test.rows[0].line, "one rank alone measures no link: --ranks N, at least 2")
    }
    guard let factor = busFactor else { return }
    let expected = Self.busFactor(kind, ranks)
    guard abs(expected - factor.value) <= factor.error + 0.004 * expected else {
      throw text.error(
        test.rows[0].line,
        "bus rates are \(figures(factor.value)) of the algorithm's, which \(kind.rawValue) over "
          + "\(ranks) ranks does not give (\(figures(expected)))")
    }
  }

  static func busFactor(_ kind: CollectiveCell.Kind, _ ranks: Int) -> Double {
    let share = Double(ranks - 1) / Double(ranks)
    return switch kind {
    case .allReduce: 2 * share
    case .allGather, .reduceScatter, .allToAll: share
    case .send: 1
    }
  }

  /// The number of ranks, where the rates leave one only.
  private func impliedRanks(_ kind: CollectiveCell.Kind) -> Int? {
    guard kind != .send, let factor = busFactor else { return nil }
    let fitting = (2...1024).filter {
      abs(Self.busFactor(kind, $0) - factor.value) <= factor.error
    }
    return fitting.count == 1 ? fitting[0] : nil
  }

  private mutating func nodes(_ ranks: Int) throws(ConfigurationError) -> Int? {
    let said = test.hosts.isEmpty ? nil : test.hosts.count
    if let said, let given = facts.nodes, given != said {
      result.facts.contradict(
        .nodes,
        text.error(
          test.rows[0].line, "the ranks lie on \(said) hosts, and --nodes says \(given)"))
    }
    if said == nil, facts.nodes != nil { result.facts.use(.nodes) }
    guard let nodes = said ?? facts.nodes else { return nil }
    guard ranks % nodes == 0 else {
      throw text.error(
        test.rows[0].line, "\(ranks) ranks do not spread evenly over \(nodes) nodes")
    }
    let (least, most) = (test.hosts.values.min() ?? 0, test.hosts.values.max() ?? 0)
    guard least == most else {
      throw text.error(
        test.rows[0].line,
        "\(least) ranks lie on one host and \(most) on another: as many on each are needed")
    }
    return nodes
  }
}

/// A number with four figures, for messages.
func figures(_ value: Double) -> String {
  // What is all but nothing has no scale.
  guard abs(value) > 1e-290, value.isFinite else { return "\(value)" }
  var scale = 1.0
  while abs(value) * scale < 1000 { scale *= 10 }
  var unit = 1.0
  while abs(value) / unit >= 10_000 { unit *= 10 }
  let rounded = (value * scale / unit).rounded() / scale * unit
  return rounded == rounded.rounded() && abs(rounded) < 1e15 ? "\(Int(rounded))" : "\(rounded)"
}

/// The same, not rounded beyond a limit.
func figures(_ value: Double, atMost limit: Double) -> String {
  let text = figures(value)
  return Double(text).map { $0 <= limit } ?? true ? text : "\(limit)"
}

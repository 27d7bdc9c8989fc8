import Costs
import Documents

/// Reads what DeepEP's tests print: dispatch and combine of experts' rows.
///
/// The same line had several spellings: `t: 453.49 us`, `, 458.60 us`, `31 + 4594 us` (notify and payload), `transmit:
/// .. notify: ..`, or no time at all. Rates between nodes count every node that a row reaches, the
/// sender's own included; those inside nodes all rows that arrive. The second version says `SO` and `SU`
/// (scale-out and scale-up) for both. Of a sweep over chunks the best line of each kind counts.
struct DeepEPTests {
  private let text: BenchmarkText
  private let facts: MeasurementFacts
  private var result = Measurements()
  private var tokens: Int?
  private var hidden: Int?
  private var groups: Int?
  private var ranks: Int?
  private var ranksPerNode: Int?
  private var multiprocessors: Int?
  private var trials = 0

  static func recognises(_ text: BenchmarkText) -> Bool {
    text.lines.contains { line in
      line.text.hasPrefix("[tuning] ") || line.text.contains("Dispatch + combine bandwidth:")
        || line.text.contains("GB/s (SU)")
    }
  }

  static func read(
    _ text: BenchmarkText, _ facts: MeasurementFacts
  ) throws(ConfigurationError) -> Measurements {
    var reader = DeepEPTests(text: text, facts: facts)
    for line in text.lines { try reader.read(line) }
    guard !reader.result.exchanges.isEmpty || !reader.result.remarks.isEmpty else {
      throw text.error(
        nil,
        "has no best dispatch or combine"
          + (reader.trials > 0 ? ": its \(reader.trials) trials do not say which they are" : ""))
    }
    return reader.result
  }

  private init(text: BenchmarkText, facts: MeasurementFacts) {
    self.text = text
    self.facts = facts
  }

  private mutating func read(_ line: BenchmarkText.Line) throws(ConfigurationError) {
    if line.text.hasPrefix("[config]") {
      tokens = Self.integer(after: "num_tokens=", in: line.text)
      hidden = Self.integer(after: "hidden=", in: line.text)
      groups = Self.integer(after: "num_topk_groups=", in: line.text)
    } else if line.text.hasPrefix("[tuning] Best") {
      try readBest(line)
    } else if line.text.hasPrefix("[tuning]") {
      trials += 1
    } else if line.text.contains("GB/s (SU)") {
      try readSecondVersion(line)
    } else if line.text.hasPrefix("> Ranks:") {
      let sides = numbers(in: line.text)
      if sides.count == 2 {
        ranks = Int(exactly: sides[0] * sides[1])
        ranksPerNode = Int(exactly: sides[1])
      }
    } else if line.text.hasPrefix("> Tokens:") {
      tokens = Self.integer(after: "Tokens: ", in: line.text)
      hidden = Self.integer(after: "hidden: ", in: line.text)
    } else if line.text.hasPrefix("> #SM:") {
      multiprocessors = Self.integer(after: "#SM: ", in: line.text)
    } else if line.text.contains("Dispatch + combine bandwidth:"), result.remarks.isEmpty {
      result.remarks.append(
        "\(text.file):\(line.number): kernels of low latency, for decoding: training's exchanges "
          + "are others, so "
          + "that nothing is fitted to them")
    }
  }

  private static func integer(after label: String, in line: String) -> Int? {
    guard let place = line.firstRange(of: label) else { return nil }
    return counting(line[place.upperBound...].prefix { $0.isNumber })
  }

  /// The number in front of a unit: of `38.20 GB/s (RDMA)` before `GB/s (RDMA)`.
  ///
  /// Nothing crosses nodes where there is one: 0 is a value.
  private func number(
    before unit: String, in line: BenchmarkText.Line, behind label: String = "", zero: Bool = false
  ) throws(ConfigurationError) -> Double? {
    var rest = line.text[...]
    if let place = rest.range(of: label) { rest = rest[place.upperBound...] }
    guard let place = rest.range(of: unit),
      let word = rest[..<place.lowerBound].split(whereSeparator: { $0 == " " || $0 == "," }).last
    else { return nil }
    return try text.measured(word, unit.filter { $0 != " " }, line, zero: zero)
  }

  /// Seconds of the payload, however they are spelt; nil where the line has none.
  private func seconds(in line: BenchmarkText.Line) throws(ConfigurationError) -> Double? {
    let label = "transmit: "
    let isSplit = line.text.contains(label)
    return try number(before: isSplit ? "us" : " us", in: line, behind: isSplit ? label : "")
      .map { $0 * 1e-6 }
  }

  private mutating func readBest(_ line: BenchmarkText.Line) throws(ConfigurationError) {
    guard let rate = try number(before: "GB/s (NVL)", in: line) else { return }
    guard let multiprocessors = Self.integer(after: "SMs ", in: line.text) else {
      throw text.error(line, "does not say how many SMs it ran on")
    }
    let isDispatch = line.text.contains("Best dispatch")
    let isFP8 = line.text.contains("(FP8)")
    try add(
      line, isDispatch ? .dispatch : .combine, isFP8: isFP8,
      network: number(before: "GB/s (RDMA)", in: line, zero: true), link: rate,
      seconds: seconds(in: line), multiprocessors: multiprocessors)
  }

  private mutating func readSecondVersion(
    _ line: BenchmarkText.Line
  ) throws(ConfigurationError) {
    // One rank's line stands for all; expanded, cached and reduced variants do other work.
    guard line.text.hasPrefix("* EP:") || line.text.hasPrefix("@ EP:"),
      let link = try number(before: "GB/s (SU)", in: line)
    else { return }
    let isDispatch = line.text.contains("dispatch:")
    let direction: ExchangeShape.Direction = isDispatch ? .dispatch : .combine
    guard !result.exchanges.contains(where: { $0.shape.direction == direction }) else { return }
    guard let multiprocessors else {
      throw text.error(line, "the file does not say how many SMs it ran on: keep its `#SM:` line")
    }
    let network = try number(before: "GB/s (SO)", in: line, zero: true)
    try add(
      line, direction, isFP8: false, network: network, link: link,
      seconds: seconds(in: line), multiprocessors: multiprocessors)
  }

  private mutating func add(
    _ line: BenchmarkText.Line, _ direction: ExchangeShape.Direction, isFP8: Bool,
    network: Double?, link: Double, seconds: Double?, multiprocessors: Int
  ) throws(ConfigurationError) {
    guard let tokens, let hidden else {
      throw text.error(line, "the file does not say num_tokens and hidden: keep its [config] line")
    }
    guard let ranks = ranks ?? facts.ranks else {
      throw text.error(line, "the file does not say how many ranks took part: --ranks N")
    }
    if let said = self.ranks, let given = facts.ranks, said != given {
      result.facts.contradict(
        .ranks, text.error(line, "the file has \(said) ranks, and --ranks says \(given)"))
    }
    if self.ranks == nil { result.facts.use(.ranks) }
    let nodes = try nodes(line, ranks, crosses: (network ?? 0) > 0)
    let reach = try reach(line, ranks, nodes)
    let rowBytes = Double(hidden) * (isFP8 ? 1 + 4.0 / 128 : 2)
    let shape = ExchangeShape(
      direction, tokens: tokens, rowBytes: rowBytes, reach: reach, ranks: ranks,
      ranksPerNode: ranks / nodes, countsAreKnown: true)
    let implied = shape.nvlinkRows * rowBytes / (link * 1e9)
    if let seconds, abs(seconds / implied - 1) > 0.15 {
      throw text.error(
        line,
        "\(tokens) tokens over \(ranks) ranks on \(nodes) nodes at \(figures(link)) GB/s take "
          + "\(figures(implied * 1e6)) us, not \(figures(seconds * 1e6)): is --ranks right?")
    }
    result.exchanges.append(
      MeasuredExchange(
        shape: shape, networkRate: network.map { $0 * 1e9 }, linkRate: link * 1e9,
        multiprocessors: multiprocessors, seconds: implied,
        name: "\(direction.rawValue) \(isFP8 ? "FP8" : "BF16")", place: text.place(line)))
  }

  private mutating func nodes(
    _ line: BenchmarkText.Line, _ ranks: Int, crosses: Bool
  ) throws(ConfigurationError) -> Int {
    let said = ranksPerNode.map { ranks / max(1, $0) } ?? (crosses ? nil : 1)
    if let said, let given = facts.nodes, said != given {
      result.facts.contradict(
        .nodes, text.error(line, "the ranks lie on \(said) nodes, and --nodes says \(given)"))
    }
    // Without RDMA they lie on one node, which the file does not say in words.
    if ranksPerNode == nil, facts.nodes != nil, said == nil || said == facts.nodes {
      result.facts.use(.nodes)
    }
    let nodes = said ?? facts.nodes
    guard let nodes else {
      throw text.error(line, "the file does not say how many nodes took part: --nodes N")
    }
    guard (1...128).contains(nodes), ranks % nodes == 0, 256 % ranks == 0, (nodes > 1) == crosses
    else {
      throw text.error(
        line,
        "\(ranks) ranks on \(nodes) nodes do not fit rates \(crosses ? "with" : "without") RDMA")
    }
    return nodes
  }

  private func reach(
    _ line: BenchmarkText.Line, _ ranks: Int, _ nodes: Int
  ) throws(ConfigurationError) -> ExpertReach {
    if let groups, groups != min(nodes, 4) {
      throw text.error(
        line, "num_topk_groups=\(groups) is not what DeepEP's test takes on \(nodes) nodes")
    }
    return ExpertRouting.deepEPBenchmark(nodes: nodes).reach(
      ranks: ranks, ranksPerNode: ranks / nodes)
  }
}

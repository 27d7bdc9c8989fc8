import Documents

/// Reads the output of OSU's micro-benchmarks of MPI, 3.1 to 7.5.
///
/// `MB/s` are 10^6 bytes. Files say neither how many ranks took part nor where they lay: both are asked for.
/// Sizes of gathers are those of a rank's part and those of all-to-alls of one message: both count here for
/// all ranks together.
struct OSUBenchmarks {
  private let text: BenchmarkText
  private let facts: MeasurementFacts
  private var result = Measurements()
  private var test: Test?
  private var leftOut = LeftOutRows()

  private enum Test {
    case message(MeasuredMessage.Quantity, directions: Double)
    case collective(CollectiveCell.Kind, perRank: Bool)
    case other(String)
  }

  static func recognises(_ text: BenchmarkText) -> Bool {
    text.lines.contains { $0.text.hasPrefix("# OSU ") }
  }

  static func read(
    _ text: BenchmarkText, _ facts: MeasurementFacts
  ) throws(ConfigurationError) -> Measurements {
    var reader = OSUBenchmarks(text: text, facts: facts)
    for line in text.lines { try reader.read(line) }
    guard !reader.result.collectives.isEmpty || !reader.result.messages.isEmpty else {
      throw text.error(
        nil, reader.result.remarks.first.map { "has nothing to fit: \($0)" } ?? "has no rows")
    }
    reader.result.remarks += reader.leftOut.remarks(of: text.file)
    return reader.result
  }

  private init(text: BenchmarkText, facts: MeasurementFacts) {
    self.text = text
    self.facts = facts
  }

  private mutating func read(_ line: BenchmarkText.Line) throws(ConfigurationError) {
    if line.text.hasPrefix("# OSU ") {
      test = Self.test(line.text)
      if case .other(let name)? = test {
        result.remarks.append(
          "\(text.file):\(line.number): \(name) left out: the formulas have no such operation")
      }
    } else if line.text.hasPrefix("# Size") {
      try checkUnit(line)
    } else if !line.text.hasPrefix("#"), let test {
      try readRow(line, test)
    }
  }

  /// `# OSU MPI-CUDA Bi-Directional Bandwidth Test v7.5`.
  private static func test(_ title: String) -> Test {
    var name = title.dropFirst("# OSU ".count)
    if let end = name.range(of: " Test") { name = name[..<end.lowerBound] }
    let words = name.split(separator: " ").dropFirst()
    let plain = words.joined(separator: " ").lowercased()
      .replacing("latency", with: "").replacing("  ", with: " ")
    let operation = plain.filter { $0 != " " && $0 != "-" && $0 != "_" }
    switch operation {
    case "" where words.contains("Latency"): return .message(.latency, directions: 1)
    case "bandwidth": return .message(.bandwidth, directions: 1)
    case "bidirectionalbandwidth": return .message(.bandwidth, directions: 2)
    case "allreduce": return .collective(.allReduce, perRank: false)
    case "reducescatter": return .collective(.reduceScatter, perRank: false)
    case "allgather": return .collective(.allGather, perRank: true)
    case "alltoall", "alltoallpersonalizedexchange":
      return .collective(.allToAll, perRank: true)
    default: return .other(String(name))
    }
  }

  /// The largest size in bytes whose rate two decimals may round to nothing.
  private static let mostRounded = 4096

  private func checkUnit(_ line: BenchmarkText.Line) throws(ConfigurationError) {
    guard case .some(let test) = test else { return }
    let isRate = if case .message(.bandwidth, _) = test { true } else { false }
    if case .other = test { return }
    guard line.text.contains(isRate ? "(MB/s)" : "(us)") else {
      throw text.error(
        line, "the units contradict each other: expected \(isRate ? "MB/s" : "us") of such a test")
    }
  }

  private mutating func readRow(
    _ line: BenchmarkText.Line, _ test: Test
  ) throws(ConfigurationError) {
    let words = line.words
    // A cut number would be another one.
    guard Double(String(words[0])) != nil else { return }
    if case .other = test { return }
    guard words.count > (line.isWhole ? 1 : 2) else { return leftOut.note(line, .cut) }
    guard Double(String(words[1])) != nil else { return leftOut.note(line, .unread) }
    guard let bytes = try text.size(words[0], line) else { return leftOut.note(line, .empty) }
    let isRate = if case .message(.bandwidth, _) = test { true } else { false }
    guard
      let value = try text.measured(
        words[1], isRate ? "MB/s" : "us", line, zero: isRate && bytes <= Self.mostRounded),
      value > 0
    else { return }
    switch test {
    case .message(let quantity, let directions):
      guard let isInside = facts.isInsideNode else {
        throw text.error(
          line,
          "the file does not say where both ranks lay: --between devices (of one node) or "
            + "--between nodes")
      }
      result.messages.append(
        MeasuredMessage(
          quantity: quantity, way: isInside ? .insideNode : .betweenNodes, bytes: Double(bytes),
          value: quantity == .latency ? value * 1e-6 : value * 1e6 / directions,
          place: text.place(line)))
    case .collective(let kind, let perRank):
      guard let ranks = facts.ranks else {
        throw text.error(line, "the file does not say how many ranks took part: --ranks N")
      }
      guard let nodes = facts.nodes else {
        throw text.error(line, "the file does not say how many nodes they lay on: --nodes N")
      }
      result.facts.use(.ranks)
      result.facts.use(.nodes)
      guard ranks > 1, nodes > 0, ranks % nodes == 0 else {
        throw text.error(line, "\(ranks) ranks do not spread evenly over \(nodes) nodes")
      }
      result.collectives.append(
        MeasuredCollective(
          kind: kind, ranks: ranks, nodes: nodes,
          bytes: Double(bytes) * (perRank ? Double(ranks) : 1), seconds: value * 1e-6,
          place: text.place(line)))
    case .other: return
    }
  }
}

import Documents

/// The formats of benchmarks' outputs that can be read, found by what files hold and not by their names.
public enum BenchmarkFormat: String, Hashable, Sendable, CaseIterable {
  case probe = "probe.py"
  case ncclTests = "nccl-tests or rccl-tests"
  case perftest
  case osu = "OSU micro-benchmarks"
  case deepEP = "DeepEP's tests"
  case mamf = "mamf-finder"
  case products = "a table of products"
  case trace = "a Kineto trace"

  /// What people may have to add to a file, by the option that says it.
  public enum Fact: String, Hashable, Sendable, CaseIterable {
    case ranks, nodes, collective, between, through, library
  }

  /// What is taken of `MeasurementFacts` for a file of this format.
  public var facts: Set<Fact> {
    switch self {
    case .probe: []
    case .ncclTests: [.ranks, .nodes, .collective]
    case .perftest: [.through]
    case .osu: [.ranks, .nodes, .between]
    case .deepEP: [.ranks, .nodes]
    case .mamf, .products: [.library]
    case .trace: [.nodes]
    }
  }

  private func recognises(_ text: BenchmarkText) -> Bool {
    switch self {
    case .probe: ProbeTable.recognises(text)
    case .ncclTests: NCCLTests.recognises(text)
    case .perftest: Perftest.recognises(text)
    case .osu: OSUBenchmarks.recognises(text)
    case .deepEP: DeepEPTests.recognises(text)
    case .mamf: MAMFFinder.recognises(text)
    case .products: ProductSweep.recognises(text)
    case .trace: false
    }
  }

  private func read(
    _ text: BenchmarkText, _ facts: MeasurementFacts
  ) throws(ConfigurationError) -> Measurements {
    switch self {
    case .probe: try ProbeTable.read(text)
    case .ncclTests: try NCCLTests.read(text, facts)
    case .perftest: try Perftest.read(text, facts)
    case .osu: try OSUBenchmarks.read(text, facts)
    case .deepEP: try DeepEPTests.read(text, facts)
    case .mamf: try MAMFFinder.read(text, facts)
    case .products: try ProductSweep.read(text, facts)
    case .trace: preconditionFailure("Traces are not read as lines.")
    }
  }

  /// The largest text; traces are read in pieces and may have any size.
  private static let largestText = 1 << 26

  /// Reads a file of any of the formats.
  ///
  /// - Parameters:
  ///   - facts: what people add to files that do not say it.
  ///   - devicesPerNode: how the ranks of a trace's groups lie on nodes.
  /// - Throws: `ConfigurationError`: no format, two formats, or what is wrong in which line.
  public static func read(
    _ path: String, _ facts: MeasurementFacts = .init(), devicesPerNode: Int? = nil
  ) throws(ConfigurationError) -> (format: BenchmarkFormat, measurements: Measurements) {
    if try isJSON(path) {
      return (.trace, try KinetoTrace.read(path, facts, devicesPerNode: devicesPerNode))
    }
    let text = try BenchmarkText(try ByteStream(path).whole(atMost: largestText), file: path)
    return try read(text, facts)
  }

  /// Reads text that lies in memory, as messages call it.
  package static func read(
    text: String, file: String, _ facts: MeasurementFacts = .init()
  ) throws(ConfigurationError) -> (format: BenchmarkFormat, measurements: Measurements) {
    let found = try read(try BenchmarkText(text.utf8, file: file), facts)
    try found.measurements.facts.check()
    return found
  }

  private static func read(
    _ text: BenchmarkText, _ facts: MeasurementFacts
  ) throws(ConfigurationError) -> (format: BenchmarkFormat, measurements: Measurements) {
    let found = allCases.filter { $0.recognises(text) }
    guard let format = found.first else {
      throw text.error(
        nil,
        "is of no format that can be read: "
          + allCases.map(\.rawValue).joined(separator: ", "))
    }
    guard found.count == 1 else {
      throw text.error(
        nil,
        "has lines of \(found.map(\.rawValue).joined(separator: " and of ")): give each a file "
          + "of its own"
      )
    }
    return (format, try format.read(text, facts))
  }

  /// Whether a file begins as JSON, behind gzip too.
  private static func isJSON(_ path: String) throws(ConfigurationError) -> Bool {
    let stream = try ByteStream(path)
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)
    defer { piece.deallocate() }
    let count = try stream.read(into: piece)
    let head = piece[..<count].drop { [0x20, 0x09, 0x0A, 0x0D, 0xEF, 0xBB, 0xBF].contains($0) }
    guard let first = head.first else { return false }
    // `[1,0]<stdout>:` and `[tuning]` are lines of text.
    let second = head.dropFirst().first { $0 > 0x20 }
    return first == UInt8(ascii: "{") || first == UInt8(ascii: "[") && second == UInt8(ascii: "{")
  }
}

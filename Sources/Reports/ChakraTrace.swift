import Documents
import Programs
import Quantities
import Simulation

/// Writes a simulated step as execution traces of MLCommons Chakra, which network simulators read: a file
/// for each rank, and the groups of ranks as ASTRA-sim is told them.
///
/// The schema is `schema/protobuf/et_def.proto` of github.com/mlcommons/chakra: `GlobalMetadata`, then a `Node`
/// for each kernel, collective and message, each behind its length. Attributes have the names and types that Chakra's feeder looks for.
/// Times are whole microseconds, rounded at both ends of a node, so that no error adds up.
public struct ChakraTrace {
  /// What of the files is said to people.
  public struct Summary: Sendable {
    /// One for each rank that is written.
    public var files: Int
    public var nodes: Int
    /// Bytes that the written ranks put into collectives and send, by kind.
    public var bytes: [Traffic]

    /// What is moved by nodes of one kind.
    public struct Traffic: Sendable {
      public var kind: String
      public var nodes: Int
      public var bytes: Int
    }
  }

  /// The version of the schema that Chakra's own converters write.
  static let schemaVersion = "0.0.4"

  private let result: StepResult
  private let step: PlannedStep
  /// Every rank of the world has a file, not only those that stand for others.
  private let writesAllRanks: Bool

  /// The traces of a step that was simulated with `keepsSpans`.
  public init(_ result: StepResult, of step: PlannedStep, allRanks: Bool) {
    self.result = result
    self.step = step
    writesAllRanks = allRanks
  }

  /// The ranks that have files, ascending.
  public var ranks: [Int] {
    let standIns = step.standIns(in: result)
    guard !writesAllRanks else { return Array(standIns.indices) }
    return result.ranks.indices.compactMap { standIns.firstIndex(of: $0) }
  }

  /// The names of the files in their folder, those of ranks first.
  public var names: [String] { ranks.map { "\(Self.stem).\($0).et" } + [Self.groupsName] }

  private static let stem = "step"
  private static let groupsName = "groups.json"

  /// Writes all files; each appears under its name when it is whole.
  ///
  /// - Parameters:
  ///   - places: where the files of `names` go.
  ///   - limit: the size in bytes of all of them above which nothing is written, read from the first rank's.
  ///   - progress: called before each rank with the number of files that are done and their total.
  /// - Throws: `ConfigurationError` where that is too much, or where the disk refuses.
  public func write(
    to places: [OutputPath], limit: Int = StepTrace.usualLimit,
    progress: (Int, Int) -> Void = { _, _ in }
  ) throws(ConfigurationError) -> Summary {
    let standIns = step.standIns(in: result)
    var alike: [Int: [Int]] = [:]
    for (rank, place) in standIns.enumerated() { alike[place, default: []].append(rank) }
    var groups = StepGroups()
    var summary = Summary(files: 0, nodes: 0, bytes: [])
    for (rank, place) in zip(ranks, places) {
      progress(summary.files, places.count)
      let graph = step.graph(
        ofRank: rank, as: result.ranks[standIns[rank]], groups: &groups)
      let bytes = content(
        of: graph, standsFor: writesAllRanks ? [rank] : alike[standIns[rank]] ?? [rank])
      guard summary.files > 0 || bytes.count <= limit / (places.count - 1) else {
        throw ConfigurationError(
          file: place.name,
          rule:
            "is one of \(places.count - 1) files of some \(ByteCount(bytes.count)), more than the "
            + "limit of \(ByteCount(limit)); raise --trace-limit")
      }
      var file = try OutputFile(place, limit: .max)
      try file.write(bytes)
      try file.close()
      summary.add(graph)
    }
    if let place = places.last { try OutputFile.write(text(of: groups), to: place) }
    return summary
  }

  /// A whole file: what it is of, then the nodes, each behind its length.
  package func content(of graph: StepGraph, standsFor alike: [Int]) -> [UInt8] {
    var names = ChakraNames()
    var bytes = metadata(graph.rank, alike).delimited
    let before = graph.communicationsBefore
    for (number, node) in graph.nodes.enumerated() {
      bytes +=
        ChakraNode(number, node, behind: before[number], graph.rank, &names)
        .message.delimited
    }
    return bytes
  }

  /// What the file is of, and which ranks do as it says.
  private func metadata(_ rank: Int, _ alike: [Int]) -> ProtobufMessage {
    var message = ProtobufMessage()
    message.add(Self.schemaVersion, field: 1)
    for (name, value) in [
      ("producer", "sluice \(Version.current)"), ("model", step.placed.architecture.name),
      ("plan", step.placed.plan.name), ("cluster", step.cluster.name),
      ("stands_for", Self.ranges(alike)),
    ] {
      message.add(.chakra(name, text: value), field: 2)
    }
    for (name, value) in [
      ("rank", rank), ("world_size", step.placed.plan.worldSize),
      ("step_picoseconds", Int(result.step)),
    ] {
      message.add(.chakra(name, int64: value), field: 2)
    }
    return message
  }

  /// `0-3,8`: ascending numbers.
  static func ranges(_ numbers: [Int]) -> String {
    var ranges: [ClosedRange<Int>] = []
    for number in numbers {
      if let last = ranges.last, last.upperBound + 1 == number {
        ranges[ranges.count - 1] = last.lowerBound...number
      } else {
        ranges.append(number...number)
      }
    }
    return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
      .joined(separator: ",")
  }

  /// ASTRA-sim's file of communicator groups: `{"1": [0, 1, 2, 3]}`.
  private func text(of groups: StepGroups) -> String {
    let lines = groups.members.enumerated().map { number, members in
      "  \"\(number + 1)\": [\(members.map(String.init).joined(separator: ", "))]"
    }
    return "{\n\(lines.joined(separator: ",\n"))\n}\n"
  }
}

extension ChakraTrace.Summary {
  fileprivate mutating func add(_ graph: StepGraph) {
    files += 1
    nodes += graph.nodes.count
    for node in graph.nodes {
      switch node.work {
      case .kernel, .receive: break
      case .collective(let kind, _, _, let bytes): add(kind.name, bytes)
      case .send(_, _, let bytes): add("send", bytes)
      case .copy(let transfer, let bytes):
        add(transfer.kind == .toHost ? "to the host" : "from the host", bytes)
      }
    }
  }

  private mutating func add(_ kind: String, _ bytes: Int) {
    let place = self.bytes.firstIndex { $0.kind == kind }
    if let place {
      self.bytes[place].nodes += 1
      self.bytes[place].bytes += bytes
    } else {
      self.bytes.append(Traffic(kind: kind, nodes: 1, bytes: bytes))
    }
  }
}

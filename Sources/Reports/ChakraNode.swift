import Programs
import Simulation

/// One node of an execution trace.
struct ChakraNode {
  /// `NodeType` of et_def.proto.
  private enum Kind: UInt64 {
    case memoryLoad = 2
    case memoryStore = 3
    case compute = 4
    case send = 5
    case receive = 6
    case collective = 7
  }

  let message: ProtobufMessage

  /// - Parameters:
  ///   - number: its place in the graph.
  ///   - before: the communication that began before this one; nil where it is none, or the first.
  ///   - rank: whose it is.
  init(
    _ number: Int, _ node: StepGraph.Node, behind before: Int?, _ rank: Int,
    _ names: inout ChakraNames
  ) {
    let (kind, attributes) = Self.content(of: node.work, rank)
    var message = ProtobufMessage()
    message.add(UInt64(number), field: 1)
    message.add(names.name(of: node), field: 2)
    message.add(kind.rawValue, field: 3)
    // What orders communications alone, for readers that carry out one at a time.
    if let before, !node.dependencies.contains(before) {
      message.add(packed: [before], field: 4)
    }
    // A kernel's inputs; what only starts behind another one waits for its end in the same way.
    message.add(packed: node.dependencies, field: 5)
    let (start, end) = (Self.microseconds(node.start), Self.microseconds(node.end))
    message.add(UInt64(start), field: 6)
    message.add(UInt64(max(0, end - start)), field: 7)
    for attribute in attributes { message.add(attribute, field: 10) }
    message.add(.chakra("is_cpu_op", bool: false), field: 10)
    if node.stage >= 0 { message.add(.chakra("stage", int64: node.stage), field: 10) }
    if node.microbatch >= 0 {
      message.add(.chakra("microbatch", int64: node.microbatch), field: 10)
    }
    self.message = message
  }

  private static func content(
    of work: StepGraph.Work, _ rank: Int
  ) -> (Kind, [ProtobufMessage]) {
    switch work {
    case .kernel(_, let flops, let bytes):
      (
        .compute,
        [.chakra("num_ops", int64: Int(flops)), .chakra("tensor_size", uint64: bytes)]
      )
    case .collective(let collective, _, let group, let bytes):
      (
        .collective,
        [
          .chakra("comm_type", int64: collective.chakraNumber),
          .chakra("comm_size", int64: bytes), .chakra("pg_name", text: String(group)),
        ]
      )
    case .send(let peer, let tag, let bytes):
      (.send, ends(from: rank, to: peer, tag: tag, bytes))
    case .receive(let peer, let tag, let bytes):
      (.receive, ends(from: peer, to: rank, tag: tag, bytes))
    case .copy(let transfer, let bytes):
      (
        transfer.kind == .toHost ? .memoryStore : .memoryLoad,
        [.chakra("tensor_size", uint64: bytes)]
      )
    }
  }

  private static func ends(
    from source: Int, to destination: Int, tag: Int, _ bytes: Int
  ) -> [ProtobufMessage] {
    [
      .chakra("comm_src", int32: source), .chakra("comm_dst", int32: destination),
      .chakra("comm_tag", int32: tag), .chakra("comm_size", int64: bytes),
    ]
  }

  private static func microseconds(_ picoseconds: Int64) -> Int64 {
    (picoseconds + 500_000) / 1_000_000
  }
}

extension StepGraph.Collective {
  /// `CollectiveCommType` of et_def.proto.
  fileprivate var chakraNumber: Int {
    switch self {
    case .allReduce: 0
    case .allGather: 2
    case .allToAll: 6
    case .reduceScatter: 7
    }
  }

  var name: String {
    switch self {
    case .allReduce: "all-reduce"
    case .allGather: "all-gather"
    case .allToAll: "all-to-all"
    case .reduceScatter: "reduce-scatter"
    }
  }
}

/// `AttributeProto` of et_def.proto: a name, and one of many fields for the value.
extension ProtobufMessage {
  private static func chakra(_ name: String) -> ProtobufMessage {
    var message = ProtobufMessage()
    message.add(name, field: 1)
    return message
  }

  static func chakra(_ name: String, int32 value: Int) -> ProtobufMessage {
    var message = chakra(name)
    message.add(value, field: 7)
    return message
  }

  static func chakra(_ name: String, int64 value: Int) -> ProtobufMessage {
    var message = chakra(name)
    message.add(value, field: 9)
    return message
  }

  static func chakra(_ name: String, uint64 value: Int) -> ProtobufMessage {
    var message = chakra(name)
    message.add(UInt64(value), field: 13)
    return message
  }

  static func chakra(_ name: String, bool value: Bool) -> ProtobufMessage {
    var message = chakra(name)
    message.add(value ? 1 as UInt64 : 0, field: 27)
    return message
  }

  static func chakra(_ name: String, text value: String) -> ProtobufMessage {
    var message = chakra(name)
    message.add(value, field: 29)
    return message
  }
}

/// The names of nodes, made once for each operation and transfer.
struct ChakraNames {
  private var operations: [Operation: String] = [:]
  private var transfers: [Transfer: String] = [:]

  /// `L3 norm 4096, stage 1, microbatch 7`.
  mutating func name(of node: StepGraph.Node) -> String {
    title(of: node.work) + (node.stage < 0 ? "" : ", stage \(node.stage)")
      + (node.microbatch < 0 ? "" : ", microbatch \(node.microbatch)")
  }

  private mutating func title(of work: StepGraph.Work) -> String {
    switch work {
    case .kernel(let operation, _, _):
      if let known = operations[operation] { return known }
      let made = "\(operation.traceName), \(operation.pass)"
      operations[operation] = made
      return made
    case .collective(_, let transfer?, _, _), .copy(let transfer, _):
      if let known = transfers[transfer] { return known }
      let made = "\(transfer.traceName), \(transfer.pass)"
      transfers[transfer] = made
      return made
    case .collective: return "norm of all gradients"
    case .send(let peer, _, _): return "send to rank \(peer)"
    case .receive(let peer, _, _): return "receive from rank \(peer)"
    }
  }
}

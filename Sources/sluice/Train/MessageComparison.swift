import Engines

/// The messages of a step in two worlds, held against each other one by one.
public struct MessageComparison {
  /// The messages of both worlds in one order.
  private let simulated: [StepMessage]
  private let measured: [StepMessage]

  /// Takes the messages of all ranks, in any order.
  public init(simulated: [StepMessage], measured: [StepMessage]) {
    self.simulated = simulated.sorted()
    self.measured = measured.sorted()
  }

  /// The first message, in the order of messages, that only one world has, or that has another size in
  /// each; nil where all are equal.
  public var firstDifference: String? {
    let place = zip(simulated, measured).enumerated().first { $1.0 != $1.1 }?.offset
    let index = place ?? min(simulated.count, measured.count)
    let expected = simulated.indices.contains(index) ? simulated[index] : nil
    let found = measured.indices.contains(index) ? measured[index] : nil
    switch (expected, found) {
    case (nil, nil): return nil
    case (let expected?, nil): return "\(expected): only simulated"
    case (nil, let found?): return "\(found): only measured"
    case (let expected?, let found?):
      if expected.numbers.dropLast() == found.numbers.dropLast() {
        return "\(expected): simulated; \(found.bytes) bytes measured"
      }
      return expected < found ? "\(expected): only simulated" : "\(found): only measured"
    }
  }
}

/// What a message travels over.
public enum LinkClass: Int, Hashable, Sendable, CaseIterable {
  /// From a rank to itself, for a tensor that it holds twice.
  case rank
  /// Between ranks of a node.
  case node
  case network

  /// The class of a message where each rank lies on a node.
  public init(_ message: StepMessage, nodes: [Int]) {
    if message.source == message.destination {
      self = .rank
    } else {
      self = nodes[message.source] == nodes[message.destination] ? .node : .network
    }
  }
}

/// How many messages of a kind there are, and how many bytes of them go over links of each class.
struct MessageSums: Equatable {
  var count = 0
  var bytes = [Int](repeating: 0, count: LinkClass.allCases.count)

  /// The sums of the messages of a kind.
  init(_ messages: [StepMessage], of kind: StepMessage.Kind, nodes: [Int]) {
    for message in messages where message.kind == kind {
      count += 1
      bytes[LinkClass(message, nodes: nodes).rawValue] += message.bytes
    }
  }

  var numbers: [Int] { [count] + bytes }
}

import Plans
import Programs
import Schedules

/// What one rank does in a simulated step as a graph: kernels, collectives and messages with what each of
/// them waits for, for programs that go on from there.
///
/// An edge is an order that the rank's program has: a kernel follows the one before it and what was
/// waited for since; a transfer follows the kernel before it, and the one before it on its stream that
/// had ended when it began.
public struct StepGraph: Sendable {
  /// One entry of the graph; its number is its place in `nodes`.
  public struct Node: Sendable {
    public var work: Work
    /// The stage and microbatch that it belongs to; −1 where it belongs to the whole step.
    public var stage: Int
    public var microbatch: Int
    /// Nodes that end before it begins, ascending; all have smaller numbers.
    public var dependencies: [Int]
    /// Picoseconds since the step began, as they were simulated.
    public var start: Int64
    public var end: Int64
  }

  /// What a node does.
  public enum Work: Sendable {
    /// FLOPs of its products, and the bytes of the buffers that it reads and writes.
    case kernel(Operation, flops: Double, bytes: Int)
    /// `bytes` is what this rank puts in, `group` the number of its ranks in `StepGroups`.
    case collective(Collective, Transfer?, group: Int, bytes: Int)
    /// A message; both of its ends have the same tag, and no other message between them has it.
    case send(to: Int, tag: Int, bytes: Int)
    case receive(from: Int, tag: Int, bytes: Int)
    /// A copy to the host's memory, or from it.
    case copy(Transfer, bytes: Int)
  }

  /// What ranks do together.
  public enum Collective: Sendable {
    case allReduce, allGather, reduceScatter, allToAll
  }

  /// The rank of the world.
  public let rank: Int
  /// In an order in which they can be carried out.
  public let nodes: [Node]
}

extension StepGraph {
  /// By node: of a collective and a send the one that began to move before it; nil for the first, and for
  /// nodes of other kinds.
  ///
  /// An order in which ranks can carry out one at a time without waiting for each other for ever: a collective
  /// begins on all its ranks at the same moment, and a receive holds nobody up.
  public var communicationsBefore: [Int?] {
    var before = [Int?](repeating: nil, count: nodes.count)
    let order = nodes.indices.filter { nodes[$0].work.occupiesTheNetwork }.sorted {
      (nodes[$0].start, $0) < (nodes[$1].start, $1)
    }
    for (first, second) in zip(order, order.dropFirst()) { before[second] = first }
    return before
  }
}

extension StepGraph.Work {
  fileprivate var occupiesTheNetwork: Bool {
    switch self {
    case .collective, .send: true
    case .kernel, .receive, .copy: false
    }
  }
}

/// The groups of ranks that work together in a step, each with a number from 1 on.
public struct StepGroups: Sendable {
  private var numbers: [[Int]: Int] = [:]
  /// The ranks of the group with the number one higher.
  public private(set) var members: [[Int]] = []

  public init() {}

  /// The number of a group.
  public mutating func number(of ranks: [Int]) -> Int {
    if let known = numbers[ranks] { return known }
    members.append(ranks)
    numbers[ranks] = members.count
    return members.count
  }
}

extension PlannedStep {
  /// By rank of the world, the simulated rank that stands for it, as its place in `result.ranks`.
  public func standIns(in result: StepResult) -> [Int] {
    let positions = input.ranks.count
    let all = placed.plan.worldSize / positions
    let simulated = result.ranks.count / positions
    let replicas: [Int]
    switch simulated {
    case 1: replicas = Array(repeating: 0, count: all)
    case all: replicas = Array(0..<all)
    default:
      let simulation = simulation
      let places = result.ranks.prefix(simulated).enumerated().map { ($1.replica, $0) }
      let placeOf = Dictionary(uniqueKeysWithValues: places)
      let classes = ReplicaClasses(
        input, pricing, slowness: simulation.slowness, linkSlowness: simulation.linkSlowness)
      replicas = classes.standIns.map { placeOf[$0] ?? 0 }
    }
    return (0..<positions).flatMap { position in replicas.map { position * simulated + $0 } }
  }

  /// The graph of a rank of the world.
  ///
  /// Kernels over the rows of experts have the FLOPs of equal rows; their times and the bytes of exchanges are
  /// those that were simulated.
  ///
  /// - Parameters:
  ///   - rank: the rank.
  ///   - result: of the simulated rank that stands for it, with its spans.
  ///   - groups: those of ranks before, to be added to.
  /// - Complexity: linear in the operations of the rank's step.
  public func graph(
    ofRank rank: Int, as result: RankResult, groups: inout StepGroups
  ) -> StepGraph {
    let slowness = simulation.slowness
    var walker = GraphWalker(
      input, pricing, result, rank: rank,
      slowness: slowness.isEmpty ? 1 : slowness[rank], groups: groups)
    walker.walk()
    groups = walker.groups.groups
    return StepGraph(rank: rank, nodes: walker.nodes)
  }
}

/// How a vector of bytes is cut into one part per position.
public struct Chunks: Hashable, Sendable {
  private enum Cut: Hashable, Sendable {
    case even(parts: Int, unit: Int)
    case at([Int])
  }

  /// The length of the vector in bytes.
  public let bytes: Int
  private let cut: Cut

  /// Parts that differ by one unit at most; cuts lie at multiples of the unit.
  ///
  /// - Parameters:
  ///   - bytes: the length of the vector; its last unit may be incomplete.
  ///   - parts: how many parts, at least 1.
  ///   - unit: bytes that stay together, such as an element's or a block's.
  public init(bytes: Int, parts: Int, unit: Int) {
    precondition(bytes >= 0 && parts > 0 && unit > 0, "a vector, cut into parts at units")
    self.bytes = bytes
    cut = .even(parts: parts, unit: unit)
  }

  /// Parts of the given lengths in bytes.
  public init(lengths: [Int]) {
    precondition(!lengths.isEmpty && lengths.allSatisfy { $0 >= 0 }, "parts have lengths")
    let offsets = lengths.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    bytes = offsets[lengths.count]
    cut = .at(offsets)
  }

  /// How many parts there are.
  public var count: Int {
    switch cut {
    case .even(let parts, _): parts
    case .at(let offsets): offsets.count - 1
    }
  }

  /// Where the part begins; the length of the vector for the part behind the last.
  public func offset(_ part: Int) -> Int {
    switch cut {
    case .even(let parts, let unit):
      let units = (bytes + unit - 1) / unit
      return min(bytes, part * units / parts * unit)
    case .at(let offsets):
      return offsets[part]
    }
  }

  /// The bytes of one part.
  public subscript(_ part: Int) -> Range<Int> { offset(part)..<offset(part + 1) }

  /// The bytes of consecutive parts.
  public subscript(_ parts: Range<Int>) -> Range<Int> {
    offset(parts.lowerBound)..<offset(parts.upperBound)
  }
}

extension Message {
  /// A message that carries a range of the vector.
  init(from source: Int, to destination: Int, _ range: Range<Int>, _ delivery: Delivery) {
    self.init(
      from: source, to: destination, bytes: range.count, .range(offset: range.lowerBound),
      delivery)
  }
}

/// On which node each position of a group lives.
public struct Placement: Hashable, Sendable {
  /// The positions of each node, ascending.
  public let members: [[Int]]
  /// The node of each position.
  public let nodes: [Int]
  /// Which member of its node each position is.
  public let locals: [Int]

  /// The node of each position; nodes are numbered from 0 and none is empty.
  public init(nodes: [Int]) {
    precondition(!nodes.isEmpty, "a group has members")
    var members = [[Int]](repeating: [], count: (nodes.max() ?? 0) + 1)
    var locals: [Int] = []
    for (position, node) in nodes.enumerated() {
      locals.append(members[node].count)
      members[node].append(position)
    }
    precondition(members.allSatisfy { !$0.isEmpty }, "a node has members")
    self.members = members
    self.nodes = nodes
    self.locals = locals
  }

  /// Consecutive positions fill one node after the other.
  public init(nodeSizes: [Int]) {
    self.init(
      nodes: nodeSizes.enumerated().flatMap { [Int](repeating: $0.offset, count: $0.element) })
  }

  /// How many positions the group has.
  public var groupSize: Int { nodes.count }

  /// The member of the node that stands in for a position of another node: the same-numbered one, or
  /// modulo the node's size where nodes are uneven.
  public func counterpart(of position: Int, on node: Int) -> Int {
    members[node][locals[position] % members[node].count]
  }
}

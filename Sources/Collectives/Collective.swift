/// A way to carry out a collective.
public enum Algorithm: String, Hashable, Sendable, CaseIterable {
  /// Around a ring: least bytes, most steps.
  case ring
  /// Recursive halving and doubling: least bytes, log2 n steps.
  case halving
  /// A binomial tree: whole vectors, log2 n steps.
  case tree
  /// Within nodes first, then across them.
  case hierarchical
  /// Straight to the owner in one round; reductions fold in tree order: the one that training uses.
  case direct
}

/// A collective on a vector.
public enum Collective: Hashable, Sendable {
  case allReduce
  case reduceScatter
  case allGather
  case broadcast(root: Int)

  /// Whether the algorithm can carry out this collective in a group of this size.
  public func admits(_ algorithm: Algorithm, groupSize: Int) -> Bool {
    switch (self, algorithm) {
    case (.broadcast, .ring), (.broadcast, .halving): false
    case (.reduceScatter, .tree), (.allGather, .tree): false
    case (.reduceScatter, .halving), (.allGather, .halving): groupSize & (groupSize - 1) == 0
    default: true
    }
  }

  /// The rounds of this collective.
  ///
  /// - Parameters:
  ///   - algorithm: one that `admits` this collective and group.
  ///   - chunks: the vector, cut into one part per position: what each owns after a reduce-scatter and
  ///     before an all-gather. All-reduce and broadcast may cut otherwise, at the unit.
  ///   - placement: the group, and who shares a node with whom.
  ///   - unit: bytes that a cut never parts, such as an element's.
  public func rounds(
    _ algorithm: Algorithm, _ chunks: Chunks, on placement: Placement, unit: Int
  ) -> any Rounds {
    let size = placement.groupSize
    precondition(chunks.count == size, "one chunk per position")
    precondition(admits(algorithm, groupSize: size), "no such algorithm for this collective")
    switch self {
    case .reduceScatter: return Self.scatter(algorithm, chunks, placement)
    case .allGather: return Self.gather(algorithm, chunks, placement)
    case .broadcast(let root):
      return Self.broadcast(algorithm, chunks.bytes, from: root, placement)
    case .allReduce:
      switch algorithm {
      case .halving: return Halving.allReduce(bytes: chunks.bytes, groupSize: size, unit: unit)
      case .hierarchical: return LaneRing.allReduce(bytes: chunks.bytes, unit: unit, placement)
      case .tree:
        let reduce = Tree.reduce(bytes: chunks.bytes, groupSize: size)
        return ChainedRounds(groupSize: size, [reduce, ReversedRounds(reduce)])
      case .ring, .direct:
        return ChainedRounds(
          groupSize: size,
          [
            Self.scatter(algorithm, chunks, placement), Self.gather(algorithm, chunks, placement),
          ])
      }
    }
  }

  private static func scatter(
    _ algorithm: Algorithm, _ chunks: Chunks, _ placement: Placement
  ) -> any Rounds {
    switch algorithm {
    case .ring: Ring.reduceScatter(chunks)
    case .halving: Halving(chunks)
    case .hierarchical: HierarchicalScatter(chunks, placement)
    case .direct, .tree: Direct(reduceScatter: chunks)
    }
  }

  private static func gather(
    _ algorithm: Algorithm, _ chunks: Chunks, _ placement: Placement
  ) -> any Rounds {
    if algorithm == .ring { return Ring.allGather(chunks) }
    return ReversedRounds(scatter(algorithm, chunks, placement))
  }

  private static func broadcast(
    _ algorithm: Algorithm, _ bytes: Int, from root: Int, _ placement: Placement
  ) -> any Rounds {
    let size = placement.groupSize
    switch algorithm {
    case .hierarchical: return LaneRing.broadcast(bytes: bytes, root: root, placement)
    case .direct:
      let messages = (1..<max(size, 1)).map {
        Message(from: root, to: (root + $0) % size, 0..<bytes, .replaces)
      }
      return ListedRounds(groupSize: size, messages.isEmpty ? [] : [messages])
    case .tree, .ring, .halving:
      return Tree.broadcast(bytes: bytes, groupSize: size, root: root)
    }
  }
}

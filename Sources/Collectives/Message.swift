/// One message of a collective; ranks are positions in the group, numbered from 0.
public struct Message: Hashable, Sendable {
  /// What the receiver does with the bytes.
  public enum Delivery: Hashable, Sendable {
    /// They replace what was there.
    case replaces
    /// They are added at once: result = own + received.
    case adds
    /// They are kept apart by source. When the round has ended the receiver folds all contributions to
    /// a range, its own among them, in the order of `treeFold` over ascending positions; where there are
    /// several terms, in that of `treeFold(terms:)`.
    case contributes
  }

  /// Which bytes they are.
  public enum Content: Hashable, Sendable {
    /// The range that starts at this offset of the vector, the same on both sides.
    case range(offset: Int)
    /// A part of the sender's packed input, for a place in the receiver's packed output.
    case block(sourceOffset: Int, destinationOffset: Int)
    /// All rows that `origin` routes to at least one rank of the node.
    case rowsForNode(origin: Int, node: Int)
    /// All rows that `origin` routes to the rank.
    case rowsForRank(origin: Int, rank: Int)
  }

  public var source: Int
  public var destination: Int
  public var bytes: Int
  public var content: Content
  public var delivery: Delivery
  /// Of which of the source's terms they are a part, where it contributes several to one sum.
  public var term = 0

  /// A message between two different positions of a group.
  public init(
    from source: Int, to destination: Int, bytes: Int, _ content: Content,
    _ delivery: Delivery = .replaces
  ) {
    self.source = source
    self.destination = destination
    self.bytes = bytes
    self.content = content
    self.delivery = delivery
  }

  /// Whether the receiver combines the bytes with its own.
  public var reduces: Bool { delivery != .replaces }
}

/// The additions that fold `count` contributions as a balanced binary tree, in order.
///
/// Neighbours are added first, then neighbouring pairs, and so on; each pair (into, from) means
/// `value[into] += value[from]`, and the result ends in 0. `treeFold(4)` is (0,1), (2,3), (0,2). With a
/// power of two, folding halves on two ranks and then their results gives the same bits.
public func treeFold(_ count: Int) -> [(into: Int, from: Int)] {
  var pairs: [(into: Int, from: Int)] = []
  var distance = 1
  while distance < count {
    for into in stride(from: 0, to: count - distance, by: 2 * distance) {
      pairs.append((into, into + distance))
    }
    distance *= 2
  }
  return pairs
}

/// The additions that fold contributions to a sum of several terms, such as the uses of one tensor.
///
/// The contributions to each term are folded as by `treeFold`, then the terms are added to the first in
/// their order; the result ends in 0. So the sum of a term does not depend on who holds the others.
///
/// - Parameter terms: the term of each contribution, ascending; within a term, contributions are in the
///   order of positions.
public func treeFold(terms: [Int]) -> [(into: Int, from: Int)] {
  var pairs: [(into: Int, from: Int)] = []
  var starts: [Int] = []
  for (place, term) in terms.enumerated() where place == 0 || term != terms[place - 1] {
    starts.append(place)
  }
  for (index, start) in starts.enumerated() {
    let end = index + 1 < starts.count ? starts[index + 1] : terms.count
    pairs += treeFold(end - start).map { ($0.into + start, $0.from + start) }
  }
  return pairs + starts.dropFirst().map { (0, $0) }
}

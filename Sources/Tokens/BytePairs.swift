import Documents

/// The merges of a byte-pair encoding.
struct BytePairs: Sendable {
  /// Two neighbouring tokens.
  struct Pair: Hashable, Sendable {
    var left: Int
    var right: Int
  }

  /// What a pair becomes, and how early it does.
  struct Merge: Hashable, Sendable {
    var rank: Int
    var result: Int
  }

  private let merges: [Pair: Merge]

  init(merges: [Pair: Merge]) { self.merges = merges }

  var isEmpty: Bool { merges.isEmpty }

  /// Adds the merges in their order to a checksum.
  func add(to sum: inout Checksum) {
    for (pair, merge) in merges.sorted(by: { $0.value.rank < $1.value.rank }) {
      sum.add(Array("\(pair.left) \(pair.right) \(merge.result)\n".utf8))
    }
  }

  /// Merges neighbours, the earliest merge first and from the left, until none applies.
  ///
  /// O(n log n): neighbours are linked, possible merges wait in a heap.
  func merge(_ symbols: [Int]) -> [Int] {
    guard symbols.count > 1 else { return symbols }
    var symbols = symbols
    var next = Array(1...symbols.count)
    var previous = Array(-1..<symbols.count - 1)
    var isGone = [Bool](repeating: false, count: symbols.count)
    var heap = MergeHeap()
    func candidate(at left: Int, _ right: Int) -> MergeHeap.Entry? {
      guard left >= 0, right < symbols.count,
        let merge = merges[Pair(left: symbols[left], right: symbols[right])]
      else { return nil }
      return .init(
        rank: merge.rank, place: left, left: symbols[left], right: symbols[right],
        result: merge.result)
    }
    for index in 0..<symbols.count - 1 {
      if let entry = candidate(at: index, index + 1) { heap.push(entry) }
    }
    while let entry = heap.pop() {
      let (left, right) = (entry.place, next[entry.place])
      // Either neighbour may have been merged since the entry was made.
      guard !isGone[left], right < symbols.count, symbols[left] == entry.left,
        symbols[right] == entry.right
      else { continue }
      symbols[left] = entry.result
      isGone[right] = true
      next[left] = next[right]
      if next[left] < symbols.count { previous[next[left]] = left }
      if let entry = candidate(at: previous[left], left) { heap.push(entry) }
      if let entry = candidate(at: left, next[left]) { heap.push(entry) }
    }
    return symbols.indices.filter { !isGone[$0] }.map { symbols[$0] }
  }
}

/// Possible merges, the earliest rank first and the leftmost among equals.
private struct MergeHeap {
  struct Entry {
    var rank, place, left, right, result: Int

    func precedes(_ other: Entry) -> Bool { (rank, place) < (other.rank, other.place) }
  }

  private var entries: [Entry] = []

  mutating func push(_ entry: Entry) {
    entries.append(entry)
    var child = entries.count - 1
    while child > 0, entries[child].precedes(entries[(child - 1) / 2]) {
      entries.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func pop() -> Entry? {
    guard let first = entries.first else { return nil }
    let last = entries.removeLast()
    guard !entries.isEmpty else { return first }
    entries[0] = last
    var parent = 0
    while true {
      var smallest = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < entries.count && entries[child].precedes(entries[smallest]) {
        smallest = child
      }
      guard smallest != parent else { return first }
      entries.swapAt(parent, smallest)
      parent = smallest
    }
  }
}

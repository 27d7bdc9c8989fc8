import Collectives

/// Executes rounds on vectors in memory, one integer per byte of the real vector.
///
/// What a round sends is read before anything of that round is written, as when all messages travel at
/// once; a range that a position contributes to is folded in tree order.
func execute(_ rounds: any Rounds, on vectors: inout [[Int]]) {
  for round in 0..<rounds.roundCount {
    let before = vectors
    var contributions: [Place: [(source: Int, values: [Int])]] = [:]
    for message in rounds.messages(inRound: round) {
      guard case .range(let offset) = message.content else { fatalError("a range") }
      let range = offset..<offset + message.bytes
      let values = Array(before[message.source][range])
      switch message.delivery {
      case .replaces: vectors[message.destination].replaceSubrange(range, with: values)
      case .adds:
        for index in range { vectors[message.destination][index] += values[index - offset] }
      case .contributes:
        contributions[Place(message.destination, range), default: []].append(
          (message.source, values))
      }
    }
    for (place, others) in contributions {
      let all = (others + [(place.position, Array(before[place.position][place.range]))])
        .sorted { $0.source < $1.source }
      var values = all.map(\.values)
      for (into, from) in treeFold(values.count) {
        for index in values[into].indices { values[into][index] += values[from][index] }
      }
      vectors[place.position].replaceSubrange(place.range, with: values[0])
    }
  }
}

private struct Place: Hashable {
  var position: Int
  var range: Range<Int>

  init(_ position: Int, _ range: Range<Int>) {
    self.position = position
    self.range = range
  }
}

/// Vectors in which every element of every position differs from every other.
func inputs(_ size: Int, bytes: Int) -> [[Int]] {
  (0..<size).map { position in (0..<bytes).map { 1 + position * 1_000_003 + $0 * 31 } }
}

/// Ways to lay a group of this size on nodes, uneven and interleaved ones among them.
func placements(_ size: Int) -> [Placement] {
  var all = [Placement(nodeSizes: [size]), Placement(nodeSizes: [Int](repeating: 1, count: size))]
  if size >= 2 { all.append(Placement(nodes: (0..<size).map { $0 % 2 })) }
  if size >= 3 { all.append(Placement(nodeSizes: [1, size - 1])) }
  if size >= 6 { all.append(Placement(nodeSizes: [size - 3, 1, 2])) }
  if size % 4 == 0 { all.append(Placement(nodeSizes: [Int](repeating: 4, count: size / 4))) }
  return all
}

/// Chunks of a vector in several ways; some are empty, some uneven.
func cuts(_ size: Int) -> [Chunks] {
  [
    Chunks(bytes: 12 * size, parts: size, unit: 4), Chunks(bytes: 61, parts: size, unit: 4),
    Chunks(bytes: 3, parts: size, unit: 1), Chunks(lengths: (0..<size).map { ($0 * 5) % 7 }),
  ]
}

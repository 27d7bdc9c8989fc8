/// A binomial tree: ceil(log2 n) rounds, in each of which all who have the vector pass it on.
enum Tree {
  /// Copies the root's vector to the members; they are listed root first.
  static func broadcast(bytes: Int, along members: [Int]) -> [[Message]] {
    var rounds: [[Message]] = []
    var reached = 1
    while reached < members.count {
      let sending = min(reached, members.count - reached)
      rounds.append(
        (0..<sending).map {
          Message(from: members[$0], to: members[$0 + reached], 0..<bytes, .replaces)
        })
      reached += sending
    }
    return rounds
  }

  static func broadcast(bytes: Int, groupSize: Int, root: Int) -> ListedRounds {
    let members = (0..<groupSize).map { ($0 + root) % groupSize }
    return ListedRounds(groupSize: groupSize, broadcast(bytes: bytes, along: members))
  }

  /// Adds everything up at position 0.
  static func reduce(bytes: Int, groupSize: Int) -> ListedRounds {
    let spread = broadcast(bytes: bytes, along: Array(0..<groupSize))
    let rounds = spread.reversed().map { round in
      round.map { Message(from: $0.destination, to: $0.source, 0..<bytes, .adds) }
    }
    return ListedRounds(groupSize: groupSize, rounds)
  }
}

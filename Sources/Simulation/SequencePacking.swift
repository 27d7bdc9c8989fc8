/// How many sequences of a size take texts of these lengths, each whole: the longest first, each into the first
/// sequence that has room.
///
/// The last sequences are the emptiest; 11/9 of the fewest at most (Johnson, 1973).
///
/// - Precondition: no text is longer than a sequence.
/// - Complexity: the number of texts times the logarithm of the sequences.
package func packedSequences(_ lengths: [Int], into size: Int) -> Int {
  precondition(lengths.allSatisfy { (0...size).contains($0) }, "A text fits into a sequence.")
  // A tree over sequences, of which each node knows the most room below it.
  var leaves = 1
  while leaves < max(1, lengths.count) { leaves *= 2 }
  var room = [Int](repeating: size, count: 2 * leaves)
  var used = 0
  for length in lengths.sorted(by: >) {
    var node = 1
    while node < leaves { node = room[2 * node] >= length ? 2 * node : 2 * node + 1 }
    used = max(used, node - leaves + 1)
    room[node] -= length
    while node > 1 {
      node /= 2
      room[node] = max(room[2 * node], room[2 * node + 1])
    }
  }
  return used
}

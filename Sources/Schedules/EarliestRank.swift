/// Which of many ranks is next, each with a time that may change: a tournament between them.
///
/// Of equal times the lowest rank wins. Setting a time takes O(log ranks).
struct EarliestRank {
  private var times: [Int]
  /// The winner of each match; those of the first round follow from `times.count / 2` on.
  private var winners: [Int32]

  /// As many ranks, all at time 0.
  init(ranks: Int) {
    var size = 2
    while size < ranks { size *= 2 }
    times = (0..<size).map { $0 < ranks ? 0 : Int.max }
    winners = Array(repeating: 0, count: size)
    for first in stride(from: 0, to: size, by: 2) { Self.settle(first, times, &winners) }
  }

  /// The rank whose time is the earliest.
  var rank: Int { Int(winners[1]) }

  subscript(rank: Int) -> Int {
    get { times[rank] }
    set {
      times[rank] = newValue
      Self.settle(rank, times, &winners)
    }
  }

  /// Plays the matches again in which a rank takes part.
  private static func settle(_ rank: Int, _ times: [Int], _ allWinners: inout [Int32]) {
    var winners = allWinners.mutableSpan
    let left = rank & ~1
    var match = (times.count + left) / 2
    var winner = Int32(times[left] <= times[left + 1] ? left : left + 1)
    winners[match] = winner
    while match > 1 {
      let other = winners[match ^ 1]
      let (first, second) = match & 1 == 0 ? (winner, other) : (other, winner)
      winner = times[Int(first)] <= times[Int(second)] ? first : second
      match /= 2
      winners[match] = winner
    }
  }
}

/// Who ends up with whom when a group is split by colour and key.
public struct SplitGroups {
  private let entries: [(rank: Int, color: Int, key: Int)]

  /// Takes (has a colour, colour, key) of each member, one after the other.
  public init(wishes: [Int]) {
    var entries: [(rank: Int, color: Int, key: Int)] = []
    for rank in 0..<wishes.count / 3 where wishes[3 * rank] != 0 {
      entries.append((rank: rank, color: wishes[3 * rank + 1], key: wishes[3 * rank + 2]))
    }
    self.entries = entries
  }

  /// The colours in ascending order.
  public var colors: [Int] { Set(entries.map(\.color)).sorted() }

  /// The members of one colour by key and then by rank.
  public func members(of color: Int) -> [Int] {
    entries.filter { $0.color == color }.sorted { ($0.key, $0.rank) < ($1.key, $1.rank) }
      .map(\.rank)
  }
}

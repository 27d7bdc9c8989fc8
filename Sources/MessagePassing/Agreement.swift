/// Something that all ranks must have in common, such as the hash of their run file.
public struct SharedFact: Hashable, Sendable {
  public var name: String
  public var value: String

  /// A fact under the name that a message to the user calls it by.
  public init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

extension Communicator {
  /// Compares facts with rank 0's, and says the same on every rank: nil when all agree, else who
  /// differs in what.
  ///
  /// For example `rank 2 has another program: 81c0 instead of 77fe`. A collective; every rank lists the
  /// same names in the same order.
  public func disagreement(on facts: [SharedFact]) throws(MPIError) -> String? {
    for fact in facts {
      let mine = Array(fact.value.utf8)
      let lengths = try allGather([mine.count])
      var rest = try allGather(mine)[...]
      let values = lengths.map { length in
        defer { rest = rest.dropFirst(length) }
        return String(decoding: rest.prefix(length), as: UTF8.self)
      }
      if let other = values.firstIndex(where: { $0 != values[0] }) {
        let rank = worldRanks[other]
        return "rank \(rank) has another \(fact.name): \(values[other]) instead of \(values[0])"
      }
    }
    return nil
  }
}

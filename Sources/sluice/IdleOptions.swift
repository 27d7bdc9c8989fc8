/// Refuses what was written beside an option that would pass it over.
///
/// - Parameter others: what else may have been written, and whether it was.
func refuse(_ others: [(String, Bool)], beside option: String) throws(CommandError) {
  for (written, isGiven) in others where isGiven {
    throw CommandError("\(written) has no effect beside \(option)")
  }
}

/// What commands print instead of an answer, about the files that they read.
enum Listing: String {
  case keys = "--keys"
  case list = "--list"
  case print = "--print"

  /// The one that was asked for; of two, neither would be the answer.
  ///
  /// - Throws: `CommandError` where something beside it would have no effect.
  static func chosen(
    keys: Bool = false, list: Bool, print: Bool, name: String?,
    others: [(String, Bool)]
  ) throws(CommandError) -> Listing? {
    let chosen: [Listing] = [
      keys ? .keys : nil, list ? .list : nil, print ? .print : nil,
    ].compactMap(\.self)
    guard let first = chosen.first else { return nil }
    if chosen.count > 1 {
      throw CommandError("\(first.rawValue) and \(chosen[1].rawValue) exclude each other")
    }
    let own = first == .print ? [] : [(name ?? "", name != nil)]
    try refuse(own + others, beside: first.rawValue)
    return first
  }
}

/// Which keys a query of an attention block meets, beside the causal mask.
public enum Reach: Hashable, Sendable {
  /// All up to its own position.
  case all
  /// The last so many, its own among them (sliding windows).
  case window(Int)
  /// Those of its own chunk of so many positions (Llama 4).
  case chunk(Int)
  /// So many of all, which an indexer chooses (DeepSeek-V3.2).
  case chosen(Int)

  /// The most keys that a query meets; nil where only the sequence limits them.
  public var width: Int? {
    switch self {
    case .all: nil
    case .window(let width), .chunk(let width), .chosen(let width): width
    }
  }

  /// Pairs of query and key on and below the diagonal of `keys` positions, as a real number: half of
  /// the square where nothing but the mask limits them.
  ///
  /// `w · keys − w² / 2` for a window or a choice of w; half of each chunk's square. A row counts half
  /// of its own pair, as in the customary half of the square.
  public func causalPairs(_ keys: Int) -> Double {
    let all = Double(keys)
    switch self {
    case .all: return all * all / 2
    case .window(let width), .chosen(let width):
      let met = Double(min(width, keys))
      return met * all - met * met / 2
    case .chunk(let width):
      let (whole, rest) = keys.quotientAndRemainder(dividingBy: width)
      let (side, last) = (Double(width), Double(rest))
      return (Double(whole) * side * side + last * last) / 2
    }
  }
}

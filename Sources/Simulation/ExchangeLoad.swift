import Models
import Plans

/// How the rows of one exchange spread over the places of an expert group whose experts were chosen so
/// many times each.
///
/// The tokens of every rank of the group are taken to choose alike, so that all send the same.
struct ExchangeLoad {
  /// The routed rows of each place; together those of a balanced exchange.
  let routed: [Int]
  /// The rows that each place receives: tokens, each once per source rank; with an all-to-all those that
  /// its experts compute, with an all-gather all tokens.
  let received: [Int]
  /// The copies that each place sends; together what is received.
  let sent: [Int]

  /// - Parameters:
  ///   - counts: how often each expert was chosen; places hold equal runs of consecutive experts.
  ///   - mixture: the layer's.
  ///   - places: ranks of the expert group.
  ///   - slices: ranks that share each expert and compute the rows of all of them.
  ///   - dispatcher: how rows get to the places.
  ///   - balanced: the rows of every rank where all experts are chosen equally often.
  init(
    counts: [Int], _ mixture: Mixture, places: Int, slices: Int = 1,
    dispatcher: Plan.Dispatcher = .deepEP, balanced: (received: Int, routed: Int, sent: Int)
  ) {
    let local = counts.count / places
    let groups = (0..<places).map { counts[$0 * local..<($0 + 1) * local] }
    let own = balanced.routed / slices
    let routed = apportion(own * places, by: groups.map { $0.reduce(0, +) })
    let chosen = mixture.expertsPerToken
    let total = counts.reduce(0, +)
    let even = Self.hit(Array(repeating: 1, count: local)[...], chosen, of: counts.count)
    let tokens = own / chosen * places
    let received = zip(groups, routed).map { group, rows in
      switch dispatcher {
      case .allToAll: return rows
      case .allGather: return tokens
      case .deepEP: break
      }
      let share = Self.hit(group, chosen, of: total) / even
      let expected = Int((Double(balanced.received) * share).rounded())
      // A token brings at least one row with it, and at most one for each of its experts here.
      let perToken = min(chosen, local)
      return min(max(expected, (rows + perToken - 1) / perToken), rows, tokens)
    }
    self.routed = routed.map { $0 * slices }
    self.received = received
    sent = apportion(received.reduce(0, +), by: Array(repeating: 1, count: places))
  }

  /// The probability that a token chooses any expert of a group, choices taken as independent.
  ///
  /// Only its proportion to that of an even load is used: the even reach itself follows the router.
  private static func hit(_ counts: ArraySlice<Int>, _ chosen: Int, of total: Int) -> Double {
    1 - counts.reduce(1.0) { $0 * (1 - Double($1 * chosen) / Double(total)) }
  }
}

/// Divides `total` in proportion to weights of which one is above 0, by largest remainders; where
/// remainders are equal, what comes first gets more.
func apportion(_ total: Int, by weights: [Int]) -> [Int] {
  let sum = weights.reduce(0, +)
  precondition(sum > 0 && total >= 0, "Something is divided by weights.")
  let parts = weights.map { weight in
    sum.dividingFullWidth(total.multipliedFullWidth(by: weight))
  }
  var shares = parts.map(\.quotient)
  let left = total - shares.reduce(0, +)
  let order = parts.indices.sorted {
    (parts[$1].remainder, $0) < (parts[$0].remainder, $1)
  }
  for index in order.prefix(left) { shares[index] += 1 }
  return shares
}

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
  ///   - redundant: places beyond one for each expert, for copies of those that are chosen most.
  ///   - slices: ranks that share each expert and compute the rows of all of them.
  ///   - dispatcher: how rows get to the places.
  ///   - balanced: the rows of every rank where all experts are chosen equally often.
  init(
    counts: [Int], _ mixture: Mixture, places: Int, redundant: Int = 0, slices: Int = 1,
    dispatcher: Plan.Dispatcher = .deepEP, balanced: (received: Int, routed: Int, sent: Int)
  ) {
    let counts = expertLoads(counts, redundant: redundant, places: places)
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

/// How often experts are chosen, rank after rank of their group, where the hottest have two ranks that share
/// their rows: twice the counts, of which a copy takes half.
///
/// With copies, experts are laid out anew: hottest first, each on the rank that is least loaded and has room
/// and no other copy, as DeepSeek's EPLB packs them. Without, they lie in their order.
func expertLoads(_ counts: [Int], redundant: Int, places: Int) -> [Int] {
  guard redundant > 0 else { return counts }
  let order = counts.indices.sorted { (counts[$1], $0) < (counts[$0], $1) }
  var slots = order.enumerated().flatMap { rank, expert in
    rank < redundant
      ? [(expert: expert, load: counts[expert]), (expert: expert, load: counts[expert])]
      : [(expert: expert, load: 2 * counts[expert])]
  }
  slots.sort { ($1.load, $0.expert) < ($0.load, $1.expert) }
  let room = slots.count / places
  var held = [[(expert: Int, load: Int)]](repeating: [], count: places)
  var sums = [Int](repeating: 0, count: places)
  for slot in slots {
    let free = held.indices.filter { held[$0].count < room }
    let apart = free.filter { place in !held[place].contains { $0.expert == slot.expert } }
    guard let place = (apart.isEmpty ? free : apart).min(by: { (sums[$0], $0) < (sums[$1], $1) })
    else { preconditionFailure("Experts and copies divide among ranks.") }
    held[place].append(slot)
    sums[place] += slot.load
  }
  return held.flatMap { $0.map(\.load) }
}

import HeapModule
import RealModule

/// What a search has not looked at yet, to be had in two orders: by bound, which proves, and by what a step is
/// likely to be, which finds.
///
/// Bounds of a shape lie further below its best plan than those of a single plan. By how much a bound grows where
/// something falls apart is learned as the search goes: the mean over all that fell apart, in logarithms. What
/// has the lowest bound after the growth that is still to come is likely to hold a good plan; and with good plans
/// known, most of the space need not be looked at. Growth that was never seen counts as none, so that
/// each level is looked into.
struct OpenEntries {
  /// How far something has fallen apart.
  enum Level: Int, CaseIterable, Sendable {
    case shape, sketch, family, group, candidate, bounded, simulated
  }

  private struct Growth {
    var sum = 0.0
    var count = 0

    var factor: Double { count > 0 ? Double.exp(sum / Double(count)) : 1 }
  }

  /// By level, the lowest bound first.
  private var heaps = [Heap<PlanSearch.Entry>](repeating: Heap(), count: Level.allCases.count)
  private var growth = [Growth](repeating: Growth(), count: Level.allCases.count)
  /// Plans that entries stand for.
  private(set) var plans = 0

  /// The entry with the lowest bound.
  var least: PlanSearch.Entry? { heaps.lazy.compactMap(\.min).min() }

  /// All entries, in no order.
  var unordered: some Sequence<PlanSearch.Entry> { heaps.lazy.flatMap(\.unordered) }

  mutating func insert(_ entry: PlanSearch.Entry) {
    plans += entry.count
    heaps[entry.node.level.rawValue].insert(entry)
  }

  /// Learns from the least value that an entry turned out to have, once it fell apart.
  mutating func learn(from entry: PlanSearch.Entry, least: Double) {
    guard entry.key > 0, least > 0 else { return }
    let level = entry.node.level.rawValue
    growth[level].sum += Double.log(least / entry.key)
    growth[level].count += 1
  }

  /// Takes out the entry with the lowest bound, unless that lies above a threshold.
  mutating func removeLeast(upTo threshold: Double) -> PlanSearch.Entry? {
    guard let least, least.key <= threshold else { return nil }
    return remove(at: least.node.level.rawValue)
  }

  /// Takes out the entry that is likely to hold the best plan, of those whose bound does not lie above a threshold.
  ///
  /// A plan whose step is known holds nothing better.
  mutating func removeLikeliest(upTo threshold: Double) -> PlanSearch.Entry? {
    var factor = 1.0
    var found: (level: Int, estimate: Double)?
    for level in Level.allCases.reversed().map(\.rawValue) {
      factor *= growth[level].factor
      guard level != Level.simulated.rawValue, let entry = heaps[level].min,
        entry.key <= threshold
      else { continue }
      let estimate = entry.key * factor
      if estimate < found?.estimate ?? .infinity { found = (level, estimate) }
    }
    return found.map { remove(at: $0.level) }
  }

  private mutating func remove(at level: Int) -> PlanSearch.Entry {
    let entry = heaps[level].removeMin()
    plans -= entry.count
    return entry
  }
}

extension PlanSearch.Entry.Node {
  var level: OpenEntries.Level {
    switch self {
    case .shape: .shape
    case .sketch: .sketch
    case .family: .family
    case .group: .group
    case .candidate: .candidate
    case .bounded: .bounded
    case .simulated: .simulated
    }
  }
}

import HeapModule
import Plans
import RealModule

/// What a search has not looked at yet, to be had in two orders: by bound, which proves, and by what a step is
/// likely to be, which finds.
///
/// Bounds of a shape lie further below its best plan than those of a single plan. By how much a bound grows where
/// something falls apart is learned as the search goes: of single plans the mean over all that fell apart, in
/// logarithms, by ZeRO stage, since bounds know least of what goes over copies within passes; of what
/// stands for several plans a deviation less, since most of it is far from the best. What
/// has the lowest bound after the growth that is still to come is likely to hold a good plan; and with good plans
/// known, most of the space need not be looked at. Growth that was never seen counts as none, so that
/// each level is looked into. How much more memory plans take than their bounds say is learned likewise: what is
/// likely to be too large comes behind everything else.
struct OpenEntries {
  /// How far something has fallen apart.
  enum Level: Int, CaseIterable, Sendable {
    case shape, sketch, family, group, candidate, bounded, even, simulated

    /// Whether what is looked at next is a simulation.
    var isSimulated: Bool { self == .bounded || self == .even }
  }

  /// Entries of one heap: those of a level, and there of one ZeRO stage.
  private struct Kind: Hashable {
    static let stages = 4
    static let count = Level.allCases.count * stages * 2

    var level: Int
    var zero: Int
    /// Likely to be too large.
    var isTight: Bool

    var number: Int { (level * Self.stages + zero) * 2 + (isTight ? 1 : 0) }
  }

  private struct Growth {
    private var sum = 0.0
    private var squares = 0.0
    private var count = 0

    private var mean: Double { count > 0 ? sum / Double(count) : 0 }

    /// The mean.
    var factor: Double { Double.exp(mean) }

    /// A deviation less, as of what lies near the best.
    var hopedFor: Double {
      guard count > 0 else { return 1 }
      let deviation = max(0, squares / Double(count) - mean * mean).squareRoot()
      return Double.exp(max(0, mean - deviation))
    }

    mutating func learn(_ ratio: Double) {
      let growth = Double.log(ratio)
      sum += growth
      squares += growth * growth
      count += 1
    }
  }

  /// By kind, the lowest bound first.
  private var heaps = [Heap<PlanSearch.Entry>](repeating: Heap(), count: Kind.count)
  /// Plans whose step with equal loads is known: few, and wanted by that step as well.
  private var evens: [PlanSearch.Entry] = []
  /// By level and ZeRO stage.
  private var growth = [[Growth]](
    repeating: Array(repeating: Growth(), count: Kind.stages), count: Level.allCases.count)
  /// By ZeRO stage.
  private var memoryGrowth = [Growth](repeating: Growth(), count: Kind.stages)
  private var bytesBound = [Growth](repeating: Growth(), count: Kind.stages)
  /// Bytes that a plan may take.
  private let room: Double
  /// Plans that entries stand for.
  private(set) var plans = 0

  /// - Parameter room: bytes that a plan may take.
  init(room: Double) { self.room = room }

  /// The entry with the lowest bound.
  var least: PlanSearch.Entry? { (heaps.compactMap(\.min) + evens).min() }

  /// All entries, in no order.
  var unordered: [PlanSearch.Entry] { heaps.flatMap(\.unordered) + evens }

  mutating func insert(_ entry: PlanSearch.Entry) {
    plans += entry.count
    if entry.node.level == .even {
      evens.append(entry)
    } else {
      heaps[kind(of: entry).number].insert(entry)
    }
  }

  private func kind(of entry: PlanSearch.Entry) -> Kind {
    let zero = entry.node.zero.rawValue
    let isTight =
      switch entry.node.level {
      case .bounded: entry.bytes * memoryGrowth[zero].factor > room
      case .candidate:
        entry.bytes * bytesBound[zero].factor * memoryGrowth[zero].factor > room
      default: false
      }
    return Kind(level: entry.node.level.rawValue, zero: zero, isTight: isTight)
  }

  /// Learns from the least value that an entry turned out to have, once it fell apart.
  mutating func learn(from entry: PlanSearch.Entry, least: Double) {
    let before = entry.even?.value ?? entry.key
    guard before > 0, least > 0 else { return }
    growth[entry.node.level.rawValue][entry.node.zero.rawValue].learn(least / before)
  }

  /// Learns from the bytes that a plan turned out to take.
  mutating func learn(from entry: PlanSearch.Entry, bytes: Double) {
    guard entry.bytes > 0, bytes > 0, !entry.isWithoutKept else { return }
    let zero = entry.node.zero.rawValue
    if entry.node.level == .candidate { bytesBound[zero].learn(bytes / entry.bytes) }
    if entry.node.level == .bounded { memoryGrowth[zero].learn(bytes / entry.bytes) }
  }

  /// Takes out the entry with the lowest bound, unless that lies above a threshold.
  ///
  /// - Parameter onlyLikely: of plans that are to be simulated only one whose step is likely to lie below it.
  mutating func removeLeast(
    upTo threshold: Double, onlyLikely: Bool
  ) -> PlanSearch.Entry? {
    var found: (number: Int, entry: PlanSearch.Entry)?
    for number in heaps.indices {
      guard let entry = heaps[number].min, entry.key <= threshold else { continue }
      if let known = found?.entry, known < entry { continue }
      if onlyLikely, entry.node.level == .bounded, estimate(of: entry, 1) > threshold { continue }
      found = (number, entry)
    }
    let even = evens.indices.filter {
      evens[$0].key <= threshold && (!onlyLikely || estimate(of: evens[$0], 1) <= threshold)
    }.min { evens[$0] < evens[$1] }
    if let even, found.map({ evens[even] < $0.entry }) ?? true { return remove(even: even) }
    return found.map { remove(from: $0.number) }
  }

  /// Takes out the entry that is likely to hold the best plan, of those whose bound does not lie above a threshold.
  ///
  /// A plan whose step is known holds nothing better, nor does one whose step is likely to lie above the threshold.
  ///
  /// - Parameter simulates: whether it may be a plan whose bounds are known, that is to be simulated.
  mutating func removeLikeliest(
    upTo threshold: Double, simulates: Bool
  ) -> PlanSearch.Entry? {
    for tight in [false, true] {
      let even = simulates ? likeliestEven(upTo: threshold, isTight: tight) : nil
      var found: (number: Int, estimate: Double)?
      // Of what holds plans of all ZeRO stages those are hoped for whose bounds grow least.
      var above = 1.0
      for level in Level.allCases.reversed() where level != .simulated && level != .even {
        if level == .bounded, !simulates { continue }
        for zero in 0..<Kind.stages {
          let number = Kind(level: level.rawValue, zero: zero, isTight: tight).number
          guard let entry = heaps[number].min, entry.key <= threshold else { continue }
          let estimate = estimate(of: entry, above)
          if level == .bounded, estimate > threshold { continue }
          if estimate < found?.estimate ?? .infinity { found = (number, estimate) }
        }
        if level.rawValue < Level.candidate.rawValue {
          above *= growth[level.rawValue][0].hopedFor
        }
      }
      if let even, even.estimate <= found?.estimate ?? .infinity {
        return remove(even: even.index)
      }
      if let found { return remove(from: found.number) }
    }
    return nil
  }

  /// The plan that is likely to be the best of those whose step with equal loads is known.
  private func likeliestEven(
    upTo threshold: Double, isTight: Bool
  ) -> (index: Int, estimate: Double)? {
    evens.indices.lazy.filter { [evens, room] in
      evens[$0].key <= threshold && (evens[$0].even?.bytes ?? 0 > room) == isTight
    }.map { (index: $0, estimate: estimate(of: evens[$0], 1)) }
      .filter { $0.estimate <= threshold }
      .min { ($0.estimate, evens[$0.index].sequence) < ($1.estimate, evens[$1.index].sequence) }
  }

  /// What the best plan of an entry is likely to take.
  ///
  /// - Parameter above: what a bound grows between its level and that of single plans, its own step left out.
  private func estimate(of entry: PlanSearch.Entry, _ above: Double) -> Double {
    let zero = entry.node.zero.rawValue
    if let even = entry.even { return even.value * growth[Level.even.rawValue][zero].factor }
    return entry.key * factor(from: entry.node.level, zero, above)
  }

  /// By how much a bound is likely to grow.
  ///
  /// - Parameter above: what it grows between its level and that of single plans, its own step left out.
  private func factor(from level: Level, _ zero: Int, _ above: Double) -> Double {
    func bounded(_ zero: Int) -> Double {
      growth[Level.bounded.rawValue][zero].factor * growth[Level.even.rawValue][zero].factor
    }
    func single(_ zero: Int) -> Double {
      growth[Level.candidate.rawValue][zero].factor * bounded(zero)
    }
    switch level {
    case .simulated, .even: return 1
    case .bounded: return bounded(zero)
    case .candidate: return single(zero)
    case .shape, .sketch, .family, .group:
      return above * growth[level.rawValue][0].hopedFor * ((0..<Kind.stages).map(single).min() ?? 1)
    }
  }

  private mutating func remove(even index: Int) -> PlanSearch.Entry {
    let entry = evens.remove(at: index)
    plans -= entry.count
    return entry
  }

  private mutating func remove(from number: Int) -> PlanSearch.Entry {
    let entry = heaps[number].removeMin()
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
    case .even: .even
    case .simulated: .simulated
    }
  }

  /// The ZeRO stage of a single plan; nothing of what stands for several.
  var zero: Plan.ZeROStage {
    switch self {
    case .candidate(let candidate), .bounded(let candidate), .even(let candidate):
      candidate.member.zero
    case .shape, .sketch, .family, .group, .simulated: .nothing
    }
  }
}

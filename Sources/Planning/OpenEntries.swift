import HeapModule
import Plans
import RealModule

/// What a search has not looked at yet, to be had in two orders: by bound, which proves, and by what a step is
/// likely to be, which finds.
///
/// Bounds of a shape lie further below its best plan than those of a single plan. By how much a bound grows where
/// something falls apart is learned as the search goes: of single plans the mean over all that fell apart, in
/// logarithms, by ZeRO stage, since bounds know least of what goes over copies within passes, and where a search is
/// thorough by schedule and dispatcher; of what stands for several plans a deviation less, since most of it is far from the best. What
/// has the lowest bound after the growth that is still to come is likely to hold a good plan; and with good plans
/// known, most of the space need not be looked at. Growth that was never seen counts as none, so that
/// each level is looked into. How much more memory plans take than their bounds say is learned likewise: what is
/// likely to be too large comes behind everything else.
struct OpenEntries {
  /// How far something has fallen apart.
  enum Level: Int, CaseIterable, Comparable, Sendable {
    case shape, sketch, family, group, candidate, bounded, even, simulated

    static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }

    /// Whether what is looked at next is a simulation.
    var isSimulated: Bool { self == .bounded || self == .even }
  }

  /// Single plans whose bounds grow alike: those of a ZeRO stage, in a thorough search of a schedule and a dispatcher,
  /// too.
  struct Family: Hashable, Sendable {
    var zero: Plan.ZeROStage
    var schedule: Plan.ScheduleSource?
    var dispatcher: Plan.Dispatcher?
  }

  /// What is open of a family, and what was learned of it; the first one is of what stands for several plans.
  private struct Members {
    /// By level, and by whether it is likely to be too large; the lowest bound first.
    private var heaps = [Heap<PlanSearch.Entry>](
      repeating: Heap(), count: Level.allCases.count * 2)
    /// By level.
    var growth = [Growth](repeating: Growth(), count: Level.allCases.count)
    var memoryGrowth = Growth()
    var bytesBound = Growth()

    subscript(level: Level, isTight: Bool) -> Heap<PlanSearch.Entry> {
      get { heaps[level.rawValue * 2 + (isTight ? 1 : 0)] }
      _modify { yield &heaps[level.rawValue * 2 + (isTight ? 1 : 0)] }
    }

    subscript(level: Level) -> Growth { growth[level.rawValue] }

    var entries: [PlanSearch.Entry] { heaps.flatMap(\.unordered) }

    /// Whether an entry is likely to be too large.
    func isTight(_ entry: PlanSearch.Entry, room: Double) -> Bool {
      switch entry.node.level {
      case .bounded: entry.bytes * memoryGrowth.factor > room
      case .candidate: entry.bytes * bytesBound.factor * memoryGrowth.factor > room
      default: false
      }
    }

    /// By how much a bound of a single plan is likely to grow.
    func factor(from level: Level) -> Double {
      switch level {
      case .candidate: self[.candidate].factor * self[.bounded].factor * self[.even].factor
      case .bounded: self[.bounded].factor * self[.even].factor
      case .even: self[.even].factor
      default: 1
      }
    }
  }

  /// Where an entry lies.
  private struct Place {
    var family: Int
    var level: Level
    var isTight: Bool
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

  private var families = [Members()]
  private var numbers: [Family: Int] = [:]
  /// Plans whose step with equal loads is known: few, and wanted by that step as well.
  private var evens: [PlanSearch.Entry] = []
  /// Bytes that a plan may take.
  private let room: Double
  /// Looks into every schedule and dispatcher of its own, and takes plans to be worth a simulation with equal loads
  /// that would be good if they grew a deviation less than the mean.
  private let isThorough: Bool
  /// Plans that entries stand for.
  private(set) var plans = 0

  /// - Parameter room: bytes that a plan may take.
  init(room: Double, isThorough: Bool = false) {
    (self.room, self.isThorough) = (room, isThorough)
  }

  /// The entry with the lowest bound.
  var least: PlanSearch.Entry? {
    (places { _, _ in true }.compactMap { first(at: $0) } + evens).min()
  }

  /// All entries, in no order.
  var unordered: [PlanSearch.Entry] { families.flatMap(\.entries) + evens }

  mutating func insert(_ entry: PlanSearch.Entry) {
    var entry = entry
    plans += entry.count
    entry.family = entry.node.family(isFine: isThorough).map { number(of: $0) } ?? 0
    let level = entry.node.level
    if level == .even {
      evens.append(entry)
    } else {
      let isTight = families[entry.family].isTight(entry, room: room)
      families[entry.family][level, isTight].insert(entry)
    }
  }

  private mutating func number(of family: Family) -> Int {
    if let number = numbers[family] { return number }
    families.append(Members())
    numbers[family] = families.count - 1
    return families.count - 1
  }

  /// Learns from the least value that an entry turned out to have, once it fell apart.
  mutating func learn(from entry: PlanSearch.Entry, least: Double) {
    let before = entry.even?.value ?? entry.key
    guard before > 0, least > 0 else { return }
    families[entry.family].growth[entry.node.level.rawValue].learn(least / before)
  }

  /// Learns from the bytes that a plan turned out to take.
  mutating func learn(from entry: PlanSearch.Entry, bytes: Double) {
    guard entry.bytes > 0, bytes > 0, !entry.isWithoutKept else { return }
    let ratio = bytes / entry.bytes
    if entry.node.level == .candidate { families[entry.family].bytesBound.learn(ratio) }
    if entry.node.level == .bounded { families[entry.family].memoryGrowth.learn(ratio) }
  }

  /// Places where entries may lie: single plans in their families, all others in the first one.
  private func places(_ isWanted: (Level, Bool) -> Bool) -> [Place] {
    let levels = Level.allCases.filter { $0 != .even }
    return levels.flatMap { level in
      [false, true].filter { isWanted(level, $0) }.flatMap { isTight in
        (level == .candidate || level == .bounded ? 1..<families.count : 0..<1).map {
          Place(family: $0, level: level, isTight: isTight)
        }
      }
    }
  }

  private func first(at place: Place) -> PlanSearch.Entry? {
    families[place.family][place.level, place.isTight].min
  }

  /// Takes out the entry with the lowest bound, unless that lies above a threshold.
  ///
  /// - Parameter onlyLikely: of plans that are to be simulated only one whose step is likely to lie below it.
  mutating func removeLeast(
    upTo threshold: Double, onlyLikely: Bool
  ) -> PlanSearch.Entry? {
    var found: (place: Place, entry: PlanSearch.Entry)?
    for place in places({ _, _ in true }) {
      guard let entry = first(at: place), entry.key <= threshold else { continue }
      if let known = found?.entry, known < entry { continue }
      if onlyLikely, place.level == .bounded, hope(of: entry) > threshold { continue }
      found = (place, entry)
    }
    let even = evens.indices.filter {
      evens[$0].key <= threshold && (!onlyLikely || estimate(of: evens[$0], 1) <= threshold)
    }.min { evens[$0] < evens[$1] }
    if let even, found.map({ evens[even] < $0.entry }) ?? true { return remove(even: even) }
    return found.map { remove(at: $0.place) }
  }

  /// Takes out the entry that is likely to hold the best plan, of those whose bound does not lie above a threshold.
  ///
  /// A plan whose step is known holds nothing better, nor does one whose step is likely to lie above the threshold.
  ///
  /// - Parameter simulates: whether it may be a plan whose bounds are known, that is to be simulated.
  mutating func removeLikeliest(
    upTo threshold: Double, simulates: Bool
  ) -> PlanSearch.Entry? {
    let above = growthAbove()
    for tight in [false, true] {
      let even = simulates ? likeliestEven(upTo: threshold, isTight: tight) : nil
      var found: (place: Place, estimate: Double)?
      let places = places { level, isTight in
        isTight == tight && level != .simulated && (simulates || level != .bounded)
      }
      // Of equal estimates the one that fell apart furthest.
      for place in places.reversed() {
        guard let entry = first(at: place), entry.key <= threshold else { continue }
        let estimate = estimate(of: entry, above[place.level.rawValue])
        if place.level == .bounded, hope(of: entry) > threshold { continue }
        if estimate < found?.estimate ?? .infinity { found = (place, estimate) }
      }
      if let even, even.estimate <= found?.estimate ?? .infinity {
        return remove(even: even.index)
      }
      if let found { return remove(at: found.place) }
    }
    return nil
  }

  /// By level, what a bound is hoped to grow from the next one to a simulated step; of plans of all families those
  /// are hoped for whose bounds grow least.
  private func growthAbove() -> [Double] {
    var above = [Double](repeating: 1, count: Level.allCases.count)
    // Growth that was never seen counts as none, that of ZeRO stages which were not met, too.
    let isMet = Set(numbers.keys.map(\.zero)).count == Plan.ZeROStage.allCases.count
    var known = isMet ? families.dropFirst().map { $0.factor(from: .candidate) }.min() ?? 1 : 1
    for level in Level.allCases.reversed() where level < .candidate {
      above[level.rawValue] = known
      known *= families[0][level].hopedFor
    }
    return above
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
  /// - Parameter above: what a bound of several plans is hoped to grow beyond its own level.
  private func estimate(of entry: PlanSearch.Entry, _ above: Double) -> Double {
    let family = families[entry.family]
    if let even = entry.even { return even.value * family[.even].factor }
    let level = entry.node.level
    return level < .candidate
      ? entry.key * above * family[level].hopedFor : entry.key * family.factor(from: level)
  }

  /// What a plan takes whose bounds are known, if it turns out well.
  private func hope(of entry: PlanSearch.Entry) -> Double {
    guard isThorough else { return estimate(of: entry, 1) }
    let family = families[entry.family]
    return entry.key * family[.bounded].hopedFor * family[.even].factor
  }

  private mutating func remove(even index: Int) -> PlanSearch.Entry {
    let entry = evens.remove(at: index)
    plans -= entry.count
    return entry
  }

  private mutating func remove(at place: Place) -> PlanSearch.Entry {
    let entry = families[place.family][place.level, place.isTight].removeMin()
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

  /// The family of a single plan; nil of what stands for several, and of what is simulated.
  ///
  /// - Parameter isFine: whether schedules and dispatchers have families of their own.
  func family(isFine: Bool) -> OpenEntries.Family? {
    switch self {
    case .candidate(let candidate), .bounded(let candidate), .even(let candidate):
      OpenEntries.Family(
        zero: candidate.member.zero, schedule: isFine ? candidate.member.schedule : nil,
        dispatcher: isFine ? candidate.kernels.dispatcher : nil)
    case .shape, .sketch, .family, .group, .simulated: nil
    }
  }
}

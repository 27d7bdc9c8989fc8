import Clusters
import Costs
import Models
import Plans
import Programs
import Simulation
import Synchronization

/// What one unit of a model costs by itself at least, on one rank and for one microbatch: the pieces of which
/// bounds of plans are made.
struct UnitCost: Hashable, Sendable {
  /// The passes with their waits for exchanges, and in overlapped pairs their kernels, with those waits in
  /// which the other half never goes on.
  var forward = PassCost()
  var backward = PassCost()
  var backwardInput = PassCost()
  var backwardWeight = PassCost()
  var forwardKernels = PassCost()
  var backwardKernels = PassCost()
  /// A forward and a backward of a unit with exchanges as one, in a stage with others like it.
  var pair = PassCost()
  /// Seconds of each stream's transfers, one after the other: those of experts, tensor and context groups.
  var forwardStreams = SIMD4<Double>()
  var backwardStreams = SIMD4<Double>()
  /// Kernels of both passes beside collectives over copies, where none of them runs in an overlapped pair,
  /// and where they may.
  var rooms = HidingRooms()
  var pairRooms = HidingRooms()
  /// Seconds of all kernels of both passes, as layouts of stages are balanced by whose passes overlap in pairs.
  var weight = 0.0
  /// The same with what both passes wait for exchanges, as others are balanced by.
  var weightWithWaits = 0.0
  /// Bytes that are kept from a forward to its backward, and what a backward for the input adds to them or
  /// takes away until the weights' half is done.
  var kept = 0.0
  var keptByInput = 0.0
  /// Bytes that a whole backward, or one for the input, needs at its peak beside what is kept before it.
  var backwardPeak = 0.0
  var inputPeak = 0.0
  /// Parameters of the unit: those of experts, and others.
  var dense = ParameterCost()
  var experts = ParameterCost()
  /// Seconds to update all of it on one rank.
  var update = 0.0
}

/// What parameters take on a rank that shares nothing with copies.
struct ParameterCost: Hashable, Sendable {
  var elements = 0.0
  var parameterBytes = 0.0
  var gradientBytes = 0.0
  var optimizerBytes = 0.0

  /// Bytes on a rank with so many copies at least.
  func bytes(_ zero: Plan.ZeROStage, copies: Double) -> Double {
    parameterBytes / (zero.rawValue >= 3 ? copies : 1)
      + gradientBytes / (zero.rawValue >= 2 ? copies : 1)
      + optimizerBytes / (zero.rawValue >= 1 ? copies : 1)
  }

  static func + (left: Self, right: Self) -> Self {
    Self(
      elements: left.elements + right.elements,
      parameterBytes: left.parameterBytes + right.parameterBytes,
      gradientBytes: left.gradientBytes + right.gradientBytes,
      optimizerBytes: left.optimizerBytes + right.optimizerBytes)
  }
}

/// The units of a model under one setting.
final class KernelCosts: Sendable {
  let units: UnitCosts
  let boundary: BoundaryBytes
  /// Nil where the cluster gives the clock.
  let clock: ClockBound?
  private let clocks = Mutex<[ClockBound.Ways: Double]>([:])

  init(units: [UnitCost], boundary: BoundaryBytes, clock: ClockBound?) {
    (self.units, self.boundary, self.clock) = (UnitCosts(units), boundary, clock)
  }

  /// The highest clock of a step, hertz; nil where the cluster gives the clock.
  func highestClock(_ ways: ClockBound.Ways) -> Double? {
    guard let clock else { return nil }
    if let known = clocks.withLock({ $0[ways] }) { return known }
    let made = clock.clock(ways)
    clocks.withLock { $0[ways] = made }
    return made
  }
}

/// Bytes of a microbatch that go from one stage to the next one, and back.
struct BoundaryBytes: Hashable, Sendable {
  var activation = 0
  var gradient = 0
}

/// Costs of all units of a model; equal ones are kept once.
struct UnitCosts: Sendable {
  /// What some units cost; a class, since bounds go over units again and again, and a copy of so many numbers
  /// takes longer than what is asked of them.
  final class Kind: Sendable {
    let cost: UnitCost

    init(_ cost: UnitCost) { self.cost = cost }
  }

  private var kinds: [Kind] = []
  private var numbers: [UInt16] = []
  /// Seconds of all kernels of each, and those with waits for exchanges, as layouts are balanced by.
  let weights: [Double]
  let weightsWithWaits: [Double]

  init(_ units: [UnitCost]) {
    weights = units.map(\.weight)
    weightsWithWaits = units.map(\.weightWithWaits)
    var known: [UnitCost: UInt16] = [:]
    for unit in units {
      // Most units are as the one before.
      if let last = numbers.last, kinds[Int(last)].cost == unit {
        numbers.append(last)
        continue
      }
      let number = known[unit] ?? UInt16(kinds.count)
      if Int(number) == kinds.count {
        kinds.append(Kind(unit))
        known[unit] = number
      }
      numbers.append(number)
    }
  }

  var indices: Range<Int> { numbers.indices }

  /// What a unit costs.
  func kind(of unit: Int) -> Kind { kinds[Int(numbers[unit])] }

  /// What some units cost, one behind the other.
  func kinds(of units: Range<Int>) -> LazyMapSequence<Range<Int>, Kind> {
    units.lazy.map { kind(of: $0) }
  }

  /// Whether units at two places have the same costs, one by one.
  func areAlike(_ some: Range<Int>, _ others: Range<Int>) -> Bool {
    numbers[some] == numbers[others]
  }
}

/// Seconds of products and attention of all units, and of the unit with most of them; what parameters of all
/// units take.
struct KernelFloor: Hashable, Sendable {
  var all: Double
  var largest: Double
  var dense: ParameterCost
  var experts: ParameterCost
}

/// What the layers of the most common kind take at least, with the products of all other units: a first look
/// at a setting.
struct KernelSketch: Hashable, Sendable {
  /// Both passes with waits for exchanges, their kernels alone, and seconds of each stream's transfers.
  var waits = PassCost()
  var kernels = PassCost()
  var streams = SIMD4<Double>()
  /// By what that takes longer than at the clock of backwards in halves.
  var shareOfHalves = 1.0
}

/// Costs of units that were asked for before, for all threads of a search.
final class CostBook: Sendable {
  private let bases: [Plan]
  private let architecture: Architecture
  private let cluster: Cluster
  private let multiprocessors: [Int]
  private let prices = PriceBook()
  private let known = Memo<CostKey, [Int?: KernelCosts]>()
  private let sketches = Memo<CostKey, [Int?: KernelSketch]>()
  private let floors: Memo<KernelSetting, KernelFloor>
  private let plain: PlainPrograms
  private let pricings = Mutex<[PricingKey: ClusterPricing]>([:])
  private let cuts = Mutex<[Cut: [Int]]>([:])

  private struct Cut: Hashable {
    var setting: KernelSetting
    var stages: Int
    var hasPairs: Bool
    var firstLayers: Int
  }

  /// Settings that differ in the multiprocessors of exchanges alone have one key.
  private struct CostKey: Hashable {
    var setting: KernelSetting
    var multiprocessors: [Int?]
  }

  private struct PricingKey: Hashable {
    var setting: KernelSetting
    /// Hertz; nil for the clock that the cluster's constants have.
    var clock: Double?
  }

  /// - Parameters:
  ///   - multiprocessors: those of exchanges that will be asked for.
  ///   - other: costs for other multiprocessors, with which this has the rest in common.
  init(
    _ bases: [Plan], _ architecture: Architecture, _ cluster: Cluster, multiprocessors: [Int] = [],
    sharing other: CostBook? = nil
  ) {
    floors = other?.floors ?? Memo()
    plain = other?.plain ?? PlainPrograms(architecture)
    self.bases = bases
    self.multiprocessors = multiprocessors
    self.architecture = architecture
    self.cluster = cluster
  }

  /// The costs of every unit.
  ///
  /// What differs in the multiprocessors of exchanges alone has the same programs and is priced together.
  ///
  /// - Throws: `ConfigurationError` if the cluster's file lacks a constant.
  func costs(_ setting: KernelSetting) throws -> KernelCosts {
    let key = key(of: setting)
    let all = try known(key) {
      var programs = UnitPrograms(architecture, sharing: plain)
      var costs: [Int?: KernelCosts] = [:]
      for count in key.multiprocessors {
        costs[count] = try made(setting.communicating(on: count), &programs)
      }
      return costs
    }
    guard let costs = all[setting.communicationSMs] else {
      preconditionFailure("A setting has costs.")
    }
    return costs
  }

  private func key(of setting: KernelSetting) -> CostKey {
    var counts = [setting.communicationSMs]
    if let own = setting.communicationSMs, multiprocessors.contains(own) {
      counts = multiprocessors.map(Optional.init)
    }
    return CostKey(setting: setting.communicating(on: nil), multiprocessors: counts)
  }

  /// A first look at a setting that recomputes nothing, with prices as those of `floor`.
  func sketch(_ setting: KernelSetting) throws -> KernelSketch {
    let key = key(of: setting)
    let all = try sketches(key) {
      var programs = UnitPrograms(architecture, hasUpdates: false, sharing: plain)
      var sketches: [Int?: KernelSketch] = [:]
      for count in key.multiprocessors {
        sketches[count] = try sketched(setting.communicating(on: count), &programs)
      }
      return sketches
    }
    guard let sketch = all[setting.communicationSMs] else {
      preconditionFailure("A setting has a sketch.")
    }
    return sketch
  }

  private func sketched(
    _ setting: KernelSetting, _ programs: inout UnitPrograms
  ) throws -> KernelSketch {
    func lowering(_ clock: Double?) throws -> UnitLowering {
      UnitLowering(
        setting, bases[setting.base], architecture, cluster, try pricing(of: setting, at: clock))
    }
    guard let power = PowerModel(cluster.device), power.cap != nil else {
      return try lowering(nil).sketch(&programs)
    }
    var clock = ClockBound(power)
    try lowering(power.boost).addCommonLayers(to: &clock, isFast: true, &programs)
    try lowering(power.boost / 2).addCommonLayers(to: &clock, isFast: false, &programs)
    var sketch = try lowering(clock.clockOfPasses).sketch(&programs)
    sketch.waits = (1 / ClockBound.allowance) * sketch.waits
    sketch.kernels = (1 / ClockBound.allowance) * sketch.kernels
    sketch.shareOfHalves = clock.shareOfHalves
    return sketch
  }

  /// Products and attention of all units, of which no plan with these degrees has less.
  ///
  /// Under a power cap they are priced at the clock at which they would run by themselves: other kernels raise
  /// it, and take longer than that saves. Of a single unit that does not hold, and boost counts.
  func floor(_ setting: KernelSetting) throws -> KernelFloor {
    try floors(setting) {
      var programs = UnitPrograms(architecture, sharing: plain)
      func products(
        _ clock: Double?, _ power: PowerModel?
      ) throws -> (all: Double, largest: Double, work: PowerModel.Work) {
        let lowering = UnitLowering(
          setting, bases[setting.base], architecture, cluster, try pricing(of: setting, at: clock))
        return lowering.products(&programs, power)
      }
      let (dense, experts) = UnitLowering(
        setting, bases[setting.base], architecture, cluster, try pricing(of: setting, at: nil)
      ).parameters(&programs)
      guard let power = PowerModel(cluster.device), power.cap != nil else {
        let (all, largest, _) = try products(nil, nil)
        return KernelFloor(all: all, largest: largest, dense: dense, experts: experts)
      }
      var clock = ClockBound(power)
      let fast = try products(power.boost, power)
      clock.own.passes = ClockBound.Part(
        work: fast.work, fast: fast.all, slow: try products(power.boost / 2, nil).all)
      let own = clock.clockOfPasses
      let (all, largest, _) = try products(own, nil)
      return KernelFloor(
        all: all / ClockBound.allowance, largest: largest * own / power.boost, dense: dense,
        experts: experts)
    }
  }

  private func made(_ setting: KernelSetting, _ programs: inout UnitPrograms) throws -> KernelCosts
  {
    func priced(_ clock: Double?) throws -> UnitLowering {
      UnitLowering(
        setting, bases[setting.base], architecture, cluster, try pricing(of: setting, at: clock))
    }
    guard let power = PowerModel(cluster.device), power.cap != nil else {
      let lowering = try priced(nil)
      return KernelCosts(
        units: lowering.costs(&programs), boundary: lowering.boundary(&programs), clock: nil)
    }
    var clock = ClockBound(power)
    try priced(power.boost).add(to: &clock, isFast: true, &programs)
    try priced(power.boost / 2).add(to: &clock, isFast: false, &programs)
    clock.priced = clock.clockOfPasses
    let lowering = try priced(clock.priced)
    return KernelCosts(
      units: lowering.costs(&programs), boundary: lowering.boundary(&programs), clock: clock)
  }

  /// Prices depend neither on what is recomputed nor on what of a tensor group runs beside.
  private func pricing(of setting: KernelSetting, at clock: Double?) throws -> ClusterPricing {
    var key = PricingKey(setting: setting, clock: clock)
    key.setting.recomputation = .none
    key.setting.tensorExchange = nil
    if let pricing = pricings.withLock({ $0[key] }) { return pricing }
    let pricing: ClusterPricing
    if let clock {
      pricing = try self.pricing(of: setting, at: nil).running(at: clock)
    } else {
      let plan = UnitLowering.plan(
        of: key.setting, bases[setting.base], architecture, cluster)
      pricing = try ClusterPricing(
        cluster, plan: plan, architecture: architecture, sharing: prices)
    }
    pricings.withLock { $0[key] = pricing }
    return pricing
  }

  /// Units on each stage, cut by cost.
  ///
  /// - Parameters:
  ///   - hasPairs: exchanges run beside the kernels of other passes; else passes wait for them.
  ///   - firstLayers: of every stage, layers that are run again beside what the setting recomputes.
  func balancedCounts(
    _ setting: KernelSetting, stages: Int, hasPairs: Bool, firstLayers: Int = 0
  ) throws -> [Int] {
    let cut = Cut(setting: setting, stages: stages, hasPairs: hasPairs, firstLayers: firstLayers)
    if let counts = cuts.withLock({ $0[cut] }) { return counts }
    let weights = hasPairs ? \UnitCosts.weights : \.weightsWithWaits
    let plain = try costs(setting).units[keyPath: weights]
    let counts: [Int]
    if firstLayers > 0 {
      let whole = try costs(setting.recomputing(.full)).units[keyPath: weights]
      let again = zip(whole, plain).map { max(0, $0 - $1) }
      counts = evenestCut(of: plain, into: stages, again: again, ofFirst: firstLayers)
    } else {
      counts = evenestCut(of: plain, into: stages)
    }
    cuts.withLock { $0[cut] = counts }
    return counts
  }
}

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
  /// Seconds of the passes with their waits for exchanges, and of their kernels alone.
  var forward = 0.0
  var backward = 0.0
  var backwardInput = 0.0
  var backwardWeight = 0.0
  var forwardKernels = 0.0
  var backwardKernels = 0.0
  /// Seconds of each stream's transfers, one after the other: those of experts, tensor and context groups.
  var forwardStreams = SIMD4<Double>()
  var backwardStreams = SIMD4<Double>()
  /// Seconds of matrix products and attention alone, which are the same whatever is recomputed, however rows
  /// are sent and whatever runs beside.
  var products = 0.0
  /// Seconds of all kernels of both passes, as layouts are balanced by.
  var weight = 0.0
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
  let units: [UnitCost]
  /// Nil where the cluster gives the clock.
  let clock: ClockBound?

  init(units: [UnitCost], clock: ClockBound?) { (self.units, self.clock) = (units, clock) }
}

/// Costs of units that were asked for before, for all threads of a search.
final class CostBook: Sendable {
  private let bases: [Plan]
  private let architecture: Architecture
  private let cluster: Cluster
  private let multiprocessors: [Int]
  private let known = Mutex<[KernelSetting: KernelCosts]>([:])
  private let pricings = Mutex<[PricingKey: ClusterPricing]>([:])
  private let cuts = Mutex<[Cut: [Int]]>([:])

  private struct Cut: Hashable {
    var setting: KernelSetting
    var stages: Int
  }

  private struct PricingKey: Hashable {
    var setting: KernelSetting
    /// Hertz; nil for the clock that the cluster's constants have.
    var clock: Double?
  }

  /// - Parameter multiprocessors: those of exchanges that will be asked for.
  init(
    _ bases: [Plan], _ architecture: Architecture, _ cluster: Cluster, multiprocessors: [Int] = []
  ) {
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
    if let costs = known.withLock({ $0[setting] }) { return costs }
    var settings = [setting]
    if let own = setting.communicationSMs {
      for count in multiprocessors where count != own {
        var other = setting
        other.communicationSMs = count
        settings.append(other)
      }
    }
    var programs = UnitPrograms(architecture)
    var first: KernelCosts?
    for setting in settings {
      let costs = try made(setting, &programs)
      known.withLock { $0[setting] = costs }
      first = first ?? costs
    }
    guard let first else { preconditionFailure("A setting has costs.") }
    return first
  }

  private func made(_ setting: KernelSetting, _ programs: inout UnitPrograms) throws -> KernelCosts
  {
    func lowering(_ clock: Double?) throws -> UnitLowering {
      UnitLowering(
        setting, bases[setting.base], architecture, cluster, try pricing(of: setting, at: clock))
    }
    guard let power = PowerModel(cluster.device), power.cap != nil else {
      return KernelCosts(units: try lowering(nil).costs(&programs), clock: nil)
    }
    var clock = ClockBound(power)
    try lowering(power.boost).add(to: &clock, isFast: true, &programs)
    try lowering(power.boost / 2).add(to: &clock, isFast: false, &programs)
    clock.priced = clock.clockOfPasses
    return KernelCosts(units: try lowering(clock.priced).costs(&programs), clock: clock)
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
      pricing = try ClusterPricing(cluster, plan: plan, architecture: architecture)
    }
    pricings.withLock { $0[key] = pricing }
    return pricing
  }

  /// Units on each stage, cut by cost.
  func balancedCounts(_ setting: KernelSetting, stages: Int) throws -> [Int] {
    let cut = Cut(setting: setting, stages: stages)
    if let counts = cuts.withLock({ $0[cut] }) { return counts }
    let counts = evenestCut(of: try costs(setting).units.map(\.weight), into: stages)
    cuts.withLock { $0[cut] = counts }
    return counts
  }
}

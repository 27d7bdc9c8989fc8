import Costs
import Programs
import Simulation

/// What a setting's kernels take of power and time, for the clock at which its steps run at most.
///
/// The clock follows from the mix of a step's passes, which is that of a microbatch through all units.
struct ClockBound: Sendable {
  /// Work with its seconds at boost and at half of it.
  struct Part: Sendable {
    var work = PowerModel.Work()
    var fast = 0.0
    var slow = 0.0

    mutating func add(_ other: Part, times: Double) {
      work += other.work * times
      fast += other.fast * times
      slow += other.slow * times
    }
  }

  let power: PowerModel
  /// What a step has of one microbatch through all units.
  struct Mixes: Sendable {
    /// Both passes outside of pairs and in them.
    var passes = Part()
    var pairs = Part()
    /// Both passes with backwards in halves: a half for the input cuts exchanges that a whole backward runs beside
    /// its weight products, so that it has other kernels, which may draw less.
    var halves = Part()

    mutating func add(_ other: Self, times: Double) {
      passes.add(other.passes, times: times)
      pairs.add(other.pairs, times: times)
      halves.add(other.halves, times: times)
    }
  }

  /// How a step may carry out its passes.
  struct Ways: Hashable, Sendable {
    /// Some as overlapped pairs; some backwards in halves.
    var hasPairs = false
    var hasHalves = false
  }

  /// Units by themselves.
  var own = Mixes()
  /// The same where layers of the kind that the model has most of have others like them before them.
  ///
  /// A stage mixes layers of both ways, and its clock lies between theirs.
  var neighbours = Mixes()
  /// The clock at which the units were priced, hertz.
  var priced = 0.0

  /// Units that are lowered by themselves, or beside one neighbour, differ from those of a stage by a kernel
  /// or two: what their clock may be higher for that.
  static let allowance = 1.001

  init(_ power: PowerModel) { self.power = power }

  /// The clock that some work runs at.
  private func clock(of part: Part) -> Double {
    let following = (part.slow - part.fast) * power.boost
    let fixed = part.fast - following / power.boost
    return power.clock(part.work) { fixed + following / $0 }
  }

  /// The clock of the passes alone, rounded up to one of 1,000 parts of boost, so that settings share prices.
  var clockOfPasses: Double {
    let step = power.boost / 1000
    return min(power.boost, (highest(\.passes) / step).rounded(.up) * step)
  }

  /// By what the passes take longer at the clock at which units are priced than at that of passes with backwards
  /// in halves; 1 where that is no higher.
  var shareOfHalves: Double { min(1, clockOfPasses / highest(\.halves)) }

  /// The clock of work of one kind alone, of units by themselves or beside others.
  private func highest(_ part: KeyPath<Mixes, Part>) -> Double {
    let alone = clock(of: own[keyPath: part])
    let beside = neighbours[keyPath: part]
    return beside.fast > 0 ? max(alone, clock(of: beside)) : alone
  }

  /// The highest clock of a step.
  func clock(_ ways: Ways) -> Double {
    var parts = [own.passes, neighbours.passes]
    if ways.hasPairs { parts += [own.pairs, neighbours.pairs] }
    if ways.hasHalves { parts += [own.halves, neighbours.halves] }
    let highest = parts.reduce(0) { max($0, clock(of: $1)) }
    return min(power.boost, highest * Self.allowance)
  }
}

import Costs
import Programs
import Simulation

/// What a setting's kernels take of power and time, for the clock at which its steps run at most.
///
/// Firmware averages over a whole step, so that the clock follows from the mix of its kernels. Of a step the
/// mix of its passes is known here, and what the optimizer may add to it, which draws little and so raises the
/// clock.
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
  /// Both passes of all units, outside of pairs and in them; one update of all of them.
  var passes = Part()
  var pairs = Part()
  var update = Part()
  /// Passes and pairs where layers of the kind that the model has most of have others like them before them.
  ///
  /// A stage mixes layers of both ways, and its clock lies between theirs.
  var neighbours = (passes: Part(), pairs: Part())
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
    let own = max(clock(of: passes), neighbours.passes.fast > 0 ? clock(of: neighbours.passes) : 0)
    return min(power.boost, (own / step).rounded(.up) * step)
  }

  /// The highest clock of a step.
  ///
  /// The norm of gradients and halves of an update are a third of an update at most.
  ///
  /// - Parameters:
  ///   - microbatches: those of a pipeline.
  ///   - updates: updates of all units, divided by the ranks that share them.
  func clock(microbatches: Double, updates: Double, hasPairs: Bool) -> Double {
    func mixed(_ part: Part) -> Double {
      var mix = Part()
      mix.add(part, times: microbatches)
      mix.add(update, times: updates * 4 / 3)
      return clock(of: mix)
    }
    var highest = max(mixed(passes), mixed(neighbours.passes))
    if hasPairs { highest = max(highest, mixed(pairs), mixed(neighbours.pairs)) }
    return min(power.boost, highest * Self.allowance)
  }
}

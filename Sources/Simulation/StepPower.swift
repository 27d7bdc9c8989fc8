import Clusters
import Costs
import Programs
import Quantities
import Schedules

/// At which clock the kernels of a step run, and what the device draws meanwhile.
public struct StepClock: Hashable, Sendable {
  public var clock: Frequency
  /// What it draws while kernels of passes run, the mean over all pipeline positions.
  public var power: Watts
  /// What it may draw; nil where the cluster gives the clock.
  public var cap: Watts?
}

/// What the kernels of all passes of a step take of power and time, with balanced rows, all pipeline positions added up.
///
/// Firmware averages over tens of milliseconds: over many kernels, but not over passes and what follows them. The update
/// comes by itself behind the last pass, bound by memory, whose rate does not follow the clock: it has no say.
///
/// Time is priced at two clocks; in between, what follows the clock and what does not are told apart by
/// these two. So the clock is known before the step is simulated.
struct StepPower {
  private let input: StepInput
  /// What runs, in the order in which it first does, and how often.
  private var parts: [Part] = []
  private var counts: [Part: Int] = [:]

  /// A program of a stage with how it runs.
  private struct Part: Hashable {
    var stage: Int
    var pass: Action.Pass
    var isOverlapped: Bool
  }

  init(_ input: StepInput) {
    self.input = input
    for program in input.ranks {
      for item in program.items {
        switch item {
        case .run(let action): count(action.stage, action.pass)
        case .overlapped(let forward, let backward):
          count(forward.stage, .forward, isOverlapped: true)
          count(backward.stage, backward.pass, isOverlapped: true)
        case .norm, .update, .start, .reduce, .gather, .settle, .lane, .wait, .handOver, .agree:
          break
        }
      }
    }
  }

  private mutating func count(_ stage: Int, _ pass: Action.Pass, isOverlapped: Bool = false) {
    // Stages of one shape run the same programs.
    let first = input.shapes.firstIndex(of: input.shapes[stage]) ?? stage
    let part = Part(stage: first, pass: pass, isOverlapped: isOverlapped)
    if counts[part] == nil { parts.append(part) }
    counts[part, default: 0] += 1
  }

  /// The clock of a step, and prices at it; nil where nothing is known of the device's power.
  ///
  /// - Parameter book: prices at the two clocks that other steps have asked for.
  func clock(
    _ pricing: ClusterPricing, sharing book: PriceBook? = nil
  ) -> (StepClock, ClusterPricing)? {
    guard let power = PowerModel(pricing.cluster.device) else { return nil }
    guard let cap = power.cap else {
      let (work, seconds) = sums(pricing, power)
      let clock = pricing.device.loadedClock
      return (
        StepClock(
          clock: Frequency(clock),
          power: Watts(power.watts(work, seconds: seconds, clock: clock)), cap: nil), pricing
      )
    }
    let (work, fast) = sums(pricing.running(at: power.boost, sharing: book), power)
    let (_, slow) = sums(pricing.running(at: power.boost / 2, sharing: book), power)
    // fixed + following / clock, from boost and half of it.
    let following = (slow - fast) * power.boost
    let fixed = fast - following / power.boost
    let clock = power.clock(work) { fixed + following / $0 }
    let watts = power.watts(work, seconds: fixed + following / clock, clock: clock)
    return (
      StepClock(clock: Frequency(clock), power: Watts(watts), cap: Watts(cap)),
      pricing.running(at: clock)
    )
  }

  private func sums(
    _ pricing: ClusterPricing, _ power: PowerModel
  ) -> (work: PowerModel.Work, seconds: Double) {
    var work = PowerModel.Work()
    var seconds = 0.0
    for part in parts {
      let rows = input.balancedRows[part.stage]
      var one = PowerModel.Work()
      var time = 0.0
      for operation in input.stages[part.stage].program(for: part.pass).operations {
        one += pricing.kernels.work(of: operation, rows: rows, power)
        time += pricing.seconds(of: operation, rows: rows, isOverlapped: part.isOverlapped)
      }
      let count = Double(counts[part] ?? 0)
      work += one * count
      seconds += time * count
    }
    return (work, seconds)
  }
}

extension ClusterPricing {
  /// What an operation takes of power.
  package func work(
    of operation: Operation, rows: ExchangeRows, _ power: PowerModel
  ) -> PowerModel.Work {
    kernels.work(of: operation, rows: rows, power)
  }
}

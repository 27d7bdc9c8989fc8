import Costs
import Models
import Programs
import Simulation

/// What a unit takes of power, by itself and beside another one like it.
private struct ClockSums {
  var own: ClockBound.Mixes
  var beside: ClockBound.Mixes
}

/// What units take of power, for the clock of steps.
extension UnitLowering {
  /// Adds what all units take of power, and of time at the clock of this pricing: boost, or half of it.
  func add(to clock: inout ClockBound, isFast: Bool, _ programs: inout UnitPrograms) {
    let common = commonLayers
    var known: [UnitPrograms.Shape: ClockSums] = [:]
    for unit in architecture.units {
      let shape = programs.shape(of: unit)
      let sums: ClockSums
      if let same = known[shape] {
        sums = same
      } else {
        let stage = programs.stage([unit], setting)
        let own = mixes(stage, clock.power, isFast: isFast)
        var beside = own
        if common.count > 1, let first = common.first, shape == programs.shape(of: first) {
          beside = mixes(
            programs.stage(Array(common.prefix(2)), setting), clock.power, isFast: isFast)
          beside.add(own, times: -1)
        }
        sums = ClockSums(own: own, beside: beside)
        known[shape] = sums
      }
      clock.own.add(sums.own, times: 1)
      clock.neighbours.add(sums.beside, times: 1)
    }
  }

  /// What a stage takes of power and time for a microbatch.
  private func mixes(
    _ stage: StageProgram, _ power: PowerModel, isFast: Bool, withPairs: Bool = true
  ) -> ClockBound.Mixes {
    let rows = exchangeRows(stage, load: 1)
    func sum(_ programs: Program..., isOverlapped: Bool = false) -> ClockBound.Part {
      var sum = ClockBound.Part()
      for program in programs {
        sum.add(part(program, rows, power, isFast: isFast, isOverlapped: isOverlapped), times: 1)
      }
      return sum
    }
    let forward = sum(stage.forward)
    var mixes = ClockBound.Mixes(
      passes: sum(stage.backward), halves: sum(stage.backwardInput, stage.backwardWeight))
    mixes.passes.add(forward, times: 1)
    mixes.halves.add(forward, times: 1)
    if withPairs { mixes.pairs = sum(stage.forward, stage.backward, isOverlapped: true) }
    return mixes
  }

  /// What a program takes of power and of time at boost, or of time at half of it.
  private func part(
    _ program: Program, _ rows: ExchangeRows, _ power: PowerModel, isFast: Bool,
    isOverlapped: Bool = false
  ) -> ClockBound.Part {
    var part = ClockBound.Part()
    for operation in program.operations {
      let seconds = pricing.seconds(of: operation, rows: rows, isOverlapped: isOverlapped)
      if isFast {
        part.fast += seconds
        part.work += pricing.work(of: operation, rows: rows, power)
      } else {
        part.slow += seconds
      }
    }
    return part
  }

  /// Seconds of the matrix products and of attention of all units by themselves, and of the unit with most
  /// of them, with what they take of power.
  func products(
    _ programs: inout UnitPrograms, _ power: PowerModel?
  ) -> (all: Double, largest: Double, work: PowerModel.Work) {
    var known: [UnitPrograms.Shape: (Double, PowerModel.Work)] = [:]
    var (all, largest, work) = (0.0, 0.0, PowerModel.Work())
    for unit in architecture.units {
      let shape = programs.shape(of: unit)
      var own = (0.0, PowerModel.Work())
      if let same = known[shape] {
        own = same
      } else {
        let stage = programs.stage([unit], setting)
        let rows = exchangeRows(stage, load: leastLoad)
        for operation in stage.forward.operations + stage.backward.operations
        where operation.kernel.isProduct && !operation.isRecomputed {
          own.0 += alone(operation, rows)
          if let power { own.1 += pricing.work(of: operation, rows: rows, power) }
        }
        known[shape] = own
      }
      all += own.0
      largest = max(largest, own.0)
      work += own.1
    }
    return (all, largest, work)
  }

  /// The layers of the kind that the model has most of.
  private var commonLayers: [Unit] {
    var layers: [Layer: [Unit]] = [:]
    for unit in architecture.units {
      guard case .layer(let index) = unit else { continue }
      layers[architecture.layers[index], default: []].append(unit)
    }
    // Of equally many the earlier ones: the order of a dictionary decides nothing.
    return architecture.layers.compactMap { layers[$0] }.max { $0.count < $1.count } ?? []
  }

  /// Adds what the common layers take of power and time.
  func addCommonLayers(to clock: inout ClockBound, isFast: Bool, _ programs: inout UnitPrograms) {
    let layers = commonLayers
    guard let unit = layers.first else { return }
    func taken(_ units: [Unit]) -> ClockBound.Mixes {
      mixes(programs.stage(units, setting), clock.power, isFast: isFast, withPairs: false)
    }
    let own = taken([unit])
    clock.own.add(own, times: Double(layers.count))
    guard layers.count > 1 else { return }
    var both = taken(Array(layers.prefix(2)))
    both.add(own, times: -1)
    clock.neighbours.add(both, times: Double(layers.count))
  }

  /// What the common layers take at least, each as one of two takes more than one alone, with the products of
  /// all other units; of a single one nothing.
  func sketch(_ programs: inout UnitPrograms) -> KernelSketch {
    let layers = commonLayers
    guard let unit = layers.first else { return KernelSketch() }
    let count = Double(layers.count)
    let own = taken(by: [unit], &programs)
    let both = layers.count > 1 ? taken(by: Array(layers.prefix(2)), &programs) : own
    let each = layers.count > 1 ? own.least(both, less: own) : Taken()
    let stage = programs.stage([unit], setting)
    let rows = exchangeRows(stage, load: leastLoad)
    var rest = 0.0
    let shape = programs.shape(of: unit)
    for other in architecture.units where programs.shape(of: other) != shape {
      rest += products(of: other, &programs)
    }
    let others = PassCost(seconds: rest, onPath: rest, busy: rest)
    let whole = each.backward.least(each.backwardInput + each.backwardWeight, less: PassCost())
    var sketch = KernelSketch()
    sketch.waits = count * (each.forward + whole) + others
    // A schedule with pairs has passes outside of them, and backwards in halves.
    let forward = each.forwardKernels.least(each.forward, less: PassCost())
    sketch.kernels =
      count * (forward + each.backwardKernels.least(whole, less: PassCost())) + others
    sketch.streams =
      count * (streams(of: stage.forward, rows) + streams(of: stage.backward, rows))
    return sketch
  }

  /// Seconds of a unit's products and attention by themselves.
  private func products(of unit: Unit, _ programs: inout UnitPrograms) -> Double {
    let stage = programs.stage([unit], setting)
    let rows = exchangeRows(stage, load: leastLoad)
    return (stage.forward.operations + stage.backward.operations).reduce(0) {
      $0 + ($1.kernel.isProduct && !$1.isRecomputed ? alone($1, rows) : 0)
    }
  }
}

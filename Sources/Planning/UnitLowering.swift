import Clusters
import Costs
import Models
import Plans
import Programs
import Simulation

/// A unit with the one beside which it was looked at.
private struct UnitPair: Hashable {
  var unit: UnitPrograms.Shape
  var neighbour: UnitPrograms.Shape?
}

/// Prices single units and reads their costs.
///
/// A class, since walks hand it to every kernel: its prices are large to copy.
final class UnitLowering {
  let architecture: Architecture
  let pricing: ClusterPricing
  let setting: LoweringSetting
  let rows: (received: Int, routed: Int, sent: Int)
  /// By what the rows of the slowest rank of an expert group may lie below the mean.
  let leastLoad: Double
  /// Kernels outside of overlapped pairs do not have all multiprocessors.
  let savesMultiprocessors: Bool
  /// Pairs are interleaved as published, and not by a list of segments.
  private let interleavesAsPublished: Bool
  /// No unit exchanges tokens: the published order knows no place where one half gives way to the other, so
  /// that a pair is a backward with a forward behind it, and waits within a tensor group hide behind neither.
  private let hasSerialPairs: Bool

  /// The plan with one pipeline rank and the fewest data ranks that the experts' mesh needs: prices of kernels
  /// and of exchanges inside a tensor, a context or an expert group do not depend on them.
  static func plan(
    of kernels: KernelSetting, _ base: Plan, _ architecture: Architecture, _ cluster: Cluster
  ) -> Plan {
    var plan = base
    kernels.apply(to: &plan)
    plan.pipelineParallel = 1
    plan.stagesPerRank = 1
    plan.schedule = .named("1f1b")
    plan.zeroStage = .nothing
    plan.layout = .even
    let (dense, experts) = (
      kernels.tensor * kernels.context, kernels.expert * kernels.expertTensor
    )
    plan.dataParallel = experts / greatestCommonDivisor(dense, experts)
    plan.dispatcher = plan.dispatcher(for: architecture, on: cluster)
    return plan
  }

  init(
    _ kernels: KernelSetting, _ base: Plan, _ architecture: Architecture, _ cluster: Cluster,
    _ pricing: ClusterPricing
  ) {
    self.architecture = architecture
    self.pricing = pricing
    let plan = Self.plan(of: kernels, base, architecture, cluster)
    rows = pricing.balancedRows(architecture)
    var setting = LoweringSetting(plan, target: .device)
    (setting.gradientCopies, setting.expertCopies, setting.zeroStage) = (1, 1, 0)
    setting.lanes = 1
    setting.updatesScales = false
    // A unit's own layer is among those whose activations lie on the host, or not.
    if setting.offload.activations > 0 { setting.offload.activations = 1 }
    setting.dispatcher = plan.dispatcher ?? .deepEP
    self.setting = setting
    savesMultiprocessors = plan.computationSMs != nil
    interleavesAsPublished = plan.pairOrder == .published
    hasSerialPairs = interleavesAsPublished && plan.expertParallel == 1
    switch plan.expertLoad {
    case .balanced: leastLoad = 1
    // A group leaves with its slowest rank, which has the mean load or more.
    case .deviation: leastLoad = 1
    case .counts: leastLoad = 0
    }
  }

  /// The cost of every unit; those with equal blocks and equal neighbours are priced once.
  func costs(_ programs: inout UnitPrograms) -> [UnitCost] {
    var known: [UnitPair: UnitCost] = [:]
    var looks = Looks()
    let units = architecture.units
    return units.indices.map { index in
      let neighbour = index > 0 ? units[index - 1] : units.count > 1 ? units[1] : nil
      let pair = UnitPair(
        unit: programs.shape(of: units[index]), neighbour: neighbour.map { programs.shape(of: $0) })
      if let cost = known[pair] { return cost }
      let cost = cost(
        of: units[index], beside: neighbour, isBehind: index > 0, &programs, &looks)
      known[pair] = cost
      return cost
    }
  }

  /// What stages send each other, as one has it that ends with the model's first unit, and one that begins
  /// with its last.
  func boundary(_ programs: inout UnitPrograms) -> BoundaryBytes {
    guard let first = architecture.units.first, let last = architecture.units.last else {
      return BoundaryBytes()
    }
    func bytes(_ id: BufferID?, of stage: StageProgram) -> Int {
      guard let id else { return 0 }
      let buffer = stage.buffers[Int(id.index)]
      return exchangeRows(stage, load: 1)(buffer.rows) * buffer.bytesPerRow
    }
    let (beginning, end) = (programs.stage([first], setting), programs.stage([last], setting))
    return BoundaryBytes(
      activation: bytes(beginning.output, of: beginning),
      gradient: bytes(end.inputGradient, of: end))
  }

  func alone(_ operation: Operation, _ rows: ExchangeRows) -> Double {
    pricing.seconds(of: operation, rows: rows, isOverlapped: false)
  }

  /// Seconds of an operation while collectives take so many multiprocessors.
  func beside(
    _ operation: Operation, _ rows: ExchangeRows, _ channels: Int, isPair: Bool = false
  ) -> Double {
    pricing.seconds(of: operation, rows: rows, isOverlapped: isPair, channels: channels)
  }

  /// What a stage takes.
  struct Taken {
    var forward = PassCost()
    var backward = PassCost()
    var backwardInput = PassCost()
    var backwardWeight = PassCost()
    /// Of their kernels in overlapped pairs, with waits where nothing is ever done meanwhile.
    var forwardKernels = PassCost()
    var backwardKernels = PassCost()
    var kept = 0.0
    var keptByInput = 0.0

    /// The smaller of this one and of what a stage has more than another one, part by part.
    func least(_ both: Self, less other: Self) -> Self {
      Self(
        forward: forward.least(both.forward, less: other.forward),
        backward: backward.least(both.backward, less: other.backward),
        backwardInput: backwardInput.least(both.backwardInput, less: other.backwardInput),
        backwardWeight: backwardWeight.least(both.backwardWeight, less: other.backwardWeight),
        forwardKernels: forwardKernels.least(both.forwardKernels, less: other.forwardKernels),
        backwardKernels: backwardKernels.least(both.backwardKernels, less: other.backwardKernels),
        kept: min(kept, both.kept - other.kept),
        keptByInput: min(keptByInput, both.keptByInput - other.keptByInput))
    }
  }

  /// What units take whatever their neighbours are.
  private struct Looks {
    var alone: [UnitPrograms.Shape: Taken] = [:]
    /// What a pair of stages takes for each unit of a kind.
    var pairs: [UnitPrograms.Shape: PassCost] = [:]
  }

  /// The smaller of what a unit takes by itself and of what a stage takes more that holds its neighbour, too.
  ///
  /// By itself a unit receives and sends what stays in the stage of a longer one.
  private func cost(
    of unit: Unit, beside neighbour: Unit?, isBehind: Bool, _ programs: inout UnitPrograms,
    _ looks: inout Looks
  ) -> UnitCost {
    func alone(_ unit: Unit) -> Taken {
      let shape = programs.shape(of: unit)
      if let known = looks.alone[shape] { return known }
      let made = self.taken(by: [unit], &programs)
      looks.alone[shape] = made
      return made
    }
    let stage = programs.stage([unit], setting)
    let least = exchangeRows(stage, load: leastLoad)
    var own = alone(unit)
    if let neighbour {
      let pair = isBehind ? [neighbour, unit] : [unit, neighbour]
      let both = self.taken(by: pair, &programs)
      let other = alone(neighbour)
      own = own.least(both, less: other)
    }
    var cost = UnitCost()
    if stage.exchangeCount > 0, interleavesAsPublished {
      cost.pair = pairOfMany(unit, &programs, &looks)
    }
    cost.forward = own.forward
    cost.backward = own.backward
    cost.backwardInput = own.backwardInput
    cost.backwardWeight = own.backwardWeight
    cost.forwardKernels = own.forwardKernels
    cost.backwardKernels = own.backwardKernels
    cost.kept = own.kept
    cost.keptByInput = own.keptByInput
    cost.forwardStreams = streams(of: stage.forward, least)
    cost.backwardStreams = streams(of: stage.backward, least)
    cost.backwardPeak = memory(of: stage.backward, in: stage).peak
    cost.inputPeak = memory(of: stage.backwardInput, in: stage).peak
    let balanced = exchangeRows(stage, load: 1)
    let prices = programs.prices([unit], stage) { self.alone($0, least) }
    let devices = HidingStates(stage, pricing)
    for (operation, seconds) in zip(
      stage.forward.operations + stage.backward.operations, prices.forward + prices.backward)
    {
      let alone = devices.alone { beside(operation, least, $0) }
      let pairs = devices.inPairs { beside(operation, least, $0, isPair: true) }
      cost.rooms.add(alone)
      cost.pairRooms.add(zip(alone, pairs).map { ($0.count, $0.states + $1.states) })
      let isFixed = leastLoad == 1 || !operation.kernel.hasRoutedRows
      cost.weight += isFixed ? seconds : self.alone(operation, balanced)
    }
    let waits =
      (own.forward.seconds - own.forward.onPath) + (own.backward.seconds - own.backward.onPath)
    cost.weightWithWaits = cost.weight + max(0, waits)
    let ownShare = addParameters(of: stage, unit, to: &cost)
    cost.update = stage.update.operations.reduce(0) {
      $0 + pricing.seconds(of: $1, rows: ExchangeRows(), isOverlapped: false)
    }
    cost.update *= ownShare
    return cost
  }

  /// What a pair of stages takes for each unit like this one that both hold.
  private func pairOfMany(
    _ unit: Unit, _ programs: inout UnitPrograms, _ looks: inout Looks
  ) -> PassCost {
    let shape = programs.shape(of: unit)
    if let known = looks.pairs[shape] { return known }
    let own = pair([unit], &programs)
    let made = own.least(pair([unit, unit], &programs), less: own)
    looks.pairs[shape] = made
    return made
  }

  func taken(by units: [Unit], _ programs: inout UnitPrograms) -> Taken {
    let stage = programs.stage(units, setting)
    let least = exchangeRows(stage, load: leastLoad)
    let prices = programs.prices(units, stage) { alone($0, least) }
    var taken = Taken()
    taken.forward = walk(stage.forward, prices.forward, least)
    taken.backward = walk(stage.backward, prices.backward, least)
    taken.backwardInput = walk(stage.backwardInput, prices.backwardInput, least)
    taken.backwardWeight = walk(stage.backwardWeight, prices.backwardWeight, least)
    if hasSerialPairs {
      taken.forwardKernels = half(stage.forward, least)
      taken.backwardKernels = half(stage.backward, least)
    } else {
      taken.forwardKernels = inPairs(stage.forward, prices.forward, least)
      taken.backwardKernels = inPairs(stage.backward, prices.backward, least)
    }
    taken.kept = memory(of: stage.forward, in: stage).left
    taken.keptByInput = memory(of: stage.backwardInput, in: stage).left
    return taken
  }

  /// Seconds of a program's kernels in an overlapped pair at least: those alone, unless the plan leaves
  /// multiprocessors free outside of pairs, which they may have inside.
  private func inPairs(_ program: Program, _ prices: [Double], _ rows: ExchangeRows) -> PassCost {
    let seconds =
      savesMultiprocessors
      ? zip(program.operations, prices).reduce(0) { sum, pair in
        sum + min(pair.1, pricing.seconds(of: pair.0, rows: rows, isOverlapped: true))
      } : prices.reduce(0, +)
    return PassCost(
      seconds: seconds, onPath: seconds, busy: seconds,
      meeting: program.transfers.isEmpty ? 0 : seconds)
  }

  func exchangeRows(_ stage: StageProgram, load: Double) -> ExchangeRows {
    func all(_ rows: Int, _ load: Double) -> [Int] {
      Array(repeating: Int(Double(rows) * load), count: stage.exchangeCount)
    }
    return ExchangeRows(
      received: all(rows.received, load), routed: all(rows.routed, load),
      sent: all(rows.sent, 1))
  }

  /// A program from its first kernel to its last one on a host that costs nothing.
  ///
  /// What goes over copies of parameters is left out: there are none here.
  private func walk(
    _ program: Program, _ prices: [Double], _ rows: ExchangeRows
  ) -> PassCost {
    var walk = PassWalk(isPair: false)
    var ends = walk.ends(of: program)
    walk.perform(0..<program.steps.count, of: program, &ends, self, rows) { prices[$0] }
    return walk.cost(meets: !program.transfers.isEmpty)
  }

  /// A program that goes through a pair without giving way.
  private func half(_ program: Program, _ rows: ExchangeRows) -> PassCost {
    let prices = program.operations.map {
      pricing.seconds(of: $0, rows: rows, isOverlapped: true)
    }
    var walk = PassWalk(isPair: true)
    var ends = walk.ends(of: program)
    walk.perform(0..<program.steps.count, of: program, &ends, self, rows) { prices[$0] }
    return walk.cost(meets: !program.transfers.isEmpty)
  }

  /// A forward and a backward of the same units as one.
  func pair(_ units: [Unit], _ programs: inout UnitPrograms) -> PassCost {
    let stage = programs.stage(units, setting)
    let rows = exchangeRows(stage, load: leastLoad)
    let (forward, backward) = (stage.forward, stage.backward)
    func prices(_ program: Program) -> [Double] {
      program.operations.map { pricing.seconds(of: $0, rows: rows, isOverlapped: true) }
    }
    let (forwards, backwards) = (prices(forward), prices(backward))
    var walk = PassWalk(isPair: true)
    var (forwardEnds, backwardEnds) = (walk.ends(of: forward), walk.ends(of: backward))
    for piece in Interleaving(forward: forward, backward: backward).pieces {
      if piece.isForward {
        walk.perform(piece.steps, of: forward, &forwardEnds, self, rows) { forwards[$0] }
      } else {
        walk.perform(piece.steps, of: backward, &backwardEnds, self, rows) { backwards[$0] }
      }
    }
    return walk.cost(meets: !forward.transfers.isEmpty || !backward.transfers.isEmpty)
  }

  /// Seconds of the transfers of each stream, the shorter of those beside computation and alone.
  func streams(of program: Program, _ rows: ExchangeRows) -> SIMD4<Double> {
    var sums = SIMD4<Double>()
    for transfer in program.transfers {
      let seconds = min(
        seconds(of: transfer, rows), seconds(of: transfer, rows, isOverlapped: true))
      switch transfer.stream {
      case .expert: sums[0] += seconds
      case .tensor: sums[1] += seconds
      case .context: sums[2] += seconds
      case .compute, .pipeline, .data, .toHost, .fromHost: break
      }
    }
    return sums
  }

  func seconds(
    of transfer: Transfer, _ rows: ExchangeRows, isOverlapped: Bool = false
  ) -> Double {
    switch transfer.kind {
    case .counts, .toHost, .fromHost: return 0
    case .dispatch, .combine, .combineBackward, .dispatchBackward:
      let price = pricing.price(
        ofExchange: transfer, rows: rows, isOverlapped: isOverlapped)
      return price.preparation + price.payload
    case .allGather(let group), .reduceScatter(let group), .allReduce(let group), .shift(let group):
      switch group {
      case .gradient, .expertGradient, .sharedEmbedding, .sharedHead, .gradientShards,
        .gradientReplicas, .expertShards, .expertReplicas, .world:
        return 0
      case .tensor, .context, .expertTensor, .keyValue, .position:
        var fixed = transfer
        fixed.rows = .fixed(rows(transfer.rows))
        return pricing.seconds(ofCollective: fixed, stage: 0)
      }
    }
  }
}

extension Kernel {
  /// Whether what it works on depends on where tokens are routed to.
  fileprivate var hasRoutedRows: Bool {
    switch rows {
    case nil, .fixed: false
    default: true
    }
  }

  /// Whether it is a matrix product or attention's core.
  var isProduct: Bool {
    switch self {
    case .matmul, .groupedMatmul, .attention, .scan: true
    default: false
    }
  }
}

private func greatestCommonDivisor(_ left: Int, _ right: Int) -> Int {
  var (larger, smaller) = (max(left, right), min(left, right))
  while smaller > 0 { (larger, smaller) = (smaller, larger % smaller) }
  return larger
}

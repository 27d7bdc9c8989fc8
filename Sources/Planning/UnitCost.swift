import Clusters
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
  /// Seconds of matrix products and attention alone, which are the same whatever is recomputed, however rows
  /// are sent and whatever runs beside.
  var products = 0.0
  /// Seconds of all kernels of both passes, as layouts are balanced by.
  var weight = 0.0
  /// Bytes that are kept from a forward to its backward.
  var kept = 0.0
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

  init(units: [UnitCost]) { self.units = units }
}

/// Costs of units that were asked for before, for all threads of a search.
final class CostBook: Sendable {
  private let bases: [Plan]
  private let architecture: Architecture
  private let cluster: Cluster
  private let known = Mutex<[KernelSetting: KernelCosts]>([:])
  private let cuts = Mutex<[Cut: [Int]]>([:])

  private struct Cut: Hashable {
    var setting: KernelSetting
    var stages: Int
  }

  init(_ bases: [Plan], _ architecture: Architecture, _ cluster: Cluster) {
    self.bases = bases
    self.architecture = architecture
    self.cluster = cluster
  }

  /// The costs of every unit.
  ///
  /// - Throws: `ConfigurationError` if the cluster's file lacks a constant.
  func costs(_ setting: KernelSetting) throws -> KernelCosts {
    if let costs = known.withLock({ $0[setting] }) { return costs }
    let maker = try UnitLowering(setting, bases[setting.base], architecture, cluster)
    let costs = KernelCosts(units: maker.costs())
    known.withLock { $0[setting] = costs }
    return costs
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

/// Lowers single units and reads their costs.
private struct UnitLowering {
  let architecture: Architecture
  let pricing: ClusterPricing
  let setting: LoweringSetting
  let rows: (received: Int, routed: Int, sent: Int)
  /// By what the rows of the slowest rank of an expert group may lie below the mean.
  let leastLoad: Double

  init(
    _ kernels: KernelSetting, _ base: Plan, _ architecture: Architecture, _ cluster: Cluster
  ) throws {
    self.architecture = architecture
    var plan = base
    kernels.apply(to: &plan)
    plan.pipelineParallel = 1
    plan.stagesPerRank = 1
    plan.schedule = .named("1f1b")
    plan.zeroStage = .nothing
    plan.layout = .even
    // The fewest data ranks that the experts' mesh needs: prices of kernels and of exchanges inside a tensor,
    // a context or an expert group do not depend on them.
    let (dense, experts) = (
      kernels.tensor * kernels.context, kernels.expert * kernels.expertTensor
    )
    plan.dataParallel = experts / greatestCommonDivisor(dense, experts)
    plan.dispatcher = plan.dispatcher(for: architecture, on: cluster)
    pricing = try ClusterPricing(cluster, plan: plan, architecture: architecture)
    rows = pricing.balancedRows(architecture)
    var setting = LoweringSetting(plan, target: .device)
    (setting.gradientCopies, setting.expertCopies, setting.zeroStage) = (1, 1, 0)
    setting.lanes = 1
    setting.dispatcher = plan.dispatcher ?? .deepEP
    self.setting = setting
    switch plan.expertLoad {
    case .balanced: leastLoad = 1
    case .deviation(let deviation, _):
      // A group leaves with its slowest rank. That all of its draws together lie four standard errors below
      // the mean does not happen.
      leastLoad = max(0, 1 - 4 * deviation / Double(kernels.expert).squareRoot())
    case .counts: leastLoad = 0
    }
  }

  /// The cost of every unit; layers with equal blocks are lowered once.
  func costs() -> [UnitCost] {
    var known: [FeedForward: UnitCost] = [:]
    let units = architecture.units
    return units.indices.map { index in
      let unit = units[index]
      guard case .layer = unit, let block = architecture.feedForward(of: unit) else {
        return cost(of: unit, before: nil)
      }
      if let cost = known[block] { return cost }
      let next = units[(index + 1)...].first
      let isAlike = next.map { architecture.feedForward(of: $0) == block && !$0.isPrediction }
      let cost = cost(of: unit, before: isAlike == true ? next : nil)
      known[block] = cost
      return cost
    }
  }

  /// - Parameter next: another unit of the same kind behind it, beside which its share of what is kept is
  ///   exact; alone it keeps at least what does not arrive from outside.
  private func cost(of unit: Unit, before next: Unit?) -> UnitCost {
    let stage = StageProgram(units: [unit], of: architecture, setting)
    let least = exchangeRows(stage, load: leastLoad)
    var cost = UnitCost()
    (cost.forward, cost.forwardKernels) = walk(stage.forward, least)
    (cost.backward, cost.backwardKernels) = walk(stage.backward, least)
    cost.backwardInput = walk(stage.backwardInput, least).waits
    cost.backwardWeight = walk(stage.backwardWeight, least).waits
    let balanced = exchangeRows(stage, load: 1)
    for operation in stage.forward.operations + stage.backward.operations {
      cost.weight += pricing.seconds(of: operation, rows: balanced, isOverlapped: false)
      if operation.kernel.isProduct, !operation.isRecomputed {
        cost.products += seconds(of: operation, least)
      }
    }
    if let next {
      let both = StageProgram(units: [unit, next], of: architecture, setting)
      cost.kept = kept(both) - kept(stage)
    } else {
      cost.kept = kept(stage, but: [stage.input, stage.output])
    }
    addParameters(of: stage, unit, to: &cost)
    cost.update = stage.update.operations.reduce(0) {
      $0 + pricing.seconds(of: $1, rows: ExchangeRows(), isOverlapped: false)
    }
    return cost
  }

  private func exchangeRows(_ stage: StageProgram, load: Double) -> ExchangeRows {
    func all(_ rows: Int, _ load: Double) -> [Int] {
      Array(repeating: Int(Double(rows) * load), count: stage.exchangeCount)
    }
    return ExchangeRows(
      received: all(rows.received, load), routed: all(rows.routed, load),
      sent: all(rows.sent, 1))
  }

  /// The shorter of its times beside an exchange and alone.
  private func seconds(of operation: Operation, _ rows: ExchangeRows) -> Double {
    min(
      pricing.seconds(of: operation, rows: rows, isOverlapped: false),
      pricing.seconds(of: operation, rows: rows, isOverlapped: true))
  }

  /// Seconds of a program from its first kernel to its last one on a host that costs nothing, and of its
  /// kernels alone.
  ///
  /// What goes over copies of parameters is left out: there are none here.
  private func walk(_ program: Program, _ rows: ExchangeRows) -> (waits: Double, kernels: Double) {
    var clock = 0.0
    var kernels = 0.0
    var ends = [Double](repeating: 0, count: program.transfers.count)
    var streams = [Double](repeating: 0, count: Stream.allCases.count)
    for step in program.steps {
      switch step {
      case .acquire, .release, .reduce, .gatherAhead: break
      case .compute(let index):
        let operation = program.operations[Int(index)]
        clock += pricing.seconds(of: operation, rows: rows, isOverlapped: false)
        kernels += seconds(of: operation, rows)
      case .start(let index):
        let transfer = program.transfers[Int(index)]
        let stream = Int(transfer.stream.rawValue)
        let end = max(clock, streams[stream]) + seconds(of: transfer, rows)
        ends[Int(index)] = end
        streams[stream] = end
      case .wait(let index): clock = max(clock, ends[Int(index)])
      }
    }
    return (clock, kernels)
  }

  private func seconds(of transfer: Transfer, _ rows: ExchangeRows) -> Double {
    switch transfer.kind {
    case .counts: return 0
    case .dispatch, .combine, .combineBackward, .dispatchBackward:
      let price = pricing.price(ofExchange: transfer, rows: rows, isOverlapped: false)
      return price.preparation + price.payload
    case .allGather(let group), .reduceScatter(let group), .allReduce(let group), .shift(let group):
      switch group {
      case .gradient, .expertGradient, .sharedEmbedding, .sharedHead, .gradientShards,
        .gradientReplicas, .expertShards, .expertReplicas, .world:
        return 0
      case .tensor, .context, .expertTensor, .keyValue:
        var fixed = transfer
        fixed.rows = .fixed(rows(transfer.rows))
        return pricing.seconds(ofCollective: fixed, stage: 0)
      }
    }
  }

  /// Bytes between forward and backward.
  private func kept(_ stage: StageProgram, but left: [BufferID?] = []) -> Double {
    let rows = exchangeRows(stage, load: 1)
    var bytes = 0
    for (index, buffer) in stage.buffers.enumerated()
    where buffer.scope == .microbatch && !left.contains(BufferID(index)) {
      bytes += rows(buffer.rows) * buffer.bytesPerRow
    }
    return Double(bytes)
  }

  private func addParameters(of stage: StageProgram, _ unit: Unit, to cost: inout UnitCost) {
    func bytes(_ id: BufferID) -> Double {
      let buffer = stage.buffers[Int(id.index)]
      guard buffer.scope == .stage, case .fixed(let rows) = buffer.rows else { return 0 }
      return Double(rows * buffer.bytesPerRow)
    }
    // Of a tensor with several uses one may hold what the others share.
    let own = stage.parameters.filter { !$0.isShared || !unit.isPrediction }
    let trained = stage.parameters.reduce(0.0) { $0 + ($1.isTrained ? Double($1.elements) : 0) }
    var state = 0.0
    for buffer in stage.buffers where buffer.scope == .stage && buffer.use == .optimizer {
      if case .fixed(let rows) = buffer.rows { state += Double(rows * buffer.bytesPerRow) }
    }
    for parameter in own {
      let elements = parameter.isTrained ? Double(parameter.elements) : 0
      let part = ParameterCost(
        elements: elements, parameterBytes: bytes(parameter.buffer),
        gradientBytes: parameter.isTrained ? bytes(parameter.gradient) : 0,
        optimizerBytes: trained > 0 ? state * elements / trained : 0)
      if parameter.isExpert {
        cost.experts = cost.experts + part
      } else {
        cost.dense = cost.dense + part
      }
    }
    // Copies in other formats that products read.
    let places = Set(stage.parameters.map(\.buffer))
    for (index, buffer) in stage.buffers.enumerated()
    where buffer.scope == .stage && buffer.use == .parameter && !places.contains(BufferID(index)) {
      cost.dense.parameterBytes += bytes(BufferID(index))
    }
  }
}

extension Kernel {
  /// Whether it is a matrix product or attention's core.
  fileprivate var isProduct: Bool {
    switch self {
    case .matmul, .groupedMatmul, .attention: true
    default: false
    }
  }
}

private func greatestCommonDivisor(_ left: Int, _ right: Int) -> Int {
  var (larger, smaller) = (max(left, right), min(left, right))
  while smaller > 0 { (larger, smaller) = (smaller, larger % smaller) }
  return larger
}

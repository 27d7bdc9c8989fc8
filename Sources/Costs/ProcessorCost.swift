import Clusters
import Documents

/// What one operation of a CPU rank has to do, in the terms of its class's formula.
public struct ProcessorWork: Hashable, Sendable {
  public var kernel: ProcessorKernel
  /// Operations of products; a multiply-add is two.
  public var operations: Double
  /// Bytes of activations, and of weights.
  public var bytes: Double
  public var weights: Double
  public var rows: Double

  public init(
    _ kernel: ProcessorKernel, operations: Double = 0, bytes: Double = 0, weights: Double = 0,
    rows: Double = 0
  ) {
    self.kernel = kernel
    self.operations = operations
    self.bytes = bytes
    self.weights = weights
    self.rows = rows
  }
}

/// How long kernels of CPU ranks take on a machine with a certain number of ranks.
///
/// A kernel's time is a sum: a start, and its operations, bytes and rows over their rates. Each state of the
/// machine was measured for itself, as ranks share caches, memory, and above the number of cores these too.
/// Between measured numbers of computing ranks times are read on a straight line; below the fewest they stay.
public struct ProcessorCost: Sendable {
  private let rates: [ProcessorKernel: [Processor.Rates]]
  /// Ranks of a machine.
  public let ranks: Int

  /// Costs where `ranks` are started on a machine.
  ///
  /// - Throws: `ConfigurationError` where nothing was measured with as many.
  public init(_ cluster: Cluster, ranks: Int) throws(ConfigurationError) {
    guard let processor = cluster.device.processor else {
      throw ConfigurationError(
        file: cluster.name, keyPath: "device.processor",
        rule: "is missing: this is no cluster of CPU ranks; sluice calibrate --here writes one")
    }
    let counts = processor.rankCounts
    guard counts.contains(ranks) else {
      throw ConfigurationError(
        file: cluster.name, keyPath: "device.processor.kernels",
        rule:
          "were measured with \(counts.map(String.init).joined(separator: ", ")) ranks on a machine, "
          + "and the plan has \(ranks): sluice calibrate --here --ranks \(ranks)")
    }
    self.ranks = ranks
    rates = Dictionary(grouping: processor.rates.filter { $0.ranks == ranks }, by: \.kernel)
      .mapValues { $0.sorted { $0.active < $1.active } }
  }

  /// Whether a class was measured.
  public func knows(_ kernel: ProcessorKernel) -> Bool { rates[kernel] != nil }

  /// Seconds of an operation while so many ranks of the machine compute, this one among them.
  public func seconds(_ work: ProcessorWork, active: Int) -> Double {
    guard let known = rates[work.kernel], let first = known.first, let last = known.last else {
      preconditionFailure("\(work.kernel.rawValue) was looked for before.")
    }
    if active <= first.active { return first.seconds(work) }
    if active >= last.active { return last.seconds(work) }
    let above = known.firstIndex { $0.active >= active } ?? known.count - 1
    let (low, high) = (known[above - 1], known[above])
    let share = Double(active - low.active) / Double(high.active - low.active)
    return low.seconds(work) * (1 - share) + high.seconds(work) * share
  }
}

extension Processor.Rates {
  /// Seconds of an operation by the formula of its class.
  func seconds(_ work: ProcessorWork) -> Double {
    var sum = start.value + (row?.value ?? 0) * work.rows
    if let operations { sum += work.operations / operations.value }
    if let bytes { sum += work.bytes / bytes.value }
    if let weights { sum += work.weights / weights.value }
    return sum
  }
}

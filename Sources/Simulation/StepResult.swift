import Engines
import Programs
import Schedules

/// Where a rank's step goes, in the split of the ISCA'25 paper, in picoseconds.
public struct StepSplit: Hashable, Sendable {
  /// Forwards outside of pairs, from input ready to output ready.
  public var forward: Int64 = 0
  /// Whole backwards, with their weight half.
  public var backward: Int64 = 0
  /// Input halves by themselves.
  public var backwardInput: Int64 = 0
  /// Weight halves by themselves.
  public var backwardWeight: Int64 = 0
  /// Overlapped pairs.
  public var overlapped: Int64 = 0
  /// From the last action of the slowest rank to the end of the step.
  public var optimizer: Int64 = 0
  /// The rest: waits for the pipeline.
  public var bubble: Int64 = 0

  public init() {}

  mutating func add(_ item: Item, _ duration: Int64) {
    switch item {
    case .overlapped: overlapped += duration
    case .run(let action):
      switch action.pass {
      case .forward: forward += duration
      case .backward: backward += duration
      case .backwardInput: backwardInput += duration
      case .backwardWeight: backwardWeight += duration
      }
    default: break
    }
  }

  public var total: Int64 {
    forward + backward + backwardInput + backwardWeight + overlapped + optimizer + bubble
  }
}

/// What one rank did in a step.
public struct RankResult: Hashable, Sendable {
  public var position: Int
  public var replica: Int
  public var split: StepSplit
  public var expert: Exposure
  public var pipeline: Exposure
  public var data: Exposure
  public var tensor: Exposure
  public var context: Exposure
  /// Copies to the host's memory and from it.
  public var host: Exposure
  public var memory: MemoryLedger
  /// The sum of its kernels' times, and each kind's part of it.
  public var busy: Int64
  public var kernels: KernelTimes
  /// FLOPs of its matrix products and attention cores, recomputation included; and with attention
  /// counted on and below the diagonal only.
  public var flops: Double
  public var causalFLOPs: Double
  public var items: [ItemSpan]
  /// Messages and collectives outside of actions; empty unless spans were asked for.
  public var transfers: [TransferSpan]
}

/// What a simulated step came to.
public struct StepResult: Sendable {
  /// From the start to the end of the last rank, picoseconds.
  public var step: Int64
  /// All simulated ranks, by position, then replica.
  public var ranks: [RankResult]
  /// Operations that were walked, and operations that the step consists of.
  public var walkedOperations: Int
  public var operations: Int
  /// What ranks did and sent; nil unless it was asked for.
  public var log: StepLog?
}

extension SimulatedWorld {
  func result() -> StepResult {
    let step = ranks.map(\.clock).max() ?? 0
    let lastAction = ranks.map(\.lastActionEnd).max() ?? 0
    let results = ranks.map { rank in
      var split = rank.split
      split.optimizer = step - lastAction
      split.bubble = 0
      split.bubble = step - split.total
      return RankResult(
        position: rank.position, replica: rank.replica, split: split, expert: rank.expert,
        pipeline: rank.pipeline, data: rank.data, tensor: rank.tensor, context: rank.context,
        host: rank.host, memory: rank.memory, busy: rank.busy, kernels: rank.kernels,
        flops: rank.flops,
        causalFLOPs: rank.causalFLOPs,
        items: rank.spans, transfers: rank.transfers)
    }
    return StepResult(
      step: step, ranks: results, walkedOperations: catalog.simulatedOperations,
      operations: ranks.reduce(0) { $0 + $1.operations }, log: log)
  }
}

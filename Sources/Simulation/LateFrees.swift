import Engines
import Plans
import Programs
import Schedules

/// Blocks that were given back while a collective on a stream of its own may still use them.
///
/// PyTorch notes the collectives' stream at every tensor that one reads or writes (`recordStream`); when such a tensor
/// is freed, it records an event behind what that stream has been given, and its block is taken again only once the
/// event is seen to be over, at a later request. As the host is ahead of the device, that is late.
///
/// Source: PyTorch 2.1, `torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp` (without `TORCH_NCCL_AVOID_RECORD_STREAMS`),
/// `c10/cuda/CUDACachingAllocator.cpp` (`insert_events`, `process_events`).
struct LateFrees {
  /// A kernel of a pass.
  private struct Kernel: Hashable {
    var stage: Int32
    var pass: Action.Pass
    var operation: Int
  }

  /// What a kernel takes of host and device, in picoseconds.
  private struct Issued {
    var launches: Int
    var host: Int64
    var duration: Int64

    init(_ operation: Programs.Operation, _ pricing: any Pricing, _ rows: ExchangeRows) {
      launches = pricing.launches(of: operation)
      host = picoseconds(pricing.hostSeconds(of: operation))
      duration = picoseconds(pricing.seconds(of: operation, rows: rows, isOverlapped: false))
    }
  }

  private let pricing: any Pricing
  private var known: [Kernel: Issued] = [:]
  private var queue = LaunchQueue()
  private var ends: [Int64] = []
  private var waiting: [(end: Int64, block: CachingAllocator.Block)] = []
  private var first = 0

  /// - Parameter pricing: what kernels and collectives take.
  init(_ pricing: any Pricing) { self.pricing = pricing }

  mutating func issue(
    _ operation: Int, of program: Program, _ instance: Instance, rows: ExchangeRows
  ) {
    // Every microbatch has the same kernels.
    let kernel =
      instance.microbatch < 0
      ? nil : Kernel(stage: instance.stage, pass: instance.pass, operation: operation)
    let issued =
      kernel.flatMap { known[$0] } ?? Issued(program.operations[operation], pricing, rows)
    if let kernel { known[kernel] = issued }
    queue.compute(launches: issued.launches, host: issued.host, duration: issued.duration)
  }

  /// Starts a collective, and gives its number.
  mutating func start(_ transfer: Transfer, stage: Int) -> Int {
    let seconds = pricing.seconds(ofCollective: transfer, stage: stage)
    ends.append(
      queue.transfer(
        host: picoseconds(pricing.hostSecondsOfTransfer), duration: picoseconds(seconds)))
    return ends.count - 1
  }

  mutating func wait(_ transfer: Int) { queue.wait(until: ends[transfer]) }

  /// Keeps a block until the collectives that were issued so far are over.
  mutating func keep(_ block: CachingAllocator.Block) {
    waiting.append((queue.transfers, block))
  }

  /// Gives back the blocks whose collectives are over as the host is now, or all.
  mutating func settle(all: Bool = false, in allocator: inout CachingAllocator) {
    while first < waiting.count, all || waiting[first].end <= queue.host {
      allocator.release(waiting[first].block)
      first += 1
    }
    guard first == waiting.count else { return }
    (waiting, first) = ([], 0)
  }
}

extension Plan {
  /// Whether what collectives use is freed late: nanotron runs on PyTorch 2.1 with its defaults (67c5ebb6,
  /// `run_multinode.sh`).
  var freesLate: Bool { framework == .nanotron }
}

extension Transfer {
  /// The buffers that a framework's tensors of this transfer are; what nanotron gathers lies in a buffer that is never
  /// freed (67c5ebb6, `parallel/tensor_parallel/functional.py`, `MemoryBuffer`).
  var freedOperands: ArraySlice<BufferID> {
    if case .allGather = kind { operands[outputCount...] } else { operands[...] }
  }
}

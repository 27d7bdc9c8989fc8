import Engines
import Programs
import Schedules

/// The steps of an action in the order in which an engine takes them, which is the same on every rank and
/// whatever its exchanges bring: what an action takes is replayed by pieces between its exchanges, since of
/// these alone the times differ.
struct ActionScript: Sendable {
  enum Step: Sendable {
    /// Kernels of the action itself, one behind the other, by their places in `kernels`.
    case compute(Range<Int>)
    /// A kernel that belongs to another program: of a reduction, or of the next action's gathers.
    case convert(Int)
    /// A transfer, by its place in `transfers`.
    case start(Int)
    /// For the transfer with this handle.
    case wait(Int)
  }

  /// What a step starts, as a backend is told it.
  struct Start: Sendable {
    var number: Int
    var program: Program
    var instance: Instance
  }

  private(set) var steps: [Step] = []
  /// Numbers of kernels: an action's own, those of a backward behind those of a forward.
  private(set) var kernels: [Int] = []
  private(set) var conversions: [Start] = []
  private(set) var transfers: [Start] = []
  private let forwardCount: Int
  private let ahead: Instance?
  /// Handles that were given away: those of the action's gathers under way first.
  private var handles: Int

  /// Takes down what an engine does.
  ///
  /// - Parameters:
  ///   - forwardCount: kernels of the forward.
  ///   - gathers: of this action that are under way when it begins.
  ///   - ahead: the action whose gathers it starts.
  init(_ engine: Engine, forwardCount: Int, gathers: Int, ahead: Instance?) {
    self.forwardCount = forwardCount
    self.ahead = ahead
    handles = gathers
    var walker = engine
    while walker.advance(&self) == .waiting {}
  }
}

extension ActionScript: Backend {
  mutating func begin(_ item: Item, index: Int) -> Beginning { .walk }
  mutating func end(_ item: Item, index: Int) {}
  mutating func acquire(_ id: BufferID, _ instance: Instance) {}
  mutating func release(_ id: BufferID, _ instance: Instance) {}
  mutating func handOver(_ boundary: Boundary, stage: Int, microbatch: Int) {}
  mutating func agree() -> Bool { true }
  mutating func start(_ transfer: PipelineTransfer) -> TransferHandle { TransferHandle(-1) }

  mutating func issue(_ operation: Int, of program: Program, _ instance: Instance) {
    if instance.microbatch < 0 || instance == ahead {
      steps.append(.convert(conversions.count))
      conversions.append(Start(number: operation, program: program, instance: instance))
      return
    }
    kernels.append(instance.pass == .forward ? operation : forwardCount + operation)
    if case .compute(let range) = steps.last {
      steps[steps.count - 1] = .compute(range.lowerBound..<kernels.count)
    } else {
      steps.append(.compute(kernels.count - 1..<kernels.count))
    }
  }

  mutating func start(_ transfer: Int, of program: Program, _ instance: Instance)
    -> TransferHandle
  {
    steps.append(.start(transfers.count))
    transfers.append(Start(number: transfer, program: program, instance: instance))
    // Nothing in the action waits for a reduction.
    if instance.microbatch < 0 { return TransferHandle(-1) }
    handles += 1
    return TransferHandle(handles - 1)
  }

  mutating func wait(_ handle: TransferHandle) -> Bool {
    steps.append(.wait(handle.raw))
    return true
  }
}

/// What a few kernels one behind the other do to the clocks of a rank and of its host.
///
/// Each kernel starts when the one before it is over and the host has issued it. One behind the other they
/// end `alone` after the clock, or `issued` after the host's, whichever is later: as if each was walked, to
/// the picosecond.
struct KernelPiece: Sendable {
  /// Picoseconds on a device that waits for no host.
  private(set) var alone: Int64
  /// Picoseconds from the host's clock to the end where the host is late.
  private(set) var issued: Int64
  /// Picoseconds of the host.
  private(set) var host: Int64
  private(set) var parts: [KernelTimes.Part]
  private(set) var count = 1

  /// One kernel.
  init(_ duration: Int64, host: Int64, slot: KernelTimes.Slot) {
    (alone, issued, self.host) = (duration, host + duration, host)
    parts = [KernelTimes.Part(slot: slot, picoseconds: duration)]
  }

  /// Another kernel behind it.
  mutating func append(_ next: KernelPiece) {
    issued = max(issued + next.alone, host + next.issued)
    alone += next.alone
    host += next.host
    count += next.count
    for part in next.parts {
      if let known = parts.firstIndex(where: { $0.slot == part.slot }) {
        parts[known].picoseconds += part.picoseconds
      } else {
        parts.append(part)
      }
    }
  }
}

/// The pieces of an action's script on a device of one speed.
struct ScriptPieces: Sendable {
  enum Piece: Sendable {
    case fixed(KernelPiece)
    /// A kernel over rows that an exchange decides, by its number.
    case routed(Int)
  }

  /// By kernel at which a step's range begins; empty elsewhere.
  private(set) var pieces: [[Piece]]

  /// - Parameter piece: a kernel of fixed size; nil for one over routed rows.
  init(_ script: ActionScript, piece: (Int) -> KernelPiece?) {
    pieces = Array(repeating: [], count: script.kernels.count)
    for case .compute(let range) in script.steps {
      var made: [Piece] = []
      for kernel in script.kernels[range] {
        guard let next = piece(kernel) else {
          made.append(.routed(kernel))
          continue
        }
        if case .fixed(var last) = made.last {
          last.append(next)
          made[made.count - 1] = .fixed(last)
        } else {
          made.append(.fixed(next))
        }
      }
      pieces[range.lowerBound] = made
    }
  }
}

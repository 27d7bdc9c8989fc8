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

  /// A transfer that a step starts.
  ///
  /// A class, since every rank is handed it, and a copy costs more than what is done with it.
  final class Sending: Sendable {
    let number: Int
    let work: Transfer
    let instance: Instance
    /// The exchange whose rows decide what it takes; nil where none does.
    let exchange: Int?

    init(number: Int, work: Transfer, instance: Instance, exchange: Int?) {
      (self.number, self.work) = (number, work)
      (self.instance, self.exchange) = (instance, exchange)
    }
  }

  private(set) var steps: [Step] = []
  /// Numbers of kernels: an action's own, those of a backward behind those of a forward.
  private(set) var kernels: [Int] = []
  private(set) var conversions: [Start] = []
  private(set) var transfers: [Sending] = []
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
    let work = program.transfers[transfer]
    transfers.append(
      Sending(
        number: transfer, work: work, instance: instance,
        exchange: work.kind.expertExchange ?? work.rows.exchange))
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
struct ScriptPieces {
  enum Piece {
    /// Kernels, by their places in the script.
    case fixed(KernelPiece, Range<Int>)
    /// A kernel whose rows or documents are a rank's own, by its number.
    case own(Int)
  }

  /// The kernels of one step of the script.
  ///
  /// A class, since every rank looks into it at every step, and a copy costs more than what is done with it.
  final class Run {
    fileprivate(set) var pieces: [Piece] = []
    /// The exchanges that decide rows of any of them, a forward's and a backward's.
    fileprivate(set) var forwardExchanges: [Int] = []
    fileprivate(set) var backwardExchanges: [Int] = []
    /// All of them where these exchanges bring what every rank gets in the mean; nil where documents decide.
    fileprivate(set) var even: KernelPiece?
  }

  /// By kernel at which a step's range begins; empty elsewhere.
  private(set) var runs: [Run]

  /// What a kernel is on a rank with the mean load.
  struct Kernel {
    /// Nil where documents decide what it takes.
    var even: KernelPiece?
    /// The exchange that decides its rows; nil where none does.
    var exchange: Int?
    var isForward: Bool
  }

  init(_ script: ActionScript, kernel: (Int) -> Kernel) {
    runs = Array(repeating: Run(), count: script.kernels.count)
    for case .compute(let range) in script.steps {
      let run = Run()
      var areEven = true
      for (place, number) in zip(range, script.kernels[range]) {
        let next = kernel(number)
        if let even = next.even {
          if run.even == nil { run.even = even } else { run.even?.append(even) }
        } else {
          areEven = false
        }
        if next.exchange == nil, let fixed = next.even {
          run.append(fixed, at: place)
        } else {
          run.pieces.append(.own(number))
        }
        run.note(next)
      }
      if !areEven { run.even = nil }
      runs[range.lowerBound] = run
    }
  }
}

extension ScriptPieces.Run {
  fileprivate func append(_ fixed: KernelPiece, at place: Int) {
    guard case .fixed(var last, let range)? = pieces.last else {
      pieces.append(.fixed(fixed, place..<place + 1))
      return
    }
    last.append(fixed)
    pieces[pieces.count - 1] = .fixed(last, range.lowerBound..<place + 1)
  }

  fileprivate func note(_ kernel: ScriptPieces.Kernel) {
    guard let exchange = kernel.exchange else { return }
    if kernel.isForward {
      if !forwardExchanges.contains(exchange) { forwardExchanges.append(exchange) }
    } else if !backwardExchanges.contains(exchange) {
      backwardExchanges.append(exchange)
    }
  }
}

import Programs
import Schedules

/// Which template an action runs, and for whom: what binds a program's buffers to memory.
@frozen public struct Instance: Hashable, Sendable {
  /// The stage, by its number in the model.
  public var stage: Int32
  public var microbatch: Int32
  public var pass: Action.Pass

  @inlinable public init(stage: Int, microbatch: Int, pass: Action.Pass) {
    self.stage = Int32(stage)
    self.microbatch = Int32(microbatch)
    self.pass = pass
  }
}

/// A transfer that was started, in the words of the backend that started it.
@frozen public struct TransferHandle: Hashable, Sendable {
  public var raw: Int

  @inlinable public init(_ raw: Int) { self.raw = raw }
}

/// How a backend takes up an item.
@frozen public enum Beginning: Hashable, Sendable {
  /// The engine walks it step by step.
  case walk
  /// The backend has carried it out as a whole.
  case done
  /// It can begin later: the engine stops and asks again.
  case later
}

/// What the engine asks of a world: a virtual clock with a cost model, or kernels and messages.
///
/// A wait that cannot be over yet answers false: the engine then stops and asks again when it is resumed.
/// A backend that waits in place always answers true.
public protocol Backend: ~Copyable {
  /// An item of the rank's program begins.
  mutating func begin(_ item: Item, index: Int) -> Beginning
  mutating func end(_ item: Item, index: Int)
  mutating func acquire(_ buffer: BufferID, _ instance: Instance)
  mutating func release(_ buffer: BufferID, _ instance: Instance)
  mutating func issue(_ operation: Int, of program: Program, _ instance: Instance)
  mutating func start(_ transfer: Int, of program: Program, _ instance: Instance) -> TransferHandle
  mutating func start(_ transfer: PipelineTransfer) -> TransferHandle
  /// A reduction that an item has started which this backend carried out as a whole.
  mutating func handle(ofReduction transfer: Int, stage: Int) -> TransferHandle
  /// True once the transfer is over for this rank.
  mutating func wait(_ handle: TransferHandle) -> Bool
  /// Gives what one stage wrote to the next one on the same rank.
  mutating func handOver(_ boundary: Boundary, stage: Int, microbatch: Int)
  /// Agrees on the norm of all gradients; false as long as that waits for others.
  mutating func agree() -> Bool
}

extension Backend where Self: ~Copyable {
  /// Of a backend that has the engine walk every item.
  public mutating func handle(ofReduction transfer: Int, stage: Int) -> TransferHandle {
    preconditionFailure("The engine has started this reduction itself.")
  }
}

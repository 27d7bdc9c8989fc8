import Engines
import Programs
import Schedules

/// A world that writes down what the engine asks of it, and answers as it is told to.
struct RecordingBackend: Backend {
  /// What was asked, in order, in words.
  var log: [String] = []
  /// How many waits say that they are not over before one says that it is.
  var refusals = 0
  /// Items, by index, that are carried out as a whole.
  var done: Set<Int> = []
  /// How often each item is put off before it begins.
  var delays = 0
  /// Handles that are never over.
  var never: Set<Int> = []

  private var refused = 0
  private var delayed = 0
  private var handles = 0

  init(refusals: Int = 0, delays: Int = 0, done: Set<Int> = [], never: Set<Int> = []) {
    self.refusals = refusals
    self.delays = delays
    self.done = done
    self.never = never
  }

  mutating func begin(_ item: Item, index: Int) -> Beginning {
    if delayed < delays {
      delayed += 1
      return .later
    }
    delayed = 0
    log.append("begin \(index)")
    return done.contains(index) ? .done : .walk
  }

  mutating func end(_ item: Item, index: Int) { log.append("end \(index)") }

  mutating func acquire(_ buffer: BufferID, _ instance: Instance) {
    log.append("acquire \(buffer.index) for \(instance.text)")
  }

  mutating func release(_ buffer: BufferID, _ instance: Instance) {
    log.append("release \(buffer.index) of \(instance.text)")
  }

  mutating func issue(_ operation: Int, of program: Program, _ instance: Instance) {
    log.append("compute \(operation) of \(instance.text)")
  }

  mutating func start(_ transfer: Int, of program: Program, _ instance: Instance)
    -> TransferHandle
  {
    handles += 1
    log.append("start \(transfer) of \(instance.text) as \(handles)")
    return TransferHandle(handles)
  }

  mutating func start(_ transfer: PipelineTransfer) -> TransferHandle {
    handles += 1
    log.append("\(transfer.isSend ? "send" : "receive") \(transfer.microbatch) as \(handles)")
    return TransferHandle(handles)
  }

  mutating func wait(_ handle: TransferHandle) -> Bool {
    if never.contains(handle.raw) { return false }
    if refused < refusals {
      refused += 1
      return false
    }
    refused = 0
    log.append("wait \(handle.raw)")
    return true
  }

  mutating func handOver(_ boundary: Boundary, stage: Int, microbatch: Int) {
    log.append("hand over \(boundary) of \(stage), \(microbatch)")
  }

  mutating func agree() -> Bool {
    if refused < refusals {
      refused += 1
      return false
    }
    refused = 0
    log.append("agree")
    return true
  }
}

extension Instance {
  /// `1F2`.
  var text: String { "\(stage)\(pass.rawValue)\(microbatch)" }
}

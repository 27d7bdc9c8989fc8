import Programs
import Schedules

/// Messages between stages with the times at which their ends came to them.
///
/// Every message of a step has its place, by boundary, receiving stage, microbatch and replica.
struct MessageBook {
  private let stages: Int
  private let microbatches: Int
  private let replicas: Int
  private var messages: [Message]

  init(_ input: StepInput, replicas: Int) {
    stages = input.stages.count
    let last = input.ranks.lazy.flatMap(\.transfers).map(\.microbatch).max() ?? -1
    microbatches = last + 1
    self.replicas = replicas
    messages = Array(repeating: Message(), count: 2 * stages * microbatches * replicas)
  }

  /// The place of the message that a transfer is an end of.
  func place(of transfer: PipelineTransfer, replica: Int) -> Int {
    let isDown = transfer.boundary == .activation
    let receiver = transfer.isSend ? transfer.stage + (isDown ? 1 : -1) : transfer.stage
    let row = (isDown ? 0 : stages) + receiver
    return (row * microbatches + transfer.microbatch) * replicas + replica
  }

  subscript(place: Int) -> Message {
    get { messages[place] }
    _modify { yield &messages[place] }
  }
}

/// A message between two simulated ranks; times are −1 where they are not known yet.
struct Message {
  /// The ranks at its ends, once they have come to it.
  var sender: Int32 = -1
  var receiver: Int32 = -1
  /// Whether they wait for its end.
  var senderWaits = false
  var receiverWaits = false
  /// When both ends have come to it, and when it has arrived.
  var moving: Int64 = -1
  var end: Int64 = -1
  /// What it takes beside its way over the shared links.
  var latency: Int64 = 0
}

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

/// A message with the times at which its ends came to it, −1 if not yet.
struct Message {
  var sent: Int64 = -1
  var received: Int64 = -1
  var duration: Int64 = 0
}

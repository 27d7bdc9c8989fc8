import Engines
import MessagePassing
import Plans
import Programs
import Schedules

/// An activation on its way down a pipeline, or a gradient on its way up.
private final class PipelineMessage: PendingTransfer {
  let kind = Ledger.MessageKind.pipeline
  private var requests = RequestGroup()
  private let isSend: Bool
  private let buffer: BufferID
  private let instance: Instance

  init(_ request: consuming Request, isSend: Bool, _ buffer: BufferID, _ instance: Instance) {
    (self.isSend, self.buffer, self.instance) = (isSend, buffer, instance)
    requests.add(request)
  }

  /// A sent buffer is given back when the message has left.
  func finish(_ backend: RankBackend) throws {
    try requests.waitAll()
    if isSend {
      backend.release(buffer, instance)
    } else {
      backend.takeCarriedBalance(from: buffer, instance)
    }
  }

  deinit { requests.abandon() }
}

extension RankBackend {
  func start(_ transfer: PipelineTransfer) -> TransferHandle {
    guard failure == nil else { return TransferHandle(0) }
    let entry = Ledger.Entry.message(
      transfer.boundary, isSend: transfer.isSend, stage: transfer.stage,
      microbatch: transfer.microbatch)
    record(entry, .pipeline)
    let program = assignment.programs[transfer.stage]
    let isActivation = transfer.boundary == .activation
    let buffer =
      transfer.isSend
      ? (isActivation ? program.output : program.inputGradient)
      : (isActivation ? program.input : program.outputGradient)
    guard let buffer else { preconditionFailure("A boundary has no buffer.") }
    let instance = Instance(
      stage: transfer.stage, microbatch: transfer.microbatch,
      pass: isActivation ? .forward : .backward)
    if !transfer.isSend { acquire(buffer, instance) }
    let bytes = memory[transfer.stage]!.bytes[
      index(buffer, transfer.stage, transfer.microbatch)]
    var place = assignment.place
    place.pipeline = transfer.peer
    let peer = assignment.mesh.rank(at: place)
    let tag = tag(of: transfer)
    var handle = TransferHandle(0)
    attempt {
      if transfer.isSend {
        writeCarriedBalance(to: buffer, instance)
        let memory = UnsafeRawBufferPointer(start: address(buffer, instance), count: bytes)
        note(
          MessageOrigin(
            kind: .pipeline, stage: transfer.stage, microbatch: transfer.microbatch,
            number: isActivation ? 0 : 1), to: peer, bytes)
        let request = try links.pipeline.startSend(memory, to: peer, tag: tag)
        handle = keep(
          PipelineMessage(request, isSend: true, buffer, instance), .step(.message(transfer)),
          .pipeline, bytes: bytes)
      } else {
        let memory = UnsafeMutableRawBufferPointer(start: address(buffer, instance), count: bytes)
        handle = keep(
          PipelineMessage(
            try links.pipeline.startReceive(into: memory, from: peer, tag: tag), isSend: false,
            buffer, instance),
          .step(.message(transfer)), .pipeline, bytes: bytes)
      }
    }
    return handle
  }

  /// The same for both ends: boundary, the stage that receives, microbatch.
  ///
  /// Far apart microbatches may share a tag; they are not under way together, and order is kept.
  private func tag(of transfer: PipelineTransfer) -> Int {
    let isActivation = transfer.boundary == .activation
    let receiver =
      transfer.isSend ? transfer.stage + (isActivation ? 1 : -1) : transfer.stage
    let stages = assignment.programs.count
    let span = max(1, (maximumTag + 1) / (2 * stages))
    return ((transfer.microbatch % span) * stages + receiver) * 2 + (isActivation ? 0 : 1)
  }
}

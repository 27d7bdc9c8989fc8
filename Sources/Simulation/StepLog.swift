import Collectives
import Engines
import Plans
import Programs
import Schedules

/// What ranks do in which order in a simulated step, and who sends how many bytes to whom, written down
/// as they come to it.
///
/// Collectives are the rounds of their direct algorithms, as CPU ranks carry them out. Groups come from the plan's mesh, sizes from the programs and from the routes that a run recorded.
public struct StepLog: Sendable {
  private let mesh: Mesh
  private let transfers: TransferRounds
  /// The messages of all ranks.
  public private(set) var messages: [StepMessage] = []
  /// What each rank started, in order, by rank of the world.
  public private(set) var order: [[StepEntry]]
  /// The streams of `order`.
  public private(set) var streams: [[Stream]]

  init(_ input: StepInput, ranks: Int) {
    mesh = input.plan.mesh
    transfers = TransferRounds(input)
    order = Array(repeating: [], count: ranks)
    streams = Array(repeating: [], count: ranks)
  }

  private mutating func add(_ entry: StepEntry, _ stream: Stream, on rank: Int) {
    order[rank].append(entry)
    streams[rank].append(stream)
  }

  /// A rank computes an operation of a stage's program.
  mutating func add(operation index: Int, _ instance: Instance, on rank: Int) {
    add(.operation(instance, index: index), .compute, on: rank)
  }

  /// A rank starts to send or receive an activation or a gradient.
  mutating func add(_ transfer: PipelineTransfer, bytes: Int, on rank: Int) {
    add(
      .message(
        transfer.boundary, isSend: transfer.isSend, stage: transfer.stage,
        microbatch: transfer.microbatch), .pipeline, on: rank)
    guard transfer.isSend else { return }
    var place = mesh.coordinates(of: rank)
    place.pipeline = transfer.peer
    messages.append(
      StepMessage(
        .pipeline, stage: transfer.stage, microbatch: transfer.microbatch,
        number: transfer.boundary == .activation ? 0 : 1, from: rank, to: mesh.rank(at: place),
        bytes: bytes))
  }

  /// A rank starts a transfer of a stage's program.
  mutating func add(_ transfer: Transfer, _ index: Int, _ instance: Instance, on rank: Int) {
    add(.transfer(instance, index: index), transfer.stream, on: rank)
    let part = transfers.part(in: transfer, instance, rank: rank)
    for round in 0..<part.rounds.roundCount {
      for message in part.rounds.messages(of: part.position, inRound: round).sent {
        messages.append(
          StepMessage(
            part.kind, stage: Int(instance.stage), microbatch: part.microbatch, number: part.number,
            from: rank, to: part.ranks[message.destination], bytes: message.bytes))
      }
    }
  }
}

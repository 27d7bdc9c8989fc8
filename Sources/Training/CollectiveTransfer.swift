import Collectives
import Engines
import MessagePassing
import Programs

/// A program's transfer that is a collective, with what is done with what it brings.
final class CollectiveTransfer: PendingTransfer {
  let kind: Ledger.MessageKind
  private let collective: CollectiveInFlight
  private let unpack: (RankBackend) -> Void

  init(
    _ kind: Ledger.MessageKind, _ collective: CollectiveInFlight,
    unpack: @escaping (RankBackend) -> Void = { _ in }
  ) {
    self.kind = kind
    self.collective = collective
    self.unpack = unpack
  }

  func finish(_ backend: RankBackend) throws {
    try backend.finish(collective)
    unpack(backend)
  }
}

/// Which of a rank's transfers a collective is, for the ledger of its messages.
struct MessageOrigin {
  var kind: Ledger.MessageKind
  var stage: Int
  var microbatch = -1
  var number: Int
}

extension RankBackend {
  /// Starts a collective whose messages are written down as those of a transfer.
  func startCollective(
    _ rounds: any Rounds, _ members: CollectiveInFlight.Members,
    _ memory: CollectiveInFlight.Memory, of origin: MessageOrigin
  ) throws -> CollectiveInFlight {
    try CollectiveInFlight(rounds, members, memory) { [unowned self] position, bytes in
      note(origin, to: members.communicator.worldRanks[members.ranks[position]], bytes)
    }
  }

  /// Waits for a collective.
  ///
  /// Reductions go on together, a round of all of them at a time: another rank may wait for any of them
  /// first. Everybody has started all of his before he waits for one.
  func finish(_ collective: CollectiveInFlight) throws {
    guard reductions.contains(where: { $0 === collective }) else { return try collective.finish() }
    while !collective.isOver {
      let round = reductions.map(\.round).min() ?? 0
      for other in reductions where other.round == round { try other.finishRound() }
      reductions.removeAll(where: \.isOver)
    }
  }

  /// Moves all messages along and goes on with the reductions whose messages have come, while a kernel
  /// computes.
  func progress() throws {
    try links.world.progress()
    guard !reductions.isEmpty else { return }
    for reduction in reductions { try reduction.advance() }
  }
}

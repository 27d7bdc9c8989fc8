import Collectives
import Kernels
import MessagePassing

/// A collective under way, as one position of its group sees it: the rounds of `Collectives`, carried out
/// point to point.
///
/// It has started when it is made. `advance` goes on with what has come and returns at once, `finishRound`
/// waits for the round under way, `finish` for all. A position begins a round when all of its messages of
/// the one before have come and gone. What others contribute is kept apart until then and folded in the
/// order of `treeFold(terms:)`, so that bits never depend on arrival.
///
/// Two messages from one position to another have the same tag and keep their order; other collectives that
/// are under way between the same ranks need other tags, or have to start in the same order on all of them
/// and have one round. The memory stays where it is until the collective is over.
package final class CollectiveInFlight {
  /// Where a position's bytes lie.
  package struct Memory {
    /// The vector as it is at first, and as it becomes: ranges are sent from here and received here.
    var vector: UnsafeMutableRawPointer?
    /// Where each of its terms lies, by number, of a sum to which it contributes several.
    var terms: [(number: Int, vector: UnsafeMutableRawPointer)] = []
    /// Vectors, numbered one behind the other, that are added up as one term.
    var vectorsPerTerm = 1
    /// Where what is added up arrives: what others contribute to this position in one round.
    var staging = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    /// Where blocks are sent from and received, packed by destination and by source.
    var blocks: (from: UnsafeMutableRawPointer, to: UnsafeMutableRawPointer)?

    /// Memory of a collective on a vector.
    ///
    /// - Parameters:
    ///   - terms: where each term lies that this position contributes, by ascending number; the vector
    ///     alone if there are none.
    ///   - vectorsPerTerm: of how many such vectors each position's contribution to a term consists, in
    ///     the order of the tree.
    package init(
      vector: UnsafeMutableRawPointer,
      terms: [(number: Int, vector: UnsafeMutableRawPointer)] = [], vectorsPerTerm: Int = 1,
      staging: UnsafeMutableRawBufferPointer = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    ) {
      self.vector = vector
      self.terms = terms.isEmpty ? [(0, vector)] : terms
      self.vectorsPerTerm = vectorsPerTerm
      self.staging = staging
    }

    /// Memory of an exchange of blocks.
    package init(from: UnsafeMutableRawPointer, to: UnsafeMutableRawPointer) {
      blocks = (from, to)
    }
  }

  /// Who takes part, and how messages are told apart.
  package struct Members {
    var communicator: any Communicator
    /// The positions' numbers in the communicator; one rank may have several positions.
    var ranks: [Int]
    var own: Int
    /// The tag of messages between two positions.
    var tag: (_ source: Int, _ destination: Int) -> Int

    /// The members as position `own` sees them.
    package init(
      _ communicator: any Communicator, ranks: [Int], own: Int,
      tag: @escaping (_ source: Int, _ destination: Int) -> Int
    ) {
      self.communicator = communicator
      self.ranks = ranks
      self.own = own
      self.tag = tag
    }
  }

  /// What has arrived to be added up.
  private struct Arrival {
    var message: Message
    var memory: UnsafeMutableRawPointer
  }

  private let rounds: any Rounds
  private let members: Members
  private let memory: Memory
  /// Writes down a message that is sent: the destination's position, and its bytes.
  private let note: (_ destination: Int, _ bytes: Int) -> Void
  private var requests = RequestGroup()
  private var arrivals: [Arrival] = []
  /// The round under way; as many as there are when it is over.
  package private(set) var round = 0

  /// Starts a collective.
  ///
  /// - Parameter note: is told of every message that is sent.
  package init(
    _ rounds: any Rounds, _ members: Members, _ memory: Memory,
    note: @escaping (_ destination: Int, _ bytes: Int) -> Void = { _, _ in }
  ) throws {
    precondition(rounds.groupSize == members.ranks.count, "every position has a rank")
    self.rounds = rounds
    self.members = members
    self.memory = memory
    self.note = note
    try startRound()
  }

  deinit { requests.abandon() }

  /// Nothing is left to be done.
  package var isOver: Bool { round >= rounds.roundCount }

  /// Goes on as far as messages have come; moves none along.
  package func advance() throws {
    while !isOver, requests.isComplete { try finishRound() }
  }

  /// Waits for the round under way, adds up what it brought and starts the next one.
  package func finishRound() throws {
    guard !isOver else { return }
    try requests.waitAll()
    addUp()
    round += 1
    try startRound()
  }

  /// Waits until the collective is over for this position.
  package func finish() throws {
    while !isOver { try finishRound() }
  }

  /// The most bytes that a position has to keep apart in a round.
  package static func stagingBytes(of rounds: any Rounds, at position: Int) -> Int {
    (0..<rounds.roundCount).map { round in
      rounds.messages(of: position, inRound: round).received.reduce(0) {
        $0 + ($1.reduces ? $1.bytes : 0)
      }
    }.max() ?? 0
  }
}

extension CollectiveInFlight {
  /// Receives are posted before anything is sent.
  private func startRound() throws {
    guard !isOver else { return }
    let own = rounds.messages(of: members.own, inRound: round)
    var staged = 0
    for message in own.received {
      let place: UnsafeMutableRawPointer
      if message.reduces {
        guard let start = memory.staging.baseAddress, staged + message.bytes <= memory.staging.count
        else { preconditionFailure("What is added up has room to arrive.") }
        place = start + staged
        staged += message.bytes
        arrivals.append(Arrival(message: message, memory: place))
      } else {
        place = target(of: message)
      }
      requests.add(
        try members.communicator.startReceive(
          into: UnsafeMutableRawBufferPointer(start: place, count: message.bytes),
          from: members.ranks[message.source], tag: members.tag(message.source, members.own)))
    }
    for message in own.sent {
      note(message.destination, message.bytes)
      requests.add(
        try members.communicator.startSend(
          UnsafeRawBufferPointer(start: origin(of: message), count: message.bytes),
          to: members.ranks[message.destination],
          tag: members.tag(members.own, message.destination)))
    }
  }

  private var vector: UnsafeMutableRawPointer {
    guard let vector = memory.vector else {
      preconditionFailure("A collective on ranges has a vector.")
    }
    return vector
  }

  private var blocks: (from: UnsafeMutableRawPointer, to: UnsafeMutableRawPointer) {
    guard let blocks = memory.blocks else { preconditionFailure("An exchange has its blocks.") }
    return blocks
  }

  /// Where a message is sent from.
  private func origin(of message: Message) -> UnsafeMutableRawPointer {
    switch message.content {
    case .block(let offset, _): return blocks.from + offset
    case .range(let offset):
      guard message.delivery == .contributes else { return vector + offset }
      guard let term = memory.terms.first(where: { $0.number == message.term }) else {
        preconditionFailure("A position has the terms that it contributes.")
      }
      return term.vector + offset
    case .rowsForNode, .rowsForRank:
      preconditionFailure("CPU ranks send their rows straight to the experts' ranks.")
    }
  }

  /// Where a message comes to lie that nothing is added to.
  private func target(of message: Message) -> UnsafeMutableRawPointer {
    switch message.content {
    case .block(_, let offset): blocks.to + offset
    case .range(let offset): vector + offset
    case .rowsForNode, .rowsForRank:
      preconditionFailure("CPU ranks send their rows straight to the experts' ranks.")
    }
  }

  /// Adds up what the round has brought, as numbers of 32 bits.
  private func addUp() {
    var folded: Set<Int> = []
    for arrival in arrivals {
      guard case .range(let offset) = arrival.message.content else { continue }
      if arrival.message.delivery == .contributes {
        if folded.insert(offset).inserted { fold(offset, bytes: arrival.message.bytes) }
      } else {
        add(
          floats(vector + offset), floats(vector + offset), floats(arrival.memory),
          count: arrival.message.bytes / MemoryLayout<Float>.size)
      }
    }
    arrivals.removeAll(keepingCapacity: true)
  }

  /// Folds all contributions to a range, this position's own among them.
  private func fold(_ offset: Int, bytes: Int) {
    var all: [(term: Int, source: Int, values: UnsafeMutablePointer<Float>)] = memory.terms.map {
      ($0.number, members.own, floats($0.vector + offset))
    }
    for arrival in arrivals where arrival.message.content == .range(offset: offset) {
      precondition(arrival.message.bytes == bytes, "contributions to a range are of its length")
      all.append((arrival.message.term, arrival.message.source, floats(arrival.memory)))
    }
    let parts = memory.vectorsPerTerm
    all.sort {
      ($0.term / parts, $0.source, $0.term) < ($1.term / parts, $1.source, $1.term)
    }
    let count = bytes / MemoryLayout<Float>.size
    for pair in treeFold(terms: all.map { $0.term / parts }) {
      add(all[pair.into].values, all[pair.into].values, all[pair.from].values, count: count)
    }
    // A term of this position's own may lie where the sum will.
    let target = floats(vector + offset)
    if all[0].values != target { copy(target, all[0].values, count: count) }
  }

  private func floats(_ memory: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Float> {
    memory.assumingMemoryBound(to: Float.self)
  }
}

/// Who talks to whom in a round, said without listing the messages.
public enum Pattern: Hashable, Sendable {
  /// Position p sends to (p + distance) modulo the group's size.
  case shift(Int)
  /// Position p exchanges with p XOR distance.
  case exchange(Int)
  /// Everybody sends to everybody else.
  case everyone
  /// Everybody sends to members of its own node only.
  case withinNodes
  /// A ring, or direct messages, between members of different nodes.
  case acrossNodes
  /// Some positions only, as the messages say.
  case listed
}

/// Consecutive rounds with the same pattern and, but for one unit of rounding, the same sizes.
public struct Phase: Hashable, Sendable {
  public var rounds: Range<Int>
  public var pattern: Pattern

  /// The rounds of one pattern.
  public init(_ rounds: Range<Int>, _ pattern: Pattern) {
    self.rounds = rounds
    self.pattern = pattern
  }
}

/// The rounds of a collective: what a cost model prices and a runtime executes.
///
/// All messages of a round may travel at once; a position starts a round when it has received what the
/// round before brought it. Messages are made when asked for, so that 2,047 rounds of 2,048
/// messages take no memory; a cost model prices one round of each phase. Messages of 0 bytes are
/// not sent.
public protocol Rounds: Sendable {
  /// How many positions the group has.
  var groupSize: Int { get }
  /// How many rounds there are.
  var roundCount: Int { get }
  /// All rounds in order, grouped by what they have in common.
  var phases: [Phase] { get }
  /// How many messages the round has, those of 0 bytes included.
  func messageCount(inRound round: Int) -> Int
  /// One message of the round; constant time but for a search over nodes where there are some.
  func message(_ index: Int, inRound round: Int) -> Message
}

extension Rounds {
  /// The messages of the round that are really sent, made one by one.
  public func messages(inRound round: Int) -> some Sequence<Message> {
    (0..<messageCount(inRound: round)).lazy.map { message($0, inRound: round) }
      .filter { $0.bytes > 0 }
  }

  /// The messages of one position in a round: what it sends and what it receives, in a fixed order.
  public func messages(
    of position: Int, inRound round: Int
  ) -> (sent: [Message], received: [Message]) {
    var result: (sent: [Message], received: [Message]) = ([], [])
    for message in messages(inRound: round) {
      if message.source == position { result.sent.append(message) }
      if message.destination == position { result.received.append(message) }
    }
    return result
  }

  /// All bytes that are sent; time grows with the number of messages.
  public var totalBytes: Int {
    (0..<roundCount).reduce(0) { sum, round in
      messages(inRound: round).reduce(sum) { $0 + $1.bytes }
    }
  }
}

/// Rounds whose messages are listed, for algorithms with few of them.
public struct ListedRounds: Rounds {
  public var groupSize: Int
  public var rounds: [[Message]]
  public var phases: [Phase]

  /// Rounds of which each is a phase of its own.
  public init(groupSize: Int, _ rounds: [[Message]], pattern: Pattern = .listed) {
    self.init(groupSize: groupSize, rounds, patterns: rounds.map { _ in pattern })
  }

  /// Rounds with the pattern of each.
  public init(groupSize: Int, _ rounds: [[Message]], patterns: [Pattern]) {
    precondition(rounds.count == patterns.count, "one pattern per round")
    self.groupSize = groupSize
    self.rounds = rounds
    phases = patterns.enumerated().map { Phase($0.offset..<$0.offset + 1, $0.element) }
  }

  public var roundCount: Int { rounds.count }

  public func messageCount(inRound round: Int) -> Int { rounds[round].count }

  public func message(_ index: Int, inRound round: Int) -> Message { rounds[round][index] }
}

/// Collectives one after the other.
public struct ChainedRounds: Rounds {
  public let groupSize: Int
  private let parts: [any Rounds]
  /// The round at which each part begins, and behind them the number of all rounds.
  private let starts: [Int]

  /// The rounds of all parts, which have the same group.
  public init(groupSize: Int, _ parts: [any Rounds]) {
    self.groupSize = groupSize
    self.parts = parts
    starts = parts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.roundCount) }
  }

  public var roundCount: Int { starts[parts.count] }

  public var phases: [Phase] {
    parts.indices.flatMap { part in
      parts[part].phases.map { phase in
        let rounds = phase.rounds
        return Phase(
          starts[part] + rounds.lowerBound..<starts[part] + rounds.upperBound, phase.pattern)
      }
    }
  }

  private func part(of round: Int) -> Int {
    var part = 0
    while starts[part + 1] <= round { part += 1 }
    return part
  }

  public func messageCount(inRound round: Int) -> Int {
    let part = part(of: round)
    return parts[part].messageCount(inRound: round - starts[part])
  }

  public func message(_ index: Int, inRound round: Int) -> Message {
    let part = part(of: round)
    return parts[part].message(index, inRound: round - starts[part])
  }
}

/// A reduction run backwards, with nothing reduced: a gather from a scatter, a broadcast from a reduce.
public struct ReversedRounds: Rounds {
  private let base: any Rounds

  /// The rounds of `base` from the last to the first, each message the other way.
  public init(_ base: any Rounds) {
    self.base = base
  }

  public var groupSize: Int { base.groupSize }

  public var roundCount: Int { base.roundCount }

  public var phases: [Phase] {
    base.phases.reversed().map { phase in
      let rounds = roundCount - phase.rounds.upperBound..<roundCount - phase.rounds.lowerBound
      if case .shift(let distance) = phase.pattern { return Phase(rounds, .shift(-distance)) }
      return Phase(rounds, phase.pattern)
    }
  }

  public func messageCount(inRound round: Int) -> Int {
    base.messageCount(inRound: roundCount - 1 - round)
  }

  public func message(_ index: Int, inRound round: Int) -> Message {
    var message = base.message(index, inRound: roundCount - 1 - round)
    swap(&message.source, &message.destination)
    message.delivery = .replaces
    return message
  }
}

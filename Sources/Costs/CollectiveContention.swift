import Clusters
import Collectives
import Quantities

/// Collectives as messages that share the links of a described cluster, max-min fairly.
///
/// Every round's messages become flows over the links between their ranks; a round ends with its
/// slowest message, latency included, and the next one starts then. Of consecutive rounds with the
/// same pattern and sizes one is followed and stands for all of them. Degraded links, failed adapters
/// and oversubscribed layers change the outcome since they are part of the cluster. Links carry what
/// the file says is `reached`. Not modelled: the time to start kernels, and rounds that overlap.
public struct CollectiveContention: Sendable {
  private let cluster: Cluster

  public init(_ cluster: Cluster) {
    self.cluster = cluster
  }

  /// Consecutive rounds of one pattern.
  public struct PhaseTime: Hashable, Sendable {
    public var pattern: Pattern
    public var rounds: Int
    /// Messages of one round.
    public var messages: Int
    /// All rounds together.
    public var seconds: Double
  }

  /// What a collective takes, and where its time goes.
  public struct Outcome: Hashable, Sendable {
    public var seconds: Double
    public var phases: [PhaseTime]
    /// The link that takes longest over its bytes in the phase that takes longest; nil if no byte moves.
    public var bottleneck: Link?
    /// Whether latency is more than half of the time.
    public var isLatencyBound: Bool
  }

  /// The group's places: who shares a node with whom.
  ///
  /// - Parameter ranks: ranks of the cluster by position in the group.
  public func placement(of ranks: [Int]) -> Placement {
    var numbers: [Int: Int] = [:]
    return Placement(
      nodes: ranks.map { rank in
        let node = cluster.node(of: rank)
        if let number = numbers[node] { return number }
        numbers[node] = numbers.count
        return numbers.count - 1
      })
  }

  /// Follows a collective over `ranks`, which are given by position in the group.
  ///
  /// Time grows with the messages of one round per phase, and, where flows hold each other back, with
  /// the number of moments at which one of them ends.
  public func time(of rounds: any Rounds, over ranks: [Int]) -> Outcome {
    precondition(rounds.groupSize == ranks.count, "one rank per position")
    var phases: [PhaseTime] = []
    var latency = 0.0
    var longest = (seconds: -1.0, link: Link?.none)
    for phase in rounds.phases where !phase.rounds.isEmpty {
      let round = follow(rounds, phase.rounds.lowerBound, ranks)
      let seconds = Double(phase.rounds.count) * round.seconds
      phases.append(
        PhaseTime(
          pattern: phase.pattern, rounds: phase.rounds.count, messages: round.messages,
          seconds: seconds))
      latency += Double(phase.rounds.count) * round.latency
      if seconds > longest.seconds { longest = (seconds, round.busiest) }
    }
    let total = phases.reduce(0) { $0 + $1.seconds }
    return Outcome(
      seconds: total, phases: phases, bottleneck: longest.link,
      isLatencyBound: latency > total / 2)
  }

  /// An all-reduce, reduce-scatter or all-gather of `bytes` over `ranks`.
  public func time(
    of collective: Collective, by algorithm: Algorithm, bytes: Int, over ranks: [Int],
    unit: Int = 1
  ) -> Outcome {
    let chunks = Chunks(bytes: bytes, parts: ranks.count, unit: unit)
    let rounds = collective.rounds(algorithm, chunks, on: placement(of: ranks), unit: unit)
    return time(of: rounds, over: ranks)
  }

  private struct Round {
    var seconds = 0.0
    /// Of the message that ends the round.
    var latency = 0.0
    var messages = 0
    var busiest: Link?
  }

  private func follow(_ rounds: any Rounds, _ number: Int, _ ranks: [Int]) -> Round {
    var sharing = FairSharing(cluster)
    var latencies: [Double] = []
    var loads = LinkLoads(cluster)
    for index in 0..<rounds.messageCount(inRound: number) {
      let message = rounds.message(index, inRound: number)
      guard message.bytes > 0 else { continue }
      let path = cluster.path(from: ranks[message.source], to: ranks[message.destination])
      sharing.begin(bytes: ByteCount(message.bytes), over: path.hops.lazy.map(\.id))
      latencies.append(path.latency.value)
      for hop in path.hops { loads.add(message.bytes, to: hop) }
    }
    var round = Round(messages: latencies.count, busiest: loads.busiest)
    for completion in sharing.finish() {
      let latency = latencies[completion.flow.number]
      let end = (completion.time - .start).seconds.value + latency
      if end > round.seconds { (round.seconds, round.latency) = (end, latency) }
    }
    return round
  }
}

/// Bytes per link, and the link that needs longest for its own.
private struct LinkLoads {
  private var seconds: [Double]
  private var most = 0.0
  private(set) var busiest: Link?

  init(_ cluster: Cluster) {
    seconds = Array(repeating: 0, count: cluster.linkCount)
  }

  mutating func add(_ bytes: Int, to hop: Path.Hop) {
    guard hop.bandwidth.value < .infinity else { return }
    seconds[hop.id.index] += Double(bytes) / hop.bandwidth.value
    // A later link must be slower by more than rounding to take the name.
    if seconds[hop.id.index] > most * (1 + 1e-9) {
      most = seconds[hop.id.index]
      busiest = hop.link
    }
  }
}

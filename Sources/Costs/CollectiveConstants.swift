import RealModule

/// How the chunks of a collective are packed on their way (NCCL's protocols).
public enum WireProtocol: String, Hashable, Sendable, CaseIterable {
  /// Words of 8 bytes, half of them flags: least latency, least rate.
  case lowLatency = "ll"
  /// Lines of 128 bytes, 8 of them flags.
  case lowLatency128 = "ll128"
  /// Whole chunks behind a fence: most latency, most rate.
  case simple
}

/// The constants of collectives on one kind of cluster, as NCCL carries them out.
///
/// The form is that of NCCL's own choice of algorithm and protocol (`src/graph/tuning.cc`): latency by
/// ranks and nodes plus bytes over rate. Added is what filling a pipeline of chunks costs: chunks grow
/// with the message up to a size, and so does what a deep pipeline waits for its first one. Rates are
/// shares of the links that the cluster describes, so that they follow a link that is thinner.
public struct CollectiveConstants: Hashable, Sendable {
  /// What a pipeline of chunks waits for until it is full.
  public struct Fill: Hashable, Sendable {
    /// Seconds at most, and the bytes of the message from which on it is that much.
    public var seconds: Double
    public var bytes: Double

    public init(seconds: Double, bytes: Double) {
      self.seconds = seconds
      self.bytes = bytes
    }

    /// Words with flags need no chunks.
    public static let none = Fill(seconds: 0, bytes: 1)

    /// Nothing for an empty message.
    func callAsFunction(_ message: Double) -> Double {
      bytes > 0 ? seconds * min(1, message / bytes) : seconds
    }
  }

  /// One protocol's ring inside a node.
  public struct Steps: Hashable, Sendable {
    /// Seconds of an empty collective, and of every step to the next rank.
    public var start: Double
    public var step: Double
    /// Share of a rank's link that it reaches.
    public var linkShare: Double
    public var fill: Fill
  }

  /// Sums that the switch inside a node forms (NVLS); between nodes they go along trees (NVLS-tree).
  public struct InSwitch: Hashable, Sendable {
    /// Ranks of a node from which on NCCL uses it.
    public var fromRanks: Int
    public var start: Double
    public var fill: Fill
    /// Share of a rank's link that it reaches inside one node, and beside trees between nodes.
    public var linkShare: Double
    public var linkShareAcross: Double
  }

  /// Double binary trees between nodes.
  public struct Trees: Hashable, Sendable {
    /// Seconds of a level up or down, by words with flags and by whole chunks.
    public var lowLatencyLevel: Double
    public var level: Double
    /// What a level adds as whole chunks fill it.
    public var fill: Fill
    /// Shares of an adapter that both reach.
    public var lowLatencyShare: Double
    public var networkShare: Double
  }

  /// Rings through all nodes.
  public struct Rings: Hashable, Sendable {
    /// Seconds of a step to another node, by protocol.
    public var lowLatencyHop: Double
    public var lowLatency128Hop: Double
    public var hop: Double
    /// Seconds that every step takes at least where a ring leaves its node.
    public var overhead: Double
    /// Share of an adapter that groups of whole nodes reach.
    public var networkShare: Double
    /// Channels, for each of its ranks on a node, of a group with fewer ranks on a node than it has; nil where
    /// rings are alike.
    public var partialNodeChannels: Int?
  }

  /// Messages straight to their destination.
  public struct Direct: Hashable, Sendable {
    /// Seconds beside the bytes, inside a node and between nodes.
    public var linkStart: Double
    public var networkStart: Double
    public var linkShare: Double
    public var networkShare: Double

    public init(
      linkStart: Double, networkStart: Double, linkShare: Double, networkShare: Double
    ) {
      self.linkStart = linkStart
      self.networkStart = networkStart
      self.linkShare = linkShare
      self.networkShare = networkShare
    }
  }

  /// All-to-alls: every rank sends to all others at once.
  ///
  /// Messages of few bytes go as words with flags, as NCCL's point-to-point messages do
  /// (`NCCL_P2P_LL_THRESHOLD`, 16 KiB).
  public struct Exchange: Hashable, Sendable {
    /// Bytes of one message up to which it goes as words with flags, seconds of an empty exchange of
    /// them, and bytes per second of each message.
    public var lowLatencyBytes: Double
    public var lowLatencyStart: Double
    public var lowLatencyRate: Double
    /// The same bytes inside a node, where a message may have several channels.
    public var lowLatencyBytesInside: Double
    /// Seconds of an exchange of larger messages beside its bytes, inside a node, and what its channels wait
    /// for until they are full.
    public var start: Double
    public var fill: Fill
    /// How messages inside a node spread over channels.
    public var channels: Channels
    /// Bytes a second at which a rank copies its own part, inside a node.
    public var ownRate: Double
    /// What an exchange between nodes starts later than one inside a node; nil for as much as a message does.
    public var networkStart: Double?
    public var linkShare: Double
    public var networkShare: Double
  }

  /// How the messages of an all-to-all spread over the channels that a rank has for all of them together.
  ///
  /// As NCCL does (`addP2pToPlan` in `src/enqueue.cc`): a message takes another channel for every so many bytes, until
  /// all are taken.
  public struct Channels: Hashable, Sendable {
    public var count: Double
    /// Bytes of a message for each of its channels; 0 where the smallest takes all.
    public var bytes: Double
    /// The same for words with flags; infinite where a message has one channel.
    public var lowLatencyBytes: Double

    /// Bytes through the fullest channel of messages of `part` bytes, `all` of a rank's together.
    func load(_ part: Double, of all: Double) -> Double { max(min(part, bytes), all / count) }

    func lowLatencyLoad(_ part: Double, of all: Double) -> Double {
      lowLatencyBytes.isFinite ? max(min(part, lowLatencyBytes), all / count) : part
    }
  }

  /// Nominal bytes per second and direction of a rank's link inside the node and of its way to others, and
  /// what was reached of them, the ceiling of every flow.
  public var linkBandwidth: Double
  public var linkReached: Double
  public var networkBandwidth: Double
  public var networkReached: Double
  /// Ranks that a whole node has.
  public var ranksOfNode: Int
  /// Seconds of a hop inside a node, and between nodes where a group does not say how far apart they are.
  public var linkLatency: Double
  public var networkLatency: Double
  /// The latencies of the links over which steps, levels and hops were measured.
  public var measuredLinkLatency: Double
  public var measuredNetworkLatency: Double
  public var lowLatency: Steps
  public var lowLatency128: Steps
  public var simple: Steps
  /// Two ranks reach less of their link than many, by half of this share.
  public var pairLoss: Double
  /// Nil where the node's switch adds nothing up.
  public var inSwitch: InSwitch?
  public var trees: Trees
  public var rings: Rings
  public var direct: Direct
  public var exchange: Exchange
  /// The power of half the nodes by which bytes and hops between them take longer; 0 where nodes do not
  /// wait for each other.
  public var straggling: Double
  /// Multiprocessors that gathers by rings, and all-to-alls, take by themselves.
  public var ringMultiprocessors: Int
  public var exchangeMultiprocessors: Int

  /// Seconds of a ring's step inside a node, which grows with its link's latency.
  func step(_ wire: WireProtocol) -> Double {
    steps(wire).step * linkLatency / measuredLinkLatency
  }

  /// Seconds that a hop between a group's nodes takes beyond those that were measured.
  func farther(_ group: CollectiveGroup) -> Double {
    (group.networkLatency ?? networkLatency) - measuredNetworkLatency
  }

  /// By how much longer a group's bytes and hops on the network take than those of two nodes.
  ///
  /// A collective ends with its slowest flow. Where flows are held up by others' traffic and their times
  /// have a heavy tail, the slowest of n takes a power of n times as long as a usual one (the largest of n
  /// values of a Pareto distribution grows with the inverse of its index; Embrechts, Kluppelberg and
  /// Mikosch, "Modelling Extremal Events", 1997, section 3.3).
  func waiting(_ group: CollectiveGroup) -> Double {
    Double.pow(Double(max(2, group.nodes)) / 2, straggling)
  }

  func steps(_ wire: WireProtocol) -> Steps {
    switch wire {
    case .lowLatency: lowLatency
    case .lowLatency128: lowLatency128
    case .simple: simple
    }
  }

  /// Whether a group between nodes has fewer ranks on each than the node has.
  private func isPartial(_ group: CollectiveGroup) -> Bool {
    group.nodes > 1 && group.ranksPerNode < ranksOfNode
  }

  /// Share of an adapter that a group's rings reach: in proportion to the channels that an adapter has, up to
  /// what trees reach of it.
  public func ringShare(_ group: CollectiveGroup) -> Double {
    guard isPartial(group), let channels = rings.partialNodeChannels else {
      return rings.networkShare
    }
    let whole = Double(ringMultiprocessors) / Double(ranksOfNode)
    let share = rings.networkShare * Double(channels) / whole
    return max(rings.networkShare, min(share, trees.networkShare))
  }

  /// Multiprocessors that a group's channels take of each rank.
  func channels(_ group: CollectiveGroup) -> Int {
    guard isPartial(group), let channels = rings.partialNodeChannels else {
      return ringMultiprocessors
    }
    return channels * group.ranksPerNode
  }

  /// Multiprocessors that channels may take of a rank whose group has no more than so many ranks on a node.
  func channels(ofRanksPerNode most: Int) -> Set<Int> {
    guard let channels = rings.partialNodeChannels else { return [ringMultiprocessors] }
    return Set((1...max(1, most)).map { $0 * channels }).union([ringMultiprocessors])
  }

  /// Seconds of a ring's step to another node of a group.
  func hop(_ wire: WireProtocol, _ group: CollectiveGroup) -> Double {
    let measured =
      switch wire {
      case .lowLatency: rings.lowLatencyHop
      case .lowLatency128: rings.lowLatency128Hop
      case .simple: rings.hop
      }
    return max(0, measured + farther(group))
  }

  /// Bytes per second of a rank's link at a share, and of its way to other nodes.
  public func linkRate(_ share: Double) -> Double { min(linkReached, linkBandwidth * share) }
  func networkRate(_ share: Double) -> Double { min(networkReached, networkBandwidth * share) }
}

/// How a router spreads its choices when every expert is as likely as any other.
public struct ExpertRouting: Hashable, Sendable {
  public var experts: Int
  public var expertsPerToken: Int
  /// Groups of consecutive experts; a token's experts lie in its best `groupsPerToken` groups.
  public var groups: Int
  public var groupsPerToken: Int
  /// A group's score is the sum of its best so many experts: two in DeepSeek-V3.
  public var scoredPerGroup: Int

  public init(
    experts: Int, expertsPerToken: Int, groups: Int = 1, groupsPerToken: Int = 1,
    scoredPerGroup: Int = 2
  ) {
    precondition(experts > 0 && expertsPerToken > 0, "A router chooses among experts.")
    precondition(groups > 0 && experts % groups == 0, "Groups must divide the experts.")
    precondition((1...groups).contains(groupsPerToken), "A token takes one to all groups.")
    precondition(
      expertsPerToken <= experts / groups * groupsPerToken, "The groups hold too few experts.")
    precondition(scoredPerGroup > 0, "A group's score needs an expert.")
    self.experts = experts
    self.expertsPerToken = expertsPerToken
    self.groups = groups
    self.groupsPerToken = groupsPerToken
    self.scoredPerGroup = min(scoredPerGroup, experts / groups)
  }

  /// DeepSeek-V3: 8 of 256 experts in the best 4 of 8 groups.
  public static let deepSeekV3 = ExpertRouting(
    experts: 256, expertsPerToken: 8, groups: 8, groupsPerToken: 4)

  /// The routing of DeepEP's benchmark: groups are nodes, a node's score is its best expert's.
  public static func deepEPBenchmark(nodes: Int) -> ExpertRouting {
    ExpertRouting(
      experts: 256, expertsPerToken: 8, groups: nodes, groupsPerToken: min(4, nodes),
      scoredPerGroup: 1)
  }
}

/// What one token reaches on average.
public struct ExpertReach: Hashable, Sendable {
  /// Distinct nodes that hold an expert of the token, its sender's own included.
  public var nodes: Double
  /// The share of `nodes` that is the sender's own.
  public var ownNodes: Double
  /// Distinct ranks that hold an expert of the token.
  public var ranks: Double

  public init(nodes: Double, ownNodes: Double, ranks: Double) {
    self.nodes = nodes
    self.ownNodes = ownNodes
    self.ranks = ranks
  }
}

extension ExpertRouting {
  /// Mean reach over an expert-parallel group whose ranks hold equal numbers of experts.
  ///
  /// Without groups the mean is exact; with groups it is that of 4,096 tokens with random scores
  /// from a fixed seed (standard error about 0.3 %), some milliseconds: keep the result.
  public func reach(ranks: Int, ranksPerNode: Int) -> ExpertReach {
    precondition(ranks > 0 && experts % ranks == 0, "Ranks must divide the experts.")
    let perNode = min(ranks, ranksPerNode)
    precondition(ranks % perNode == 0, "Ranks must fill their nodes.")
    let nodes = ranks / perNode
    if groupsPerToken == groups {
      let reached = Double(nodes) * hit(experts / nodes)
      return ExpertReach(
        nodes: reached, ownNodes: reached / Double(nodes),
        ranks: Double(ranks) * hit(experts / ranks))
    }
    return sampled(ranks: ranks, nodes: nodes)
  }

  /// Probability that a set of experts of this size holds one of the chosen.
  private func hit(_ size: Int) -> Double {
    var miss = 1.0
    for index in 0..<expertsPerToken {
      miss *= Double(max(0, experts - size - index)) / Double(experts - index)
    }
    return 1 - miss
  }

  private func sampled(ranks: Int, nodes: Int) -> ExpertReach {
    let tokens = 4_096
    var random = SplitMix(state: 0x5EED)
    var nodeHits = 0
    var rankHits = 0
    for _ in 0..<tokens {
      let chosen = choose(&random)
      nodeHits += distinct(chosen, perBin: experts / nodes)
      rankHits += distinct(chosen, perBin: experts / ranks)
    }
    let reached = Double(nodeHits) / Double(tokens)
    return ExpertReach(
      nodes: reached, ownNodes: reached / Double(nodes), ranks: Double(rankHits) / Double(tokens))
  }

  /// The experts of one token, in ascending order.
  private func choose(_ random: inout SplitMix) -> [Int] {
    let size = experts / groups
    let scores = (0..<experts).map { _ in Double(random.next() >> 11) }
    let groupScores = (0..<groups).map { group in
      scores[group * size..<(group + 1) * size].sorted(by: >).prefix(scoredPerGroup)
        .reduce(0, +)
    }
    let best = (0..<groups).sorted { groupScores[$0] > groupScores[$1] }.prefix(groupsPerToken)
    let allowed = best.flatMap { Array($0 * size..<($0 + 1) * size) }
    return allowed.sorted { scores[$0] > scores[$1] }.prefix(expertsPerToken).sorted()
  }

  private func distinct(_ ascending: [Int], perBin: Int) -> Int {
    var count = 0
    var last = -1
    for expert in ascending where expert / perBin != last {
      last = expert / perBin
      count += 1
    }
    return count
  }
}

/// The generator SplitMix64 of Steele, Lea and Flood (2014).
private struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }
}

import Quantities

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
  /// Without groups the mean is exact; with groups it is that of 1,024 tokens with random scores
  /// from a fixed seed (standard error about 0.2 %), and so it is with a limit on nodes that binds; it
  /// takes milliseconds, so keep the result.
  ///
  /// - Parameter nodesPerToken: the most nodes that a token's experts may lie on, beside what the groups
  ///   leave; it must leave enough experts (`fewestExperts`). Nodes are chosen by the sum of their best
  ///   scores, as many as each has to give: DeepSeek-V3 report, arXiv 2412.19437 section 2.1.2.
  public func reach(ranks: Int, ranksPerNode: Int, nodesPerToken: Int? = nil) -> ExpertReach {
    precondition(ranks > 0 && experts % ranks == 0, "Ranks must divide the experts.")
    let perNode = min(ranks, ranksPerNode)
    precondition(ranks % perNode == 0, "Ranks must fill their nodes.")
    let nodes = ranks / perNode
    if let limit = nodesPerToken, limit < mostNodes(of: nodes) {
      precondition(
        fewestExperts(on: limit, of: nodes) >= expertsPerToken, "Too few experts are left.")
      return sampled(ranks: ranks, nodes: nodes, limit: limit)
    }
    if groupsPerToken == groups {
      let reached = Double(nodes) * hit(experts / nodes)
      return ExpertReach(
        nodes: reached, ownNodes: reached / Double(nodes),
        ranks: Double(ranks) * hit(experts / ranks))
    }
    return sampled(ranks: ranks, nodes: nodes)
  }

  /// The most nodes that the experts of a token can lie on, by its groups and its choices alone.
  public func mostNodes(of nodes: Int) -> Int {
    // A group lies on one node, or spans several.
    let perGroup = max(1, (nodes + groups - 1) / groups)
    return min(nodes, expertsPerToken, groupsPerToken * perGroup)
  }

  /// The experts that a token finds at least on so many of the nodes that its groups leave it.
  public func fewestExperts(on limit: Int, of nodes: Int) -> Int {
    limit * (groupsPerToken == groups ? experts / nodes : min(experts / nodes, experts / groups))
  }

  /// Probability that a set of experts of this size holds one of the chosen.
  private func hit(_ size: Int) -> Double {
    var miss = 1.0
    for index in 0..<expertsPerToken {
      miss *= Double(max(0, experts - size - index)) / Double(experts - index)
    }
    return 1 - miss
  }

  private func sampled(ranks: Int, nodes: Int, limit: Int? = nil) -> ExpertReach {
    let tokens = 1_024
    var sampler = Sampler(self, nodes: limit.map { (count: nodes, limit: $0) })
    var nodeHits = 0
    var rankHits = 0
    for _ in 0..<tokens {
      sampler.chooseNext()
      nodeHits += sampler.distinct(perBin: experts / nodes)
      rankHits += sampler.distinct(perBin: experts / ranks)
    }
    let reached = Double(nodeHits) / Double(tokens)
    return ExpertReach(
      nodes: reached, ownNodes: reached / Double(nodes), ranks: Double(rankHits) / Double(tokens))
  }
}

/// Draws scores and keeps the chosen experts of one token; its buffers are reused.
private struct Sampler {
  private let routing: ExpertRouting
  private var random = SeededGenerator(seed: 0x5EED)
  private var scores: [UInt64]
  private var groupScores: [UInt64]
  private var groupIsTaken: [Bool]
  private let nodes: (count: Int, limit: Int)?
  /// The best experts so far, best first.
  private var best: [Int] = []

  /// - Parameter nodes: how many there are, and the most that a token may use; nil for all.
  init(_ routing: ExpertRouting, nodes: (count: Int, limit: Int)?) {
    self.routing = routing
    self.nodes = nodes
    scores = Array(repeating: 0, count: routing.experts)
    groupScores = Array(repeating: 0, count: routing.groups)
    groupIsTaken = Array(repeating: false, count: routing.groups)
  }

  /// Draws the scores of one token and chooses its experts.
  mutating func chooseNext() {
    let size = routing.experts / routing.groups
    for expert in scores.indices { scores[expert] = random.next() >> 12 }
    for group in groupScores.indices {
      groupScores[group] = groupScore(scores[group * size..<(group + 1) * size])
      groupIsTaken[group] = false
    }
    best.removeAll(keepingCapacity: true)
    for _ in 0..<routing.groupsPerToken { groupIsTaken[bestFreeGroup()] = true }
    let allowed = nodes.map { isOnBestNode(count: $0.count, limit: $0.limit, groupSize: size) }
    for expert in scores.indices where groupIsTaken[expert / size] && allowed?[expert] != false {
      keep(expert, atMost: routing.expertsPerToken)
    }
    best.sort()
  }

  /// Which experts lie on the best nodes, by the sum of as many scores as a node has to give.
  private func isOnBestNode(count: Int, limit: Int, groupSize: Int) -> [Bool] {
    let perNode = scores.count / count
    let wanted = max(1, routing.expertsPerToken / limit)
    let sums = (0..<count).map { node in
      (node * perNode..<(node + 1) * perNode).filter { groupIsTaken[$0 / groupSize] }
        .map { scores[$0] }.sorted(by: >).prefix(wanted).reduce(0, +)
    }
    let chosen = sums.indices.sorted { (sums[$1], $0) < (sums[$0], $1) }.prefix(limit)
    return scores.indices.map { chosen.contains($0 / perNode) }
  }

  /// The sum of a group's best scores, of which there are one or two in published routers.
  private mutating func groupScore(_ scores: ArraySlice<UInt64>) -> UInt64 {
    guard routing.scoredPerGroup <= 2 else {
      return scores.sorted(by: >).prefix(routing.scoredPerGroup).reduce(0, +)
    }
    var (first, second) = (UInt64(0), UInt64(0))
    for score in scores where score > second {
      if score > first { (first, second) = (score, first) } else { second = score }
    }
    return routing.scoredPerGroup == 1 ? first : first + second
  }

  /// Counts the bins of consecutive experts that the chosen ones fall into.
  func distinct(perBin: Int) -> Int {
    var count = 0
    var last = -1
    for expert in best where expert / perBin != last {
      last = expert / perBin
      count += 1
    }
    return count
  }

  private func bestFreeGroup() -> Int {
    var found = -1
    for group in groupScores.indices where !groupIsTaken[group] {
      if found < 0 || groupScores[group] > groupScores[found] { found = group }
    }
    return found
  }

  /// Inserts an expert into the best ones, unless enough of them score higher.
  private mutating func keep(_ expert: Int, atMost limit: Int) {
    let score = scores[expert]
    if best.count == limit {
      guard score > scores[best[limit - 1]] else { return }
      best.removeLast()
    }
    var place = best.count
    while place > 0 && scores[best[place - 1]] < score { place -= 1 }
    best.insert(expert, at: place)
  }
}

import Clusters
import Costs
import Models
import Plans

/// How a model's router and a plan's spread of experts over nodes limit where a token goes.
struct ExpertSpread {
  let routing: ExpertRouting
  /// Ranks of an expert group that lie in one node.
  let ranksPerNode: Int
  /// Nodes of an expert group.
  let nodes: Int

  /// Nil where every rank holds all experts.
  ///
  /// A copy of an expert counts as one more to choose from, in the group of its original; copies that do not
  /// share out evenly over groups count as so many as would.
  init?(_ architecture: Architecture, _ plan: Plan, _ cluster: Cluster) {
    guard let mixture = architecture.feedForwards.compactMap(\.mixture).first,
      plan.expertParallel > 1
    else { return nil }
    let copies = (plan.redundantExperts + mixture.groups - 1) / mixture.groups * mixture.groups
    routing = ExpertRouting(
      experts: mixture.routedExperts + copies,
      expertsPerToken: mixture.expertsPerToken,
      groups: mixture.groups, groupsPerToken: mixture.groupsPerToken,
      scoredPerGroup: mixture.groupScore == .sumOfTopTwo ? 2 : 1)
    let most = min(plan.expertParallel, plan.expertRanksPerNode(on: cluster))
    // A group that fills no whole number of nodes is spread evenly over one more.
    ranksPerNode = (1...most).last { plan.expertParallel % $0 == 0 } ?? 1
    nodes = plan.expertParallel / ranksPerNode
  }

  /// The most nodes that a token goes to without the plan's limit.
  var mostNodes: Int { routing.mostNodes(of: nodes) }

  /// Refuses a limit on nodes that leaves a token too few experts.
  func check(_ plan: Plan) throws(PlanError) {
    guard let limit = plan.nodesPerToken, limit < mostNodes else { return }
    let left = routing.fewestExperts(on: limit, of: nodes)
    guard left >= routing.expertsPerToken else {
      throw .cannotSimulate(
        key: "nodes-per-token", value: "\(limit)",
        rule: "leaves a token \(left) experts, and it chooses \(routing.expertsPerToken)")
    }
  }
}

extension Plan {
  /// Refuses a limit on nodes that leaves a token too few experts.
  package func checkExpertSpread(
    of architecture: Architecture, on cluster: Cluster
  ) throws(PlanError) {
    try ExpertSpread(architecture, self, cluster)?.check(self)
  }

  /// The dispatcher that the plan has for a model on a cluster: its own, or the usual one.
  package func dispatcher(for architecture: Architecture, on cluster: Cluster) -> Dispatcher {
    let most = ExpertSpread(architecture, self, cluster)?.mostNodes ?? 1
    return dispatcher(for: architecture, limitActs: nodesPerToken.map { $0 < most } ?? false)
  }

  /// Ranks of one expert group that a node has room for, beside those that share their experts.
  func expertRanksPerNode(on cluster: Cluster) -> Int {
    max(1, cluster.node.devices.value / expertTensorParallel)
  }
}

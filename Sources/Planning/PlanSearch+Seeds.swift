import Plans

/// Plans with which the search of a large space begins: without good ones nothing of it can be left out.
extension PlanSearch {
  /// Entries of a large space that are looked at in vain before its search ends without proof.
  static let patience = 2_000
  /// Simulations of each part that is searched first.
  private static let fewSimulations = 100
  /// Degrees whose plans are all looked at.
  private static let fewDegrees = 4

  /// The best plans of a coarse part of the space, then of all plans with the degrees of the best of these.
  ///
  /// - Returns: plans of the space, and how many simulations they took.
  func seeds(ofSize size: Int) throws -> (plans: [SearchPlan], simulations: Int) {
    var (seeds, simulations) = try searched(space.coarse, from: [], size, simulations: 0)
    for degrees in distinct(seeds.map(\.plan.degrees)).prefix(Self.fewDegrees) {
      let found = try searched(
        space.part(with: degrees), from: seeds, size, simulations: simulations)
      simulations += found.simulations
      seeds = found.plans
    }
    return (seeds, simulations)
  }

  /// The best plans of a part of the space and of those that are known.
  private func searched(
    _ part: SearchSpace, from seeds: [SearchPlan], _ size: Int, simulations: Int
  ) throws -> (plans: [SearchPlan], simulations: Int) {
    var request = request
    request.against = nil
    request.mostSimulations = min(Self.fewSimulations, request.mostSimulations ?? .max)
    request.patience = Self.patience
    if let progress = request.progress {
      request.progress = { part in
        progress(
          SearchProgress(
            size: size, open: size, simulations: simulations + part.simulations, best: part.best,
            bound: nil))
      }
    }
    let outcome = try PlanSearch(part, for: architecture, on: cluster, request: request)
      .searched(seeds, request)
    return (outcome.plans, outcome.simulations)
  }
}

/// The degrees of a plan.
struct PlanDegrees: Hashable {
  var tensor: Int
  var context: Int
  var pipeline: Int
  var expert: Int
  var expertTensor: Int
  var microbatch: Int
}

extension Plan {
  var degrees: PlanDegrees {
    PlanDegrees(
      tensor: tensorParallel, context: contextParallel, pipeline: pipelineParallel,
      expert: expertParallel, expertTensor: expertTensorParallel, microbatch: microbatchSize)
  }
}

extension SearchSpace {
  /// The part with one alternative of what changes a step least, and has most alternatives.
  var coarse: SearchSpace {
    var part = self
    part.dispatchers = Array(dispatchers.prefix(1))
    part.communicationSMs = Array(communicationSMs.dropFirst(communicationSMs.count / 2).prefix(1))
    part.tensorExchanges = Array(tensorExchanges.prefix(1))
    part.recomputedLayers = recomputedLayers ?? []
    part.shardingGroups = shardingGroups.map { Array($0.prefix(1)) } ?? [nil]
    return part
  }

  /// The part with these degrees.
  func part(with degrees: PlanDegrees) -> SearchSpace {
    var part = self
    part.tensorParallel = [degrees.tensor]
    part.contextParallel = [degrees.context]
    part.pipelineParallel = [degrees.pipeline]
    part.expertParallel = [degrees.expert]
    part.expertTensorParallel = [degrees.expertTensor]
    part.microbatchSizes = [degrees.microbatch]
    return part
  }
}

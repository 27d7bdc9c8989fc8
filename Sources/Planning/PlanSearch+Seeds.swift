import Plans

/// Plans with which the search of a large space begins: without good ones nothing of it can be left out.
extension PlanSearch {
  /// Entries of a large space that are looked at in vain before its search ends without proof.
  static let patience = 1_000
  /// Simulations of each part that is searched first.
  private static let fewSimulations = 100
  /// Degrees whose plans are all looked at.
  private static let fewDegrees = 4

  /// Plans that are known, and how many simulations they took.
  struct Seeds {
    var plans: [SearchPlan] = []
    var simulations = 0
    var evenSimulations = 0
  }

  /// The best plans of a coarse part of the space, then of all plans with the degrees of the best of these.
  func seeds(ofSize size: Int) throws -> Seeds {
    var seeds = Seeds()
    try search(space.coarse, size, &seeds)
    for degrees in distinct(seeds.plans.map(\.plan.degrees)).prefix(Self.fewDegrees) {
      try search(space.part(with: degrees), size, &seeds)
    }
    return seeds
  }

  /// The best plans of a part of the space and of those that are known.
  private func search(_ part: SearchSpace, _ size: Int, _ seeds: inout Seeds) throws {
    var request = request
    request.against = nil
    request.opensFamiliesAtOnce = true
    request.mostSimulations = min(Self.fewSimulations, request.mostSimulations ?? .max)
    request.patience = request.patience ?? Self.patience
    if let progress = request.progress {
      let before = seeds.simulations
      request.progress = { part in
        progress(
          SearchProgress(
            size: size, open: size, simulations: before + part.simulations, best: part.best,
            bound: nil))
      }
    }
    let outcome = try PlanSearch(part, of: self, request).searched(seeds.plans, request)
    seeds.plans = outcome.plans
    seeds.simulations += outcome.simulations
    seeds.evenSimulations += outcome.evenSimulations
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

import Plans

/// Plans with which the search of a space goes on whose proof is far off: without good ones nothing of it can be
/// left out.
extension PlanSearch {
  /// Entries of a large space that are looked at in vain before its search ends without proof.
  static let patience = 1_000
  /// Those of the part that is searched thoroughly.
  private static let thoroughPatience = 4_000
  /// Simulations of each part that is searched first.
  private static let fewSimulations = 100
  /// Degrees whose plans are all looked at.
  private static let fewDegrees = 6

  /// Plans that are known, and how many simulations they took.
  struct Seeds {
    var plans: [SearchPlan] = []
    var simulations = 0
    var evenSimulations = 0
  }

  /// The best plans of a coarse part of the space and of those that are known, then of all plans with the degrees of
  /// the best one, with those of the best one that has others, and so on; with the best degrees thoroughly at last.
  func seeds(from plans: [SearchPlan], ofSize size: Int) -> Seeds {
    var seeds = Seeds(plans: plans)
    var best: [PlanDegrees: Double] = [:]
    func search(_ part: SearchSpace, isThorough: Bool = false) {
      let found = self.search(part, size, &seeds, isThorough: isThorough)
      best.merge(found.bestOfDegrees, uniquingKeysWith: min)
    }
    search(space.coarse)
    var done: Set<PlanDegrees> = []
    for _ in 0..<Self.fewDegrees {
      let next = best.filter { !done.contains($0.key) }
        .min { ($0.value, $0.key) < ($1.value, $1.key) }
      guard let degrees = next?.key else { break }
      done.insert(degrees)
      search(space.part(with: degrees))
    }
    if let degrees = seeds.plans.first?.plan.degrees {
      search(space.part(with: degrees), isThorough: true)
    }
    return seeds
  }

  /// The best plans of the space that have the settings of a plan, under the conditions of all.
  func seeds(alike plan: Plan, ofSize size: Int) -> Seeds {
    var seeds = Seeds()
    guard let part = space.part(alike: plan) else { return seeds }
    _ = search(part, size, &seeds, most: Self.fewSimulations)
    return seeds
  }

  /// The best plans of a part of the space and of those that are known.
  ///
  /// - Parameter most: simulations; nil for as many as a part has in a search that makes as many itself.
  private func search(
    _ part: SearchSpace, _ size: Int, _ seeds: inout Seeds, most: Int? = nil,
    isThorough: Bool = false
  ) -> SearchOutcome {
    var request = request
    request.against = nil
    request.count = request.sought
    request.opensFamiliesAtOnce = true
    request.mostSimulations = most ?? min(Self.fewSimulations, request.mostSimulations ?? .max)
    request.isThorough = isThorough
    request.patience = request.patience ?? (isThorough ? Self.thoroughPatience : Self.patience)
    if let progress = request.progress {
      let before = seeds.simulations
      request.progress = { part in
        progress(
          SearchProgress(
            size: size, open: size, simulations: before + part.simulations, best: part.best,
            bound: nil))
      }
    }
    let outcome = PlanSearch(part, of: self, request).searched(seeds.plans, request)
    seeds.plans = outcome.plans
    seeds.simulations += outcome.simulations
    seeds.evenSimulations += outcome.evenSimulations
    return outcome
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

extension PlanDegrees: Comparable {
  private var values: [Int] { [tensor, context, pipeline, expert, expertTensor, microbatch] }

  static func < (left: PlanDegrees, right: PlanDegrees) -> Bool {
    left.values.lexicographicallyPrecedes(right.values)
  }
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
    // The last one of the usual grid hides most, but cuts what only a sequence that is divided can be cut into.
    let mayCut = sequenceParallel.contains(true) && bases.allSatisfy { $0.lora == nil }
    part.tensorExchanges = Array(
      mayCut ? tensorExchanges.suffix(1) : tensorExchanges.prefix(1))
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
  /// The part with the settings of a plan; nil where its degrees are not the grid's.
  ///
  /// What has several spellings or means nothing beside other settings is as the grid has it, so that no plan is
  /// met twice.
  func part(alike plan: Plan) -> SearchSpace? {
    guard dataParallel?.contains(plan.dataParallel) ?? true,
      expertTensorParallel?.contains(plan.expertTensorParallel)
        ?? [1, plan.tensorParallel].contains(plan.expertTensorParallel)
    else { return nil }
    var part = part(with: plan.degrees)
    if plan.pipelineParallel > 1 { part.list(.schedule, of: [plan]) }
    if plan.recomputation.firstLayers == nil {
      part.list(.recompute, of: [plan])
      part.recomputedLayers = []
    } else {
      part.recomputations = []
      part.list(.recomputedLayers, of: [plan])
    }
    if plan.tensorParallel > 1 {
      part.list(.sequenceParallel, of: [plan])
      part.tensorExchanges = [plan.overlap.tensorExchange ?? .no]
    }
    if plan.dispatcher != nil { part.list(.dispatcher, of: [plan]) }
    if plan.communicationSMs != nil { part.list(.communicationSMs, of: [plan]) }
    return part
  }
}

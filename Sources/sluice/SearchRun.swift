import Clusters
import Documents
import Foundation
import Models
import Planning
import Plans
import Quantities
import Reports
import Simulation

/// The searches that a command asks for, one for each number of GPUs.
struct SearchRun {
  let architecture: Architecture
  let cluster: Cluster
  let place: PlaceOptions
  let settings: SearchSettings
  var request: PlanSearch.Request
  var against: String?
  /// What plans have to keep to; nil for nothing but memory.
  var limits: SearchLimits?
  var price: Double?
  var tokens: Double?
  /// Whether constants are moved to see what changes the first plan.
  var doubts = true
  /// What measured runs have taught; nil where none were asked for.
  var learned: AnchorOptions.Learned?

  /// Searches the plans of so many GPUs.
  func figures(_ devices: Int) throws -> SearchFigures {
    try cluster.refuseProcessors()
    var space = try SearchSpace(settings, devices: devices, for: architecture, on: cluster)
    var request = request
    if let against {
      let plan = try place.read(against, world: .devices(devices))
      try checkComparable(plan, named: against, with: space.bases, on: devices)
      space.include(plan)
      request.against = plan
    }
    let perSteps = Set(space.bases.map { $0.globalBatch * $0.sequenceLength })
    let longest = try limits?.longestStep(
      tokens: tokens, price: price ?? cluster.price?.value ?? 2, devices: devices,
      perStep: perSteps.max() ?? 1)
    guard longest == nil || perSteps.count == 1 else {
      throw CommandError("--deadline and --budget need one global batch and one sequence length")
    }
    request.longestStep = longest
    let start = ContinuousClock.now
    if isatty(2) == 1 { request.progress = progress(devices, from: start) }
    let outcome = try PlanSearch(space, for: architecture, on: cluster, request: request).run()
    if isatty(2) == 1 { note("\r\u{1B}[K") }
    let changes = doubts && !outcome.isInterrupted ? changes(outcome) : nil
    let foreseen = try learned.map { try predictions(outcome.plans, $0) }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    var figures = try SearchFigures(
      outcome, of: space, for: architecture, on: cluster, inputs(), objective: request.objective,
      limit: request.memoryLimit ?? 0, price: price, tokens: tokens, changes: changes,
      seconds: seconds, threads: request.threads)
    if let learned, let foreseen {
      figures.anchor(learned.model, learned.anchors, foreseen)
    }
    return figures
  }

  /// Refuses to hold plans against one whose step does other work, or on another number of GPUs.
  private func checkComparable(
    _ plan: Plan, named name: String, with bases: [Plan], on devices: Int
  ) throws(CommandError) {
    func refuse(_ key: String, _ own: Int, _ others: [Int]) -> CommandError {
      CommandError(
        "--against \(name): has \(key) \(own) where the plans of this search have "
          + others.map { "\($0)" }.joined(separator: ", ") + ": their steps are not comparable")
    }
    guard plan.worldSize == devices else { throw refuse("ranks", plan.worldSize, [devices]) }
    let batches = distinct(bases.map(\.globalBatch))
    guard batches.contains(plan.globalBatch) else {
      throw refuse("global-batch", plan.globalBatch, batches)
    }
    let lengths = distinct(bases.map(\.sequenceLength))
    guard lengths.contains(plan.sequenceLength) else {
      throw refuse("sequence-length", plan.sequenceLength, lengths)
    }
  }

  /// What plans will take by what was measured of others.
  private func predictions(
    _ plans: [SearchPlan], _ learned: AnchorOptions.Learned
  ) throws -> [SearchFigures.Prediction] {
    let hosts = try AnchorOptions.slowHosts(place)
    let (architecture, cluster) = (architecture, cluster)
    @Sendable func prediction(_ found: SearchPlan) throws -> SearchFigures.Prediction {
      let step = try PlannedStep(architecture: architecture, cluster: cluster, plan: found.plan)
      let sensitivity = try AnchorOptions.sensitivity(
        of: step, found.plan, architecture, hosts: hosts)
      return SearchFigures.Prediction(
        learned.model.predicted(sensitivity, layout: learned.layout(of: step.placed.plan)),
        memoryBytes: learned.memory(of: AnchorOptions.held(found.report)))
    }
    let predictions = parallelMap(plans, threads: request.threads) { found in
      Result { try prediction(found) }
    }
    return try predictions.map { try $0.get() }
  }

  private func inputs() -> Inputs {
    Inputs(
      model: .init(
        name: architecture.name, given: place.model, overrides: place.own("model")),
      cluster: .init(cluster, given: place.cluster, overrides: place.own("cluster")))
  }

  /// How far a search is, on one line.
  private func progress(
    _ devices: Int, from start: ContinuousClock.Instant
  ) -> @Sendable (SearchProgress) -> Void {
    let most = request.mostSimulations
    return { progress in
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      let share = 1 - Double(progress.open) / Double(max(1, progress.size))
      var text =
        "\r\u{1B}[K\(devices) GPUs: \(grouped(progress.size)) plans, "
        + "\(fixed(share * 100, decimals: 0)) % decided, \(progress.simulations) simulated"
      if let best = progress.best { text += "; best \(fixed(best, decimals: 3)) s" }
      if let bound = progress.bound { text += ", none below \(fixed(bound, decimals: 3))" }
      if let most, progress.simulations > 0 {
        let left = Double(most - progress.simulations) * seconds / Double(progress.simulations)
        text += "; \(fixed(max(0, left), decimals: 0)) s left at most"
      }
      note(text)
    }
  }

  /// Constants that make another of the first plans the best.
  private func changes(_ outcome: SearchOutcome) -> [WinnerChange] {
    let plans = Array(outcome.plans.prefix(4))
    guard request.objective != .memory, plans.count > 1 else { return [] }
    let facts = cluster.facts
    let (name, overrides) = (place.cluster, place.own("cluster"))
    let doubt = SearchDoubt(plans, of: architecture, threads: request.threads) { key, factor in
      guard let fact = facts.first(where: { $0.path == key }),
        let value = scaled(fact.exact, by: factor)
      else { return nil }
      return try? Cluster.named(name, overrides: overrides + ["\(key)=\(value)"])
    }
    let hasExperts = plans.contains { $0.plan.expertParallel > 1 }
    return doubt.changes(
      UncertainConstant.all.filter { hasExperts || !$0.key.hasPrefix("node.exchange.") })
  }
}

/// A value with its unit, multiplied: `160 GB/s` by a half is `80.0 GB/s`.
func scaled(_ value: String, by factor: Double) -> String? {
  let parts = value.split(separator: " ", maxSplits: 1)
  guard let first = parts.first, let number = Double(first) else { return nil }
  return "\(number * factor)" + (parts.count > 1 ? " \(parts[1])" : "")
}

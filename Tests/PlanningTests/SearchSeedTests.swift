import Clusters
import Documents
import Models
import Planning
import Plans
import Synchronization
import Testing

/// Searches that may end without proof: what leads them, and what they begin with.
@Suite struct SearchSeedTests {
  /// The search of a case, with the values of a plan that others are held against.
  private func searched(
    _ item: PlanSearchTests.Case, _ request: PlanSearch.Request
  ) throws -> SearchOutcome {
    let cluster = try Cluster.named(item.cluster)
    var space = try item.space(on: cluster)
    if let against = request.against { space.include(against) }
    return try PlanSearch(space, for: item.architecture, on: cluster, request: request).run()
  }

  /// What is left for the proof alone is looked at several at once, so that no thread waits for another one's
  /// simulation.
  @Test func aProofLooksAtSeveralAtOnce() throws {
    let item = PlanSearchTests.cases[0]
    let counts = Mutex<[Int]>([0])
    var request = PlanSearch.Request()
    request.count = 1
    request.mostSimulations = nil
    request.progress = { progress in counts.withLock { $0.append(progress.simulations) } }
    let outcome = try searched(item, request)
    #expect(outcome.leastOpen == nil)
    let all = counts.withLock { $0 }
    let rounds = zip(all.dropFirst(), all).map { $0 - $1 }.filter { $0 > 0 }
    #expect(rounds.count(where: { $0 == 1 }) * 2 < rounds.count, "\(rounds)")
  }

  /// How many plans are wanted does not decide which are found: a shorter list is the beginning of a longer one.
  @Test func theCountDoesNotLead() throws {
    let model = try Architecture.named("mixtral-8x7b")
    var settings = SearchSettings()
    (settings.globalBatch, settings.sequenceLength) = (128, 4096)
    settings.listed = ["microbatch-size=1", "communication-sms=20"]
    let cluster = try Cluster.named("h100-2048")
    let space = try SearchSpace(settings, devices: 16, for: model, on: cluster)
    var request = PlanSearch.Request()
    request.threads = 2
    func plans(_ count: Int) throws -> [String] {
      request.count = count
      let outcome = try PlanSearch(space, for: model, on: cluster, request: request).run()
      #expect(outcome.leastOpen != nil, "Else it proves what it names, and nothing leads it.")
      return outcome.plans.map(\.plan.yaml)
    }
    let ten = try plans(10)
    #expect(ten.count == 10)
    #expect(try plans(1) == Array(ten.prefix(1)))
  }

  /// A whole grid names a plan that is as good as what a framework's part of it names, within what ends a search.
  ///
  /// Without seeds it looked at 150,000 bounds, simulated 31 plans and named one of 5.89 s where the part has one of
  /// 5.50 s.
  @Test func aGridIsNoWorseThanItsPart() throws {
    let model = try Architecture.named("mixtral-8x7b")
    let cluster = try Cluster.named("h100-2048")
    func best(_ framework: SearchFramework) throws -> Double {
      var settings = SearchSettings()
      (settings.globalBatch, settings.sequenceLength) = (128, 4096)
      settings.framework = framework
      settings.listed = ["microbatch-size=1", "communication-sms=20"]
      var request = PlanSearch.Request()
      request.threads = 2
      let outcome = try PlanSearch(
        try SearchSpace(settings, devices: 16, for: model, on: cluster), for: model, on: cluster,
        request: request
      ).run()
      return try #require(outcome.plans.first).report.stepSeconds
    }
    let (whole, part) = (try best(.any), try best(.megatron))
    #expect(whole < 1.005 * part, "\(whole) against \(part)")
  }

  /// A plan that others are held against is among those that are found, where the grid's conditions are its own.
  @Test func whatIsHeldAgainstIsFound() throws {
    let item = PlanSearchTests.cases[0]
    var request = PlanSearch.Request()
    let whole = try searched(item, request)
    request.against = try #require(whole.plans.first).plan
    request.mostSimulations = 0
    let known = try searched(item, request)
    #expect(known.plans.first?.plan == whole.plans[0].plan)
    #expect(known.against?.plan.report.stepSeconds == whole.plans[0].report.stepSeconds)
    #expect(known.counts.bounded >= 0)
    #expect(Set(known.plans.map(\.plan)).count == known.plans.count)
  }

  /// A plan that is not spelt as the grid has it adds nothing twice.
  @Test func otherSpellingsAreNotListedTwice() throws {
    let item = PlanSearchTests.cases[1]
    var request = PlanSearch.Request()
    let whole = try searched(item, request)
    let best = whole.plans[0].plan
    var spelt = best
    spelt.layout = .units(try best.stageLayout(of: item.architecture).stages.map(\.count))
    for plan in [spelt, best] {
      request.against = plan
      let found = try searched(item, request)
      #expect(found.counts.bounded >= 0)
      let layouts = try found.plans.map { found in
        var plan = found.plan
        plan.layout = .units(try plan.stageLayout(of: item.architecture).stages.map(\.count))
        plan.name = ""
        return plan
      }
      #expect(Set(layouts).count == layouts.count)
      #expect(found.plans.map(\.report.stepSeconds) == whole.plans.map(\.report.stepSeconds))
    }
  }

  /// Without proof in reach seeds are looked for, and simulations of theirs are counted.
  @Test func nothingEndsUnprovenWithoutSeeds() throws {
    let item = PlanSearchTests.cases[1]
    var request = PlanSearch.Request()
    let whole = try searched(item, request)
    #expect(whole.leastOpen == nil)
    request.mostSimulations = 3
    let some = try searched(item, request)
    #expect(some.simulations > 3)
    let best = try #require(some.plans.first).report.stepSeconds
    #expect(best < 1.05 * whole.plans[0].report.stepSeconds)
  }

  /// Plans that differ in what a listed condition has alone have names of their own, which plan files hold.
  @Test func conditionsThatAreListedAreInNames() throws {
    let item = PlanSearchTests.cases[1]
    let cluster = try Cluster.named(item.cluster)
    var settings = item.settings
    settings.listed += [
      "execution=fused,eager", "tensor-parallel=1", "layers-per-stage=even",
      "microbatch-size=1", "context-parallel=1",
    ]
    let space = try SearchSpace(settings, devices: 8, for: item.architecture, on: cluster)
    var request = PlanSearch.Request()
    request.count = 1000
    request.mostSimulations = nil
    let plans = try PlanSearch(
      space, for: item.architecture, on: cluster, request: request
    ).run().plans.map(\.plan)
    #expect(plans.count > 10 && Set(plans.map(\.name)).count == plans.count)
    for plan in plans {
      #expect(plan.name.hasSuffix(" execution eager") == (plan.execution == .eager), "\(plan.name)")
      #expect(try Plan.read(Document(text: plan.yaml, name: "found"), name: "found") == plan)
    }
  }
}

import Models
import Plans
import Programs
import Simulation
import Testing

/// Hot experts in two places: who holds what, and who computes how much.
@Suite struct RedundantExpertTests {
  /// 8 experts over 4 ranks, one of them five times as hot as the others.
  static let hot = [5, 1, 1, 1, 1, 1, 1, 1].map { $0 * 100 }

  /// Rows of experts of each of the four places, in the first layer.
  private func rows(_ counts: [Int]?, redundant: Int) throws -> [Int] {
    let step = try ExpertCountsTests.step(counts, ["redundant-experts=\(redundant)"])
    return (0..<4).map { place in
      step.input.rankRows?[rank: place, stage: 0, microbatch: 0]?.routed[0]
        ?? step.input.balancedRows[0].routed[0]
    }
  }

  /// By hand, in half choices: the ten of the hot expert are five on two ranks each; four experts of two and
  /// six halves of one fill what is left of three places a rank, least loaded first: 7, 7, 5, 5.
  @Test func rowsAreSplitOverCopies() throws {
    let tokens = 2048 * 2 * 4
    let plain = try rows(Self.hot, redundant: 0)
    #expect(plain.reduce(0, +) == tokens)
    #expect(plain[0] == Int((Double(tokens) / 2).rounded()))
    let doubled = try rows(Self.hot, redundant: 4)
    #expect(doubled.reduce(0, +) == tokens)
    #expect(doubled[0] == Int((Double(tokens) * 7 / 24).rounded()))
    #expect(doubled[0] == doubled[1] && doubled[2] == doubled[3] && doubled[2] < doubled[0])
    #expect(try rows(nil, redundant: 4) == rows(nil, redundant: 0))
  }

  /// With copies the hottest rank has less to compute, and the step is over sooner.
  @Test func copiesLevelTheLoad() throws {
    let most = try [0, 4].map { try rows(Self.hot, redundant: $0).max() ?? 0 }
    #expect(most[1] < most[0])
    let steps = try [0, 4].map { redundant in
      try ExpertCountsTests.step(Self.hot, ["redundant-experts=\(redundant)"]).simulation.run().step
    }
    #expect(steps[1] < steps[0])
  }

  /// A rank holds places, not experts: parameters, gradients and optimizer state of copies too, router and
  /// model as ever.
  @Test func copiesAreHeld() throws {
    let plans = try [0, 4, 8].map {
      try ExpertCountsTests.step(nil, ["redundant-experts=\($0)"])
    }
    for (plan, places) in zip(plans, [2, 3, 4]) {
      let parameters = plan.input.stages[0].parameters.filter(\.isExpert)
      // Gate, up and down of Mixtral's experts, 16 layers on a stage.
      let elements = parameters.reduce(0) { $0 + $1.elements }
      #expect(elements == 16 * places * 3 * 4096 * 14336)
      let router = plan.input.stages[0].parameters.first { $0.roles == [.router] }
      #expect(router?.rows == 8)
    }
    let peaks = plans.map { $0.simulation.run().ranks[0].memory.peak }
    #expect(peaks[0] < peaks[1] && peaks[1] < peaks[2])
    #expect(
      plans[1].assumptions.contains {
        $0.hasPrefix("4 copies of experts whose gradients are not added")
      })
  }

  /// Copies act where counts say who is hot; elsewhere the page says that they level nothing.
  @Test func copiesLevelWhatCountsSay() throws {
    func says(_ counts: [Int]?, _ more: [String]) throws -> Bool {
      try ExpertCountsTests.step(counts, ["redundant-experts=4"] + more).assumptions
        .contains { $0.hasPrefix("redundant-experts level nothing") }
    }
    #expect(try !says(Self.hot, []))
    #expect(try says(nil, []))
    #expect(try says(nil, ["expert-load={deviation: 0.3}"]))
  }

  /// Experts and copies together divide among ranks.
  @Test func placesDivideAmongRanks() throws {
    func refusal(_ expert: Int, _ redundant: Int) throws -> String? {
      var plan = try Plan.read(
        .init(text: ExpertCountsTests.text, name: "plan"), name: "plan",
        overrides: ["data-parallel=24", "global-batch=96"])
      (plan.expertParallel, plan.redundantExperts) = (expert, redundant)
      do {
        _ = try plan.validated(for: .named("mixtral-8x7b"))
        return nil
      } catch { return "\(error)" }
    }
    #expect(try refusal(3, 0)?.contains("expert-parallel 3 does not divide") == true)
    #expect(try refusal(3, 1) == nil)
    #expect(try refusal(12, 4) == nil)
    #expect(try refusal(4, 2)?.contains("routed experts and redundant-experts together") == true)
    #expect(try refusal(4, 12)?.contains("each of the 8 routed experts has one copy") == true)
    #expect(try refusal(1, 4)?.contains("every rank has all experts") == true)
    let dense = try #require(throws: PlanError.self) {
      _ = try Plan.read(
        .init(text: "global-batch: 1\nsequence-length: 8\nredundant-experts: 1", name: "plan"),
        name: "plan"
      ).validated(for: .named("llama-3.1-8b"))
    }
    #expect("\(dense)".contains("redundant-experts needs a model with routed experts"))
    let grouped = try #require(throws: PlanError.self) {
      _ = try Plan.named("deepseek-v3", overrides: ["redundant-experts=4"])
        .validated(for: .named("deepseek-v3"))
    }
    #expect("\(grouped)".contains("does not divide among the router's 8 groups"))
  }
}

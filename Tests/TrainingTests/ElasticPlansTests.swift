import Plans
import Runs
import TestSupport
import Testing
import Training

/// Which plan a run takes on the ranks that are left.
@Suite struct ElasticPlansTests: SmallRuns {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  private func run(_ plan: String, _ model: String = "gpt2-tiny") throws -> RunFile {
    try run([
      "gpt2-tiny": model, "plan: {global-batch: 2, ": "plan: {\(plan), ",
    ])
  }

  private func degrees(_ plans: ElasticPlans, _ ranks: Int) -> [Int]? {
    plans.choice(for: ranks).map { [$0.dataParallel, $0.pipelineParallel, $0.expertParallel] }
  }

  /// As many data ranks as the batch admits; those beyond wait.
  @Test func dataRanksGoFirst() throws {
    let plans = ElasticPlans([try run("data-parallel: 6, global-batch: 12")], minimum: 2)
    #expect((0...8).map { degrees(plans, $0)?[0] } == [nil, nil, 2, 3, 4, 4, 6, 6, 6])
    #expect(plans.choice(for: 5)?.ranks == 4)
    // The least number that all four divide, and the twelve microbatches are divided by.
    #expect((2...6).allSatisfy { plans.choice(for: $0)?.gradientLanes == 12 })
    #expect(plans.keepsBits && plans.all == 6)
    #expect(
      plans.choice(for: 3)?.overrides == [
        "plan.data-parallel=3", "plan.pipeline-parallel=1", "plan.expert-parallel=1",
        "plan.gradient-lanes=12",
      ])
  }

  /// The batch of every step has to divide, those of a ramp too.
  @Test func numbersThatAdmitNoPlanArePassedOver() throws {
    let plans = ElasticPlans([try run("data-parallel: 4, global-batch: 8")], minimum: 1)
    #expect((1...4).map { degrees(plans, $0)?[0] } == [1, 2, 2, 4])
    #expect(plans.choice(for: 3)?.gradientLanes == 4)
    let none = ElasticPlans([try run("data-parallel: 4, global-batch: 8")], minimum: 3)
    #expect(none.choice(for: 3) == nil && none.choice(for: 4) != nil)
  }

  /// Lanes that the plan names stay, and choices that do not suit them are none.
  @Test func lanesOfThePlanStay() throws {
    let text = "data-parallel: 4, global-batch: 12, gradient-lanes: 4"
    let plans = ElasticPlans([try run(text)], minimum: 1)
    #expect((1...4).map { degrees(plans, $0)?[0] } == [1, 2, 2, 4])
    #expect((1...4).allSatisfy { plans.choice(for: $0)?.gradientLanes == nil })
    #expect(plans.keepsBits)
  }

  /// The pipeline stays as it is while any number of data ranks admits that.
  @Test func pipelinesShrinkLast() throws {
    let text = "data-parallel: 2, pipeline-parallel: 2, global-batch: 4"
    let plans = ElasticPlans([try run(text)], minimum: 1)
    #expect((1...4).map { degrees(plans, $0) } == [[1, 1, 1], [1, 2, 1], [1, 2, 1], [2, 2, 1]])
    // Directions of DualPipe are copies too: lanes for 3, 2 and 1 times two.
    let dual = try run(
      "data-parallel: 3, pipeline-parallel: 2, global-batch: 24, schedule: dualpipe")
    let choices = ElasticPlans([dual], minimum: 2)
    #expect(choices.choice(for: 5)?.ranks == 4 && choices.choice(for: 3)?.ranks == 2)
    #expect(choices.choice(for: 6)?.gradientLanes == 12)
  }

  /// Experts stay spread as they are while that is possible; bits are promised to nobody then.
  @Test func expertsAreSpreadLessWhereTheyMust() throws {
    let text = "data-parallel: 4, expert-parallel: 2, global-batch: 12"
    let plans = ElasticPlans([try run(text, "deepseek-v3-tiny")], minimum: 1)
    #expect((1...4).map { degrees(plans, $0) } == [[1, 1, 1], [2, 1, 2], [2, 1, 2], [4, 1, 2]])
    #expect(!plans.keepsBits && plans.choice(for: 4)?.gradientLanes == nil)
  }
}

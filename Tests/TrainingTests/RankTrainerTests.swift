import MessagePassing
import Models
import Plans
import Schedules
import TestSupport
import Testing
import Training

@Suite struct RankTrainerTests {
  typealias Case = ParallelTests.Case

  /// Embedding and head on stages of their own, layers as they come.
  @Test(arguments: ParallelTests.models, [[1, 5, 3, 1], [4, 1, 2, 3]])
  func unevenStagesEqualTheReference(name: String, units: [Int]) throws {
    let model = try ReferenceModel(name)
    let layout = try StageLayout(unitCounts: units, of: model.architecture)
    for split in [
      Case(pipeline: 4), Case(pipeline: 2, schedule: "zbv", stagesPerRank: 2),
      Case(pipeline: 4, schedule: "dualpipe"),
    ] {
      try model.expectTraining(under: split.plan(model), layout: layout)
    }
  }

  /// Rows may be repeated: loss and gradients stay.
  @Test func repeatedRowsAndAScheduleOfOnesOwn() throws {
    let model = try ReferenceModel("llama-8-layers")
    var plan = Case(pipeline: 4).plan(model, repetitions: 3)
    plan.microbatchSize = 2
    try model.expectTraining(
      under: plan, schedule: try ScheduleName.zeroBubbleH2.schedule(ranks: 4, microbatches: 12))
  }

  @Test func memoryDoesNotGrowOverSteps() throws {
    let model = try ReferenceModel("deepseek-v3-8-layers")
    let plan = Case(data: 2, expert: 2, pipeline: 2, schedule: "1f1b").plan(model)
    let reports = try model.train(plan, steps: 40)
    for report in reports {
      let footprints = report.ledgers.map(\.footprint)
      // Rows of experts change as the router learns; what they need at most is soon known.
      #expect(footprints[39] <= footprints[4] * 21 / 20)
      for ledger in report.ledgers {
        #expect(ledger.footprint <= ledger.peak.total * 5 / 4)
        #expect(ledger.messages.allSatisfy { $0.bytes > 0 })
      }
    }
  }

  @Test func aNumberThatIsNotFiniteEndsAllRanks() throws {
    let model = try ReferenceModel("gpt2-tiny")
    let plan = model.plan { $0.dataParallel = 2 }
    #expect {
      _ = try withRanksAsThreads(2, timeout: Launch.hangLimit) { communicator in
        let trainer = try RankTrainer(
          model.architecture, plan, communicator, RepeatedRows(model.rows))
        try model.load(trainer)
        if communicator.rank == 1 { trainer.values(trainer.slices[2])[0] = .nan }
        return try trainer.step(learningRate: 0.01).loss
      }
    } throws: { error in
      guard case TrainingError.notFinite(step: 1, _, _) = error else { return false }
      return "\(error)".contains("training cannot go on")
    }
  }

  @Test func whatDoesNotFitIsRefusedByName() throws {
    let model = try ReferenceModel("gpt2-tiny")
    func refusal(_ ranks: Int = 1, _ change: (inout Plan) -> Void) -> String {
      let plan = model.plan(change)
      do {
        _ = try withRanksAsThreads(ranks) { communicator in
          _ = try RankTrainer(
            model.architecture, plan, communicator, RepeatedRows(model.rows))
        }
        return "nothing"
      } catch {
        return "\(error)"
      }
    }
    #expect(refusal(3) { $0.dataParallel = 2 } == "the plan needs 2 ranks, but 3 were started")
    #expect(refusal(2) { $0.tensorParallel = 2 }.contains("tensor-parallel is 2"))
    #expect(refusal { $0.precision = .bfloat16 }.contains("float32"))
    #expect(refusal { $0.zeroStage = .parameters }.contains("zero-stage is 3"))
    #expect(refusal { $0.dropout = true }.contains("dropout"))
    #expect(
      refusal(2) { ($0.dataParallel, $0.expertTensorParallel) = (2, 2) }
        .contains("expert-tensor-parallel is 2"))
    #expect(refusal { $0.collectiveAlgorithm = .inSwitch }.contains("in-switch"))
    #expect(refusal(3) { $0.dataParallel = 3 }.contains("does not divide"))
    #expect(refusal { $0.schedule = .named("1f2b") }.contains("1f1b"))
  }
}

#if MPI
  import Foundation
  import Kernels
  import MessagePassing
  import Models
  import Plans
  import TestSupport
  import Training
  import sluice

  /// How a step is split, and how its schedule goes.
  struct Split: Sendable, CustomStringConvertible {
    var data = 1
    var expert = 1
    var pipeline = 1
    var schedule = "1f1b"
    var stagesPerRank = 1
    var zero = Plan.ZeROStage.optimizer
    var sends = Plan.SendMode.batched
    var recomputation = Recomputation.none

    var description: String {
      "dp\(data) ep\(expert) pp\(pipeline) \(schedule) x\(stagesPerRank) \(zero) \(sends)"
    }

    var plan: Plan {
      var plan = Plan()
      plan.globalBatch = 8
      plan.sequenceLength = 6
      plan.precision = .float32
      plan.dataParallel = data
      plan.expertParallel = expert
      plan.pipelineParallel = pipeline
      plan.schedule = .named(schedule)
      plan.stagesPerRank = stagesPerRank
      plan.zeroStage = zero
      plan.sendMode = sends
      plan.recomputation = recomputation
      return plan
    }
  }

  /// Rows of tokens that follow from their number.
  private final class Rows: SequenceSource {
    func withSequence(_ index: Int, _ body: (UnsafeBufferPointer<Int32>) -> Void) {
      let row = (0..<7).map { Int32((index * 31 + $0 * $0 * 7) % 97) }
      row.withUnsafeBufferPointer(body)
    }
  }

  /// A real step with ranks as threads, held against its simulation.
  enum Step {
    /// Ranks are threads here; products take no others.
    private static let oneThread: Void = setMatmulThreads(1)

    static func architecture(_ name: String) throws -> Architecture {
      let path = Bundle.module.bundleURL.appending(path: "Fixtures/\(name).json").path
      return try Architecture.named(path)
    }

    /// What rank 0 says; `change` alters what a rank claims to have done.
    static func check(
      _ model: String, _ split: Split,
      change: @escaping @Sendable (Int, inout Ledger) -> Void = { _, _ in }
    ) throws -> SimulationCheck {
      oneThread
      let architecture = try architecture(model)
      let plan = split.plan
      return try withRanksAsThreads(plan.worldSize, timeout: Launch.hangLimit) { communicator in
        let trainer = try RankTrainer(
          architecture, plan, communicator, Rows(), TrainingSetting())
        trainer.initialize(seed: 3)
        trainer.recording = Recording(order: true)
        var ledger = try trainer.step(learningRate: 0.01).ledger
        change(communicator.rank, &ledger)
        return try SimulationCheck(ledger, architecture, plan, communicator)
      }[0]
    }
  }
#endif

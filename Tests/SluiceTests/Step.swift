#if MPI
  import Foundation
  import Kernels
  import MessagePassing
  import Models
  import Plans
  import Programs
  import Simulation
  import TestSupport
  import Tokens
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
    var overlap = Plan.Overlap()
    var recomputation = Recomputation.none
    var bucket: Int?
    var order = PairOrder.published

    var description: String {
      "dp\(data) ep\(expert) pp\(pipeline) \(schedule) x\(stagesPerRank) \(zero) \(sends)"
        + (bucket.map { " buckets of \($0)" } ?? "")
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
      plan.overlap = overlap
      plan.recomputation = recomputation
      plan.gradientBucket = bucket
      plan.pairOrder = order
      return plan
    }
  }

  /// Rows of tokens that follow from their number, with targets of a policy's objective.
  private final class Rows: SequenceSource {
    func marks(_ index: Int) -> SequenceMarks? {
      SequenceMarks(
        isPredicted: (0..<6).map { $0 > 1 },
        targets: (0..<6).flatMap { [0.1, Float(index % 3) - 1, -4, -4 - Float($0)] })
    }

    func labelCount(module: Int) -> Int? { 8 * 4 }

    func withSequence(_ index: Int, _ body: (UnsafeBufferPointer<Int32>) -> Void) {
      let row = (0..<7).map { Int32((index * 31 + $0 * $0 * 7) % 97) }
      row.withUnsafeBufferPointer(body)
    }
  }

  /// Everything takes as long.
  private struct Alike: Pricing {
    func seconds(of operation: Programs.Operation, rows: ExchangeRows, isOverlapped: Bool) -> Double
    { 1e-6 }
    func price(ofExchange transfer: Transfer, rows: ExchangeRows, isOverlapped: Bool)
      -> ExchangePrice
    { ExchangePrice(preparation: 0, payload: 1e-6) }
    func seconds(ofCollective transfer: Transfer, stage: Int) -> Double { 1e-6 }
    func price(ofMessage bytes: Int, from: Int, to: Int, replica: Int) -> MessagePrice {
      MessagePrice(latency: 0, moving: 1e-6, usesAdapter: false)
    }
    func secondsOfAgreement() -> Double { 1e-6 }
  }

  /// A real step with ranks as threads, held against its simulation.
  enum Step {
    /// Ranks are threads here; products take no others.
    private static let oneThread: Void = setMatmulThreads(1)

    static func architecture(_ name: String) throws -> Architecture {
      let path = Bundle.module.bundleURL.appending(path: "Fixtures/\(name).json").path
      return try Architecture.named(path)
    }

    /// What each rank wrote down of a step, and the step's input with a simulation of it in which every rank
    /// stands for itself.
    static func recorded(
      _ model: String, _ split: Split
    ) throws -> (ledgers: [Ledger], step: (input: StepInput, result: Simulation.StepResult)) {
      oneThread
      let architecture = try architecture(model)
      let plan = split.plan
      let ledgers = try withRanksAsThreads(plan.worldSize, timeout: Launch.hangLimit) {
        communicator in
        let trainer = try RankTrainer(
          architecture, plan, communicator, Rows(), TrainingSetting())
        trainer.initialize(seed: 3)
        trainer.recording = Recording(timeline: true)
        return try trainer.step(learningRate: 0.01).ledger
      }
      let placed = try plan.validated(for: architecture, on: .ranks(plan.worldSize))
      let tokens = plan.tokensPerMicrobatch
      let input = try StepInput(
        placed, rows: (received: tokens, routed: tokens, sent: tokens), target: .cpuRank)
      var simulation = StepSimulation(input, pricing: Alike())
      simulation.isExplicit = true
      simulation.keepsSpans = true
      return (ledgers, (input, simulation.run()))
    }

    /// What rank 0 says; `change` alters what a rank claims to have done.
    static func check(
      _ model: String, _ split: Split, objective: Objective = .crossEntropy,
      change: @escaping @Sendable (Int, inout Ledger) -> Void = { _, _ in }
    ) throws -> SimulationCheck {
      oneThread
      let architecture = try architecture(model)
      let plan = split.plan
      return try withRanksAsThreads(plan.worldSize, timeout: Launch.hangLimit) { communicator in
        var setting = TrainingSetting()
        (setting.objective, setting.policy.beta) = (objective, 0.1)
        let trainer = try RankTrainer(architecture, plan, communicator, Rows(), setting)
        trainer.initialize(seed: 3)
        trainer.recording = Recording(order: true)
        var ledger = try trainer.step(learningRate: 0.01).ledger
        change(communicator.rank, &ledger)
        return try SimulationCheck(
          ledger, architecture, plan, objective: objective, communicator)
      }[0]
    }
  }
#endif

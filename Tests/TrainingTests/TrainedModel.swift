import Kernels
import MessagePassing
import Models
import Plans
import Schedules
import TestSupport
import Testing
import Tokens
import Training

/// A small model with the weights and rows that a test trains it from.
struct TrainedModel: Sendable {
  let name: String
  var architecture: Architecture
  /// Rows of tokens, each one token longer than the sequences that are trained.
  let rows: [[Int32]]
  /// The values of a tensor; a copy's are asked for by the copy.
  let weights: @Sendable (ParameterTensor) throws -> [Float]

  /// Ranks are threads here; products take no others.
  static let oneThread: Void = setMatmulThreads(1)

  /// A plan for the rows, each as often as `repetitions` says, one sequence a microbatch.
  func plan(repetitions: Int = 1, _ change: (inout Plan) -> Void = { _ in }) -> Plan {
    var plan = Plan()
    plan.globalBatch = rows.count * repetitions
    plan.sequenceLength = rows[0].count - 1
    plan.precision = .float32
    plan.zeroStage = .optimizer
    change(&plan)
    return plan
  }

  /// Copies the weights into a rank.
  func load(_ trainer: RankTrainer) throws {
    for slice in trainer.slices {
      _ = trainer.values(slice).update(fromContentsOf: try weights(slice.tensor))
    }
  }
}

/// The rows of a reference, over and over.
final class RepeatedRows: SequenceSource {
  private let rows: [[Int32]]

  init(_ rows: [[Int32]]) { self.rows = rows }

  func withSequence(_ index: Int, _ body: (UnsafeBufferPointer<Int32>) -> Void) {
    rows[index % rows.count].withUnsafeBufferPointer(body)
  }
}

/// What one rank reports of a test run.
struct RankReport: Sendable {
  var losses: [Double] = []
  var norms: [Double] = []
  /// Weighted balance losses before each step.
  var balances: [Double] = []
  /// Pieces of gradients of the first step: tensor, first element, values.
  var gradients: [(name: String, start: Int, values: [Float])] = []
  /// The bits of all parameters behind the last step.
  var parameters: [(name: String, values: [Float])] = []
  var ledgers: [Ledger] = []
}

extension TrainedModel {
  /// Trains under a plan with ranks as threads; losses before each step and behind the last.
  func train(
    _ plan: Plan, steps: Int, schedule: Schedule? = nil, layout: StageLayout? = nil,
    recording: Recording = Recording(), _ setting: TrainingSetting = TrainingSetting()
  ) throws -> [RankReport] {
    Self.oneThread
    var setting = setting
    setting.weightDecay = 0.1
    return try withRanksAsThreads(plan.worldSize, timeout: Launch.hangLimit) {
      [setting] communicator in
      let trainer = try RankTrainer(
        architecture, plan, communicator, RepeatedRows(rows), setting, schedule: schedule,
        layout: layout)
      try load(trainer)
      trainer.recording = recording
      var report = RankReport()
      for step in 0..<steps {
        let result = try trainer.step(learningRate: 0.01)
        report.losses.append(result.loss)
        report.norms.append(result.gradientNorm)
        report.balances.append(result.balanceLoss)
        report.ledgers.append(result.ledger)
        if step == 0 {
          trainer.forEachOwnedPiece { piece in
            report.gradients.append(
              (
                piece.tensor.sharedWith ?? piece.tensor.name, piece.range.lowerBound,
                Array(piece.gradient)
              ))
          }
        }
      }
      report.losses.append(try trainer.evaluate().loss)
      report.parameters = trainer.slices.map { ($0.tensor.name, Array(trainer.values($0))) }
      return report
    }
  }
}

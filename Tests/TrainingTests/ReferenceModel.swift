import Foundation
import Kernels
import MessagePassing
import Models
import Plans
import Schedules
import TestSupport
import Testing
import Training

/// A model of the reference with what PyTorch computed for it.
struct ReferenceModel: Sendable {
  let name: String
  let architecture: Architecture
  /// Rows of tokens, each one token longer than the sequences that are trained.
  let rows: [[Int32]]
  let parameters: SafetensorsFile
  let gradients: SafetensorsFile
  let outputs: SafetensorsFile

  /// Ranks are threads here; products take no others.
  private static let oneThread: Void = setMatmulThreads(1)

  init(_ name: String) throws {
    Self.oneThread
    self.name = name
    let folder = Bundle.module.bundleURL.appendingPathComponent("Fixtures/checkpoints/\(name)").path
    architecture = try Architecture.named("\(folder)/config.json").withoutMultiTokenPrediction
    parameters = try SafetensorsFile(path: "\(folder)/model.safetensors")
    gradients = try SafetensorsFile(path: "\(folder)/grads.safetensors")
    outputs = try SafetensorsFile(path: "\(folder)/io.safetensors")
    let tokens = try outputs.integers("input_ids").map { Int32($0) }
    let shape = try #require(outputs.tensor(named: "input_ids")).shape
    rows = (0..<shape[0]).map { Array(tokens[$0 * shape[1]..<($0 + 1) * shape[1]]) }
  }

  /// The loss before training and after 1, 2, 3 steps.
  func losses() throws -> [Double] {
    try ["loss", "loss_after_1", "loss_after_2", "loss_after_3"].map {
      Double(try outputs.floats($0)[0])
    }
  }

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

  /// Copies the checkpoint's tensors into a rank.
  func load(_ trainer: RankTrainer) throws {
    for slice in trainer.slices {
      let values = try parameters.floats(slice.tensor.sharedWith ?? slice.tensor.name)
      _ = trainer.values(slice).update(fromContentsOf: values)
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
  /// Pieces of gradients of the first step: tensor, first element, values.
  var gradients: [(name: String, start: Int, values: [Float])] = []
  /// The bits of all parameters behind the last step.
  var parameters: [(name: String, values: [Float])] = []
  var ledgers: [Ledger] = []
}

extension ReferenceModel {
  /// Trains under a plan with ranks as threads; losses before each step and behind the last.
  func train(
    _ plan: Plan, steps: Int, schedule: Schedule? = nil, layout: StageLayout? = nil,
    recording: Recording = Recording()
  ) throws -> [RankReport] {
    var setting = TrainingSetting()
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

  /// Puts the ranks' pieces together, and holds every gradient against the reference.
  func expectGradients(
    of reports: [RankReport], _ location: SourceLocation = #_sourceLocation
  ) throws {
    let expected = try expectedGradients()
    var whole = expected.mapValues { Array(repeating: Float.nan, count: $0.count) }
    for piece in reports.flatMap(\.gradients) {
      let end = piece.start + piece.values.count
      let isFresh = whole[piece.name]?[piece.start..<end].allSatisfy(\.isNaN)
      #expect(isFresh == true, "\(piece.name)", sourceLocation: location)
      whole[piece.name]?.replaceSubrange(piece.start..<end, with: piece.values)
    }
    for name in expected.keys.sorted() {
      let expected = try #require(expected[name])
      let found = try #require(whole[name])
      let largest = expected.map(abs).max() ?? 0
      let difference = zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
      let isFinite = found.allSatisfy(\.isFinite)
      #expect(
        isFinite && difference <= 1e-4 * largest,
        "\(self.name) \(name): \(difference) of \(largest)", sourceLocation: location)
    }
  }

  /// Every gradient by the name of its tensor; the reference stacks those of experts.
  private func expectedGradients() throws -> [String: [Float]] {
    var result: [String: [Float]] = [:]
    for tensor in gradients.tensors {
      let values = try gradients.floats(tensor.name)
      guard tensor.name.contains(".experts.") else {
        result[tensor.name] = values
        continue
      }
      let block = tensor.name.replacing("gate_up_proj", with: "")
        .replacing("down_proj", with: "")
      let share = values.count / tensor.shape[0]
      for expert in 0..<tensor.shape[0] {
        let own = Array(values[expert * share..<(expert + 1) * share])
        if tensor.name.hasSuffix("down_proj") {
          result["\(block)\(expert).down_proj.weight"] = own
        } else {
          result["\(block)\(expert).gate_proj.weight"] = Array(own[..<(share / 2)])
          result["\(block)\(expert).up_proj.weight"] = Array(own[(share / 2)...])
        }
      }
    }
    return result
  }

  /// Holds loss, gradients and the losses after each of three steps against the reference.
  func expectTraining(
    under plan: Plan, schedule: Schedule? = nil, layout: StageLayout? = nil,
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    let reports = try train(plan, steps: 3, schedule: schedule, layout: layout)
    let expected = try losses()
    for report in reports {
      #expect(abs(report.losses[0] - expected[0]) <= 1e-5, sourceLocation: location)
      for (found, expected) in zip(report.losses, expected) {
        #expect(abs(found - expected) <= 1e-4, sourceLocation: location)
      }
    }
    try expectGradients(of: reports, location)
  }
}

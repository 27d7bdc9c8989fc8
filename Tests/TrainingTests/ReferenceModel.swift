import Checkpoints
import Foundation
import Models
import Plans
import Schedules
import Testing
import Tokens
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

  init(_ name: String) throws {
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

  /// What is trained of it.
  var trained: TrainedModel {
    TrainedModel(name: name, architecture: architecture, rows: rows) { [parameters] tensor in
      try parameters.floats(tensor.sharedWith ?? tensor.name)
    }
  }

  func plan(repetitions: Int = 1, _ change: (inout Plan) -> Void = { _ in }) -> Plan {
    trained.plan(repetitions: repetitions, change)
  }

  func load(_ trainer: RankTrainer) throws { try trained.load(trainer) }

  /// Trains under a plan with ranks as threads; losses before each step and behind the last.
  func train(
    _ plan: Plan, steps: Int, schedule: Schedule? = nil, layout: StageLayout? = nil,
    recording: Recording = Recording()
  ) throws -> [RankReport] {
    try trained.train(
      plan, steps: steps, schedule: schedule, layout: layout, recording: recording)
  }
}

extension ReferenceModel {
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

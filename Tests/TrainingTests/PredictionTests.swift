import Foundation
import MessagePassing
import Models
import Plans
import TestSupport
import Testing
import Training

/// A small DeepSeek-V3 with a prediction module, balance loss and moving biases, from random weights.
@Suite struct PredictionTests {
  typealias Case = ParallelTests.Case

  struct Run: Sendable {
    var results: [StepResult] = []
    var biases: [String: [Float]] = [:]
  }

  static func architecture(_ name: String) throws -> Architecture {
    let folder = Bundle.module.bundleURL.appendingPathComponent("Fixtures/checkpoints/\(name)").path
    return try Architecture.named("\(folder)/config.json")
  }

  static func setting() -> TrainingSetting {
    var setting = TrainingSetting()
    setting.balanceWeight = 0.05
    setting.predictionWeight = 0.4
    return setting
  }

  static func train(_ split: Case, steps: Int, clip: Double? = nil) throws -> Run {
    let model = try ReferenceModel("deepseek-v3-8-layers")
    let architecture = try architecture("deepseek-v3-8-layers")
    var setting = setting()
    setting.biasSpeed = 0.01
    setting.clipNorm = clip
    let plan = split.plan(model)
    return try withRanksAsThreads(plan.worldSize, timeout: Launch.hangLimit) {
      [setting] communicator in
      let trainer = try RankTrainer(
        architecture, plan, communicator, RepeatedRows(model.rows), setting)
      trainer.initialize(seed: 7)
      var run = Run()
      for _ in 0..<steps { run.results.append(try trainer.step(learningRate: 0.005)) }
      for slice in trainer.slices where slice.tensor.role == .correctionBias {
        run.biases[slice.tensor.name] = Array(trainer.values(slice))
      }
      return run
    }[0]
  }

  /// The derivative of the whole loss along its gradient is the gradient's norm.
  @Test func gradientOfAllLossesAgreesWithDifferences() throws {
    let model = try ReferenceModel("deepseek-v3-tiny")
    let architecture = try Self.architecture("deepseek-v3-tiny")
    #expect(architecture.multiTokenPrediction == 1)
    let plan = model.plan()
    let setting = Self.setting()
    let (norm, difference) = try withRanksAsThreads(1) { communicator in
      let trainer = try RankTrainer(
        architecture, plan, communicator, RepeatedRows(model.rows), setting)
      trainer.initialize(seed: 3)
      let norm = try trainer.step(learningRate: 0).gradientNorm
      var direction: [String: [Float]] = [:]
      trainer.forEachOwnedPiece {
        direction[$0.tensor.sharedWith ?? $0.tensor.name] = Array($0.gradient)
      }
      func total(_ distance: Double) throws -> Double {
        for slice in trainer.slices {
          let name = slice.tensor.sharedWith ?? slice.tensor.name
          // Uses on one stage share their memory: only the tensor itself is moved.
          guard slice.tensor.sharedWith == nil, let along = direction[name] else { continue }
          let values = trainer.values(slice)
          for index in values.indices { values[index] += Float(distance / norm) * along[index] }
        }
        let result = try trainer.evaluate()
        return result.loss + setting.predictionWeight * result.predictionLosses[0]
          + result.balanceLoss
      }
      let step = 0.002
      let above = try total(step)
      let below = try total(-2 * step)
      return (norm, (above - below) / (2 * step))
    }[0]
    #expect(abs(difference - norm) <= 2e-3 * norm, "\(difference) against \(norm)")
  }

  static let splits: [Case] = [
    Case(data: 2), Case(data: 4, expert: 2), Case(pipeline: 2),
    Case(pipeline: 4, schedule: "zbv", stagesPerRank: 2),
    Case(pipeline: 2, schedule: "dualpipe"),
    Case(data: 2, expert: 2, pipeline: 2, schedule: "dualpipe", zero: .nothing),
    Case(data: 2, expert: 2, pipeline: 2, schedule: "dualpipev", stagesPerRank: 2),
  ]

  @Test(arguments: splits)
  func everySplitTrainsTheSame(split: Case) throws {
    let expected = try Self.train(Case(), steps: 3, clip: 0.5)
    let found = try Self.train(split, steps: 3, clip: 0.5)
    for (found, expected) in zip(found.results, expected.results) {
      #expect(abs(found.loss - expected.loss) <= 1e-5)
      #expect(abs(found.predictionLosses[0] - expected.predictionLosses[0]) <= 1e-5)
      #expect(abs(found.balanceLoss - expected.balanceLoss) <= 1e-5)
      #expect(abs(found.gradientNorm - expected.gradientNorm) <= 1e-4 * expected.gradientNorm)
      #expect(found.expertLoads == expected.expertLoads)
    }
    #expect(!found.biases.isEmpty)
    for (name, values) in found.biases { #expect(values == expected.biases[name], "\(name)") }
  }

  @Test func biasesMoveAgainstTheLoad() throws {
    let run = try Self.train(Case(), steps: 1)
    let loads = run.results[0].expertLoads
    for (name, values) in run.biases {
      let number = name.split(separator: ".").compactMap { Int($0) }.first
      let layer = loads[try #require(number)]
      let mean = Double(layer.reduce(0, +)) / Double(layer.count)
      for (value, load) in zip(values, layer) {
        let expected: Float = Double(load) == mean ? 0 : Double(load) < mean ? 0.01 : -0.01
        #expect(value == expected)
      }
    }
  }

  @Test func theLossFalls() throws {
    let run = try Self.train(Case(data: 2, expert: 2, pipeline: 2), steps: 12)
    let (first, last) = (run.results[0], run.results[11])
    #expect(last.loss < first.loss - 0.3 && last.predictionLosses[0] < first.predictionLosses[0])
  }
}

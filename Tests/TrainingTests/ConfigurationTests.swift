import Documents
import Foundation
import MessagePassing
import Models
import Plans
import Testing
import Training

/// Settings of the three families that the reference checkpoints do not have, held against what
/// transformers computes for them.
@Suite struct ConfigurationTests {
  /// One entry of `Fixtures/configurations.json`.
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    struct Gradient: Decodable, Sendable {
      var tensor: String
      var largest: Float
      var at: [Int]
      var values: [Float]
    }

    var name: String
    var rows: [[Int32]]
    var losses: [Double]
    var logitsAt: [Int]
    var logits: [Float]
    var gradients: [Gradient]
    /// The entry's `config`, as text.
    var config = ""

    private enum CodingKeys: String, CodingKey {
      case name, rows, losses, logitsAt, logits, gradients
    }

    var testDescription: String { name }
  }

  static let cases: [Case] = {
    do {
      let file = Bundle.module.bundleURL.appendingPathComponent("Fixtures/configurations.json")
      let data = try Data(contentsOf: file)
      var cases = try JSONDecoder().decode([Case].self, from: data)
      let tables = try JSONSerialization.jsonObject(with: data) as? [[String: Any]] ?? []
      for index in cases.indices {
        let config = try JSONSerialization.data(withJSONObject: tables[index]["config"] ?? [:])
        cases[index].config = String(decoding: config, as: UTF8.self)
      }
      return cases
    } catch {
      preconditionFailure("configurations.json: \(error)")
    }
  }()

  @Test func everyCaseIsThere() {
    #expect(Self.cases.count == 28)
  }

  @Test(arguments: cases)
  func equalsTransformers(_ known: Case) throws {
    let document = try Document(bytes: Array(known.config.utf8), name: "config.json")
    let architecture = try Architecture.read(document, name: known.name)
    var plan = Plan()
    plan.globalBatch = known.rows.count
    plan.sequenceLength = known.rows[0].count - 1
    plan.precision = .float32
    var setting = TrainingSetting()
    setting.weightDecay = 0.1
    _ = try withRanksAsThreads(1) { [plan, setting] communicator in
      let trainer = try RankTrainer(
        architecture, plan, communicator, RepeatedRows(known.rows), setting)
      for slice in trainer.slices {
        let values = namedWeights(
          slice.tensor, isSaturated: known.name == "saturated router")
        _ = trainer.values(slice).update(fromContentsOf: values)
      }
      try expectLogits(of: known, trainer)
      for (step, expected) in known.losses.enumerated() {
        let loss = try trainer.step(learningRate: 0.01).loss
        #expect(abs(loss - expected) <= (step == 0 ? 1e-5 : 1e-4), "loss after \(step)")
        if step == 0 { expectGradients(of: known, trainer) }
      }
    }
  }

  private func expectLogits(of known: Case, _ trainer: RankTrainer) throws {
    var logits: [[Float]] = Array(repeating: [], count: known.rows.count)
    _ = try trainer.logits { _, microbatch, values in logits[microbatch] = Array(values) }
    let all = logits.flatMap { $0 }
    for (place, expected) in zip(known.logitsAt, known.logits) {
      #expect(abs(all[place] - expected) <= 1e-4, "logit \(place)")
    }
  }

  private func expectGradients(of known: Case, _ trainer: RankTrainer) {
    var found: [String: [Float]] = [:]
    trainer.forEachOwnedPiece { piece in
      let name = piece.tensor.sharedWith ?? piece.tensor.name
      found[name, default: []] += Array(piece.gradient)
    }
    for gradient in known.gradients {
      guard let values = found[gradient.tensor] else {
        Issue.record("no gradient of \(gradient.tensor)")
        continue
      }
      let largest = values.map(abs).max() ?? 0
      #expect(abs(largest - gradient.largest) <= 1e-4 * gradient.largest, "\(gradient.tensor)")
      for (place, expected) in zip(gradient.at, gradient.values) {
        #expect(
          abs(values[place] - expected) <= 1e-4 * gradient.largest, "\(gradient.tensor) \(place)")
      }
    }
  }
}

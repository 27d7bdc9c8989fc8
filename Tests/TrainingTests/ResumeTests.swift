import Checkpoints
import Documents
import Foundation
import MessagePassing
import Models
import Plans
import TestSupport
import Testing
import Tokens
import Training

/// Training that is stopped, saved and resumed, by the same and by other plans.
@Suite struct ResumeTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  private struct Split: Sendable {
    var data = 1
    var expert = 1
    var pipeline = 1
    var schedule = "1f1b"
    var stages = 1
    var zero = Plan.ZeROStage.optimizer

    var plan: Plan {
      var plan = Plan()
      plan.dataParallel = data
      plan.expertParallel = expert
      plan.pipelineParallel = pipeline
      plan.schedule = .named(schedule)
      plan.stagesPerRank = stages
      plan.zeroStage = zero
      plan.precision = .float32
      plan.globalBatch = 8
      plan.sequenceLength = 6
      return plan
    }
  }

  private func configuration(_ name: String) -> String {
    fixture("checkpoints/\(name)/config.json")
  }

  /// Trains `steps` steps under a plan, from the seed or from the newest checkpoint, saves at the
  /// end and gives the losses.
  private func train(
    _ name: String, _ split: Split, steps: Int, resuming: Bool
  ) throws -> [Double] {
    let architecture = try Architecture.named(configuration(name))
    let configuration = try contents(of: configuration(name))
    let tokens = (0..<997).map { Int32($0 * $0 % 97) }
    let source = try TokenSource(
      .stream(TokenStream(tokens: tokens, name: "squares")), sequenceLength: 6, seed: 5)
    let identity = try source.identity
    let checkpoints = CheckpointFolder(path: folder.path)
    let plan = split.plan
    let latest = checkpoints.latest
    return try withRanksAsThreads(plan.worldSize, timeout: Launch.hangLimit) {
      communicator -> [Double] in
      let sequences = TokenSequences(source)
      var setting = TrainingSetting()
      setting.biasSpeed = 0.01
      setting.balanceWeight = 0.001
      let trainer = try RankTrainer(architecture, plan, communicator, sequences, setting)
      if resuming {
        let reader = try CheckpointReader(path: #require(latest))
        _ = try reader.admitted(for: architecture)
        try trainer.load(reader, resuming: true)
        sequences.position = try #require(reader.state).sequences
      } else {
        trainer.initialize(seed: 3)
      }
      var losses: [Double] = []
      for _ in 0..<steps {
        losses.append(try trainer.step(learningRate: 0.01).loss)
        sequences.position += plan.globalBatch
      }
      let writer = CheckpointWriter(
        folder: checkpoints, keep: 4, architecture: architecture, configuration: configuration)
      let state = TrainingState(
        step: trainer.stepsDone, sequences: sequences.position,
        tokens: 6 * sequences.position, seed: 5, data: identity)
      try writer.write(
        trainer.checkpointPieces(), state: state, rank: communicator.rank,
        ranks: communicator.size
      ) { try communicator.barrier() }
      return losses
    }[0]
  }

  /// The bytes of every tensor and moment of a checkpoint, by name.
  private func numbers(_ path: String, _ name: String) throws -> [String: [UInt32]] {
    let reader = try CheckpointReader(path: path)
    try reader.verify()
    var result: [String: [UInt32]] = [:]
    for tensor in try Architecture.named(configuration(name)).parameters
    where tensor.sharedWith == nil {
      result[tensor.name] = try reader.weights(of: tensor).map(\.bitPattern)
      guard tensor.isTrained else { continue }
      for moment in CheckpointPieces.Moment.allCases {
        let values = try reader.moment(moment, of: tensor, in: 0..<tensor.count)
        result["\(moment) \(tensor.name)"] = values.map(\.bitPattern)
      }
    }
    return result
  }

  private static let names = ["gpt2-tiny", "llama-tiny", "deepseek-v3-tiny"]

  /// Six steps in one go, and three, a checkpoint, three more under the same plan: the same bits.
  @Test(arguments: names)
  func resumedEqualsUninterrupted(name: String) throws {
    let split = Split(
      data: 2, expert: name.hasPrefix("deepseek") ? 2 : 1, pipeline: 2, schedule: "dualpipe")
    let whole = try train(name, split, steps: 6, resuming: false)
    let expected = try numbers(folder.file("step-00000006"), name)
    try FileManager.default.removeItem(atPath: folder.file("step-00000006"))
    let first = try train(name, split, steps: 3, resuming: false)
    let second = try train(name, split, steps: 3, resuming: true)
    #expect(first + second == whole)
    #expect(try numbers(folder.file("step-00000006"), name) == expected)
  }

  /// Plans that add gradients up in the same two lanes go on from one another's checkpoints, and bits
  /// stay: a lane is a data rank, or a direction of DualPipe.
  @Test(arguments: names)
  func planMayChangeAtACheckpoint(name: String) throws {
    let whole = try train(name, Split(data: 2), steps: 6, resuming: false)
    let expected = try numbers(folder.file("step-00000006"), name)
    try FileManager.default.removeItem(atPath: folder.file("step-00000006"))
    var losses = try train(name, Split(data: 2, pipeline: 2), steps: 1, resuming: false)
    for split in [
      Split(data: 2, zero: .nothing), Split(data: 2, pipeline: 2, schedule: "gpipe"),
      Split(pipeline: 2, schedule: "dualpipe"),
      Split(data: 2, pipeline: 2, schedule: "interleaved-1f1b", stages: 2, zero: .nothing),
      Split(data: 2),
    ] {
      losses += try train(name, split, steps: 1, resuming: true)
    }
    #expect(losses == whole)
    #expect(try numbers(folder.file("step-00000006"), name) == expected)
  }

  /// Plans with other lanes, and with experts divided, go on within rounding.
  @Test(arguments: names)
  func anyPlanGoesOn(name: String) throws {
    let experts = name.hasPrefix("deepseek") ? 2 : 1
    let whole = try train(name, Split(), steps: 4, resuming: false)
    try FileManager.default.removeItem(atPath: folder.file("step-00000004"))
    var losses = try train(name, Split(data: 4, expert: experts), steps: 1, resuming: false)
    for split in [
      Split(pipeline: 2, schedule: "zb-h1", zero: .nothing),
      Split(data: 2, expert: experts, pipeline: 2, schedule: "dualpipe"),
      Split(data: 2, expert: experts, zero: .nothing),
    ] {
      losses += try train(name, split, steps: 1, resuming: true)
    }
    for (found, expected) in zip(losses, whole) { #expect(abs(found - expected) < 1e-5) }
  }

  /// A checkpoint of another program has weights and no more.
  @Test func goingOnNeedsOptimizerState() throws {
    let path = fixture("checkpoints/llama-tiny")
    let reader = try CheckpointReader(path: path)
    #expect(reader.state == nil && !reader.holdsMoments)
    let architecture = reader.architecture
    let error = #expect(throws: CheckpointError.self) {
      _ = try withRanksAsThreads(1) { communicator in
        let source = try TokenSource(
          .rows([[Int32](repeating: 1, count: 7)], file: "rows"), sequenceLength: 6, seed: 0)
        let trainer = try RankTrainer(
          architecture, Split().plan, communicator, TokenSequences(source))
        try trainer.load(reader, resuming: false)
        try trainer.load(reader, resuming: true)
      }
    }
    #expect(error?.file == path)
  }
}

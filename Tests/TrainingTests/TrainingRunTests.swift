import Checkpoints
import Documents
import Foundation
import MessagePassing
import Models
import Plans
import Runs
import TestSupport
import Testing
import Training

/// Whole runs as their files describe them, with ranks as threads.
@Suite struct TrainingRunTests: SmallRuns {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  private func file(_ model: String, _ change: [String: String] = [:]) throws -> String {
    let path = fixture("checkpoints/\(model)/config.json")
    let rows = (0..<6).map { row in
      (0..<9).map { place -> Int in (row * 31 + place * place * 7) % 97 }
    }
    _ = try folder.write("\(rows)", to: "rows.json")
    var text = """
      model: MODEL
      data: {training: rows.json, evaluation: rows.json}
      plan:
        data-parallel: 2
        pipeline-parallel: 2
        EXPERTS
        schedule: 1f1b
        global-batch: 8
        sequence-length: 8
        zero-stage: 1
      BATCH
      learning-rate: {peak: 0.01, warm-up: 2, schedule: cosine}
      steps: 6
      seed: 3
      evaluation: {every: 2, sequences: 6}
      checkpoints: {folder: FOLDER/out, every: 3, keep: 2}
      log: {file: FOLDER/log.jsonl}
      """
    for (mark, other) in change { text = text.replacingOccurrences(of: mark, with: other) }
    let isExpert = model.hasPrefix("deepseek")
    for (mark, other) in [
      ("MODEL", path), ("EXPERTS", isExpert ? "expert-parallel: 2" : "name: plan"),
      ("BATCH", "name: whole"), ("FOLDER", folder.path),
    ] { text = text.replacingOccurrences(of: mark, with: other) }
    return try folder.write(text, to: "run.yaml")
  }

  /// Runs until the end, or until `stop` steps are done, and gives the metrics of rank 0.
  private func train(
    _ path: String, _ beginning: RunBeginning = .overwriting, stop: Int? = nil
  ) throws -> [StepMetrics] {
    let run = try RunFile.read(path: path)
    let ranks = run.plan.worldSize
    let prepared = try PreparedRun(run, ranks: ranks)
    return try withRanksAsThreads(ranks, timeout: Launch.hangLimit) { communicator in
      let training = try TrainingRun(prepared, communicator, beginning)
      var all: [StepMetrics] = []
      // One rank alone wants to stop; all do.
      try training.finish(wantsStop: { communicator.rank == 1 && training.state.step == stop }) {
        all.append($0)
      }
      return all
    }[0]
  }

  /// The log has what was evaluated before the first step, and every step once.
  private func expectEveryStepOnce() throws {
    let lines = try steps(of: "log.jsonl")
    #expect(lines.count == 7)
    for (step, line) in lines.enumerated() { #expect(line.hasPrefix("{\"step\": \(step),")) }
  }

  private func losses(_ metrics: [StepMetrics]) -> [Double?] {
    metrics.flatMap { [$0.loss, $0.predictionLoss, $0.gradientNorm, $0.evaluationLoss] }
  }

  @Test(arguments: ["gpt2-tiny", "llama-tiny", "deepseek-v3-tiny"])
  func stoppedAndResumedEqualsUninterrupted(model: String) throws {
    let path = try file(model)
    let whole = try train(path)
    #expect(whole.count == 6)
    #expect(try #require(whole[5].loss) < #require(whole[0].loss))
    #expect(whole.map { $0.evaluationLoss != nil } == [false, true, false, true, false, true])
    try expectEveryStepOnce()
    try FileManager.default.removeItem(atPath: folder.file("out"))
    let first = try train(path, stop: 4)
    #expect(CheckpointFolder(path: folder.file("out")).steps() == [3, 4])
    let second = try train(path, .resuming)
    #expect(losses(first + second) == losses(whole))
    #expect(CheckpointFolder(path: folder.file("out")).steps() == [4, 6])
    try expectEveryStepOnce()
  }

  /// A batch that grows and weights that change make the trainer anew; bits stay across a stop.
  @Test func rampAndPiecesGoOnExactly() throws {
    let path = try file(
      "deepseek-v3-tiny",
      [
        "model: MODEL":
          "model: {config: MODEL, multi-token-prediction: [{value: 0.3, until: 3}, {value: 0.1}], "
          + "bias-speed: [{value: 0.01, until: 4}, {value: 0}]}",
        "BATCH": "batch-ramp: {from: 4, increment: 4, over: 12 sequences}",
      ])
    let whole = try train(path)
    #expect(whole.map(\.globalBatch) == [4, 4, 4, 8, 8, 8])
    #expect(whole.map(\.biasSpeed) == [0.01, 0.01, 0.01, 0.01, 0, 0])
    #expect(whole.last?.tokens == 36 * 8)
    for stop in [2, 3, 4] {
      try FileManager.default.removeItem(atPath: folder.file("out"))
      let parts = try train(path, stop: stop) + train(path, .resuming)
      #expect(losses(parts) == losses(whole))
    }
  }

  @Test func evaluationChangesNothing() throws {
    let with = try train(file("llama-tiny"))
    try FileManager.default.removeItem(atPath: folder.file("out"))
    let without = try train(
      file(
        "llama-tiny",
        [
          "evaluation: {every: 2, sequences: 6}": "name: quiet", ", evaluation: rows.json}": "}",
          "BATCH": "",
        ]))
    #expect(with.map(\.loss) == without.map(\.loss))
  }

  @Test func otherDataAndNothingToResumeAreRefused() throws {
    let path = try file("llama-tiny")
    let nothing = #expect(throws: CheckpointError.self) { try train(path, .resuming) }
    #expect(nothing?.rule == "holds no checkpoint to resume")
    _ = try train(path)
    let seed = #expect(throws: CheckpointError.self) {
      try train(file("llama-tiny", ["seed: 3": "seed: 4"]), .resuming)
    }
    #expect(seed?.rule.contains("seed 3") == true)
    let other = try file("llama-tiny")
    _ = try folder.write(
      "[[1,2,3,4,5,6,7,8,9]]", to: "rows.json")
    let data = #expect(throws: CheckpointError.self) { try train(other, .resuming) }
    #expect(
      data?.rule
        == "was trained on other data than \(folder.file("rows.json")) holds: 6 rows then, "
        + "1 rows now")
    let model = #expect(throws: CheckpointError.self) {
      try train(file("gpt2-tiny"), .resuming)
    }
    #expect(model?.rule.contains("another model") == true)
  }

  @Test func reportedTotalAddsUp() throws {
    let metrics = try train(file("deepseek-v3-tiny"))
    for step in metrics {
      let loss = try #require(step.loss)
      let prediction = try #require(step.predictionLoss)
      let balance = try #require(step.balanceLoss)
      #expect(step.totalLoss == loss + 0.3 * prediction + balance)
      #expect(balance > 0 && balance < 0.01)
      // Two experts for each of 64 tokens in every layer with experts.
      #expect(!step.expertLoads.isEmpty)
      for load in step.expertLoads { #expect(load.counts.reduce(0, +) == 128) }
      #expect(try #require(step.peakMemory) > 0)
      #expect(try #require(step.tokensPerSecond) > 0)
    }
  }
}

import Checkpoints
import Documents
import Foundation
import Kernels
import MessagePassing
import Models
import Runs

extension TrainingRun {
  /// Numbers of all ranks put together: the slowest rank's time, the largest peak.
  func metrics(of result: StepResult, learningRate: Double) throws -> StepMetrics {
    var metrics = StepMetrics(step: state.step)
    metrics.tokens = state.tokens
    metrics.globalBatch = trainer.plan.globalBatch
    metrics.loss = result.loss
    metrics.learningRate = learningRate
    metrics.gradientNorm = result.gradientNorm
    var total = result.loss
    if !result.predictionLosses.isEmpty {
      let mean =
        result.predictionLosses.reduce(0, +) / Double(result.predictionLosses.count)
      metrics.predictionLoss = mean
      total += setting.predictionWeight * mean
    }
    if !result.expertLoads.isEmpty {
      metrics.balanceLoss = result.balanceLoss
      metrics.biasSpeed = setting.biasSpeed
      total += result.balanceLoss
      metrics.expertLoads = result.expertLoads.enumerated()
        .filter { $1.contains { $0 > 0 } }.map { .init(layer: $0, counts: $1) }
    }
    metrics.totalLoss = total
    let ledger = result.ledger
    var numbers = [Int64(result.duration), Int64(ledger.peak.total), Int64(ledger.computeTime)]
    numbers += [Int64(ledger.progressTime)] + ledger.waitTime.map { Int64($0) }
    numbers = try communicator.maxima(numbers)
    let seconds = Double(numbers[0]) / 1e9
    metrics.wallTime = Date().timeIntervalSince1970
    metrics.seconds = seconds
    metrics.tokensPerSecond = Double(result.tokens) / seconds
    metrics.peakMemory = Int(numbers[1])
    metrics.utilization = utilization(metrics)
    metrics.slowRanks = try findSlowRanks(ledger)
    metrics.times = [
      .init(kind: "compute", seconds: Double(numbers[2]) / 1e9),
      .init(kind: "progress", seconds: Double(numbers[3]) / 1e9),
    ]
    for kind in Ledger.MessageKind.allCases {
      let waited = Double(numbers[4 + Int(kind.rawValue)]) / 1e9
      metrics.times.append(.init(kind: "wait_\(kind.word)", seconds: waited, exposed: waited))
    }
    return metrics
  }

  /// The model's FLOPs of a step, as MFU counts them (recomputation and masked scores left out), over what
  /// the ranks reach in products.
  private func utilization(_ metrics: StepMetrics) -> Double? {
    guard let peakRate, let seconds = metrics.seconds, seconds > 0 else { return nil }
    let (model, length) = (run.model.architecture, run.plan.sequenceLength)
    var flops = model.trainingFlops(sequence: length, causal: true).total
    if model.multiTokenPrediction > 0 {
      flops += model.predictionTrainingFlops(sequence: length, causal: true).total
    }
    let rate = Double(flops) * Double(metrics.globalBatch * length) / seconds
    // What a step reaches, the ranks can reach: the measurement before the run was disturbed.
    self.peakRate = max(peakRate, rate)
    return rate / max(peakRate, rate)
  }

  /// Measures what all ranks reach in products at the same time, for the share of it that steps reach; a
  /// collective that takes some hundredths of a second.
  ///
  /// - Returns: FLOPs a second of all ranks together.
  @discardableResult public func measurePeak() throws -> Double {
    try communicator.barrier()
    let own = measuredProductRate()
    let sum = try communicator.allGather([own]).reduce(0, +)
    peakRate = sum
    return sum
  }

  /// Tells the others how long this rank computed, and finds those that are slow.
  private func findSlowRanks(_ ledger: Ledger) throws -> [StepMetrics.SlowRank] {
    guard communicator.size > 1 else { return [] }
    let own = [
      Double(ledger.computeTime) / 1e9, Double(ledger.matmulFLOPs + ledger.attentionFLOPs),
    ]
    let all = try communicator.allGather(own)
    let found = slowRanks.add(
      seconds: (0..<communicator.size).map { all[2 * $0] },
      operations: (0..<communicator.size).map { all[2 * $0 + 1] })
    return found.map { .init(rank: $0.rank, host: hosts[$0.rank], factor: $0.factor) }
  }

  /// The event file of rank 0, if the run keeps one.
  static func events(
    _ run: RunFile, _ state: TrainingState, _ communicator: any Communicator
  ) throws(CheckpointError) -> EventFile? {
    guard communicator.rank == 0, state.step < run.steps, let folder = run.log.tensorboard else {
      return nil
    }
    return try EventFile(
      folder: folder, afterStep: state.step, time: Date().timeIntervalSince1970)
  }
}

extension Communicator {
  /// The texts of all ranks, of at most 255 bytes each.
  func allGather(_ text: String) throws(MPIError) -> [String] {
    let own = Array(text.utf8.prefix(255))
    let all = try allGather(own + [UInt8](repeating: 0, count: 256 - own.count))
    return stride(from: 0, to: all.count, by: 256).map { start in
      String(decoding: all[start..<start + 256].prefix { $0 != 0 }, as: UTF8.self)
    }
  }
}

extension Ledger.MessageKind {
  /// The name in JSON: `dispatch_backward`.
  fileprivate var word: String {
    "\(self)".reduce(into: "") { text, letter in
      text += letter.isUppercase ? "_\(letter.lowercased())" : "\(letter)"
    }
  }
}

import Foundation
import Kernels
import MessagePassing
import Models
import Plans
import Tokens
import Training

/// Times the steps of one model under one plan.
struct TrainingBench: Sendable {
  var model: BenchModel
  var options: Options
  var rounds: Int

  /// What one round took, in seconds.
  private struct Round {
    var step: Double
    /// Kernels of forward and backward passes, and of the optimizer.
    var passes: Double
    var optimizer: Double
    /// The passes' matrix products by themselves; 0 where they were not made again.
    var products: Double
  }

  /// Runs on every rank; rank 0 prints.
  func run(_ world: any Communicator) throws {
    let plan = options.plan(for: model)
    let trainer = try RankTrainer(model.architecture, plan, world, Tokens(model, plan))
    trainer.initialize(seed: 1)
    let isAlone = world.size == 1
    trainer.recording = Recording(timeline: true, products: isAlone)
    let first = try trainer.step(learningRate: 1e-3)
    let replay = isAlone ? Replay(first.ledger.products) : nil
    var made: [Round] = []
    var last = first
    for _ in 0..<rounds {
      last = try trainer.step(learningRate: 1e-3)
      made.append(round(last, replay))
    }
    guard world.rank == 0 else { return }
    display(made, last, replay, plan)
  }

  private func round(_ result: StepResult, _ replay: Replay?) -> Round {
    var (passes, optimizer) = (0.0, 0.0)
    for item in result.ledger.timeline.items {
      let seconds = item.spans.reduce(0.0) { sum, span in
        guard case .operation = span.kind else { return sum }
        return sum + Double(span.end - span.start) * 1e-12
      }
      switch item.item {
      case .run, .overlapped: passes += seconds
      default: optimizer += seconds
      }
    }
    let clock = ContinuousClock()
    let products = replay.map { replay in clock.measure { replay.run() } / .seconds(1) } ?? 0
    return Round(
      step: Double(result.duration) * 1e-9, passes: passes, optimizer: optimizer,
      products: products)
  }

  private func display(_ rounds: [Round], _ last: StepResult, _ replay: Replay?, _ plan: Plan) {
    func text(_ value: Double, _ digits: Int = 1) -> String {
      String(format: "%.\(digits)f", value)
    }
    let step = median(rounds.map(\.step))
    let passes = median(rounds.map(\.passes))
    let optimizer = median(rounds.map(\.optimizer))
    print(
      "\(model.name): \(plan.worldSize) ranks, dp \(plan.dataParallel), pp \(plan.pipelineParallel),"
        + " ep \(plan.expertParallel), \(options.schedule), \(plan.globalBatch) x"
        + " \(plan.sequenceLength) tokens in microbatches of \(plan.microbatchSize),"
        + " \(rounds.count) steps; medians")
    print(
      "  step                 \(text(step * 1e3)) ms, \(text(Double(last.tokens) / step, 0)) tokens/s"
    )
    print("  forward and backward \(text(passes * 1e3)) ms of kernels on rank 0")
    print("  optimizer            \(text(optimizer * 1e3)) ms of kernels on rank 0")
    if let replay {
      let products = median(rounds.map(\.products))
      let share = median(rounds.map { $0.products / $0.passes })
      print(
        "  products alone       \(text(products * 1e3)) ms, "
          + "\(text(Double(replay.flops) / products / 1e9)) GFLOP/s; forward and backward reach "
          + "\(text(100 * share)) % of it")
    }
    print(
      "  checksum             \(String(last.loss.bitPattern, radix: 16)), loss \(text(last.loss, 4))"
    )
  }

  private func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}

/// Made-up tokens, the same on every run.
private final class Tokens: SequenceSource {
  private let tokens: [Int32]
  private let length: Int

  init(_ model: BenchModel, _ plan: Plan) {
    length = plan.sequenceLength + 1
    let vocabulary = UInt64(min(model.architecture.vocabularySize, 1 << 16))
    tokens = (0..<UInt64(plan.globalBatch * length)).map {
      Int32(($0 &* 2_654_435_761 >> 7) % vocabulary)
    }
  }

  func withSequence(_ index: Int, _ body: (UnsafeBufferPointer<Int32>) -> Void) {
    tokens.withUnsafeBufferPointer {
      body(UnsafeBufferPointer(rebasing: $0[index * length..<(index + 1) * length]))
    }
  }
}

import Documents
import Foundation
import Training

/// What a checkpoint that is written behind the steps costs them.
///
/// One run has a checkpoint after every hundredth step; the fifty steps behind it, which it is copied in front
/// of and written beside, are held against the fifty that follow, which have none. Both are slowed alike by
/// what else the machine does.
struct CheckpointBench {
  let options: FaultOptions
  let scene: FaultScene

  /// Steps over which a checkpoint is averaged.
  static let stretch = 50

  func run() throws -> String {
    let last = 2 * Self.stretch * (options.pairs + 1)
    let process = try scene.start([
      "--ranks", "\(options.ranks)", "--set", "steps=\(last)",
      "--set", "checkpoints.every=\(2 * Self.stretch)", "--set", "checkpoints.keep=1000000",
      "--set", "checkpoints.asynchronous=true",
    ])
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw FaultError(description: "sluice ended early: \(scene.output.suffix(2000))")
    }
    let ended = scene.steps().map(\.ended)
    guard ended.count == last else {
      throw FaultError(description: "the log does not hold every step once")
    }
    var ratios: [Double] = []
    var writing: [Double] = []
    for pair in 1...options.pairs {
      // A step's time in the log lies behind its update and in front of its checkpoint.
      let begin = 2 * Self.stretch * pair
      let middle = begin + Self.stretch
      let beside = ended[middle - 1] - ended[begin - 1]
      let without = ended[middle + Self.stretch - 1] - ended[middle - 1]
      ratios.append(beside / without)
      writing.append(try scene.secondsOfCheckpoint(begin) - ended[begin - 1])
      guard writing[writing.count - 1] < beside else {
        throw FaultError(
          description: "the checkpoint after step \(begin) took \(writing[writing.count - 1]) s, "
            + "and \(Self.stretch) steps \(beside) s: they are too few")
      }
    }
    let count = Double(ratios.count)
    let mean = ratios.reduce(0, +) / count
    let square = ratios.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(1, count - 1)
    let sorted = ratios.sorted()
    return String(
      format: """
        %d times %d steps with a checkpoint written behind them, and as many without, %d ranks
        with over without: mean %.4f ± %.4f, median %.4f, from %.4f to %.4f
        copied and written in %.3f s in the mean; a step takes %.4f s
        """, ratios.count, Self.stretch, options.ranks, mean, (square / count).squareRoot(),
      sorted[sorted.count / 2], sorted[0], sorted[sorted.count - 1],
      writing.reduce(0, +) / count, (ended[last - 1] - ended[0]) / Double(last - 1))
  }
}

import Documents
import Foundation
import Training

/// What a checkpoint that is written behind the steps costs them.
///
/// One run has a checkpoint after every hundredth step. The fifty steps behind it, which it is copied in front
/// of and written beside, are held against the fifty in front of it and the fifty that follow, which have none:
/// what the machine becomes slower or faster by meanwhile, evenly, falls out of the comparison.
///
/// Fifty steps scatter by more than the checkpoint costs. So the steps until it is written are held by
/// themselves against as many others: nothing of it is left behind them.
struct CheckpointBench {
  let options: FaultOptions
  let scene: FaultScene

  /// Steps over which a checkpoint is averaged.
  static let stretch = 50

  /// What one checkpoint came to.
  private struct Pair {
    /// Fifty steps with it over fifty without.
    var ratio: Double
    /// What the steps until it was written took beyond as many others, over fifty steps.
    var excess: Double
    /// From the end of the step in front of it to the end of its writing.
    var writing: Double
  }

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
    let pairs = try (1...options.pairs).map { try pair(2 * Self.stretch * $0, ended) }
    let step = (ended[last - 1] - ended[0]) / Double(last - 1)
    let bytes = try scene.bytesOfCheckpoint(2 * Self.stretch) / options.ranks
    let copying = Self.secondsOfCopying(bytes) / (Double(Self.stretch) * step)
    return String(
      format: """
        GPT of %.1f M parameters, %d ranks: %d checkpoints written behind steps of %.4f s
        fifty steps with one over fifty without: %@
        what the steps until it was written took longer, of fifty: %@
        copied and written in %.3f s in the mean; copying %.1f MB a rank, alone, is %.3f %% of fifty steps
        """, Double(bytes * options.ranks) / 12e6, options.ranks, pairs.count, step,
      Self.text(pairs.map(\.ratio), 1, ""),
      Self.text(pairs.map(\.excess), 100, " %"), pairs.map(\.writing).mean,
      Double(bytes) / 1e6, 100 * copying)
  }

  private func pair(_ begin: Int, _ ended: [Double]) throws -> Pair {
    // A step's time in the log lies behind its update and in front of its checkpoint.
    func seconds(_ first: Int) -> Double { ended[first + Self.stretch - 1] - ended[first - 1] }
    let without = (seconds(begin - Self.stretch) + seconds(begin + Self.stretch)) / 2
    let written = try scene.secondsOfCheckpoint(begin)
    let count = ended[begin...].prefix { $0 < written }.count + 1
    guard count <= Self.stretch else {
      throw FaultError(
        description: "the checkpoint after step \(begin) was written behind \(count) steps: "
          + "\(Self.stretch) are too few")
    }
    let beside = ended[begin + count - 1] - ended[begin - 1]
    return Pair(
      ratio: seconds(begin) / without,
      excess: beside / without - Double(count) / Double(Self.stretch),
      writing: written - ended[begin - 1])
  }

  /// Copying as many bytes to memory that is new, as the ranks do between two steps.
  private static func secondsOfCopying(_ bytes: Int) -> Double {
    let numbers = [Float](repeating: 1, count: bytes / 4)
    let clock = ContinuousClock()
    var seconds = Double.infinity
    for _ in 0..<5 {
      var sum: Float = 0
      let time = clock.measure {
        let copy = numbers.withUnsafeBufferPointer { Array($0) }
        sum += copy[copy.count / 2]
      }
      precondition(sum == 1)
      seconds = min(seconds, time / .seconds(1))
    }
    return seconds
  }

  /// Mean with its standard error, median, and the extremes.
  private static func text(_ values: [Double], _ factor: Double, _ unit: String) -> String {
    let count = Double(values.count)
    let square = values.reduce(0) { $0 + ($1 - values.mean) * ($1 - values.mean) }
    let error = (square / max(1, count - 1) / count).squareRoot()
    let sorted = values.sorted().map { $0 * factor }
    return String(
      format: "mean %.4f ± %.4f%@, median %.4f, from %.4f to %.4f", values.mean * factor,
      error * factor, unit, sorted[sorted.count / 2], sorted[0], sorted[sorted.count - 1])
  }
}

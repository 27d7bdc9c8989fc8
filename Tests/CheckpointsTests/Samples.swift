import Checkpoints
import Documents
import Foundation
import Models
import Quantities
import TestSupport

extension SampleModel {
  func architecture() throws -> Architecture {
    try Architecture.read(Document(text: rawValue, name: "config.json"), name: "sample")
  }
}

/// Numbers of a tensor that follow from its name, its step and nothing else.
func numbers(_ name: String, count: Int, step: Int) -> [Float] {
  let seed = name.utf8.reduce(UInt64(step)) { $0 &* 31 &+ UInt64($1) }
  var generator = SeededGenerator(seed: seed)
  return (0..<count).map { _ in Float(generator.unit()) - 0.5 }
}

extension Architecture {
  /// Tensors that are written, copies left out.
  var written: [ParameterTensor] { parameters.filter { $0.sharedWith == nil } }
}

/// Cuts a model's tensors among ranks: weights whole in turn, moments in shards of up to 5 numbers.
func pieces(
  of architecture: Architecture, rank: Int, ranks: Int, step: Int
) -> CheckpointPieces {
  var weights: [ParameterTensor] = []
  var shards: [CheckpointPieces.Shard] = []
  var turn = 0
  for (index, tensor) in architecture.written.enumerated() {
    if index % ranks == rank { weights.append(tensor) }
    guard tensor.isTrained else { continue }
    for start in stride(from: 0, to: tensor.count, by: 5) {
      if turn % ranks == rank {
        shards.append(.init(tensor: tensor.name, range: start..<min(tensor.count, start + 5)))
      }
      turn += 1
    }
  }
  let counts = Dictionary(
    uniqueKeysWithValues: architecture.written.map { ($0.name, $0.count) })
  return CheckpointPieces(
    weights: weights, shards: shards,
    numbers: { numbers($0.name, count: $0.count, step: step) },
    moments: { shard, moment in
      let whole = numbers(
        "\(moment.rawValue) \(shard.tensor)", count: counts[shard.tensor] ?? 0, step: step)
      return Array(whole[shard.range])
    })
}

/// Ranks as threads that meet at barriers, for writing a checkpoint together.
final class Barrier: @unchecked Sendable {
  private let condition = NSCondition()
  private let ranks: Int
  private var waiting = 0
  private var round = 0

  init(ranks: Int) { self.ranks = ranks }

  func wait() {
    condition.lock()
    defer { condition.unlock() }
    let mine = round
    waiting += 1
    if waiting == ranks {
      waiting = 0
      round += 1
      condition.broadcast()
    }
    while mine == round { condition.wait() }
  }
}

/// Writes one checkpoint by several ranks and returns its path.
@discardableResult func writeCheckpoint(
  of model: SampleModel, in folder: String, step: Int, ranks: Int = 2, keep: Int = 3
) throws -> String {
  let architecture = try model.architecture()
  let writer = CheckpointWriter(
    folder: CheckpointFolder(path: folder), keep: keep, architecture: architecture,
    configuration: Array(model.rawValue.utf8))
  let state = TrainingState(
    step: step, sequences: 8 * step, tokens: 32 * step, seed: .max, data: "stream 7 \"x\"",
    begunFrom: "sum")
  let barrier = Barrier(ranks: ranks)
  let failures = Failures()
  let threads = (0..<ranks).map { rank in
    Thread {
      do {
        try writer.write(
          pieces(of: architecture, rank: rank, ranks: ranks, step: step), state: state,
          rank: rank, ranks: ranks, barrier: barrier.wait)
      } catch {
        failures.add(error)
      }
      barrier.wait()
    }
  }
  for thread in threads.dropLast() { thread.start() }
  threads.last?.main()
  try failures.throwFirst()
  return writer.folder.checkpoint(atStep: step)
}

/// Errors of several threads.
final class Failures: @unchecked Sendable {
  private let lock = NSLock()
  private var errors: [any Error] = []

  func add(_ error: any Error) {
    lock.lock()
    errors.append(error)
    lock.unlock()
  }

  func throwFirst() throws {
    lock.lock()
    defer { lock.unlock() }
    if let first = errors.first { throw first }
  }
}

/// Reads everything of a checkpoint and compares it with what was written at a step.
func isWhole(_ path: String, _ model: SampleModel, step: Int) throws -> Bool {
  let reader = try CheckpointReader(path: path)
  try reader.verify()
  let architecture = try model.architecture()
  guard try reader.admitted(for: architecture).architecture == architecture,
    reader.state?.step == step
  else { return false }
  for tensor in architecture.written {
    let expected = numbers(tensor.name, count: tensor.count, step: step)
    guard try reader.weights(of: tensor) == expected else { return false }
    guard tensor.isTrained else { continue }
    for moment in CheckpointPieces.Moment.allCases {
      let whole = numbers(
        "\(moment.rawValue) \(tensor.name)", count: tensor.count, step: step)
      let found = try reader.moment(moment, of: tensor, in: 0..<tensor.count)
      guard found == whole else { return false }
    }
  }
  return true
}

import Checkpoints
import Documents
import MessagePassing
import Models
import Runs
import Tokens

/// What one step of a run came to, put together from all ranks: to compare two plans bit by bit.
public struct StepSnapshot: Sendable {
  /// The bits of a tensor.
  public struct Tensor: Hashable, Sendable {
    public var name: String
    public var values: [Float]
  }

  public var loss: Double
  public var gradientNorm: Double
  /// Gradients summed over all copies, before clipping, in the order of the model.
  public var gradients: [Tensor]
  /// Parameters after the update, in the order of the model.
  public var parameters: [Tensor]

  /// Makes the first step of a run, with ranks as threads of this process.
  ///
  /// - Throws: `ConfigurationError`, `CheckpointError`, `TrainingError`.
  public init(firstStepOf prepared: PreparedRun, ranks: Int) throws {
    let parts = try withRanksAsThreads(ranks, timeout: .seconds(600)) { communicator in
      try Part(prepared, communicator)
    }
    loss = parts[0].loss
    gradientNorm = parts[0].norm
    let tensors = prepared.run.model.architecture.parameters
      .filter { $0.sharedWith == nil && $0.isTrained }
    var places: [String: Int] = [:]
    for (index, tensor) in tensors.enumerated() { places[tensor.name] = index }
    var gradients = tensors.map {
      Tensor(name: $0.name, values: Array(repeating: .nan, count: $0.count))
    }
    var parameters = gradients
    for piece in parts.flatMap(\.pieces) {
      guard let place = places[piece.name] else { continue }
      let range = piece.start..<piece.start + piece.gradient.count
      gradients[place].values.replaceSubrange(range, with: piece.gradient)
      parameters[place].values.replaceSubrange(range, with: piece.parameter)
    }
    self.gradients = gradients
    self.parameters = parameters
  }

  /// What one rank updated.
  private struct Part: Sendable {
    var loss: Double
    var norm: Double
    var pieces: [(name: String, start: Int, gradient: [Float], parameter: [Float])] = []

    init(_ prepared: PreparedRun, _ communicator: any Communicator) throws {
      let run = prepared.run
      guard let training = prepared.training else {
        throw ConfigurationError(
          file: run.file, keyPath: "objective",
          rule: "is \(run.objective.rawValue), and single steps are of language alone")
      }
      let sequences = TokenSequences(training)
      let trainer = try RankTrainer(
        run.model.architecture, prepared.placed.plan, communicator, sequences,
        run.setting(atStep: 0), schedule: prepared.placed.schedule,
        layout: prepared.placed.layout)
      if let path = run.model.checkpoint {
        try trainer.load(CheckpointReader(path: path), resuming: false)
      } else {
        trainer.initialize(seed: run.seed, residualScale: run.residualScale)
      }
      let result = try trainer.step(learningRate: run.learningRate.rate(atStep: 0))
      (loss, norm) = (result.loss, result.gradientNorm)
      trainer.forEachOwnedPiece { piece in
        pieces.append(
          (
            piece.tensor.checkpointName, piece.range.lowerBound, Array(piece.gradient),
            Array(piece.parameter)
          ))
      }
    }
  }
}

extension StepSnapshot {
  /// The first number in which two steps differ.
  public struct Difference: Hashable, Sendable {
    /// What it is of: `loss`, `gradient of lm_head.weight`.
    public var what: String
    /// Which element of the tensor.
    public var index: Int?
    /// Elements of the tensor that differ, of how many.
    public var count = 1
    public var total = 1
    public var first: Double
    public var second: Double
    /// The largest difference in the tensor.
    public var largest: Double
  }

  /// The first difference in bits, gradients before what follows from them; nil if there is none.
  public func difference(from other: StepSnapshot) -> Difference? {
    if let found = Self.scalar("loss", loss, other.loss) { return found }
    for (mine, theirs) in zip(gradients, other.gradients) {
      if let found = Self.tensor("gradient of \(mine.name)", mine, theirs) { return found }
    }
    if let found = Self.scalar("gradient norm", gradientNorm, other.gradientNorm) { return found }
    for (mine, theirs) in zip(parameters, other.parameters) {
      if let found = Self.tensor("updated \(mine.name)", mine, theirs) { return found }
    }
    return nil
  }

  private static func scalar(_ what: String, _ a: Double, _ b: Double) -> Difference? {
    guard a.bitPattern != b.bitPattern else { return nil }
    return Difference(what: what, first: a, second: b, largest: abs(a - b))
  }

  private static func tensor(_ what: String, _ a: Tensor, _ b: Tensor) -> Difference? {
    let differing = a.values.indices.filter {
      a.values[$0].bitPattern != b.values[$0].bitPattern
    }
    guard let first = differing.first else { return nil }
    return Difference(
      what: what, index: first, count: differing.count, total: a.values.count,
      first: Double(a.values[first]), second: Double(b.values[first]),
      largest: differing.map { abs(Double(a.values[$0]) - Double(b.values[$0])) }.max() ?? 0)
  }
}

extension RunFile {
  /// What the initial weights of projections into the residual stream are multiplied by: each layer
  /// adds twice to it (GPT-2 report, section 2.3).
  var residualScale: Double {
    let layers = Double(model.architecture.layerCount)
    return model.architecture.family == .gpt2 ? 1 / (2 * layers).squareRoot() : 1
  }
}

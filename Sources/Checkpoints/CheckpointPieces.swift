import Models

/// What one rank contributes to a checkpoint.
///
/// Each tensor's weights come from exactly one rank, each of its moments from the ranks whose
/// shards cover it once. Copies of another tensor (a tied head) are not contributed.
public struct CheckpointPieces {
  /// A part of a tensor's optimizer state: a range of its numbers, counted row by row.
  public struct Shard: Hashable, Sendable {
    /// The tensor's name in the Hugging Face checkpoint.
    public var tensor: String
    public var range: Range<Int>

    public init(tensor: String, range: Range<Int>) {
      self.tensor = tensor
      self.range = range
    }
  }

  /// The two moments of Adam.
  public enum Moment: String, Hashable, Sendable, CaseIterable {
    /// The running mean of gradients.
    case first
    /// The running mean of squared gradients.
    case second
  }

  /// The tensors whose weights this rank writes, whole.
  public var weights: [ParameterTensor]
  /// The parts of optimizer state that this rank writes.
  public var shards: [Shard]
  /// The numbers of a tensor of `weights`.
  public var numbers: (ParameterTensor) -> [Float]
  /// The numbers of a moment of a shard.
  public var moments: (Shard, Moment) -> [Float]

  /// Describes a contribution; the closures are called once for each tensor and moment.
  public init(
    weights: [ParameterTensor], shards: [Shard],
    numbers: @escaping (ParameterTensor) -> [Float],
    moments: @escaping (Shard, Moment) -> [Float]
  ) {
    self.weights = weights
    self.shards = shards
    self.numbers = numbers
    self.moments = moments
  }
}

extension CheckpointPieces.Shard {
  /// The name of a moment in the optimizer's files: `first/lm_head.weight@4096`.
  func name(of moment: CheckpointPieces.Moment) -> String {
    "\(moment.rawValue)/\(tensor)@\(range.lowerBound)"
  }

  /// Reads such a name; the length comes from the file.
  static func parse(
    _ name: String, count: Int
  ) -> (shard: CheckpointPieces.Shard, moment: CheckpointPieces.Moment)? {
    guard let slash = name.firstIndex(of: "/"), let at = name.lastIndex(of: "@"), slash < at,
      let moment = CheckpointPieces.Moment(rawValue: String(name[..<slash])),
      let start = Int(name[name.index(after: at)...]), start >= 0, start < 1 << 56
    else { return nil }
    let tensor = String(name[name.index(after: slash)..<at])
    return (.init(tensor: tensor, range: start..<start + count), moment)
  }
}

extension Architecture {
  /// The tensors of a checkpoint's main files: no copies, no prediction modules.
  var checkpointTensors: [ParameterTensor] {
    units.filter { !$0.isPrediction }.flatMap { parameters(of: $0) }.filter { $0.sharedWith == nil }
  }

  /// The tensors of `mtp.safetensors`, copies of embedding and head left out.
  var predictionTensors: [ParameterTensor] {
    units.filter(\.isPrediction).flatMap { parameters(of: $0) }.filter { $0.sharedWith == nil }
  }

  /// The bytes of weights and moments in a checkpoint, as 32-bit numbers.
  package var checkpointBytes: Int {
    (checkpointTensors + predictionTensors).reduce(0) { $0 + $1.count * ($1.isTrained ? 12 : 4) }
  }
}

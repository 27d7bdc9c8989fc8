import Checkpoints
import Documents
import Models

extension RankTrainer {
  /// What this rank contributes to a checkpoint: the optimizer state that it answers for, and the
  /// weights of the tensors whose first number it answers for.
  ///
  /// Together the ranks contribute everything once, whatever the plan. The pieces read the rank's
  /// memory when they are asked, so they are of use between two steps only.
  public func checkpointPieces() -> CheckpointPieces {
    let originals = originals
    var weights: [ParameterTensor] = []
    var shards: [CheckpointPieces.Shard] = []
    var pieces: [CheckpointPieces.Shard: OwnedPiece] = [:]
    var slices: [String: ParameterSlice] = [:]
    for slice in self.slices { slices[slice.tensor.checkpointName] = slice }
    forEachOwnedPiece { piece in
      let tensor = originals(piece.tensor)
      let shard = CheckpointPieces.Shard(tensor: tensor.name, range: piece.range)
      shards.append(shard)
      pieces[shard] = piece
      guard piece.range.lowerBound == 0 else { return }
      weights.append(tensor)
      // A correction bias has no gradient and so no owner; it goes where its router goes.
      guard tensor.role == .router else { return }
      weights += self.slices.map(\.tensor).filter {
        $0.role == .correctionBias && $0.unit == tensor.unit
      }.prefix(1)
    }
    return CheckpointPieces(
      weights: weights, shards: shards,
      numbers: { tensor in
        guard let slice = slices[tensor.name] else {
          preconditionFailure("\(tensor.name) is not on the rank that answers for it")
        }
        return Array(self.values(slice))
      },
      moments: { shard, moment in
        guard let piece = pieces[shard] else { preconditionFailure("\(shard) is not a piece") }
        return Array(moment == .first ? piece.firstMoment : piece.secondMoment)
      })
  }

  /// Takes weights, and optimizer state if there is any, from a checkpoint.
  ///
  /// Each rank reads what its plan gives it; which plan wrote the checkpoint does not matter. Where
  /// training goes on, `stepsDone` is set to the checkpoint's step.
  ///
  /// - Parameter resuming: whether training goes on where it stood, rather than begins anew from the
  ///   weights.
  /// - Throws: `CheckpointError`.
  public func load(_ checkpoint: CheckpointReader, resuming: Bool) throws(CheckpointError) {
    try loadWeights(checkpoint)
    guard resuming else { return }
    guard let state = checkpoint.state, checkpoint.holdsMoments else {
      throw CheckpointError(
        .mismatched, file: checkpoint.path,
        rule: "has no optimizer state to go on from; it can serve as model.checkpoint")
    }
    let originals = originals
    var failure: CheckpointError?
    forEachUpdatedPiece { piece in
      guard failure == nil else { return }
      let tensor = originals(piece.tensor)
      do throws(CheckpointError) {
        let first = try checkpoint.moment(.first, of: tensor, in: piece.range)
        let second = try checkpoint.moment(.second, of: tensor, in: piece.range)
        _ = piece.firstMoment.update(fromContentsOf: first)
        _ = piece.secondMoment.update(fromContentsOf: second)
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    stepsDone = state.step
  }

  /// From a tensor to the one that it is a copy of, or itself.
  private var originals: (ParameterTensor) -> ParameterTensor {
    let all = architecture.parameters.filter { $0.sharedWith == nil }
    let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
    return { tensor in byName[tensor.checkpointName] ?? tensor }
  }
}

extension ParameterTensor {
  /// The name under which a checkpoint has the tensor's numbers.
  var checkpointName: String { sharedWith ?? name }
}

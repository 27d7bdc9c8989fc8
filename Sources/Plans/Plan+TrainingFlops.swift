import Models

extension Plan {
  /// What training on one token costs as MFU counts it, prediction modules and recomputation not counted: of
  /// what is frozen the forward pass, and of the backward what gradients of trained weights need.
  ///
  /// Adapters' own products (`lora`) are left out.
  ///
  /// - Parameter causal: whether the half of the scores that the mask removes is left out.
  public func trainingFlops(of architecture: Architecture, causal: Bool) -> TrainingFlops {
    guard !frozen.isEmpty || lora != nil else {
      return architecture.trainingFlops(sequence: sequenceLength, causal: causal)
    }
    return architecture.trainingFlops(
      sequence: sequenceLength, causal: causal,
      of: TrainedWeights(
        isTrained: { role in lora == nil && Part(role).map { !frozen.contains($0) } ?? false },
        isAdapted: { role in lora?.adapts(role) ?? false }))
  }
}

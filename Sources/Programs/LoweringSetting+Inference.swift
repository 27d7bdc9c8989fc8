import Models
import Plans

extension LoweringSetting {
  /// Turns a training rank's setting into that of one that serves: nothing is kept for a backward, every
  /// parameter lies there in the format that its products read, and attention is fused.
  ///
  /// - Parameters:
  ///   - purpose: `generation` or `prefill`.
  ///   - arrivesInOrder: whether exchanges of experts are those for few tokens.
  public mutating func serve(_ purpose: Purpose, arrivesInOrder: Bool) {
    precondition(purpose != .training && target == .device, "Training is the default.")
    self.purpose = purpose
    self.arrivesInOrder = arrivesInOrder
    sequenceParallel = false
    recomputation = .none
    fusedAttention = true
    dropout = false
    zeroStage = 0
    lanes = 1
    (offload, frozen, lora) = (Plan.Offload(), [], nil)
    if recipe.quantizes {
      recipe.linearWeight = recipe.product.stored
      recipe.keepsQuantizedWeights = false
    }
    recipe.otherParameter = recipe.headProduct.stored
  }
}

extension Plan {
  /// What makes an update of a gradient.
  public enum Optimizer: String, Hashable, Sendable, CaseIterable {
    /// Two moments of every parameter.
    case adamW = "adamw"
    /// The same, operator by operator over all parameters together (PyTorch's `foreach`).
    case adamWForeach = "adamw-foreach"
    /// One moment of every matrix in layers, orthogonalised by Newton and Schulz's iteration; AdamW for
    /// embeddings, head and vectors (Keller Jordan, Muon, 2024; arXiv 2502.16982).
    case muon
  }

  /// Whole matrices are orthogonalised: copies that divide the state hold none.
  func checkOptimizer() throws(PlanError) {
    guard optimizer == .muon, zeroStage != .nothing else { return }
    throw .cannotSimulate(
      key: "optimizer", value: optimizer.rawValue,
      rule: "orthogonalises whole matrices, which zero-stage \(zeroStage.rawValue) divides among "
        + "copies: zero-stage 0")
  }
}

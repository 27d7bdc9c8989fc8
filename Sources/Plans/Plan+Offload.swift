import Documents

extension Plan {
  /// What lies in the host's memory instead of the device's, as shares.
  public struct Offload: Hashable, Sendable {
    /// Of each stage's layers, from the first on: what they keep for their backward.
    public var activations = 0.0
    /// Of the optimizer's state: moments and master weights.
    public var optimizer = 0.0

    public init(activations: Double = 0, optimizer: Double = 0) {
      self.activations = activations
      self.optimizer = optimizer
    }

    /// Whether everything stays on the device.
    public var isNothing: Bool { activations == 0 && optimizer == 0 }
  }

  /// State that comes to the device in pieces is updated there, piece by piece.
  func checkOffload() throws(PlanError) {
    guard offload.optimizer > 0, optimizer == .muon else { return }
    throw .cannotSimulate(
      key: "offload.optimizer", value: "\(offload.optimizer)",
      rule: "takes state in pieces, and optimizer muon needs whole matrices: leave one of them out")
  }
}

/// The keys of `offload`.
struct OffloadKeys: KeySet {
  let activations = Key(
    "activations", .fraction, default: 0,
    "Share of each stage's layers, the first ones, whose kept activations go to the host behind their "
      + "forward and come back ahead of their backward.")
  let optimizer = Key(
    "optimizer", .fraction, default: 0,
    "Share of moments and master weights that comes to the device in pieces, is updated and goes back."
  )
}

import Simulation

/// What NeMo RL's step has beside computing, as others measured it in steps that are not compared here.
enum NemoPhases {
  /// Seconds in which weights reach generators on the same devices, which leave the devices and come back for it,
  /// by bytes of the model in BF16: Llama 3.1's 8B on 8 GPUs and 70B on 64, NeMo RL 0.3.
  ///
  /// Every device gathers the whole model and hands it over tensor by tensor, so that bytes of a generator's share
  /// over a link's rate say little of it. NVIDIA NeMo blog of 21 July 2025, whose phases
  /// github.com/NVIDIA-NeMo/RL/issues/959 repeats.
  private static let refits = [(bytes: 16.06e9, seconds: 5.0), (bytes: 141.1e9, seconds: 14.0)]

  /// Seconds of weights to generators on the same devices, on the straight line through what was measured.
  ///
  /// - Parameter parameters: of the whole model.
  static func refit(parameters: Int) -> Double {
    let (small, large) = (refits[0], refits[1])
    let share = (2 * Double(parameters) - small.bytes) / (large.bytes - small.bytes)
    return small.seconds + share * (large.seconds - small.seconds)
  }

  /// Parts of a step with these measured ones in their places.
  static func completing(
    _ parts: RolloutReport.Parts, _ placement: RolloutDescription.Placement, parameters: Int
  ) -> RolloutReport.Parts {
    var parts = parts
    if placement == .colocated {
      (parts.weights, parts.offload) = (refit(parameters: parameters), 0)
    }
    return parts
  }
}

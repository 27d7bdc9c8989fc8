import Clusters
import Models
import Plans

extension ClusterPricing {
  /// Refuses attention of a library that the cluster's file does not describe, and heads wider than its kernels
  /// take.
  func checkAttention(of architecture: Architecture) throws(PlanError) {
    let known = device.attention.known
    guard let chosen = plan.attentionLibrary, chosen != .unfused else {
      return try checkHeads(of: architecture)
    }
    if plan.precision.has32BitAttention {
      throw .cannotSimulate(
        key: "attention-library", value: chosen.rawValue,
        rule: "has no kernels for precision.attention-operands "
          + "\(plan.precision.attentionOperands.rawValue), only for 16 bits and fewer: unfused, or left out "
          + "for PyTorch's memory-efficient ones")
    }
    guard !known.contains(chosen) else { return try checkHeads(of: architecture) }
    throw .cannotSimulate(
      key: "attention-library", value: chosen.rawValue,
      rule: "is not among the attention that \(cluster.name) describes for "
        + "\(cluster.device.name); there is "
        + (known + [.unfused]).map(\.rawValue).joined(separator: ", "))
  }

  /// PyTorch's memory-efficient kernels, which attention in 32 bits is, take heads of any width.
  private func checkHeads(of architecture: Architecture) throws(PlanError) {
    guard plan.fusedAttention, !plan.precision.has32BitAttention,
      let library = plan.attentionLibrary ?? device.attention.usual,
      let widest = library.kernelWidths.last
    else { return }
    let widths = architecture.layers.compactMap { $0.attention.widthOfFusedHeads }
    guard let width = widths.max(), width > widest else { return }
    throw .cannotSimulate(
      key: "attention-library", value: library.rawValue,
      rule: "has kernels for heads of up to \(widest), and those of \(architecture.name) are "
        + "\(width) wide; unfused takes any width")
  }
}

extension Attention {
  /// The wider of a head's keys and values where the fused kernels of a library attend to them; nil where there are
  /// none, or each query gathers latents of its own, for which there are other kernels.
  fileprivate var widthOfFusedHeads: Int? {
    switch self {
    case .latent(let shape) where shape.indexer != nil: nil
    case .multiHead, .latent: max(queryKeyHeadSize, valueHeadSize)
    case .recurrent, .absent: nil
    }
  }
}

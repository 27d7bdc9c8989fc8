import Clusters
import Plans

extension ClusterPricing {
  /// Refuses attention of a library that the cluster's file does not describe.
  func checkAttention() throws(PlanError) {
    let known = device.attention.known
    guard let chosen = plan.attentionLibrary, chosen != .unfused else { return }
    if plan.precision.has32BitAttention {
      throw .cannotSimulate(
        key: "attention-library", value: chosen.rawValue,
        rule: "has no kernels for precision.attention-operands "
          + "\(plan.precision.attentionOperands.rawValue), only for 16 bits and fewer: unfused, or left out "
          + "for PyTorch's memory-efficient ones")
    }
    guard !known.contains(chosen) else { return }
    throw .cannotSimulate(
      key: "attention-library", value: chosen.rawValue,
      rule: "is not among the attention that \(cluster.name) describes for "
        + "\(cluster.device.name); there is "
        + (known + [.unfused]).map(\.rawValue).joined(separator: ", "))
  }
}

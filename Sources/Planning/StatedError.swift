import Clusters
import Models

/// By what share steps of a kind differed from measured ones, as `sluice validate` prints it: the mean
/// without signs.
///
/// Recorded from docs/validation.md (computed afresh they take a minute); plans that lie closer to each other
/// than that are not told apart by their order.
public struct StatedError: Hashable, Sendable {
  /// The mean error without signs.
  public var share: Double
  /// The table it stands in, and its rows.
  public var source: String

  /// The table that is nearest to a model on a cluster.
  public init(of architecture: Architecture, on cluster: Cluster) {
    let isMixture = architecture.feedForwards.contains { $0.mixture != nil }
    let device = cluster.device.name
    if isMixture, device.contains("H800") {
      (share, source) = (0.027, "DeepSeek-V3's training step on 2,048 H800s, 2 rows")
    } else if isMixture {
      (share, source) = (0.155, "five layouts of a mixture on 64 and 128 H100s, 12 rows")
    } else if device.contains("A100") {
      (share, source) = (0.103, "Megatron-DeepSpeed steps on 64 to 512 A100s, 73 rows")
    } else {
      (share, source) = (0.055, "steps of NVIDIA's recipes in BF16 on 8 to 2,048 H100s, 10 rows")
    }
  }
}

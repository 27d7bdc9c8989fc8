import Clusters
import Models

/// By what share steps of a kind differed from measured ones, as `sluice validate` prints it: the mean
/// without signs.
///
/// Recorded from docs/validation.md, which a test holds them against (computed afresh they take a minute);
/// plans that lie closer to each other than that are not told apart by their order.
public struct StatedError: Hashable, Sendable {
  /// The mean error without signs.
  public var share: Double
  /// The title of its table.
  public var table: String
  /// Steps in it.
  public var rows: Int

  /// The table with its rows, in words.
  public var source: String { "\(table), \(rows) rows" }

  /// The table that is nearest to a model on a cluster.
  public init(of architecture: Architecture, on cluster: Cluster) {
    let isMixture = architecture.feedForwards.contains { $0.mixture != nil }
    let device = cluster.device.name
    if isMixture {
      self = device.contains("H800") ? .mixtureOnH800s : .mixtures
    } else {
      self = device.contains("A100") ? .denseOnA100s : .dense
    }
  }

  private init(_ share: Double, _ table: String, _ rows: Int) {
    (self.share, self.table, self.rows) = (share, table, rows)
  }

  /// One for each kind of step.
  package static let all = [mixtureOnH800s, mixtures, denseOnA100s, dense]

  private static let mixtureOnH800s = StatedError(
    0.011, "DeepSeek-V3's training step on 2,048 H800s", 2)
  private static let mixtures = StatedError(
    0.133, "Five layouts of a mixture on 64 and 128 H100s", 12)
  private static let denseOnA100s = StatedError(
    0.099, "Megatron-DeepSpeed steps on 64 to 512 A100s", 73)
  private static let dense = StatedError(
    0.015, "Steps of NVIDIA's recipes in BF16 on 8 to 2,048 H100s", 10)
}

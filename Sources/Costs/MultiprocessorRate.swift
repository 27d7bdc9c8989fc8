/// Bytes of rows a second that one multiprocessor of an exchange moves, and between what ends that may lie.
///
/// An exchange moves rows in proportion to its multiprocessors until a link is full: a channel has as many
/// rows under way as its buffers hold, and a further channel has as many again. NVIDIA's table of DeepEP's
/// kernels on eight B200s shows it (deepseek-ai/DeepEP, branch hybrid-ep, docs/README_Hybrid-EP.md): 348,
/// 494, 560 and 619 GB/s of rows in BF16 on 16, 24, 28 and 32 multiprocessors, and 629 to 646 on 36 to 48.
///
/// What one of them moves depends on the kernels: DeepEP's first version needs 20 to 24 where its second one
/// fills the network with 4 to 6. A conclusion that differs between the ends depends on which of them runs.
public struct MultiprocessorRate: Hashable, Sendable {
  /// The rate that is computed with, and the ends of what is plausible.
  public enum End: String, Hashable, Sendable, CaseIterable {
    case low, stated, high
  }

  public var low: Double
  public var stated: Double
  public var high: Double

  /// - Precondition: `low <= stated <= high`.
  public init(_ stated: Double, low: Double? = nil, high: Double? = nil) {
    self.stated = stated
    self.low = low ?? stated
    self.high = high ?? stated
    precondition(self.low <= stated && stated <= self.high, "A rate lies between its ends.")
  }

  public func callAsFunction(_ end: End) -> Double {
    switch end {
    case .low: low
    case .stated: stated
    case .high: high
    }
  }
}

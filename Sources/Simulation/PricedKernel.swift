import Costs
import Programs

/// One kernel that an operation launches, or several equal ones, with what decides its price.
///
/// The gaps between launches are apart: what a profiler shows of a kernel is its own time.
package struct PricedKernel: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    /// A product, of one matrix or of several experts at once.
    case product(MatmulShape, Format)
    case attention(Costs.AttentionShape, fused: Bool, Pass)
    case cachedAttention(CachedAttention)
    /// A pass over memory.
    case streaming(StreamingClass)
    /// The kernels that choose experts, all of them together.
    case routing
    /// The kernels that index rows by expert.
    case indexing
    /// Kernels over a few numbers.
    case tiny
  }

  package var kind: Kind
  package var launches: Int
  /// Of all launches together, the gaps between them not counted.
  package var seconds: Double

  init(_ kind: Kind, launches: Int = 1, seconds: Double) {
    self.kind = kind
    self.launches = launches
    self.seconds = seconds
  }

  /// The same launched so many times.
  func repeated(_ count: Int) -> PricedKernel {
    PricedKernel(kind, launches: count * launches, seconds: Double(count) * seconds)
  }
}

extension ClusterPricing {
  /// The kernels of an operation; with the gap before each launch they take `seconds(of:rows:isOverlapped:)`.
  package func kernels(
    of operation: Operation, rows: ExchangeRows, isOverlapped: Bool
  ) -> [PricedKernel] {
    kernels.kernels(of: operation, rows: rows, isOverlapped: isOverlapped)
  }

  /// Seconds between a kernel's end and the next one's start.
  package var launchGap: Double { device.launchGap }
}

import Costs
import RealModule

/// A matrix product that was measured: the product alone.
public struct ProductCell: Hashable, Sendable {
  public var shape: MatmulShape
  public var measuredSeconds: Double
}

/// The vendor's products on one device, halved: constants are fitted to every second shape, the others are
/// predicted.
///
/// From NVIDIA's aiconfigurator (Apache-2.0): at 095f58a `gemm_perf.parquet` of TensorRT-LLM 1.3.0rc20 for H100,
/// H200 and B200, and of its 1.0.0 for A100s, from the package aiconfigurator-core 0.12.0. Random normal operands, weights
/// rotated past the cache. Taken were shapes whose m is a power of two from 256 and whose n and k have at least
/// 1,024: 2,010 of 2,550, and 1,344 of A100s. BF16 was measured a second time (SGLang's collector): where both
/// agree within a tenth, which 75 (B200) to 90 % (A100) do, the mean counts. FP8 is what is left of the time without
/// the separately timed quantisation. Nothing is fitted to those of H100s and H200s, of which every second ships.
///
/// Those that `probe.py` measured are of all three products of a linear layer, of two H100s and an H200 in virtual machines
/// (driver 580.159.04, CUDA 13.0, PyTorch 2.11, 700 W, 40 to 77 C, 2026-11-27; benchmarks/probe): random normal
/// operands of both sides and results rotated past the cache, 2 ms of launches replayed from a graph and the median of
/// five of these; of the H100s the mean of two runs, but 32-bit sums of the second alone: the first had copied them.
public struct ProductCells: Sendable {
  /// Whose products were measured.
  public enum Device: String, Hashable, Sendable, CaseIterable {
    case a100, h100, h200, b200

    /// Whether NVIDIA's table of it ships whole.
    fileprivate var isWhole: Bool { self == .a100 || self == .b200 }

    fileprivate var table: ComponentTable {
      switch self {
      case .a100: ComponentTable(PackageResources.gemm_a100_csv)
      case .h100: ComponentTable(PackageResources.gemm_h100_csv)
      case .h200: ComponentTable(PackageResources.gemm_h200_csv)
      case .b200: ComponentTable(PackageResources.gemm_b200_csv)
      }
    }
  }

  public var fitted: [ProductCell]
  public var predicted: [ProductCell]

  /// The shipped measurements of the operands' format.
  public init(shipped device: Device, _ precision: MatmulPrecision) {
    fitted = []
    predicted = []
    for (index, row) in device.table.rows.enumerated() {
      let cell = ProductCell(
        shape: MatmulShape(
          m: row.integer("m"), n: row.integer("n"), k: row.integer("k")),
        measuredSeconds: Self.microseconds(row, precision) * 1e-6)
      let isFitted = device.isWhole && index.isMultiple(of: 2)
      if isFitted { fitted.append(cell) } else { predicted.append(cell) }
    }
  }

  /// What the probe measured on a device of the operands' format, every second shape fitted with all its products.
  public init(probed device: Device, _ precision: MatmulPrecision) {
    fitted = []
    predicted = []
    var places: [[Int]: Int] = [:]
    for row in ComponentTable(PackageResources.probe_products_csv).rows
    where row.text("device") == device.rawValue && row.text("format").hasPrefix(precision.rawValue)
    {
      let (m, n, k) = (row.integer("m"), row.integer("n"), row.integer("k"))
      let adds = row.text("format").hasSuffix("-32")
      let shape =
        switch row.text("pass") {
        case "input-gradient": MatmulShape(m: m, n: k, k: n, pass: .backwardInput)
        case "weight-gradient":
          MatmulShape(m: n, n: k, k: m, pass: .backwardWeight, accumulates: adds)
        default: MatmulShape(m: m, n: n, k: k)
        }
      let cell = ProductCell(shape: shape, measuredSeconds: row.number("us") * 1e-6)
      let place = places[[m, n, k]] ?? places.count
      places[[m, n, k]] = place
      if place.isMultiple(of: 2) { fitted.append(cell) } else { predicted.append(cell) }
    }
  }

  private static func microseconds(_ row: [String: String], _ precision: MatmulPrecision) -> Double
  {
    guard precision == .bf16 else { return row.number("fp8_us") }
    let (first, second) = (row.number("bf16_us"), row.number("bf16_second_us"))
    return max(first, second) <= 1.1 * min(first, second) ? (first + second) / 2 : first
  }
}

/// How a benchmark's clock falls: a kernel runs at boost for as long as power is not yet felt, and at the
/// sustained clock from then on.
public struct BenchmarkClock: Hashable, Sendable {
  /// Seconds of a kernel that run at boost.
  public var burst: Double
  /// What is left of the boost clock behind them.
  public var sustained: Double

  public init(burst: Double, sustained: Double) {
    self.burst = burst
    self.sustained = sustained
  }

  /// Kernels that are short and far enough apart to run at boost.
  public static let boost = BenchmarkClock(burst: .infinity, sustained: 1)

  /// Seconds of a kernel that takes some at boost: the mean of both speeds over its run.
  public func seconds(atBoost seconds: Double) -> Double {
    let share = min(1, burst / seconds)
    return seconds / (sustained + (1 - sustained) * share)
  }
}

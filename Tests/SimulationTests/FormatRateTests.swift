import Costs
import Plans
import Programs
import Simulation
import Testing

/// Formats whose kernels are not described: how fast they multiply beside those that are.
@Suite struct FormatRateTests {
  /// FLOPS that the described BF16 kernels reach before overheads: 4,096 a clock on 132 multiprocessors.
  static let sustained = 4_096 * 132 * 1.83e9

  struct Case: Sendable, CustomTestStringConvertible {
    var precision: String
    var peaks: [String]
    /// Speed in units of the described BF16 kernels.
    var rate: Double
    var testDescription: String { "\(precision) \(peaks)" }
  }

  static let cases: [Case] = [
    Case(precision: "float32", peaks: [], rate: 66.9 / 989),
    Case(precision: "float32", peaks: ["fp32.value=30 TFLOPS"], rate: 30 / 989),
    // More BF16 than the kernels reach takes nothing from other formats.
    Case(precision: "float32", peaks: ["bf16.value=1978 TFLOPS"], rate: 66.9e12 / sustained),
    Case(precision: "tf32", peaks: ["bf16.value=1978 TFLOPS"], rate: 494.5e12 / sustained),
    Case(precision: "float16", peaks: ["bf16.value=1978 TFLOPS"], rate: 989e12 / sustained),
    Case(precision: "bf16", peaks: ["bf16.value=1978 TFLOPS"], rate: 1),
    // A faster format is faster in the proportion of the peaks.
    Case(precision: "float16", peaks: ["fp16.value=1978 TFLOPS"], rate: 2),
    Case(
      precision: "float16", peaks: ["fp16.value=3956 TFLOPS", "bf16.value=1978 TFLOPS"],
      rate: 2),
  ]

  @Test(arguments: cases) func formatsMultiplyAtTheirPeaks(example: Case) throws {
    let step = try PrecisionKeyTests.step(
      example.precision, cluster: example.peaks.map { "device.peak.\($0)" })
    let operation = try KernelBytesTests.operation(in: step) {
      if case .matmul = $0 { true } else { false }
    }
    guard case .matmul(let product) = operation.kernel, case .fixed(let rows) = product.m else {
      Issue.record("\(operation.kernel)")
      return
    }
    let bytes = Double(product.format.bytes(columns: 1))
    let device = step.pricing.device
    let cost = try #require(
      MatmulCost(device, as: .bf16, rate: example.rate, operandBytes: bytes)
    ).cost(MatmulShape(m: rows, n: product.n, k: product.k, resultBytes: bytes))
    let priced = step.pricing.seconds(
      of: operation, rows: KernelBytesTests.rows, isOverlapped: false)
    #expect(abs(priced / (device.launchGap + cost.seconds) - 1) < 1e-9)
  }

  /// No step computes faster than the fastest format that it multiplies in; MFU stays one of BF16.
  @Test(arguments: [
    ("float32", 66.9e12), ("tf32", 494.5e12), ("bf16", 989e12), ("fp8-deepseek", 1_979e12),
    ("{base: float32, attention-operands: tf32}", 494.5e12),
    ("{base: bf16, head-operands: e4m3}", 1_979e12),
  ]) func theFastestPeakIsOneThatIsUsed(precision: String, peak: Double) throws {
    let report = try PrecisionKeyTests.report(precision)
    #expect(abs(report.fastestPeakFLOPs / peak - 1) < 1e-9)
    #expect(abs(report.peakFLOPs / 989e12 - 1) < 1e-9)
    try report.checkPossible()
  }
}

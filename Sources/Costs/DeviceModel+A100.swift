extension DeviceModel {
  /// The A100 PCIe 80 GB: constants fitted to 195 product rows and 24 attention rows.
  public static let a100PCIeTable = NumberTable(
    a100(
      clock: 1.2322e9,
      clockSource: "fitted to the PCIe products: 300 W leave 87 % of 1,410 MHz",
      nominal: 1.935e12, reached: 1.74e12))

  /// The A100 SXM4 80 GB: the same kernels at the clock that 400 W leave.
  public static let a100SXMTable = NumberTable(
    a100(
      clock: 1.347e9,
      clockSource: "fitted to the 22B layers of arXiv 2205.05198 Table 4",
      nominal: 2.039e12, reached: 1.83e12))

  private static func a100(
    clock: Double, clockSource: String, nominal: Double, reached: Double
  ) -> [NumberTable.Entry] {
    let sheet = "NVIDIA A100 data sheet"
    return [
      .init("device.multiprocessors", 108, source: sheet),
      .init("clock.boost", 1.41e9, source: sheet),
      .init("clock.loaded", clock, source: clockSource),
      .init(
        "memory.bandwidth-reached", reached,
        source: "90 % of the data sheet's, the share that the H800 reaches"),
      .init("launch.gap", 1.9e-6, source: "assumed as on the H800's trace"),
    ] + a100Products + a100Attention + a100Streaming(nominal: nominal)
  }

  private static let a100Products: [NumberTable.Entry] = {
    let fitted = "fitted to 195 A100 PCIe products: mean residual 3.2 %, worst 26 %"
    let tiles = "CUTLASS tiles for Ampere"
    return [
      .init("matmul.bf16.flops-per-clock", 2048, source: "data sheet: 312 TFLOPS at 1,410 MHz"),
      .init("matmul.bf16.step-depth", 32, source: tiles),
      .init("matmul.bf16.step-overhead", 121.4, source: fitted),
      .init("matmul.bf16.step-floor", 0, source: fitted),
      .init("matmul.bf16.promotion", 0, source: "16-bit products are not promoted"),
      .init("matmul.bf16.promotion-weight", 0, source: "16-bit products are not promoted"),
      .init("matmul.bf16.tile-overhead", 0.775e-6, source: fitted),
      .init("matmul.bf16.output-rate", 3.744e12, source: fitted),
      .init("matmul.bf16.start", 0, source: fitted + "; measured in a loop, starts overlapped"),
      .init("matmul.bf16.knee", 4, source: fitted),
      .init("matmul.bf16.maximum-tile-rows", 256, source: tiles),
      .init("matmul.bf16.maximum-tile-columns", 256, source: tiles),
    ]
  }()

  private static let a100Attention: [NumberTable.Entry] = {
    let fitted = "fitted to 24 A100 rows, halved as causal: mean residual 2.2 %, worst 8.4 %"
    return [
      .init("attention.flops-per-clock", 2048, source: "data sheet"),
      .init("attention.forward-share", 0.777, source: fitted),
      .init("attention.forward-share-wide", 0.690, source: fitted),
      .init("attention.backward-share", 0.620, source: fitted),
      .init("attention.backward-share-wide", 0.497, source: fitted),
      .init("attention.forward-tail", 0.765, source: fitted),
      .init("attention.backward-tail", 0.389, source: fitted),
      .init("attention.block-rows", 128, source: "FlashAttention-2's block"),
      .init("attention.start", 13.7e-6, source: fitted),
    ]
  }()
}

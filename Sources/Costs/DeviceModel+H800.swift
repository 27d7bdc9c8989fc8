extension DeviceModel {
  /// The H800 SXM5: constants fitted to DeepGEMM's tables and to the published V3 trace.
  ///
  /// The trace's kernels ran on 112 multiprocessors beside communication, at the loaded clock;
  /// DeepGEMM's tables were taken on 132 at boost: one set of constants serves both.
  public static let h800Table = NumberTable(
    h800Chip + h800Products + h800Attention + h800Streaming)

  /// The H100 SXM5: the same chip; only its NVLink differs, which is not part of a device.
  public static let h100Table = h800Table

  private static let h800Chip: [NumberTable.Entry] = {
    let kernels = "FlashMLA documentation, 2025-04-22 and 2025-09-29"
    return [
      .init("device.multiprocessors", 132, source: "V3 report; device record of the V3 trace"),
      .init("clock.boost", 1.83e9, source: kernels),
      .init("clock.loaded", 1.6e9, source: kernels),
      .init("memory.bandwidth-reached", 3.0e12, source: "FlashMLA README, memory-bound"),
      .init(
        "launch.gap", 1.9e-6,
        source: "V3 trace phases: (span - busy) / kernels is 1.9 us in attn(F), mlp(B), attn(B)"),
    ]
  }()

  private static let h800Products: [NumberTable.Entry] = {
    let sheet = "H100 data sheet: 8,192 FP8 and 4,096 BF16 FLOP per clock and multiprocessor"
    let april = "fitted to DeepGEMM's table of 2025-04-09: mean residual 3.8 %, worst 9.6 %"
    let february =
      "fitted to DeepGEMM's table of 2025-02-25 (mean 4.1 %, worst 12.3 %) "
      + "and the trace's 108 products (mean 2.9 %)"
    let tiles = "DeepGEMM sources: tiles of 64 or 128 rows, up to 128 columns; 128 of K a step"
    let borrowed = "no April weight gradients are published; February's value plus April's shift"
    let router = "fitted to the trace's router products (BF16, 4096 x 256 x 7168, 46 us)"
    let assumed = "assumed as for FP8 in February"
    return [
      .init("matmul.fp8-2025-02.flops-per-clock", 8192, source: sheet),
      .init("matmul.fp8-2025-02.step-depth", 128, source: tiles),
      .init("matmul.fp8-2025-02.step-overhead", 0, source: february),
      .init("matmul.fp8-2025-02.step-floor", 246.7, source: february),
      .init("matmul.fp8-2025-02.promotion", 1.321, source: february),
      .init("matmul.fp8-2025-02.promotion-weight", 2.298, source: february),
      .init("matmul.fp8-2025-02.tile-overhead", 0, source: february),
      .init("matmul.fp8-2025-02.output-rate", 2.399e12, source: february),
      .init("matmul.fp8-2025-02.start", 1.139e-6, source: february),
      .init("matmul.fp8-2025-02.knee", 2.353, source: february),
      .init("matmul.fp8-2025-02.maximum-tile-rows", 128, source: tiles),
      .init("matmul.fp8-2025-02.maximum-tile-columns", 128, source: tiles),
      .init("matmul.fp8-2025-04.flops-per-clock", 8192, source: sheet),
      .init("matmul.fp8-2025-04.step-depth", 128, source: tiles),
      .init("matmul.fp8-2025-04.step-overhead", 0, source: april),
      .init("matmul.fp8-2025-04.step-floor", 218, source: april),
      .init("matmul.fp8-2025-04.promotion", 1.392, source: april),
      .init("matmul.fp8-2025-04.promotion-weight", 2.369, source: borrowed),
      .init("matmul.fp8-2025-04.tile-overhead", 0.336e-6, source: april),
      .init("matmul.fp8-2025-04.output-rate", 8.316e12, source: april),
      .init("matmul.fp8-2025-04.start", 0.946e-6, source: april),
      .init("matmul.fp8-2025-04.knee", 1.826, source: april),
      .init("matmul.fp8-2025-04.maximum-tile-rows", 128, source: tiles),
      .init("matmul.fp8-2025-04.maximum-tile-columns", 128, source: tiles),
      .init("matmul.bf16.flops-per-clock", 4096, source: sheet),
      .init("matmul.bf16.step-depth", 64, source: "CUTLASS default for Hopper"),
      .init("matmul.bf16.step-overhead", 100, source: router),
      .init("matmul.bf16.step-floor", 200, source: assumed),
      .init("matmul.bf16.promotion", 0, source: "16-bit products are not promoted"),
      .init("matmul.bf16.promotion-weight", 0, source: "16-bit products are not promoted"),
      .init("matmul.bf16.tile-overhead", 0, source: assumed),
      .init("matmul.bf16.output-rate", 2.399e12, source: assumed),
      .init("matmul.bf16.start", 1.139e-6, source: assumed),
      .init("matmul.bf16.knee", 2.353, source: assumed),
      .init("matmul.bf16.maximum-tile-rows", 256, source: "CUTLASS tiles for Hopper"),
      .init("matmul.bf16.maximum-tile-columns", 256, source: "CUTLASS tiles for Hopper"),
    ]
  }()

  private static let h800Attention: [NumberTable.Entry] = {
    let forward = "fitted to the trace: 1,237 us mean of 4 (128 heads, 192/128, 4,096 causal)"
    let backward = "fitted to the trace: 3,779 us mean of 4 (2.5 times the FLOPs)"
    let tail = "taken from the A100 rows, where the number of heads varies"
    return [
      .init("attention.flops-per-clock", 4096, source: "H100 data sheet, BF16"),
      .init("attention.forward-share", 0.813, source: forward + "; same below 128, assumed"),
      .init("attention.forward-share-wide", 0.813, source: forward),
      .init("attention.backward-share", 0.652, source: backward + "; same below 128, assumed"),
      .init("attention.backward-share-wide", 0.652, source: backward),
      .init("attention.forward-tail", 0.765, source: tail),
      .init("attention.backward-tail", 0.389, source: tail),
      .init("attention.block-rows", 128, source: "trace: grid 32 x 128 for 4,096 rows, 128 heads"),
      .init("attention.start", 2.0e-6, source: "assumed: a persistent kernel's prologue"),
    ]
  }()
}

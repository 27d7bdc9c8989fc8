extension DeviceModel {
  /// Bandwidths by class on the H800, from kernels of the V3 trace whose bytes are unambiguous.
  static let h800Streaming: [NumberTable.Entry] =
    streamingRates.map { name, rate, source in
      .init("streaming.\(name)", rate, source: source)
    } + [
      .init("streaming.ramp", 3.0e-6, source: "V3 trace: the smallest kernels of several blocks"),
      .init(
        "streaming.routing-per-token", 62e-9,
        source: "V3 trace: 38 kernels after the router product, 256 us for 4,096 tokens"),
      .init(
        "streaming.index-per-token", 8.3e-9,
        source: "V3 trace: two kernels, 241 us for about 29,000 received tokens"),
    ]

  /// The same classes on an A100: the same shares of the data sheet's bandwidth, an assumption
  /// that the 22B layers check.
  static func a100Streaming(nominal: Double) -> [NumberTable.Entry] {
    let assumed = "assumed: the H800's share of the data sheet's bandwidth"
    return streamingRates.map { name, rate, _ in
      .init("streaming.\(name)", rate / 3.35e12 * nominal, source: assumed)
    } + [
      .init("streaming.ramp", 3.0e-6, source: "assumed as on the H800"),
      .init("streaming.routing-per-token", 62e-9, source: "assumed as on the H800"),
      .init("streaming.index-per-token", 8.3e-9, source: "assumed as on the H800"),
    ]
  }

  private static let streamingRates: [(String, Double, String)] = {
    let trace = "V3 trace, "
    let assumed = "not in the trace; as elementwise: "
    return [
      ("quantise", 2.0e12, trace + "4,096 rows of 512 to 32,768: within 14 %"),
      ("quantise-transpose", 2.4e12, trace + "8 widths: within 21 %, large ones 5 %"),
      ("quantise-wide", 1.28e12, trace + "before o_proj, 186 us for 16,384 columns"),
      ("dequantise", 2.2e12, trace + "4 shapes: within 20 %"),
      ("rmsnorm-forward", 1.05e12, trace + "7,168, 1,536 and 512 columns"),
      ("rmsnorm-backward", 1.35e12, trace + "179 and 99 us for 7,168 columns"),
      ("layernorm-forward", 3.0e12, assumed + "a fused kernel"),
      ("layernorm-backward", 3.0e12, assumed + "a fused kernel"),
      ("rope", 3.35e12, trace + "128 heads of 192: within 2 %"),
      ("swiglu-forward", 2.4e12, trace + "routed and shared: within 4 %"),
      ("swiglu-backward", 1.9e12, trace + "routed and shared: within 10 %"),
      ("gelu", 3.0e12, assumed + "with its bias"),
      ("softmax", 3.0e12, assumed + "with scale and mask"),
      ("dropout", 3.0e12, assumed + "with bias and residual"),
      ("permute", 2.5e12, trace + "forward and backward: within 6 %"),
      ("unpermute", 2.65e12, trace + "forward and backward: within 4 %"),
      ("elementwise", 3.2e12, trace + "4,096 x 7,168 in and out of cache"),
      ("copy", 3.2e12, trace + "assembling keys and values: within 6 %"),
      ("transpose", 2.7e12, trace + "9 weights: within 13 % above 10 us"),
      ("transpose-scales", 0.35e12, trace + "3 to 13 us, 32 or 64 blocks only"),
      ("attention-preparation", 2.66e12, trace + "256 us"),
      ("attention-conversion", 2.8e12, trace + "219 us"),
      ("optimizer", 3.0e12, assumed + "one fused pass"),
      ("embedding", 2.65e12, "not in the trace; gathers rows as unpermute does"),
      ("cross-entropy", 3.0e12, assumed + "passes over the scores"),
    ]
  }()
}

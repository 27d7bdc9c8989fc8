extension V3Trace {
  func attentionForward() -> [Kernel] {
    let core = AttentionCost(device).forward(attention, multiprocessors: multiprocessors)
    let router = MatmulShape(m: 4_096, n: 256, k: hidden)
    let choosing = StreamingCost(device).routing(tokens: 4_096).seconds
    return [norm(7_168)] + quantised(7_168) + [fp8(1_536, hidden)]
      + quantised(7_168) + [fp8(576, hidden), tiny(), tiny()] + headsFromLatents()
      + [Kernel(kind: "flash_attn_fwd", seconds: core.seconds)]
      + [stream("quantize", .quantiseWide, tokens * 16_384 * 3.5)]
      + quantised(16_384) + [fp8(hidden, 16_384)]
      // The product's result is still in cache when the residual is added.
      + [adding(4), norm(7_168), product(router, kind: "bf16_gemm", library: .bf16)]
      + [Kernel(kind: "other", seconds: choosing)] + quantised(7_168, scales: false)
  }

  func attentionBackward() -> [Kernel] {
    let router = [
      MatmulShape(m: 256, n: hidden, k: 4_096, pass: .backwardWeight),
      MatmulShape(m: 4_096, n: hidden, k: 256, pass: .backwardInput),
    ].map { product($0, kind: "bf16_gemm", library: .bf16) }
    let output =
      [adding(6)] + normBackward(7_168) + [adding(4)]
      + [stream("dequantize", .dequantise, tokens * 16_384 * 3.5)]
      + [stream("quantize", .quantise, tokens * 7_168 * 3), weightTranspose(hidden * 16_384)]
      + [scaleTranspose(7_168), fp8(16_384, hidden)]
      + [quantisedAcross(16_384), quantisedAcross(7_168)]
    return Array(repeating: tiny(), count: 25) + router + output + headsFromLatents()
      + attentionCoreBackward() + latentsBackward()
  }

  private func attentionCoreBackward() -> [Kernel] {
    let core = AttentionCost(device).backward(attention, multiprocessors: multiprocessors)
    return [
      stream(
        "flash_attn_bwd_pre", .attentionPreparation, AttentionCost.preparationBytes(attention)),
      Kernel(kind: "flash_attn_bwd", seconds: core.seconds),
      stream(
        "flash_attn_bwd_post", .attentionConversion, AttentionCost.conversionBytes(attention)),
    ]
  }

  private func latentsBackward() -> [Kernel] {
    let queries =
      [stream("rope", .rope, tokens * 128 * 192 * 4), weightTranspose(24_576 * 1_536)]
      + quantised(24_576) + [fp8(1_536, 24_576)]
    let keys =
      [stream("other", .elementwise, tokens * 128 * 64 * 2)]
      + [stream("rope", .rope, tokens * 64 * 4), copied(128 * 512), copied(128 * 512)]
      + [weightTranspose(32_768 * 512)] + quantised(32_768) + [fp8(512, 32_768)]
    let across = [32_768, 512, 24_576, 1_536].map { quantisedAcross($0) }
    let norms =
      normBackward(512) + normBackward(1_536) + [tiny(), copied(512 * 4), tiny()]
      + [copied(1_536 * 4), tiny(), norm(7_168)]
    let downs =
      [stream("quantize", .quantise, tokens * 576 * 3), weightTranspose(576 * hidden)]
      + [scaleTranspose(576), fp8(hidden, 576), quantisedAcross(7_168), quantisedAcross(576)]
      + [stream("quantize", .quantise, tokens * 1_536 * 3), weightTranspose(1_536 * hidden)]
      + [scaleTranspose(1_536), fp8(hidden, 1_536), quantisedAcross(7_168)]
      + [quantisedAcross(1_536), adding(6)]
    return queries + keys + across + norms + downs + normBackward(7_168)
  }

  func feedForward(_ layer: Int) -> [Kernel] {
    let rows = expertRows(layer, "F")
    let count = Double(rows)
    let received = receivedTokens(layer, "mlp(F)")
    let indexing = StreamingCost(device).indexing(tokens: Int(received)).seconds
    let row = 7_392.0
    return [scaleTranspose(7_168), fp8(4_096, hidden)]
      + [Kernel(kind: "moe_index", seconds: indexing)]
      + [stream("moe_permute", .permute, (received + count) * row)]
      + [weightTranspose(4 * 4_096 * hidden), stream("copy", .copy, count * 56 * 8)]
      + [experts(rows, 4_096, hidden), tiny()]
      + [stream("swiglu", .swigluForward, count * (8_192 + 2_048))]
      + [weightTranspose(4 * hidden * 2_048), stream("copy", .copy, count * 16 * 8)]
      + [experts(rows, hidden, 2_048)]
      + [stream("moe_unpermute_reduce", .unpermute, (received + count) * 14_336)]
      + [stream("swiglu", .swigluForward, tokens * (8_192 + 2_048))]
      + [scaleTranspose(2_048), fp8(hidden, 2_048)]
      + [stream("quantize", .quantise, count * 4_096 * 3)] + quantised(4_096, scales: false)
  }

  func feedForwardBackward(_ layer: Int) -> [Kernel] {
    let rows = expertRows(layer, "B")
    let count = Double(rows)
    let received = receivedTokens(layer, "mlp(B)")
    let sharedDown =
      [stream("dequantize", .dequantise, tokens * 4_096 * 3), weightTranspose(hidden * 2_048)]
      + [scaleTranspose(7_168), fp8(2_048, hidden), quantisedAcross(7_168)]
      + [stream("swiglu", .swigluForward, tokens * (8_192 + 2_048))]
      + [stream("swiglu", .swigluBackward, tokens * 20_480)]
    let routed =
      [stream("dequantize", .dequantise, count * 4_096 * 3)]
      + [stream("moe_permute", .permute, (received + count) * 7_392)]
      + [stream("copy", .copy, count * 56 * 8), experts(rows, 2_048, hidden)]
      + [stream("swiglu", .swigluBackward, count * 20_480)]
      + [stream("swiglu", .swigluForward, count * 8_192)]
      + [quantisedAcross(2_048, rows: count), tiny(), norm(7_168)]
      + quantised(7_168, scales: false) + [stream("quantize", .quantise, count * 4_096 * 3)]
      + [stream("copy", .copy, count * 32 * 8), experts(rows, hidden, 4_096)]
      + [stream("moe_unpermute_reduce", .unpermute, (received + count) * 14_336)]
      + [quantisedAcross(4_096, rows: count)]
    let sharedUp =
      [stream("dequantize", .dequantise, tokens * 7_168 * 3), weightTranspose(hidden * 4_096)]
      + quantised(4_096) + [fp8(hidden, 4_096), quantisedAcross(4_096), quantisedAcross(7_168)]
    return sharedDown + routed + sharedUp
  }

  func attentionWeights() -> [Kernel] {
    [
      weight(hidden, 16_384, 4_096), weight(32_768, 512, 4_096), weight(24_576, 1_536, 4_096),
      weight(576, hidden, 4_096), weight(1_536, hidden, 4_096),
    ]
  }

  /// In the trace two streams share these; one after the other they take the same time.
  func feedForwardWeights(_ layer: Int) -> [Kernel] {
    let rows = expertRows(layer, "B")
    let across = quantisedAcross(7_168, rows: Double(rows))
    let each = (0..<4).flatMap { _ in
      [weight(hidden, 2_048, rows / 4), weight(4_096, hidden, rows / 4)]
    }
    return [weight(hidden, 2_048, 4_096), across, across] + each
      + [weight(4_096, hidden, 4_096)]
  }
}

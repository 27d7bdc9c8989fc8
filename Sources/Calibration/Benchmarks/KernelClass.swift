/// What a kernel of somebody's trace does, by words in its name.
enum KernelClass: String, CaseIterable {
  case communication = "messages"
  case attention
  case product = "matrix products"
  case norm = "norms"
  case loss = "softmax and loss"
  case optimizer
  case quantisation = "quantisation and casts"
  case movement = "copies, gathers and transposes"
  case reduction = "reductions"
  case elementwise = "elementwise"
  case other

  /// Words in the order in which they decide; a kernel belongs to the first class of which it has one.
  private static let words: [(KernelClass, [StaticString])] = [
    (
      .communication,
      [
        "nccl", "rccl", "deep_ep", "internode", "intranode", "nvshmem", "all_reduce",
        "cross_device_reduce",
      ]
    ),
    (.attention, ["flash", "fmha", "attention", "attn", "sdpa", "mla_"]),
    (.optimizer, ["multi_tensor_apply", "adam", "lamb", "sgd"]),
    (
      .product,
      ["gemm", "cijk", "nvjet", "cutlass", "xmma", "wgmma", "matmul", "splitk", "gemv", "cublas"]
    ),
    (.norm, ["layer_norm", "layernorm", "rms_norm", "rmsnorm", "norm_fwd", "norm_bwd"]),
    (.loss, ["softmax", "cross_entropy", "nll_loss"]),
    (.quantisation, ["quant", "cast", "fp8", "float8", "amax"]),
    (
      .movement,
      [
        "memcpy", "memset", "copy", "cat", "index", "gather", "scatter", "transpose", "permute",
        "embedding",
      ]
    ),
    (.reduction, ["reduce", "norm"]),
    (.elementwise, ["elementwise", "triton", "silu", "gelu", "add", "mul", "fill", "dropout"]),
  ]

  init(_ name: String) {
    let lower = Array(name.lowercased().utf8)
    for (kind, words) in Self.words where words.contains(where: { Self.has($0, in: lower) }) {
      self = kind
      return
    }
    self = .other
  }

  private static func has(_ word: StaticString, in name: [UInt8]) -> Bool {
    let count = word.utf8CodeUnitCount
    guard name.count >= count else { return false }
    for start in 0...(name.count - count)
    where (0..<count).allSatisfy({ name[start + $0] == word.utf8Start[$0] }) { return true }
    return false
  }
}

import Documents

extension ConfigReader {
  mutating func readQwen3MoE() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    try noticeDropout(["attention_dropout"])
    try readBalance()
    // Some files say of the norms over heads that they are there.
    try refuse("use_qk_norm", if: false, default: true)
    let blocks = try qwenBlocks(count, try qwenMixture(shared: false))
    let bias = try flag("attention_bias")
    let shape = try multiHead(
      hidden: hidden, keyValueHeads: 4, bias: bias, outputBias: bias, queryKeyNorm: .eachHead)
    // The family has no layers without a window beside those with one.
    let slides = try flag("use_sliding_window")
    let reaches =
      slides
      ? try reaches(count, window: 4096) { _ in true }
      : Array(
        repeating: .all, count: count)
    return try decoder(
      .qwen3MoE, hidden: hidden,
      zip(reaches, blocks).map { Layer(.multiHead(shape.reaching($0)), $1) })
  }
}

import Documents

extension ConfigReader {
  mutating func readPhi3() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    try noticeDropout(["attention_dropout", "embd_pdrop", "resid_pdrop"])
    let block = try gatedBlock(activation: try activation(default: .silu))
    let shape = try multiHead(hidden: hidden)
    let layers = try reaches(count) { _ in true }
      .map { Layer(.multiHead(shape.reaching($0)), block) }
    return try decoder(
      .phi3, hidden: hidden, layers,
      normalization: .rmsNorm(
        epsilon: try table.value("rms_norm_eps", .number(in: 0...1), default: 1e-5)),
      rotary: try rotary(layout: .halved, positions: try positions(default: 4096), layers),
      positions: 4096)
  }
}

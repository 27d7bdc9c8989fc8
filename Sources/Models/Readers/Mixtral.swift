import Documents

extension ConfigReader {
  mutating func readMixtral() throws(ConfigurationError) -> Architecture {
    let hidden = try size("hidden_size")
    let count = try layers()
    try noticeDropout(["attention_dropout", "router_jitter_noise"])
    try readBalance()
    let experts = try table.required("num_local_experts", .integer(in: Self.expertCounts))
    var mixture = Mixture(
      routedExperts: experts, expertsPerToken: try expertsPerToken(among: experts),
      expertWidth: try size("intermediate_size"), scoring: .softmax, normalizesWeights: true)
    mixture.activation = try activation(default: .silu)
    let shape = try multiHead(hidden: hidden)
    // Older files have a window and a flag that it is not used.
    let slides = try flag("use_sliding_window", default: true)
    let reaches = try reaches(count) { _ in slides }
    return try decoder(
      .mixtral, hidden: hidden,
      reaches.map { Layer(.multiHead(shape.reaching($0)), .mixture(mixture)) })
  }
}

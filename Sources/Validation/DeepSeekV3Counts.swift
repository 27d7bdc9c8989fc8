import Models

extension ValidationTable {
  /// What of the published models is counted, not priced.
  static func modelCounts() throws -> ValidationTable {
    let third = try Architecture.named("deepseek-v3")
    let second = try Architecture.named("deepseek-v2")
    let large = try Architecture.named("llama-3.1-405b")
    func flops(_ model: Architecture, causal: Bool = true) -> Double {
      Double(model.trainingFlops(sequence: 4_096, causal: causal).total) / 1e9
    }
    func cache(_ model: Architecture) -> Double { Double(model.cachedBytesPerToken()) / 1e3 }
    let cached = PublishedTable.runs.rows.filter { $0["quantity"] == "kv_cache_per_token_bf16" }
    func publishedCache(_ name: String) -> Double {
      cached.first { $0["model"].hasPrefix(name) }?.number("value") ?? 0
    }
    let active = third.activatedParameterCounts
    return ValidationTable(
      "model-counts", title: "Parameters, training FLOPs and cache of the models",
      source: "arXiv 2412.19437; arXiv 2505.09343 tables 1 and 2 (GFLOP per token at 4,096)",
      basis: .exact, fittedTo: "nothing: counted",
      rows: [
        ValidationRow(
          "DeepSeek-V3 parameters", prediction: Double(third.parameterCounts.total) / 1e9,
          publication: 671, unit: "1e9"),
        ValidationRow(
          "DeepSeek-V3 activated parameters, without embedding",
          prediction: Double(active.total - active.embedding) / 1e9, publication: 36.7,
          unit: "1e9", note: "the published count is rounded and includes both tables"),
        ValidationRow(
          "DeepSeek-V3 training, causal", prediction: flops(third), publication: 250,
          unit: "GFLOP per token"),
        ValidationRow(
          "DeepSeek-V2 training, causal", prediction: flops(second), publication: 155,
          unit: "GFLOP per token"),
        ValidationRow(
          "Llama 3.1 405B training, causal", prediction: flops(large), publication: 2_448,
          unit: "GFLOP per token"),
        ValidationRow(
          "DeepSeek-V3 cache", prediction: cache(third),
          publication: publishedCache("DeepSeek-V3"), unit: "KB per token"),
        ValidationRow(
          "Llama 3.1 405B cache", prediction: cache(large),
          publication: publishedCache("LLaMA-3.1 405B"), unit: "KB per token"),
      ])
  }
}

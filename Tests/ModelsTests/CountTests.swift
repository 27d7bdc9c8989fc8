import Models
import Testing

@Suite("Counts, FLOPs and cache sizes")
struct CountTests {
  /// Figures: DeepSeek-V3 report (arXiv 2412.19437) section 4.2 with the sums derived from it.
  @Test func deepSeekV3Parts() throws {
    let model = try Architecture.named("deepseek-v3")
    let layer = model.parameterCounts(of: .layer(3))
    #expect(layer.attention == 187_105_280)
    #expect(layer.routers == 1_835_008)
    #expect(layer.routedExperts == 256 * 44_040_192)
    #expect(layer.sharedExperts == 44_040_192)
    #expect(model.parameterCounts(of: .layer(0)).denseFeedForward == 396_361_728)
    #expect(model.parameterCounts(of: .embedding).embedding == 926_679_040)
    #expect(model.parameterCounts(of: .head).head == 926_679_040)
    #expect(rounded(model.parameterCounts.total, to: 1e7) == 671.03)
    let active = model.activatedParameterCounts
    #expect(rounded(active.total, to: 1e6) == 37.552)
    #expect(rounded(active.total - active.embedding - active.norms, to: 1e6) == 36.625)
    let withoutRouters = active.total - active.embedding - active.routers - active.norms
    #expect(rounded(withoutRouters, to: 1e6) == 36.518)
  }

  /// The published 11.5B leaves the joining projection out: 11.507B here without it.
  @Test func predictionModuleIsCountedApart() throws {
    let model = try Architecture.named("deepseek-v3")
    let module = model.predictionParameterCounts
    #expect(module.joiningProjections == 2 * 7168 * 7168)
    #expect(rounded(module.total - module.joiningProjections, to: 1e8) == 11.5)
    #expect(model.withoutMultiTokenPrediction.parameterCounts == model.parameterCounts)
    #expect(model.withoutMultiTokenPrediction.predictionParameterCounts.total == 0)
  }

  /// arXiv 2505.09343 tables 2 and 4: 250 GFLOP per token, 385 and 432 TFLOPS at 1,541.7 tokens/s.
  @Test func deepSeekTrainingFlops() throws {
    let third = try Architecture.named("deepseek-v3")
    let causal = third.trainingFlops(sequence: 4096, causal: true)
    let full = third.trainingFlops(sequence: 4096, causal: false)
    #expect(rounded(causal.total, to: 1e7) == 249.81)
    #expect(rounded(full.total, to: 1e7) == 280.51)
    #expect(full.attention == 2 * causal.attention && full.linear == causal.linear)
    let module = third.predictionTrainingFlops(sequence: 4096, causal: true).total
    #expect(rounded(module, to: 1e8) == 10.2)
    let second = try Architecture.named("deepseek-v2")
    #expect(rounded(second.trainingFlops(sequence: 4096, causal: true).total, to: 1e8) == 155.0)
    #expect(rounded(second.parameterCounts.total, to: 1e7) == 235.74)
    let active = second.activatedParameterCounts
    #expect(rounded(active.total - active.embedding, to: 1e7) == 20.85)
  }

  /// arXiv 2505.09343 table 1: 70.272 KB, 516.096 KB.
  @Test(arguments: [
    ("deepseek-v3", 70_272), ("llama-3.1-405b", 516_096), ("llama-3.1-70b", 327_680),
  ])
  func cachedBytes(name: String, bytes: Int) throws {
    #expect(try Architecture.named(name).cachedBytesPerToken() == bytes)
  }

  /// No part has more activated parameters than parameters: a tied head is the embedding's tensor.
  @Test(arguments: Architecture.shippedNames) func activatedAreSomeOfAll(name: String) throws {
    let model = try Architecture.named(name)
    let (all, active) = (model.parameterCounts, model.activatedParameterCounts)
    #expect(active.total <= all.total)
    #expect(active.head == all.head && active.embedding == all.embedding)
    #expect((active.total == all.total) == !model.feedForwards.contains { $0.mixture != nil })
  }

  /// Published sizes: Llama 3.1 model card, Mixtral and Qwen3 reports, arXiv 2205.05198 table 3.
  @Test(arguments: [
    ("llama-3.1-8b", 8.03), ("llama-3.1-70b", 70.55), ("llama-3.1-405b", 405.85),
    ("llama-2-7b", 6.74), ("llama-2-13b", 13.02), ("llama-2-70b", 68.98),
    ("mixtral-8x7b", 46.70), ("mixtral-8x22b", 140.62), ("qwen3-235b-a22b", 235.09),
  ])
  func shippedTotals(name: String, billions: Double) throws {
    #expect(rounded(try Architecture.named(name).parameterCounts.total, to: 1e7) == billions)
  }

  @Test(arguments: [
    ("gpt-3-175b", 175.0), ("megatron-22b", 22), ("megatron-175b", 175), ("megatron-530b", 530),
    ("megatron-1t", 1008), ("megatron-1.7b", 1.7), ("megatron-3.6b", 3.6), ("megatron-7.5b", 7.5),
    ("megatron-18b", 18.4), ("megatron-39b", 39.1), ("megatron-76b", 76.1),
    ("megatron-145b", 145.6), ("megatron-310b", 310.1), ("megatron-core-1.7b", 1.75),
    ("megatron-core-32b", 31.5), ("megatron-core-1.7b", 1.75),
  ])
  func gptTotals(name: String, billions: Double) throws {
    let total = Double(try Architecture.named(name).parameterCounts.total) / 1e9
    #expect(abs(total - billions) <= max(0.051, billions * 0.005))
  }

  /// Counts printed by llm-foundry's benchmark, with 2,048 learned positions.
  @Test(arguments: [("mpt-1b", 1.316), ("mpt-7b", 6.6589), ("mpt-30b", 29.9752)])
  func mptTotals(name: String, billions: Double) throws {
    let total = Double(try Architecture.named(name).parameterCounts.total) / 1e9
    #expect(abs(total - billions) < 1e-4 * billions)
  }

  @Test(arguments: [("mixtral-8x7b", 12.88), ("mixtral-8x22b", 39.15), ("qwen3-235b-a22b", 22.19)])
  func activatedTotals(name: String, billions: Double) throws {
    let counts = try Architecture.named(name).activatedParameterCounts
    #expect(rounded(counts.total, to: 1e7) == billions)
  }

  @Test(arguments: Architecture.shippedNames)
  func closedFormsEqualTheListOfTensors(name: String) throws {
    try checkClosedForms(Architecture.named(name))
  }

  @Test(arguments: checkpoints)
  func closedFormsEqualTheListOfTensors(checkpoint: String) throws {
    try checkClosedForms(Architecture.named(fixture(checkpoint)))
  }

  @Test func biasesAndDirectQueriesAreCounted() throws {
    var model = try Architecture.named(
      "deepseek-v2", overrides: ["attention_bias=true", "q_lora_rank=null"])
    model.layerCount = 4
    model.feedForwards = Array(model.feedForwards.prefix(4))
    try checkClosedForms(model)
    try checkClosedForms(
      Architecture.named("llama-3.1-8b", overrides: ["attention_bias=true", "mlp_bias=true"]))
  }

  private func checkClosedForms(_ model: Architecture) throws {
    for unit in model.units {
      if case .layer(let index) = unit, index > 0, index < model.layerCount - 1,
        model.feedForwards[index] == model.feedForwards[index - 1]
      {
        continue
      }
      let listed = model.parameters(of: unit)
        .filter { $0.isTrained && $0.sharedWith == nil }
        .reduce(0) { $0 + $1.count }
      #expect(model.parameterCounts(of: unit).total == listed, "\(unit)")
    }
  }

  @Test func plainSizesEqualTheShippedFile() throws {
    let shipped = try Architecture.named("megatron-530b")
    let plain = Architecture.gpt(
      name: "megatron-530b", hidden: 20480, layers: 105, heads: 128, vocabulary: 51200,
      positions: 2048)
    #expect(shipped == plain)
  }
}

/// A count in units of 10⁹, rounded at `step`.
func rounded(_ count: Int, to step: Double) -> Double {
  (Double(count) / step).rounded() / (1e9 / step)
}

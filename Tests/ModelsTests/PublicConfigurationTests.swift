import Documents
import Models
import Testing

@Suite("Configurations on which public reports of other programs showed a fault")
struct PublicConfigurationTests {
  /// Counts of the published models, from their cards and shapes; activated ones where they are known.
  @Test(arguments: [
    ("llama-tied-1b", 1_235_814_400, 1_235_814_400),
    ("mistral-7b", 7_248_023_552, 7_248_023_552),
    // 32 heads of 128, and a hidden size of 5,120.
    ("mistral-nemo-12b", 12_247_782_400, 12_247_782_400),
    ("nested-text-config", 12_247_782_400, 12_247_782_400),
    ("kimi-k2", 1_026_408_209_408, nil), ("llama-rope-dynamic", 6_738_415_616, 6_738_415_616),
    ("mixtral-window-4096", 46_702_792_704, nil),
    ("gpt2-exact-gelu", 1_315_723_264, 1_315_723_264),
    // Biases on queries, keys and values alone.
    ("qwen2.5-0.5b", 494_032_768, 494_032_768), ("qwen2.5-7b", 7_615_616_512, 7_615_616_512),
    ("qwen3-8b", 8_190_735_360, 8_190_735_360), ("gpt-neox-20b", 20_554_567_680, 20_554_567_680),
    // Its card says 20.91 B and 3.61 B without the token embedding.
    ("gpt-oss-20b", 20_914_757_184, 4_187_440_704),
    ("glm-4.5-air", 106_852_245_504, nil),
  ])
  func countsAreThePublished(name: String, parameters: Int, activated: Int?) throws {
    let model = try Architecture.named(fixture("public/\(name).json"))
    #expect(model.parameterCounts.total == parameters)
    let listed = model.units.filter { !$0.isPrediction }.flatMap { model.parameters(of: $0) }
      .filter { $0.isTrained && $0.sharedWith == nil }
    #expect(listed.reduce(0) { $0 + $1.count } == parameters)
    let found = model.activatedParameterCounts.total
    #expect(activated.map { $0 == found } ?? (found < parameters))
  }

  /// A window of 4,096 in sequences of 32,768: w·s − w²/2 pairs a head.
  @Test func windowsCountInAttention() throws {
    let model = try Architecture.named(fixture("public/mixtral-window-4096.json"))
    let flops = model.trainingFlops(sequence: 32_768, causal: true)
    let pairs = 4096 * 32_768 - 4096 * 4096 / 2
    #expect(flops.attention == 32 * 6 * 2 * 32 * 128 * pairs / 32_768)
    let whole = try Architecture.named(
      fixture("public/mixtral-window-4096.json"), overrides: ["sliding_window=null"])
    let all = whole.trainingFlops(sequence: 32_768, causal: true)
    #expect(all.attention == 32 * 6 * 32 * 128 * 32_768 && all.linear == flops.linear)
    // In a window nothing is left out of a sequence of its length.
    #expect(
      model.trainingFlops(sequence: 4096, causal: true)
        == whole.trainingFlops(sequence: 4096, causal: true))
    #expect(flops.routers == 32 * 6 * 8 * 4096)
  }
}

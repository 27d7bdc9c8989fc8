import Documents
import Models
import Testing

@Suite("Configurations on which public reports of other programs showed a fault")
struct PublicConfigurationTests {
  /// Counts of the published models, from their shapes; `change` takes out what is refused below.
  @Test(arguments: [
    ("llama-tied-1b", "tie_word_embeddings=true", 1_235_814_400),
    ("mistral-7b", "model_type=llama", 7_248_023_552),
    // 32 heads of 128, and a hidden size of 5,120.
    ("mistral-nemo-12b", "model_type=llama", 12_247_782_400),
    ("kimi-k2", "model_type=deepseek_v3", 1_026_408_209_408),
    ("llama-rope-dynamic", "rope_scaling=null", 6_738_415_616),
    ("mixtral-window-4096", "sliding_window=null", 46_702_792_704),
    ("gpt2-exact-gelu", "activation_function=gelu_new", 1_315_723_264),
  ])
  func countsAreThePublished(name: String, change: String, parameters: Int) throws {
    let model = try Architecture.named(fixture("public/\(name).json"), overrides: [change])
    #expect(model.parameterCounts.total == parameters)
    let listed = model.parameters.filter { $0.isTrained && $0.sharedWith == nil }
    #expect(listed.reduce(0) { $0 + $1.count } == parameters)
    // A tied head is one tensor, in what a token activates too.
    let activated = model.activatedParameterCounts.total
    let isDense = model.feedForwards.allSatisfy { $0.mixture == nil }
    #expect(isDense ? activated == parameters : activated < parameters)
  }

  /// What is not computed is refused by its key and line, and not taken for something near.
  @Test(arguments: [
    ("glm-4.5-air", "model_type"), ("gpt-neox-20b", "model_type"), ("gpt-oss-20b", "model_type"),
    ("kimi-k2", "model_type"), ("mistral-7b", "model_type"), ("mistral-nemo-12b", "model_type"),
    ("nested-text-config", "model_type"), ("qwen2.5-0.5b", "model_type"),
    ("qwen2.5-7b", "model_type"), ("qwen3-8b", "model_type"),
    ("llama-rope-dynamic", "rope_scaling.type"), ("mixtral-window-4096", "sliding_window"),
    ("gpt2-exact-gelu", "activation_function"),
  ])
  func othersAreRefusedByTheirKey(name: String, key: String) throws {
    let path = fixture("public/\(name).json")
    let error = #expect(throws: ConfigurationError.self) { try Architecture.named(path) }
    #expect(error?.keyPath == key && error?.file == path)
    #expect(error?.line != nil && error?.description.contains("\n") == false)
  }
}

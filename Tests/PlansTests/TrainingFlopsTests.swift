import Documents
import Models
import Plans
import Testing

/// What model FLOPs count where a part of the model is trained.
@Suite struct TrainingFlopsTests {
  /// Weights of a layer of Llama 3.1 8B: all of attention, queries with keys and values, the feed-forward block,
  /// the part of it that reads the layer; the head; FLOPs of an attention core's forward over 1,024 keys.
  private static let (attention, queries) = (2 * 4096 * 4096 + 2 * 1024 * 4096, 4096 * 6144)
  private static let (block, intoBlock) = (3 * 14336 * 4096, 2 * 14336 * 4096)
  private static let (head, core) = (128_256 * 4096, 4 * 1024 * 4096)

  /// Of two layers, what each setting spares of 6 FLOPs a weight and 3 forwards of the cores.
  private static let cases: [(line: String, spared: Int)] = [
    ("frozen: [attention]", 4 * attention), ("frozen: [mlp]", 4 * block),
    ("frozen: [head]", 2 * head), ("frozen: [attention, mlp, norms]", 4 * attention + 4 * block),
    // Norms and embeddings have no products; one of them in front is enough for gradients to come so far.
    ("frozen: [norms]", 0), ("frozen: [embedding]", 0),
    // Nothing is trained in front of the first layer's queries.
    ("frozen: [embedding, norms]", 2 * queries),
    // Nor in front of its whole attention, and of what its block reads.
    ("frozen: [embedding, attention, norms]", 6 * attention + 2 * core + 2 * intoBlock),
    // The head alone: forwards, and the gradient of its weight.
    (
      "frozen: [embedding, attention, mlp, norms]",
      8 * attention + 8 * block + 4 * core + 2 * head
    ),
    // Adapters beside every map: gradients reach all but what the first ones read.
    ("lora: {rank: 16}", 4 * attention + 4 * block + 2 * head + 2 * queries),
    // Beside the last map of each layer: the first layer has a forward alone.
    (
      "lora: {rank: 16, targets: [down]}",
      6 * attention + 6 * block + 2 * core + 2 * head
    ),
  ]

  @Test(arguments: cases.indices) func partsThatAreNotTrained(index: Int) throws {
    let (line, spared) = Self.cases[index]
    let model = try Architecture.named("llama-3.1-8b", overrides: ["num_hidden_layers=2"])
    let text = "global-batch: 4\nsequence-length: 1024\n\(line)"
    let plan = try Plan.read(Document(text: text, name: "plan"), name: "plan")
    let flops = plan.trainingFlops(of: model, causal: false)
    let all = 6 * (2 * Self.attention + 2 * Self.block + Self.head) + 6 * Self.core
    #expect(flops.total == all - spared, "\(line)")
    let causal = plan.trainingFlops(of: model, causal: true)
    #expect(causal.linear == flops.linear && 2 * causal.attention == flops.attention, "\(line)")
  }

  /// Trained as a whole a model costs what it always did, and a third of that where nothing is, whatever it is
  /// made of: latent attention, experts and their routers, states.
  @Test(arguments: ["deepseek-v3", "nemotron-h-8b", "gpt-oss-20b", "qwen3-next-80b-a3b"])
  func wholeAndForward(name: String) throws {
    let model = try Architecture.named(name)
    let whole = model.trainingFlops(sequence: 4096, causal: false)
    func flops(_ isTrained: @escaping (ParameterTensor.Role) -> Bool) -> TrainingFlops {
      model.trainingFlops(sequence: 4096, causal: false, of: TrainedWeights(isTrained: isTrained))
    }
    #expect(flops { _ in true } == whole)
    let forward = flops { _ in false }
    #expect(3 * forward.total == whole.total && 3 * forward.routers == whole.routers)
    // The head alone adds the gradient of its weight.
    let head = flops { $0 == .head }
    #expect(head.total - forward.total == 2 * model.vocabularySize * model.hiddenSize)
  }
}

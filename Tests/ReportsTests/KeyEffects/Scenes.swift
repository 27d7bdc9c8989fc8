import Clusters
import Costs
import Documents
import Models
import Plans
import Testing

/// Small steps in which every kind of key has something to do.
enum Scenes {
  static func plan(_ text: String) throws -> Document {
    try Document(text: text, name: "plan.yaml")
  }

  static func shippedPlan(_ name: String) throws -> Document {
    try Document(text: try #require(Plan.shippedText(named: name)), name: "\(name).yaml")
  }

  static func shippedClusterText(_ name: String) throws -> String {
    try #require(Cluster.shippedText(name))
  }

  static func shippedCluster(_ name: String) throws -> Document {
    try Document(text: shippedClusterText(name), name: "\(name).yaml")
  }

  // MARK: A shipped plan where it belongs

  /// A shipped plan with its model on its cluster, with as few microbatches as its schedule takes.
  static func home(ofPlan name: String) throws -> Scene {
    let document = try shippedPlan(name)
    let plan = try Plan.read(document, name: name)
    let stages = plan.pipelineParallel * (plan.isBidirectional ? 2 : 1)
    let rounds = name.hasPrefix("zero") ? 3 : 1
    let batch = plan.dataParallel * plan.microbatchSize * max(4, stages * rounds)
    let (model, cluster) =
      switch name.prefix(while: { $0 != "-" }) {
      case "megatron":
        (
          name.replacing("-full", with: "").replacing("-selective", with: "")
            .replacing("-sc21", with: ""), "a100-selene"
        )
      case "vtrain": (name.replacing("vtrain", with: "megatron"), "a100-vtrain-512")
      case "zero": (name, "a100-roce")
      case "nemo": ("megatron-175b", "h100-2048")
      case "torchtitan": ("llama-3.1-8b", "h100-2048")
      case "llm": ("mpt-7b", "h100-2048")
      case "llama": (name, "h100-2048")
      default: ("deepseek-v3", "h800-2048")
      }
    // A deployment has all layers on every rank; a few of each kind are enough.
    let isDeployment = name.hasSuffix("-decode") || name.hasSuffix("-prefill")
    return Scene(
      model: model,
      modelChanges: isDeployment ? ["num_hidden_layers=4", "first_k_dense_replace=1"] : [],
      cluster: try shippedCluster(cluster), plan: document,
      planChanges: ["global-batch=\(batch)"])
  }

  // MARK: Everything that a cluster does

  /// Small models on a cluster: unfused and fused attention, experts in every format that the device
  /// has, and a step over all of its ranks, whose pipeline reaches from one end to the other.
  static func all(on document: Document) throws -> [Scene] {
    let cluster = try Cluster(document)
    let pairs = min(2, cluster.rankCount / 16)
    var scenes = [
      Scene(
        model: "megatron-22b", modelChanges: ["n_layer=4"], cluster: document,
        plan: try plan(unfused), planChanges: ["data-parallel=\(pairs)"]),
      Scene(
        model: "llama-3.1-8b", modelChanges: ["num_hidden_layers=4"], cluster: document,
        plan: try plan(fused)),
      try mixture(document, "bf16"),
    ]
    // Without DeepGEMM no library has products of the recipe with scales for blocks.
    if try DeviceModel(cluster.device).matmuls[.fp8February2025] != nil {
      scenes.append(try mixture(document, "fp8-deepseek"))
      scenes.append(try mixture(document, "fp8-deepseek", older: true))
    }
    if cluster.device.hostLink != nil {
      scenes.append(
        Scene(
          model: "llama-3.1-8b", modelChanges: ["num_hidden_layers=4"], cluster: document,
          plan: try plan(fused), planChanges: ["offload={activations: 1, optimizer: 1}"]))
    }
    var precisions = ["float32", "tf32", "float16"]
    if try DeviceModel(cluster.device).matmuls[.fp8PerTensor] != nil {
      precisions.append("{base: fp8-tensor, fp8-scaling: current}")
    }
    if cluster.device.peak(.mxfp8) != nil { precisions.append("mxfp8") }
    let whole = cluster.rankCount / 16
    scenes.append(
      Scene(
        model: "llama-3.1-8b", modelChanges: ["num_hidden_layers=4"], cluster: document,
        plan: try plan(wide),
        planChanges: ["global-batch=\(whole * 8)", "framework=megatron-lm"]))
    scenes.append(
      Scene(
        model: "llama-3.1-8b", modelChanges: ["num_hidden_layers=4"], cluster: document,
        plan: try plan(fused),
        planChanges: ["framework=torchtitan", "zero-stage=3", "pipeline-parallel=1"]))
    for dispatcher in ["all-to-all", "all-gather"] {
      scenes.append(try mixture(document, "bf16", more: ["dispatcher=\(dispatcher)"]))
    }
    for precision in precisions {
      scenes.append(
        Scene(
          model: "llama-3.1-8b", modelChanges: ["num_hidden_layers=4"], cluster: document,
          plan: try plan(fused), planChanges: ["precision=\(precision)"]))
    }
    scenes.append(
      Scene(
        model: "llama-3.1-8b", modelChanges: ["num_hidden_layers=4"], cluster: document,
        plan: try plan(fused), planChanges: ["execution=eager"]))
    scenes.append(
      Scene(
        model: "megatron-22b", modelChanges: ["n_layer=4"], cluster: document,
        plan: try plan(unfused), planChanges: ["data-parallel=\(pairs)", "execution=eager"]))
    return scenes
  }

  private static func mixture(
    _ cluster: Document, _ precision: String, older: Bool = false, more: [String] = []
  ) throws -> Scene {
    Scene(
      model: "deepseek-v3", modelChanges: ["num_hidden_layers=4", "first_k_dense_replace=1"],
      cluster: cluster, plan: try plan(experts),
      planChanges: ["precision=\(precision)"] + (older ? ["library=fp8-2025-02"] : []) + more)
  }

  private static let unfused = """
    tensor-parallel: 8
    pipeline-parallel: 2
    zero-stage: 1
    global-batch: 8
    sequence-length: 1024
    fused-attention: false
    fused-loss: false
    dropout: true
    """

  private static let fused = """
    data-parallel: 8
    tensor-parallel: 2
    pipeline-parallel: 2
    zero-stage: 1
    global-batch: 32
    sequence-length: 1024
    """

  private static let wide = """
    tensor-parallel: 8
    pipeline-parallel: 2
    zero-stage: 1
    global-batch: 8
    sequence-length: 1024
    """

  private static let experts = """
    data-parallel: 16
    pipeline-parallel: 2
    expert-parallel: 16
    zero-stage: 1
    global-batch: 64
    sequence-length: 1024
    schedule: dualpipe
    recompute: [rms-norm, mla-up-projection, swiglu]
    expert-load: {deviation: 0.075, seed: 1}
    """
}

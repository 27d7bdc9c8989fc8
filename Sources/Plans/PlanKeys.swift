import Clusters
import Documents
import Quantities
import Schedules

/// The keys of a plan file, in the order in which the reference shows them.
///
/// Other names are those of pages, papers and other frameworks: what people try first.
struct PlanKeys: KeySet {
  static let degrees = 1...(1 << 20)
  private static var counts: Expected<[Int]> {
    .list(of: .integer(in: 0...(1 << 16)), count: 1...(1 << 16))
  }

  let name = Key("name", .string, otherwise: "the file's name", "What the plan is called.")
  let source = Key("source", .string, otherwise: "unstated", "Where the plan was published.")

  // MARK: Degrees

  let dataParallel = Key(
    "data-parallel", .integer(in: degrees),
    otherwise: "the cluster's devices over the other degrees",
    "Ranks that train on different sequences.",
    otherNames: ["dp", "data-parallel-size", "dp-size"])
  let tensorParallel = Key(
    "tensor-parallel", .integer(in: degrees), otherwise: "1",
    "Ranks that share each layer's matrix products.",
    otherNames: ["tp", "tensor-model-parallel-size", "tensor-parallel-size", "tp-size"])
  let sequenceParallel = Key(
    "sequence-parallel", .boolean, otherwise: "true where tensor-parallel is above 1",
    "Whether norms and residuals are divided along the sequence within a tensor-parallel group.",
    otherNames: ["sp"])
  let contextParallel = Key(
    "context-parallel", .integer(in: degrees), default: 1, "Ranks that share each sequence.",
    otherNames: ["cp", "context-parallel-size", "cp-size"])
  let contextExchange = Key(
    "context-exchange", .choice(Plan.ContextExchange.self), otherwise: "gather",
    "How ranks of a context group get the keys and values of the others. gather: all in front of "
      + "attention; with framework torchtitan those of all query heads. ring: a block at a time, "
      + "beside the attention to the one before.",
    otherNames: ["cp-comm-type", "ring-attention"])
  let pipelineParallel = Key(
    "pipeline-parallel", .integer(in: degrees), otherwise: "1",
    "Ranks that hold consecutive stages.",
    otherNames: ["pp", "pipeline-model-parallel-size", "pipeline-parallel-size", "pp-size"])
  let expertParallel = Key(
    "expert-parallel", .integer(in: degrees), default: 1,
    "Ranks over which routed experts are spread. Times expert-tensor-parallel it divides the ranks of "
      + "a pipeline position: tensor-parallel times context-parallel times data-parallel.",
    otherNames: ["ep", "expert-model-parallel-size", "expert-parallel-size", "ep-size"])
  let expertTensorParallel = Key(
    "expert-tensor-parallel", .integer(in: degrees), otherwise: "tensor-parallel",
    "Ranks that share an expert's matrix products. 1 folds experts over all ranks of a position, "
      + "those of a tensor group among them.",
    otherNames: ["etp", "expert-tensor-parallel-size"])

  // MARK: Batch

  let microbatchSize = Key(
    "microbatch-size", .integer(in: degrees), default: 1, "Sequences in a microbatch.",
    otherNames: ["micro-batch-size", "mbs"])
  let globalBatch = Key(
    "global-batch", .integer(in: 1...(1 << 30)),
    "Sequences in a step. Microbatches per pipeline are this over data-parallel times "
      + "microbatch-size.",
    otherNames: [
      "gradient-accumulation", "gradient-accumulation-steps", "microbatches", "num-microbatches",
      "global-batch-size", "batch", "batch-size", "gbs",
    ])
  let sequenceLength = Key(
    "sequence-length", .integer(in: 1...(1 << 24)), "Tokens in a sequence.",
    otherNames: ["seq-length", "seq-len", "sequence", "context-length"])
  let documents = TableKey(
    "documents", DocumentKeys(), otherwise: "a document in each sequence",
    "The documents that sequences are packed with: a step waits for the heaviest rank.")
  let gradientLanes = Key(
    "gradient-lanes", .integer(in: degrees), otherwise: "one per data rank and direction",
    "Lanes in which gradients are accumulated; they divide the step's microbatches, and experts that are "
      + "spread need a power of two. Equal lanes give equal bits.")

  // MARK: Schedule

  let schedule = Key(
    "schedule", .choice(ScheduleName.self), default: .oneForwardOneBackward,
    "The order of the passes (sluice schedule shows it).",
    otherNames: ["pipeline-schedule"])
  let scheduleFile = Key(
    "schedule-file", .text("path of a CSV file"), otherwise: "none",
    "An order of one's own instead of schedule, as sluice schedule --format csv writes it.")
  let stagesPerRank = Key(
    "stages-per-rank", .integer(in: 1...4096), otherwise: "what the schedule usually has",
    "Stages that a rank holds.",
    otherNames: [
      "vpp", "virtual-pipeline-parallel", "virtual-pipeline-model-parallel-size", "interleave",
    ])
  let passTimes = TableKey(
    "pass-times", PassTimeKeys(), otherwise: "what the schedule assumes",
    "The times with which the automatic schedules are planned.")
  let sendMode = Key(
    "send-mode", .choice(Plan.SendMode.self), otherwise: "batched with dualpipe(v), else eager",
    "How sends and receives are grouped. batched: those between two actions are one group, which is "
      + "through when all are. eager: each by itself.")
  let scattersPipelineSends = Key(
    "scatter-pipeline-sends", .boolean, default: false,
    "Whether ranks of a tensor-parallel group send a part each to the next stage and gather the "
      + "whole there.")
  let layersPerStage = Key(
    "layers-per-stage",
    Expected<Plan.LayoutName>.choice().map { $0 == .even ? Plan.Layout.even : .balanced }
      .or(list: counts.map { .layers($0) }),
    otherwise: "even",
    "Layers on each stage, embedding and head not counted; balanced: by cost.")
  let unitsPerStage = Key(
    "units-per-stage",
    Expected<Plan.UnitLayoutName>.choice().map { _ in Plan.Layout.evenUnits }
      .or(list: counts.map { .units($0) }),
    otherwise: "layers-per-stage",
    "The same with embedding, head and each prediction module counted as units.")

  // MARK: Memory and precision

  let zeroStage = Key(
    "zero-stage", .integer(in: 0...3), default: 0,
    "What is divided among data ranks: 1 optimizer state, 2 gradients too, 3 parameters too.",
    otherNames: ["zero", "zero-optimization-stage", "distributed-optimizer", "fsdp"])
  let precision = EitherKey(
    Key(
      "precision", .recipe, otherwise: "bf16; float32 in a run file",
      "What is stored, multiplied and sent in which format.",
      otherNames: ["dtype", "format", "bf16", "fp8", "fp16"]),
    PrecisionKeys())
  let library = Key(
    "library", .choice(MatmulLibrary.self), otherwise: "the cluster's newest",
    "The library that multiplies the operands of linear maps; one for their format.",
    otherNames: ["training-fp8", "gemm", "matmul"])
  let optimizer = Key(
    "optimizer", .choice(Plan.Optimizer.self), default: .adamW,
    "What updates the parameters. adamw-foreach: operator by operator. muon: matrices of layers by one "
      + "moment that five Newton-Schulz steps orthogonalise, everything else by AdamW.")
  let recomputation = Key(
    "recompute",
    Expected<Recomputation.Extent>.choice().map(\.recomputation)
      .or(list: Expected.list(of: .choice(Recomputation.Module.self)).map { .modules($0) }),
    otherwise: "none",
    "What the backward pass computes again: whole layers, the attention core (selective), or parts.",
    otherNames: [
      "recomputation", "recompute-granularity", "activation-checkpointing",
      "gradient-checkpointing", "checkpointing",
    ])
  let recomputedLayers = Key(
    "recompute-layers", .integer(in: 1...(1 << 16)), otherwise: "all, with recompute: full",
    "The first layers of each stage that are computed again as a whole; the others keep everything.",
    otherNames: ["recompute-num-layers"])

  let frozen = Key(
    "frozen", .list(of: .choice(Plan.Part.self), count: 1...Plan.Part.allCases.count),
    otherwise: "nothing",
    "Parts of the model that are not trained: they have neither gradients nor optimizer state, and their "
      + "weight products are left out.",
    otherNames: ["freeze", "frozen-parameters"])
  let lora = TableKey(
    "lora", LoRAKeys(), otherwise: "the model itself is trained",
    "Low-rank adapters that are trained beside linear maps; the model is frozen.")
  let offload = TableKey(
    "offload", OffloadKeys(), otherwise: "nothing", "What lies in the host's memory.")

  let framework = Key(
    "framework", .choice(Plan.Framework.self), default: .plain,
    "The framework whose own buffers a rank holds too. megatron-lm: dummy weight gradients, "
      + "workspaces of products. megatron-local: PyTorch's workspaces. torchtitan: the same, with loss: native every "
      + "operator's own 32-bit copy of the logits, and with zero-stage: 3 a unit's parameters twice while "
      + "they are copied out of what was gathered. nanotron: the same, the buckets that data "
      + "ranks reduce, and each formed gradient until its backward ends. llm-foundry: the same; a "
      + "unit's gradients are joined and divided by kernels, two measures of the loss are taken of the logits, "
      + "AdamW is operators, and padding is taken out around flash-2, which the host waits for.")
  let lossAverage = Key(
    "loss-average", .choice(Plan.LossAverage.self), default: .step,
    "When data and context ranks average the loss for their log. microbatch: behind each forward, where all wait for "
      + "the slowest (Megatron-LM and NeMo until April 2025); step: behind the update.")
  let gradientAccumulationFusion = Key(
    "gradient-accumulation-fusion", .boolean,
    otherwise: "true with framework plain and those of Megatron-LM, else false",
    "Whether weight products add to the sums of gradients themselves; false: each gradient is formed in "
      + "the format of activations and added by a kernel of its own.",
    otherNames: ["no-gradient-accumulation-fusion", "fuse-wgrad-accumulation"])
  let expandsSegments = Key(
    "expandable-segments", .boolean, default: false,
    "Whether PyTorch's allocator grows segments (expandable_segments).")
  let memoryReserve = Key(
    "memory-reserve", .quantity(in: ByteCount.zero...ByteCount(1 << 40)),
    default: Plan.usualMemoryReserve,
    "Memory of the device beside PyTorch's: context, kernels, NCCL's and other libraries' buffers.")

  // MARK: Kernels and communication

  let communicationSMs = Key(
    "communication-sms", .integer(in: 0...4096), otherwise: "the cluster's for the dispatcher",
    "Multiprocessors that expert exchanges take while they run.")
  let computationSMs = Key(
    "computation-sms", .integer(in: 1...4096), otherwise: "all of the device's",
    "Multiprocessors that compute kernels use outside overlapped pairs.")
  let fusedAttention = Key(
    "fused-attention", .boolean, default: true,
    "Whether attention is one kernel, or products with softmax and dropout passes in between.",
    otherNames: ["flash-attention", "use-flash-attn"])
  let attentionLibrary = Key(
    "attention-library", .choice(AttentionLibrary.self),
    otherwise: "the cluster's; unfused where fused-attention is false",
    "Whose kernels attention is, for 16 bits and fewer; unfused: products with softmax and dropout passes in "
      + "between; triton: FlashAttention in Triton of 2022, 1.4 times flash-2's time forward and twice backward, "
      + "where the device has flash-2's. In 32 bits: unfused, or left out for PyTorch's memory-efficient kernels.",
    otherNames: ["attention-backend", "attention", "attn-implementation"])
  let execution = Key(
    "execution", .choice(Plan.Execution.self), default: .fused,
    "Norms, gated activations and rotary embeddings: a kernel each, PyTorch's operators, or compiled ones.",
    otherNames: ["torch-compile", "compile", "eager"])
  let cudaGraphs = Key(
    "cuda-graphs", .boolean, default: false,
    "Whether kernels of fixed sizes are issued as graphs, a launch for each run of them; those over "
      + "routed rows never are.",
    otherNames: ["enable-cuda-graph", "external-cuda-graph", "cuda-graph-scope"])
  let fusedHead = Key(
    "fused-head", .boolean, otherwise: "true on CPU ranks, else false",
    "Whether the head's products and its loss are one operation in tiles.")
  let fusedLoss = Key(
    "fused-loss", .boolean, otherwise: "what loss says",
    "Whether the loss of whole logits is one kernel a pass, or operators in 32 bits: loss: fused or "
      + "native.")
  let loss = Key(
    "loss", .choice(Plan.Loss.self), otherwise: "fused",
    "fused: one kernel a pass over whole logits. native: operators over them in 32 bits; compiled: three "
      + "kernels forward and one backward (Megatron-Core's fusion called native). chunked: head and loss over "
      + "parts of the rows, so that a part's logits are held at a time: as many parts as the vocabulary is times "
      + "the width (Liger-Kernel), each of which adds to the head's whole gradient.",
    otherNames: ["cross-entropy", "cross-entropy-fusion-impl"])
  let dropout = Key(
    "dropout", .boolean, default: false,
    "Whether activations are dropped behind attention, feed-forward block and softmax.")
  let collectiveAlgorithm = Key(
    "collective-algorithm", .choice(Plan.CollectiveAlgorithm.self), otherwise: "the fastest",
    "How reductions and gathers over data ranks are carried out; in-switch: all-reduces in the "
      + "node's switch (NVLS), simulated where the cluster has node.collectives.in-switch.")
  let gradientBucket = Key(
    "gradient-bucket", .integer(in: 1...(1 << 40)),
    otherwise: "1000000 times data-parallel, 40000000 at least",
    "Parameters of a stage whose gradients are reduced together, beside its last backward, and which "
      + "are gathered together. Of two at a time there is a copy where gradients travel in another format.",
    otherNames: ["ddp-bucket-size", "bucket-size", "bucket-cap-mb"])
  let shardingGroup = Key(
    "sharding-group", .integer(in: degrees), otherwise: "data-parallel times context-parallel",
    "Consecutive data and context ranks, two at least, among which zero-stage divides; their groups are "
      + "copies.",
    otherNames: ["hsdp", "shard-degree", "num-distributed-optimizer-instances"])
  let reshardAfterForward = Key(
    "reshard-after-forward", .boolean, otherwise: "true with zero-stage 3",
    "Whether gathered parameters are given back behind a forward and gathered again for its backward.",
    otherNames: ["fsdp-reshard-after-forward"])
  let pairOrder = Key(
    "pair-order",
    Expected<PairOrder.Name>.choice().map { _ in PairOrder.published }.or(
      list: Expected.list(of: .choice(PairSegment.self), count: 2...4096).map { .segments($0) }),
    default: .published,
    "The order of the segments of a forward and a backward that run as one (overlap.expert-exchange). A "
      + "list is carried out again and again until both are over (docs/overlap.md).")
  let overlap = TableKey(
    "overlap", OverlapKeys(), otherwise: "as below",
    "Which communication runs beside computation.")

  // MARK: Experts

  let dispatcher = Key(
    "dispatcher", .choice(Plan.Dispatcher.self),
    otherwise: "deepep where plan or model limits a token's nodes, else all-to-all",
    "How rows get to their experts: deepep: once to each node and rank; all-to-all: once to each "
      + "expert, by NCCL; all-gather: all tokens to all ranks, by NCCL.",
    otherNames: ["moe-token-dispatcher-type", "token-dispatcher", "moe-dispatcher"])
  let tokenCounts = Key(
    "token-counts", .choice(Plan.TokenCounts.self),
    otherwise: "device; host with every framework but plain",
    "Who reads how many rows an exchange brings. host: it waits for each dispatch's counts, and issues "
      + "what follows from then on; device: nobody waits.")
  let nodesPerToken = Key(
    "nodes-per-token", .integer(in: degrees), otherwise: "the model's own limit",
    "The most nodes that the experts of one token may lie on.",
    otherNames: ["group-limited", "topk-group"])
  let redundantExperts = Key(
    "redundant-experts", .integer(in: 0...(1 << 16)), default: 0,
    "Places beyond one for each routed expert of a layer: as many of the most chosen experts lie on two "
      + "ranks, which share their rows. expert-parallel divides experts and these together.",
    otherNames: ["num-redundant-experts", "ep-num-redundant-experts"])
  let expertLoad = EitherKey(
    Key(
      "expert-load", .choice(Plan.PlainLoad.self), default: .balanced,
      "How routed tokens spread over experts."),
    ExpertLoadKeys())
}

/// The keys of `pass-times`, all of which must be there.
struct PassTimeKeys: KeySet {
  private static func time(_ key: String, from least: Double, _ what: String) -> Key<Seconds> {
    Key(key, .quantity(in: Seconds(least)...Seconds(1000)), what)
  }

  let forward = time("forward", from: 1e-6, "A stage's forward.")
  let backwardInput = time("backward-input", from: 1e-6, "Its backward for the input.")
  let backwardWeight = time("backward-weight", from: 1e-6, "Its backward for the weights.")
  let transfer = time("transfer", from: 0, "A message between two stages.")
}

/// A key that is read into a property of what it belongs to, or into an optional one that stays nil where
/// the key is left out.
struct PropertyKey<Root, Value, Property>: Described {
  let key: Key<Value>
  let path: WritableKeyPath<Root, Property>

  init(_ key: Key<Value>, _ path: WritableKeyPath<Root, Property>) {
    (self.key, self.path) = (key, path)
  }

  var entries: [KeyEntry] { key.entries }
}

/// The keys of `overlap`.
struct OverlapKeys: KeySet {
  let kinds: [PropertyKey<Plan.Overlap, Bool, Bool?>] = Plan.Overlap.Kind.allCases
    .filter { $0 != .tensorExchange }.map { kind in
      .init(
        Key(kind.rawValue, .boolean, otherwise: kind.otherwise, kind.meaning), kind.path)
    }
  let tensorExchange = Key(
    Plan.Overlap.Kind.tensorExchange.rawValue, .choice(Plan.Overlap.TensorExchange.self),
    otherwise: Plan.Overlap.Kind.tensorExchange.otherwise,
    Plan.Overlap.Kind.tensorExchange.meaning, otherNames: ["tp-comm-overlap", "async-tp"])
  let prefetch = Key(
    "prefetch", .integer(in: 0...64), otherwise: "1 with zero-stage 3",
    "Units (layers, embedding, head) that zero-stage 3 gathers ahead, one across passes; 0: none.",
    otherNames: ["forward-prefetch", "limit-all-gathers"])
}

extension Plan.Overlap.Kind {
  /// What runs beside computation, in words.
  fileprivate var meaning: String {
    switch self {
    case .pipelineSends:
      "Sends between pipeline ranks; false: computation waits for every send and receive."
    case .expertExchange:
      "Dispatch and combine, in merged pairs of a forward and the backward of an earlier microbatch "
        + "(1f1b, interleaved-1f1b, dualpipe, dualpipev); false: one after the other."
    case .gradientReduction: "Gradient reductions, beside the backward pass."
    case .parameterGather:
      "Gathers of parameters: with zero-stage 3 ahead of the unit that is computed, with 1 and 2 beside "
        + "the first forward of the next step; false: waited for at once, or behind the update."
    case .tensorExchange:
      "Exchanges within a tensor-parallel group: a backward's in bulk beside other products, or gathers "
        + "and scatters in chunks beside their own; true is chunked with sequence-parallel, else bulk."
    }
  }

  /// What holds where it is left out; what differs from what the plan does is refused.
  fileprivate var otherwise: String {
    switch self {
    case .pipelineSends: "true where send-mode is eager"
    case .expertExchange: "true with dualpipe and dualpipev"
    case .gradientReduction: "true where there are copies to reduce over"
    case .parameterGather: "true with zero-stage 3"
    case .tensorExchange: "false"
    }
  }
}

extension Plan {
  /// Everything that a plan file may say.
  public static var keyReference: KeyReference {
    KeyReference(
      "a plan",
      "A plan says how one model is trained on many ranks: a YAML or JSON file, a shipped name, or "
        + "the table under plan in a run file. On the command line: --set plan.KEY=VALUE.",
      PlanKeys().entries)
  }
}

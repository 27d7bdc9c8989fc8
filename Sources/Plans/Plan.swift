import Clusters
import Models
import Quantities
import Schedules

/// How one model is trained on many ranks: degrees, schedule, batch, precision, memory, overlap.
public struct Plan: Hashable, Sendable {
  /// How much of the training state is divided among the ranks that hold equal parameters.
  public enum ZeROStage: Int, Hashable, Sendable, CaseIterable {
    case nothing = 0
    /// Optimizer state.
    case optimizer = 1
    /// Optimizer state and gradients.
    case gradients = 2
    /// Optimizer state, gradients and parameters.
    case parameters = 3
  }

  /// Of which kernels norms, gated activations and rotary embeddings are made.
  public enum Execution: String, Hashable, Sendable, CaseIterable {
    /// A kernel written for each, as Transformer Engine, Megatron-Core and DeepSeek have them.
    case fused
    /// PyTorch's operators one by one.
    case eager
    /// What torch.compile makes of these operators: one pass over memory for each.
    case compiled
  }

  /// How the sends and receives of a pipeline rank are grouped.
  public enum SendMode: String, Hashable, Sendable, CaseIterable {
    /// Those between two actions are one group, which is through when all of them are.
    case batched
    /// Each by itself: a send starts when its tensor is ready.
    case eager
  }

  /// How the reductions and gathers over data ranks are carried out.
  public enum CollectiveAlgorithm: String, Hashable, Sendable, CaseIterable {
    case ring
    case tree
    /// First within a node, then between nodes.
    case hierarchical
    /// All-reduces that the switch inside a node adds up (NVLS), along trees between nodes.
    case inSwitch = "in-switch"
  }

  /// Where the order of actions comes from.
  public enum ScheduleSource: Hashable, Sendable {
    /// A generator's name, such as `1f1b` or `dualpipe`.
    case named(String)
    /// A CSV file in the notation of the schedules room, and whether its microbatches come from both ends.
    case file(String, isBidirectional: Bool)

    /// Whether two pipelines run in opposite directions over two copies of each stage.
    public var isBidirectional: Bool {
      switch self {
      case .named(let name): name == ScheduleName.dualPipe.rawValue
      case .file(_, let isBidirectional): isBidirectional
      }
    }
  }

  /// How units are spread over stages.
  public enum Layout: Hashable, Sendable {
    /// As evenly as layers divide; the last and the first stage take fewer.
    case even
    /// By cost; to be resolved into counts before use.
    case balanced
    /// Layers on each stage; the embedding joins the first, head and prediction modules the last.
    case layers([Int])
    /// Units on each stage: the embedding, each layer, the head and each prediction module count.
    case units([Int])
    /// Units as evenly as they divide, so that embedding and head count as a layer each.
    case evenUnits
  }

  /// How routed tokens spread over experts.
  public enum ExpertLoad: Hashable, Sendable {
    /// Every expert gets the same.
    case balanced
    /// Loads of ranks scatter around the mean by a relative standard deviation, from a seed.
    case deviation(Double, seed: UInt64, correlation: LoadCorrelation = LoadCorrelation())
    /// Counts from a file.
    case counts(file: String)
  }

  /// How far the rank that is loaded most in one exchange of a step is so in others: 0 where every exchange
  /// draws anew, 1 where all of them share one draw.
  public struct LoadCorrelation: Hashable, Sendable {
    /// Between the layers of a model.
    public var layers: Double
    /// Between the microbatches of a step.
    public var microbatches: Double

    public init(layers: Double = 0, microbatches: Double = 0) {
      (self.layers, self.microbatches) = (layers, microbatches)
    }
  }

  /// How a rank of a context group gets the keys and values of the whole sequence.
  public enum ContextExchange: String, Hashable, Sendable, CaseIterable {
    /// All at once in front of attention, which waits for them (Llama 3, arXiv 2407.21783 section 3.3.2).
    case gather
    /// Around a ring, each block beside the attention to the one before (arXiv 2310.01889).
    case ring
  }

  /// How rows get to the ranks of their experts and back.
  public enum Dispatcher: String, Hashable, Sendable, CaseIterable {
    /// DeepEP's two levels: once to each node that a token reaches, from there to each of its ranks.
    case deepEP = "deepep"
    /// Once for each expert, straight to its rank (Megatron-Core's alltoall, over NCCL).
    case allToAll = "all-to-all"
    /// All tokens to all ranks of the expert group (Megatron-Core's allgather, over NCCL).
    case allGather = "all-gather"
  }

  /// What the plan is called in reports.
  public var name = "plan"
  /// Where the plan was published.
  public var source: String?
  /// Ranks that train on different sequences.
  public var dataParallel = 1
  /// Ranks that share each layer's matrix products.
  public var tensorParallel = 1
  /// Whether norms and residuals are divided along the sequence within a tensor-parallel group.
  public var sequenceParallel = false
  /// Ranks that hold consecutive stages.
  public var pipelineParallel = 1
  /// Ranks that share each sequence.
  public var contextParallel = 1
  /// How they get the keys and values of the others; nil for gathered.
  public var contextExchange: ContextExchange?
  /// Ranks over which the routed experts are spread, of all that a pipeline position has.
  public var expertParallel = 1
  /// Places beyond one for each routed expert of a layer: as many of the most chosen experts have two.
  public var redundantExperts = 0
  /// Tensor parallelism inside an expert; with `expertParallel` a divisor of a position's ranks.
  public var expertTensorParallel = 1
  /// Stages that a rank holds; DualPipe's mirrored copy of a stage does not count.
  public var stagesPerRank = 1
  /// How much of the training state is divided among copies.
  public var zeroStage = ZeROStage.nothing
  /// Sequences in a microbatch.
  public var microbatchSize = 1
  /// Sequences in a step.
  public var globalBatch = 1
  /// Tokens in a sequence.
  public var sequenceLength = 1
  /// Where the order of actions comes from.
  public var schedule = ScheduleSource.named("1f1b")
  /// Microseconds of the passes of a stage and of a message, as the automatic schedules are to plan with
  /// them; nil for what they assume by themselves.
  public var passTimes: PassCosts?
  /// How the sends of a pipeline rank are grouped; nil for what suits the schedule (see `sends`).
  public var sendMode: SendMode?
  /// Whether the ranks of a tensor-parallel group, which hold the same activations, each send a part to
  /// the next stage and gather the whole there over the node's own links (arXiv 2104.04473 section 4.1).
  public var scattersPipelineSends = false
  /// What is stored, multiplied and sent in which format.
  public var precision = PrecisionRecipe.bfloat16
  /// The library that multiplies the operands of linear maps; nil for the newest that the cluster
  /// describes for their format.
  public var library: MatmulLibrary?
  /// Of which kernels norms, gated activations and rotary embeddings are made.
  public var execution = Execution.fused
  /// Whether kernels of fixed sizes are issued as graphs.
  public var cudaGraphs = false
  /// Who reads how many rows an exchange brings; nil for whom the framework has do it (`countsAreAwaited`).
  public var tokenCounts: TokenCounts?
  /// When the ranks that divide the data average the loss that is logged.
  public var lossAverage = LossAverage.step
  /// Whose kernels attention is; nil for the cluster's, or for unfused ones where `fusedAttention` is false.
  public var attentionLibrary: AttentionLibrary?
  /// What the backward pass computes again.
  public var recomputation = Recomputation.none
  /// How units are spread over stages.
  public var layout = Layout.even
  /// How rows get to their experts; nil for what suits plan and model (`dispatcher(for:)`).
  public var dispatcher: Dispatcher?
  /// The most nodes that the experts of one token may lie on, where the model's router leaves more; nil for
  /// no limit but the router's.
  public var nodesPerToken: Int?
  /// Multiprocessors that expert exchanges take while they run, and that computation leaves free in
  /// overlapped pairs; nil for what the dispatcher takes on the cluster, none where nothing is exchanged.
  public var communicationSMs: Int?
  /// Multiprocessors that compute kernels use outside overlapped pairs; nil for all of them.
  public var computationSMs: Int?
  /// Which kinds of communication run beside computation.
  public var overlap = Overlap()
  /// In which order the segments of a forward and a backward that run as one are carried out.
  public var pairOrder = PairOrder.published
  /// How routed tokens spread over experts.
  public var expertLoad = ExpertLoad.balanced
  /// What sequences are made of, where attention asks; nil for one document in each.
  public var documents: PackedDocuments?
  /// Lanes in which gradients are accumulated; nil for one per data rank and direction.
  public var gradientLanes: Int?
  /// Whether attention runs as one fused kernel, or as two batched products with the s² traffic of mask,
  /// softmax and dropout in between, as before FlashAttention.
  public var fusedAttention = true
  /// Whether the head's products and its loss are one operation of the forward, in tiles.
  ///
  /// Else logits are formed whole, and the backward has products of its own. Nil means fused
  /// on CPU ranks, separate on a device.
  public var fusedHead: Bool?
  /// How the loss goes over the logits.
  public var loss = Loss.fused
  /// Parts of the model that are not trained, in the order of `Part.allCases`.
  public var frozen: [Part] = []
  /// Adapters that are trained in place of the model; nil where it is trained itself.
  public var lora: LoRA?
  /// What lies in the host's memory.
  public var offload = Offload()
  /// What updates the parameters.
  public var optimizer = Optimizer.adamW
  /// The framework whose own buffers count.
  public var framework = Framework.plain
  /// Whether weight products add to the sums of gradients themselves; nil for what the framework does
  /// (`fusesGradientSums`).
  public var gradientAccumulationFusion: Bool?
  /// Whether PyTorch's allocator grows segments (`expandable_segments`), which leaves fewer gaps.
  public var expandsSegments = false
  /// Memory of the device that PyTorch's allocator must leave: the CUDA context with its kernels, buffers of
  /// NCCL and of other libraries.
  public var memoryReserve = Plan.usualMemoryReserve
  /// Whether activations are dropped at random behind attention, feed-forward block and softmax.
  public var dropout = false
  /// Parameters in a bucket of gradients that is reduced by itself, where reductions run beside the last
  /// backward; nil for Megatron-Core's rule (`bucketElements`).
  public var gradientBucket: Int?
  /// Consecutive data and context ranks that divide the training state as `zeroStage` says; nil for all.
  ///
  /// Gradients are added up over the groups.
  public var shardingGroup: Int?
  /// With ZeRO stage 3: whether gathered parameters are given back behind a forward, and gathered again by
  /// its backward; nil for true.
  public var reshardAfterForward: Bool?
  /// How simulated reductions and gathers over data ranks are carried out; nil for the fastest way.
  ///
  /// The CPU runtime sends directly, rank to rank.
  public var collectiveAlgorithm: CollectiveAlgorithm?

  /// 1 GiB, an assumption: beside what PyTorch reserves, processes that ran out of memory held 0.2 GiB on one
  /// device (vllm issue 12529), 0.4 on 4 and on 8 (axolotl issue 1717, llama issue 918) and 1.6 on 16
  /// (returnn issue 1469).
  public static let usualMemoryReserve = ByteCount(1 << 30)

  /// The plan for a single rank; every property can be set.
  public init() {}
}

extension Plan {
  /// Ranks that the plan needs.
  public var worldSize: Int {
    dataParallel * tensorParallel * contextParallel * pipelineParallel
  }

  /// Stages that the model is cut into.
  public var stageCount: Int { pipelineParallel * stagesPerRank }

  /// Microbatches that flow through each pipeline in a step; DualPipe's two directions together.
  public var microbatchCount: Int { globalBatch / (dataParallel * microbatchSize) }

  /// Tokens in a microbatch.
  public var tokensPerMicrobatch: Int { microbatchSize * sequenceLength }

  /// The dispatcher that the plan has for a model: its own, or the usual one.
  ///
  /// - Parameter limitActs: whether `nodesPerToken` keeps tokens on fewer nodes than chance takes them to;
  ///   nil where nobody knows the nodes, for any limit being taken to.
  public func dispatcher(
    for architecture: Architecture, limitActs: Bool? = nil
  ) -> Dispatcher {
    if let dispatcher { return dispatcher }
    let routerLimits = architecture.feedForwards.contains { block in
      block.mixture.map { $0.groupsPerToken < $0.groups } ?? false
    }
    // Where the experts of a token lie on few nodes it pays to send it to a node once.
    return routerLimits || limitActs ?? (nodesPerToken != nil) ? .deepEP : .allToAll
  }

  /// Whether the schedule runs two pipelines in opposite directions over two copies of each stage.
  public var isBidirectional: Bool { schedule.isBidirectional }
}

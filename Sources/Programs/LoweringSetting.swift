import Models
import Plans

extension Architecture {
  /// The units that use the token embedding: its own, a tied head, and prediction modules.
  public var embeddingUses: [Unit] {
    let modules = (0..<multiTokenPrediction).map { Unit.multiTokenPrediction($0) }
    return [.embedding] + (tiedEmbeddings ? [.head] : []) + modules
  }

  /// The units that use a head of its own; none where it is tied to the embedding.
  public var headUses: [Unit] {
    tiedEmbeddings ? [] : [.head] + (0..<multiTokenPrediction).map { .multiTokenPrediction($0) }
  }
}

/// What a stage's programs are for.
public enum Purpose: Hashable, Sendable {
  /// Forward and backward, gradients and optimizer.
  case training
  /// The loss alone: a forward that keeps nothing, no gradients, no optimizer state.
  case evaluation
  /// The scores behind each sequence's last token: a forward over the tokens that are new, with keys and
  /// values (of latent attention the latent and the rotated key) kept in a cache of so many positions for
  /// each sequence of so many microbatches.
  case generation(positions: Int, microbatches: Int = 1)
  /// The scores behind each sequence's last token, and what caches keep of all its tokens: keys and values are
  /// those of the tokens themselves, of latent attention built up for every head.
  case prefill
}

/// What a stage's programs run on; a precision never chooses it.
public enum Target: Hashable, Sendable {
  /// An accelerator: kernels read and write messages where they lie.
  case device
  /// A CPU rank: its kernels have tiles of their own, and messages are packed.
  case cpuRank
}

/// What lowering needs to know of a plan: the sizes and choices of one rank.
public struct LoweringSetting: Hashable, Sendable {
  /// Sequences in a microbatch.
  public var sequences: Int
  /// Tokens of a whole sequence.
  public var sequenceLength: Int
  /// Degrees of tensor, context and expert parallelism.
  public var tensor: Int
  public var context: Int
  /// How keys and values get to the ranks of a context group.
  public var contextExchange = Plan.ContextExchange.gather
  /// Whether a context group gathers as torchtitan and PyTorch do: keys and values of every query head, and results and
  /// gradients of its blocks added in 32 bits.
  public var repeatsKeyHeads = false
  /// What a tensor group gathers along the sequence, and in front of a scatter, is copied (`Emission.layTogether`).
  public var copiesTensorExchanges = false
  /// Keys and values are copied for every query head in front of attention (`Emission.repeatHeads`).
  public var copiesKeyHeads = false
  public var expert: Int
  /// Places for copies of experts, beyond one for each.
  public var redundantExperts = 0
  /// Tensor parallelism inside an expert.
  public var expertTensor: Int
  /// With tensor parallelism, norms and residuals are sharded along the sequence.
  public var sequenceParallel: Bool
  public var recipe: Recipe
  public var target: Target
  public var recomputation: Recomputation
  /// One fused attention kernel, or two batched products with s² traffic in between.
  public var fusedAttention: Bool
  /// The head's three products and its loss in one operation of the forward, logits never held; else
  /// forward and backward have their own products.
  public var fusedHead: Bool
  /// Of a head that is not fused: the loss in one kernel a pass, or operator by operator in 32 bits.
  public var fusedLoss: Bool
  /// Of a fused head on a device: logits are formed part by part, in so many rows as Liger-Kernel takes.
  public var chunksHead = false
  /// Operators of the loss write results of their own, as `torch.nn.functional.cross_entropy` does; else
  /// into one copy of the logits in 32 bits, as Megatron's loss does.
  public var copiesLogits = false
  /// The loss is given logits in 32 bits that stay while it writes its own copy.
  public var holdsCastLogits = false
  /// A gated unit's activated gate is a result of its own that its backward reads.
  public var keepsActivatedGates = false
  /// A norm with gain alone is PyTorch's operators: its backward reads its row in 32 bits and normed, not as it came.
  public var keepsNormSteps = false
  /// Parts of the model that are not trained.
  public var frozen: [Plan.Part] = []
  /// Adapters that are trained in place of the model.
  public var lora: Plan.LoRA?
  /// What lies in the host's memory.
  public var offload = Plan.Offload()
  /// What updates the parameters.
  public var optimizer = Plan.Optimizer.adamW
  /// Weight products add to the sums of gradients; else each forms a gradient that is added behind it.
  public var fusesGradientSums = true
  /// A formed gradient stays until its backward has ended.
  public var keepsFormedGradients = false
  /// An embedding's gradient is a table of its own, added to its sum.
  public var formsEmbeddingGradients = false
  /// Dropout behind attention, feed-forward block and attention's softmax, as Megatron's runs had it.
  public var dropout: Bool
  /// Behind a layer that is run again, weight products gather the rows of their inputs once more over the tensor
  /// group: what they keep is the rank's own part, whoever called them (Megatron-LM 000c4ac,
  /// `core/tensor_parallel/layers.py`, `LinearWithGradAccumulationAndAsyncCommunication`; Transformer Engine,
  /// `pytorch/module/layernorm_linear.py`, whose backward gathers `ln_out` or has `ub_bulk_dgrad` do so).
  public var gathersAgainBehindReruns = false
  /// In a backward, whole exchanges within a tensor-parallel group run beside the product that does not
  /// need them; else everybody waits for them, as under torchtitan: PyTorch cuts what one product alone gives or
  /// takes (`micro_pipeline_tp.py`, `_find_producer_matmul`), while an input's gradient is a sum over the maps behind
  /// a gather, whose weight products autograd runs before it is scattered.
  public var overlapsTensorExchange: Bool
  /// Up to ZeRO stage 1: parameters of a bucket that is reduced by itself; nil for all of a stage at once.
  public var bucketElements: Int?
  /// Gathers and scatters around the products of a tensor-parallel group are cut into a chunk for each rank,
  /// which move while the product of another chunk runs.
  public var splitsTensorExchange = false
  /// From ZeRO stage 2 on a layer's gradients are reduced beside the backward of the layers before it.
  public var overlapsReduction = true
  /// With ZeRO stage 3: how many units ahead of the one that is computed parameters are gathered; 0 for
  /// none.
  public var prefetchedUnits = 1
  /// With ZeRO stages 1 and 2: parameters are gathered ahead of the next step's forward, not behind the
  /// update.
  public var gathersAheadOfForward = false
  /// With ZeRO stage 3: gathered parameters are given back behind a forward, and gathered again by its
  /// backward.
  public var reshards = true
  /// With ZeRO stage 3: a unit is gathered into one buffer, of which a kernel makes its parameters.
  public var copiesGathered = false
  /// From ZeRO stage 2 on: a unit is one flat tensor, as PyTorch's first FSDP has it (`Emission.joinGradients`).
  public var flattensUnits = false
  /// Measures of the loss that are taken of a microbatch's logits beside the loss itself.
  public var lossMeasures = 0
  /// Padding is taken out in front of a fused core and put back behind it (`Emission.emitUnpadded`).
  public var removesPadding = false
  /// AdamW is operators one by one, as is the scale of clipped gradients.
  public var updatesByOperators = false
  /// 0: every copy keeps the whole optimizer state; 1: each copy keeps a shard; 2: gradients are sharded
  /// too; 3: and parameters.
  public var zeroStage: Int
  /// How many ranks hold a copy of a tensor of this stage: of shared ones, and of an expert.
  public var gradientCopies: Int
  public var expertCopies: Int
  /// How many of them divide its state among them where not all do: of shared ones, and of an expert.
  public var gradientShards: Int?
  public var expertShards: Int?
  /// Bytes behind the rows of each message between stages (`Architecture.carriedBalanceBytes`).
  public var carriedBytes = 0
  /// How many stages use the token embedding, and the head where it is another tensor.
  public var embeddingStages = 1
  public var headStages = 1
  public var purpose = Purpose.training
  /// What the head's loss is made of, where it is fused.
  public var objective = Objective.crossEntropy
  /// Norms in front of FP8 products write FP8 where scales are known before; else casts are kernels of
  /// their own, as behind PyTorch's operators.
  public var fusesCasts = true
  /// Passes end with the agreement on scales that are known before; a part of a stage by itself has none.
  public var updatesScales = true
  /// The ranks that divide the data average the loss behind each forward.
  public var averagesLoss = false
  /// Layers of the model whose products stay in the format of activations.
  var wideLayers: [Range<Int>] = []
  /// Lanes in which a copy adds up gradients.
  public var lanes = 1
  /// Sums of lanes that a copy contributes to a reduction (`GradientLanes.sums`).
  public var laneSums = 1
  /// How rows get to the ranks of their experts; CPU ranks send each token once to each rank.
  public var dispatcher = Plan.Dispatcher.deepEP
  /// Rows of a token arrive once for each of its experts, in the experts' order, and come back weighed and
  /// added up: nothing is counted, permuted or unpermuted beside (DeepEP's low-latency kernels).
  public var arrivesInOrder = false
  /// Tokens at the end of each sequence whose scores are formed, where no loss is.
  public var scoredTokens = 1

  public init(
    sequences: Int, sequenceLength: Int, tensor: Int = 1, context: Int = 1, expert: Int = 1,
    expertTensor: Int = 1, sequenceParallel: Bool = false, recipe: Recipe = .float32,
    target: Target = .cpuRank, recomputation: Recomputation = .none, fusedAttention: Bool = true,
    fusedHead: Bool = true,
    fusedLoss: Bool = true, dropout: Bool = false, overlapsTensorExchange: Bool = true,
    zeroStage: Int = 1, gradientCopies: Int = 1, expertCopies: Int = 1
  ) {
    self.sequences = sequences
    self.sequenceLength = sequenceLength
    self.tensor = tensor
    self.context = context
    self.expert = expert
    self.expertTensor = expertTensor
    self.sequenceParallel = sequenceParallel
    self.recipe = recipe
    self.target = target
    self.recomputation = recomputation
    self.fusedAttention = fusedAttention
    self.fusedHead = fusedHead
    self.fusedLoss = fusedLoss
    self.dropout = dropout
    self.overlapsTensorExchange = overlapsTensorExchange
    self.zeroStage = zeroStage
    self.gradientCopies = gradientCopies
    self.expertCopies = expertCopies
  }

  /// Tokens of a microbatch on this rank in front of attention.
  public var tokens: Int { sequences * sequenceLength / context }

  /// Tokens of a microbatch that this rank sends to the experts: its own part of those of its tensor group,
  /// whether it holds all of them or only that part.
  public var expertTokens: Int { tokens / tensor }

  /// Rows cross the network once for each expert, put in the experts' order where they start.
  var sendsRowsOfExperts: Bool { expert > 1 && dispatcher == .allToAll }

  /// Ranks tell each other how many rows they will get, before they get them.
  var countsTokens: Bool { dispatcher != .allGather && !arrivesInOrder }

  /// Keys and values are passed around the ranks of a context group, beside the attention to them.
  var ringsContext: Bool { context > 1 && contextExchange == .ring }

  /// Rows of the residual stream on this rank.
  public var residualRows: Int { sequenceParallel ? tokens / tensor : tokens }
}

extension LoweringSetting {
  /// The setting of a rank under a plan.
  ///
  /// A head is fused by default on a CPU rank, whose kernel forms logits tile by tile, and separate on a
  /// device.
  public init(_ plan: Plan, target: Target) {
    let directions = plan.isBidirectional ? 2 : 1
    let replicas = plan.dataParallel * plan.contextParallel * directions
    self.init(
      sequences: plan.microbatchSize, sequenceLength: plan.sequenceLength,
      tensor: plan.tensorParallel, context: plan.contextParallel, expert: plan.expertParallel,
      expertTensor: plan.expertTensorParallel, sequenceParallel: plan.sequenceParallel,
      recipe: Recipe(plan.precision), target: target,
      recomputation: plan.recomputation, fusedAttention: plan.fusedAttention,
      fusedHead: plan.fusedHead ?? (plan.fusesHead || target == .cpuRank),
      fusedLoss: !plan.keepsWideLogits, dropout: plan.dropout,
      overlapsTensorExchange: plan.overlaps(.tensorExchange), zeroStage: plan.zeroStage.rawValue,
      gradientCopies: replicas,
      expertCopies: replicas * plan.tensorParallel
        / (plan.expertParallel * plan.expertTensorParallel))
    splitsTensorExchange = plan.splitsTensorExchange
    overlapsReduction = plan.overlaps(.gradientReduction)
    bucketElements = plan.bucketElements
    gradientShards = plan.shardingRanks
    expertShards = plan.expertShardingRanks
    prefetchedUnits = plan.prefetchedUnits
    gathersAheadOfForward = plan.gathersAheadOfForward
    reshards = plan.reshardsAfterForward
    let lanes = GradientLanes(plan, target: target)
    (self.lanes, laneSums) = (lanes.count, lanes.sums)
    contextExchange = plan.contextExchange ?? .gather
    repeatsKeyHeads = plan.framework == .torchtitan && !ringsContext && target == .device
    chunksHead = plan.loss == .chunked && target == .device
    if target == .device {
      copiesGathered = plan.framework == .torchtitan
      copiesTensorExchanges = plan.framework == .torchtitan
      copiesKeyHeads = plan.framework == .torchtitan
      copiesLogits = plan.framework == .torchtitan && plan.loss == .native
      holdsCastLogits = copiesLogits || plan.framework == .nanotron && plan.loss == .native
      keepsActivatedGates = plan.execution == .eager || plan.framework == .nanotron
      keepsNormSteps = plan.execution == .eager
      averagesLoss = plan.lossAverage == .microbatch
      updatesByOperators = plan.optimizer == .adamWForeach
      gathersAgainBehindReruns = [.megatronLM, .megatronLocal].contains(plan.framework)
      if plan.framework == .torchtitan { overlapsTensorExchange = false }
      if plan.framework == .llmFoundry { becomeLLMFoundry(plan) }
    }
    redundantExperts = plan.redundantExperts
    fusesCasts = plan.execution == .fused
    optimizer = plan.optimizer
    if target == .device {
      (offload, frozen, lora) = (plan.offload, plan.frozen, plan.lora)
    }
    fusesGradientSums = plan.fusesGradientSums || target == .cpuRank
    keepsFormedGradients = plan.keepsFormedGradients && target == .device
    formsEmbeddingGradients = plan.formsEmbeddingGradients && target == .device
    if target == .device, let dispatcher = plan.dispatcher { self.dispatcher = dispatcher }
  }

  /// What llm-foundry 0.3 and Composer 0.16 run beside the model.
  ///
  /// Composer measures cross entropy and perplexity of each microbatch, the same sum twice (`trainer.py`,
  /// `_eval_train_metrics`; llm-foundry's `use_train_metrics` is on by default). Its flash attention unpads
  /// queries, keys and values always (`models/layers/attention.py`, `flash_attn_fn`); that in Triton never.
  private mutating func becomeLLMFoundry(_ plan: Plan) {
    flattensUnits = true
    lossMeasures = 2
    removesPadding = plan.fusedAttention && plan.attentionLibrary != .triton
    updatesByOperators = true
  }

  /// The setting of a rank under a plan whose stages are laid out: it knows which tensors have uses on
  /// several stages.
  public init(
    _ plan: Plan, _ layout: StageLayout, of architecture: Architecture, target: Target
  ) {
    self.init(plan, target: target)
    func stages(_ units: [Unit]) -> Int {
      layout.stages.filter { stage in units.contains { stage.contains($0) } }.count
    }
    embeddingStages = stages(architecture.embeddingUses)
    headStages = stages(architecture.headUses)
    carriedBytes = architecture.carriedBalanceBytes
    let (layers, precision) = (architecture.layerCount, plan.precision)
    wideLayers = [
      0..<min(layers, precision.wideFirstLayers),
      max(0, layers - precision.wideLastLayers)..<layers,
    ].filter { !$0.isEmpty }
    if target == .device { dispatcher = plan.dispatcher(for: architecture) }
  }

  /// The positions that caches hold; nil where there are none.
  var cachedPositions: Int? {
    if case .generation(let positions, _) = purpose { positions } else { nil }
  }

  /// Whether caches are written.
  var fillsCaches: Bool { cachedPositions != nil || purpose == .prefill }

  /// Microbatches whose sequences the caches hold.
  var cachedMicrobatches: Int {
    if case .generation(_, let microbatches) = purpose { microbatches } else { 0 }
  }

  /// The recipe of a layer of the model; −1 outside layers.
  func recipe(ofLayer layer: Int) -> Recipe {
    wideLayers.contains { $0.contains(layer) } ? recipe.wide : recipe
  }

  /// The recipe of a parameter's layer.
  func recipe(of parameter: StageParameter) -> Recipe {
    if case .layer(let layer) = parameter.unit { recipe(ofLayer: layer) } else { recipe }
  }

  /// Norms are computed again in the backward.
  var recomputesNorms: Bool {
    recomputation.includes(.rmsNorm) || recomputation.includes(.layerNorm)
  }

  /// Every second product is computed again, gate and up apart.
  var alternatesProducts: Bool { recomputation.modules.contains(.alternateProducts) }
}

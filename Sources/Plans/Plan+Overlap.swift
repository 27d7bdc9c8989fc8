import Schedules

extension Plan {
  /// Which kinds of communication run beside computation.
  ///
  /// What is nil follows the rest of the plan, as `overlaps` says. What is set is refused where it is not
  /// what the plan's schedule and sharding do.
  public struct Overlap: Hashable, Sendable {
    /// Sends between pipeline ranks; else computation waits for every send and receive.
    public var pipelineSends: Bool?
    /// Dispatch and combine, in merged pairs of a forward and a backward.
    public var expertExchange: Bool?
    /// Gradient reductions: up to ZeRO stage 1 a bucket at a time as the stage's last backward completes
    /// it, from ZeRO stage 2 on a layer at a time in every backward; else they start behind the rank's last
    /// backward, or are waited for at once.
    public var gradientReduction: Bool?
    /// Gathers of parameters: with ZeRO stage 3 a unit ahead of the one that is computed, with stages 1 and
    /// 2 those of a step's update a bucket at a time beside the first forward of the next; else behind the
    /// update.
    public var parameterGather: Bool?
    /// Exchanges within a tensor-parallel group, beside its products.
    public var tensorExchange: TensorExchange?

    /// How many units ahead parameters are gathered with ZeRO stage 3; nil for one where they are at all.
    public var prefetch: Int?

    /// As the rest of the plan has it.
    public init() {}

    /// How exchanges within a tensor-parallel group run beside its products.
    public enum TensorExchange: String, Hashable, Sendable, CaseIterable {
      /// Everybody waits for all of them.
      case no = "false"
      /// Chunked with sequence parallelism, else in bulk.
      case yes = "true"
      /// A backward's whole exchanges beside the product that does not need them: the gather of a weight
      /// product's input beside the input gradient's product, the gradient's exchange beside the weight
      /// product (Megatron-LM, core/tensor_parallel/layers.py).
      case bulk
      /// Beside those, gathers and scatters cut into a chunk for each rank, which move while the product of
      /// another chunk runs (Transformer Engine's ring exchange of userbuffers, Megatron-LM's
      /// `--tp-comm-overlap`; PyTorch's asynchronous tensor parallelism).
      case chunked
    }

    /// A kind of communication, by its key in plan files.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
      case pipelineSends = "pipeline-sends"
      case expertExchange = "expert-exchange"
      case gradientReduction = "gradient-reduction"
      case parameterGather = "parameter-gather"
      case tensorExchange = "tensor-exchange"

      var path: WritableKeyPath<Overlap, Bool?> {
        switch self {
        case .pipelineSends: \.pipelineSends
        case .expertExchange: \.expertExchange
        case .gradientReduction: \.gradientReduction
        case .parameterGather: \.parameterGather
        case .tensorExchange: \.overlapsTensorExchange
        }
      }
    }

    /// Whether tensor exchanges are to run beside products at all; nil where nothing is said.
    private var overlapsTensorExchange: Bool? {
      get { tensorExchange.map { $0 != .no } }
      set { tensorExchange = newValue.map { $0 ? .yes : .no } }
    }

    /// What the plan says of a kind, as it is written.
    func written(_ kind: Kind) -> String? {
      kind == .tensorExchange
        ? tensorExchange?.rawValue : self[keyPath: kind.path].map { "\($0)" }
    }
  }

  /// Whether a kind of communication runs beside computation: as the plan says, else as its schedule and
  /// sharding have it.
  public func overlaps(_ kind: Overlap.Kind) -> Bool {
    if let said = overlap[keyPath: kind.path] { return said }
    switch kind {
    case .pipelineSends: return sends == .eager
    case .expertExchange: return usualPairs == .merged
    case .gradientReduction: return reducesBesideBackwards
    case .parameterGather: return gathersBesideComputation
    case .tensorExchange: return false
    }
  }

  /// Whether gathers and scatters of a tensor group are cut into chunks beside their products.
  public var splitsTensorExchange: Bool {
    guard tensorParallel > 1, sequenceParallel else { return false }
    return overlap.tensorExchange == .yes || overlap.tensorExchange == .chunked
  }

  /// Ranks that hold equal parameters.
  public var replicas: Int { dataParallel * contextParallel * (isBidirectional ? 2 : 1) }

  private var reducesBesideBackwards: Bool { replicas > 1 }

  /// Parameters in a bucket that is reduced, and gathered, by itself; nil where a stage's gradients are
  /// reduced at once, or a layer at a time and nothing is gathered beside a forward.
  ///
  /// Megatron-Core's rule where the plan does not say: 40 million, or a million for each data rank if that
  /// is more, so that rings stay bound by bandwidth (core/distributed/distributed_data_parallel.py).
  /// Megatron-Core has buckets on the first pipeline position alone, as the others end earlier; here every
  /// position has them. PyTorch's DDP takes 25 MB.
  public var bucketElements: Int? {
    guard replicas > 1, overlaps(.gradientReduction) else { return nil }
    guard zeroStage.rawValue <= 1 || gathersAheadOfForward else { return nil }
    return gradientBucket ?? max(40_000_000, 1_000_000 * dataParallel)
  }

  private var gathersBesideComputation: Bool { replicas > 1 && zeroStage == .parameters }

  /// With ZeRO stages 1 and 2: updated parameters are gathered beside the next step's first forward.
  ///
  /// False where the plan does not say, as in Megatron-Core (`--overlap-param-gather`).
  public var gathersAheadOfForward: Bool {
    guard replicas > 1, zeroStage == .optimizer || zeroStage == .gradients else { return false }
    return overlap.parameterGather == true
  }

  /// Units ahead of the one that is computed whose parameters are gathered with ZeRO stage 3; 0 for none.
  ///
  /// One where the plan does not say, as PyTorch's FSDP2 and Megatron's FSDP have it.
  public var prefetchedUnits: Int {
    gathersBesideComputation && overlaps(.parameterGather) ? overlap.prefetch ?? 1 : 0
  }

  /// Whether gathered parameters are given back behind a forward.
  public var reshardsAfterForward: Bool { reshardAfterForward ?? true }

  /// Refuses what the plan says of overlap and does not do.
  func checkOverlap(_ schedule: Schedule) throws(PlanError) {
    if case .file(let path, _) = self.schedule, schedule.isLowered,
      sendMode != nil || overlap.pipelineSends != nil
    {
      let key = sendMode == nil ? "overlap.pipeline-sends" : "send-mode"
      throw .schedule(name: path, rule: "places its sends itself, so that \(key) cannot act")
    }
    for kind in Overlap.Kind.allCases {
      guard let said = overlap[keyPath: kind.path], let rule = rule(against: said, kind, schedule)
      else { continue }
      throw .overlap(kind: kind, value: overlap.written(kind) ?? "\(said)", rule: rule)
    }
  }

  /// Refuses pairs that the named schedule cannot have, or that would have nothing to hide.
  func checkPairs(_ microbatches: Int) throws(PlanError) {
    guard overlap.expertExchange == true, usualPairs == .apart, case .named(let name) = schedule,
      let known = ScheduleName(rawValue: name)
    else { return }
    let rule: String
    if !known.canMergePairs {
      rule =
        "\(name) has no phase of whole forwards and backwards in turn that could be merged into pairs"
    } else if expertParallel == 1 {
      rule = "expert-parallel is 1: nothing is exchanged"
    } else if microbatches == 1 {
      rule = "with one microbatch there is no other whose backward could run beside a forward"
    } else {
      return
    }
    throw .overlap(kind: .expertExchange, value: "true", rule: rule)
  }

  /// Why a kind of communication cannot be as the plan says; nil if it is.
  private func rule(against said: Bool, _ kind: Overlap.Kind, _ schedule: Schedule) -> String? {
    switch kind {
    case .pipelineSends:
      return pipelineParallel > 1 || said ? nil : "the plan has no pipeline to send along"
    case .expertExchange:
      return said && !schedule.hasPairs
        ? "the schedule has no overlapped pairs, so that exchanges are waited for" : nil
    case .gradientReduction:
      return said && replicas == 1 ? "there are no copies to reduce over" : nil
    case .parameterGather:
      if said, gathersAheadOfForward, !overlaps(.gradientReduction) {
        return "without overlap.gradient-reduction there is one bucket, for all of which the first "
          + "forward waits (Megatron-Core refuses it too)"
      }
      if !said || gathersBesideComputation || gathersAheadOfForward { return nil }
      return replicas == 1
        ? "there are no copies to gather from" : "zero-stage 0 gathers nothing"
    case .tensorExchange:
      if said && tensorParallel == 1 { return "tensor-parallel is 1: nothing is exchanged" }
      return overlap.tensorExchange == .chunked && !sequenceParallel
        ? "without sequence-parallel there are no gathers and scatters to cut" : nil
    }
  }
}

import Models
import Plans
import Programs

/// Keys that a plan states and that have nothing to act on in its step.
///
/// Whether a key acts is read off the programs of the stages; values that a plan leaves out, or states as
/// they would be anyway, are not named.
struct IdleKeys {
  private let plan: Plan
  private let input: StepInput
  private let layout: StageLayout

  /// - Parameters:
  ///   - plan: the plan as it was read.
  ///   - placed: the same, filled in and placed.
  init(_ plan: Plan, _ placed: PlacedPlan, _ input: StepInput) {
    self.plan = plan
    self.input = input
    layout = placed.layout
  }

  /// One phrase a key: `zero-stage never acts: no parameter has a second copy`.
  var phrases: [String] {
    (ofDocuments + ofContext + ofCopies + ofExperts + ofSends + ofFormats + ofLayers).map {
      "\($0.key) never acts: \($0.why)"
    }
  }

  private typealias Idle = (key: String, why: String)

  // MARK: Documents

  private var ofDocuments: [Idle] {
    // Padding behind whole ones is no token, whatever attention does.
    guard let documents = plan.documents, documents.packing == .cut,
      !input.attendsWithinDocuments
    else { return [] }
    return [
      (
        "documents",
        documents.mask == .none
          ? "mask none attends over whole sequences, whatever they are made of"
          : "unfused attention computes the whole square"
      )
    ]
  }

  // MARK: Context

  private var ofContext: [Idle] {
    guard plan.contextExchange != nil, plan.contextParallel == 1 else { return [] }
    return [("context-exchange", "every rank has whole sequences (context-parallel 1)")]
  }

  // MARK: Copies

  /// Whether something is reduced or gathered over ranks that hold equal parameters.
  private var hasCopies: Bool {
    input.stages.contains { $0.segments.contains { $0.copies > 1 } }
  }

  private static let noCopies = "no parameter has a second copy"

  private var ofCopies: [Idle] {
    var list: [Idle] = []
    if plan.lossAverage == .microbatch, plan.dataParallel * plan.contextParallel == 1 {
      list.append(("loss-average", "one rank has all of a microbatch's loss"))
    }
    guard !hasCopies else { return list }
    if plan.zeroStage != .nothing { list.append(("zero-stage", Self.noCopies)) }
    if plan.collectiveAlgorithm != nil { list.append(("collective-algorithm", Self.noCopies)) }
    return list
  }

  // MARK: Experts

  private var hasExperts: Bool {
    input.architecture.feedForwards.contains { $0.mixture != nil }
  }

  private var noExchange: String {
    hasExperts
      ? "every rank has all experts (expert-parallel 1)" : "the model has no routed experts"
  }

  private var ofExperts: [Idle] {
    var list: [Idle] = []
    if case .deviation(0, _, let correlation) = plan.expertLoad,
      correlation != Plan.LoadCorrelation()
    {
      list.append(("expert-load.correlation", "the deviation is 0"))
    }
    guard plan.expertParallel == 1 else {
      if plan.nodesPerToken != nil, let why = wayOfRows { list.append(("nodes-per-token", why)) }
      return list
    }
    if !hasExperts, plan.expertTensorParallel != plan.tensorParallel {
      list.append(("expert-tensor-parallel", noExchange))
    }
    if plan.dispatcher != nil { list.append(("dispatcher", noExchange)) }
    if plan.tokenCounts != nil { list.append(("token-counts", noExchange)) }
    if plan.expertLoad != .balanced { list.append(("expert-load", noExchange)) }
    if plan.nodesPerToken != nil { list.append(("nodes-per-token", noExchange)) }
    // Overlapped pairs leave them free, exchange or not.
    if plan.communicationSMs != nil, !input.hasPairs {
      list.append(("communication-sms", noExchange))
    }
    if plan.overlap.expertExchange == true { list.append(("overlap.expert-exchange", noExchange)) }
    return list
  }

  /// Why it does not matter on how many nodes a token's experts lie; nil where it does.
  private var wayOfRows: String? {
    switch input.plan.dispatcher {
    case .allToAll: "dispatcher all-to-all sends a row to every expert, wherever it lies"
    case .allGather: "dispatcher all-gather sends every token to all ranks"
    case .deepEP, nil: nil
    }
  }

  // MARK: Sends

  private var ofSends: [Idle] {
    guard plan.pipelineParallel == 1 else { return [] }
    let why = "nothing is sent along a pipeline of one rank"
    var list: [Idle] = []
    if plan.sendMode != nil { list.append(("send-mode", why)) }
    if plan.overlap.pipelineSends != nil { list.append(("overlap.pipeline-sends", why)) }
    return list
  }

  // MARK: Layers

  private var ofLayers: [Idle] { ofRecomputation + ofOffload }

  private var ofOffload: [Idle] {
    let isMoved = input.stages.contains { stage in
      stage.forward.transfers.contains { $0.kind == .toHost }
    }
    guard plan.offload.activations > 0, !isMoved else { return [] }
    return [("offload.activations", "of no stage it is a layer that keeps something")]
  }

  private var ofRecomputation: [Idle] {
    let most = layout.layerCounts.max() ?? 0
    guard case .firstLayers(let count) = plan.recomputation, count >= most else { return [] }
    return [("recompute-layers", "no stage has more than \(most) layers")]
  }

  // MARK: Formats

  /// Formats without which the programs are the same.
  private var ofFormats: [Idle] {
    plan.precision.ownFormats(fusesHead: plan.fusesHead).compactMap { key, without in
      var other = input.plan
      other.precision = without
      var lowered = LoweredStages()
      let programs = StepInput.programs(
        of: other, layout, input.architecture, target: .device, lowered: &lowered)
      guard programs.stages == input.stages else { return nil }
      return ("precision.\(key)", reason(key))
    }
  }

  private func reason(_ key: String) -> String {
    switch key {
    case "dispatch", "combine": return noExchange
    case "pipeline-sends": return "the model is one stage"
    case "gradient-reduction" where !hasCopies, "parameter-gather" where !hasCopies:
      return Self.noCopies
    case "parameter-gather": return "zero-stage 0 gathers nothing"
    case "tensor-gather": return "no tensor group gathers rows of a sequence"
    case _ where plan.recomputation == .full:
      return "every layer is computed again (recompute: full)"
    case "kept-activation-inputs": return "the model has no SwiGLU"
    default: return "nothing of the step is kept or sent in it"
    }
  }
}

extension StepInput {
  /// Whether forwards and backwards run as pairs somewhere.
  var hasPairs: Bool {
    ranks.contains { rank in
      rank.items.contains { if case .overlapped = $0 { true } else { false } }
    }
  }
}

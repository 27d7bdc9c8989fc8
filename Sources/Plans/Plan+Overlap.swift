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
    /// Gradient reductions, as soon as a stage's gradients are complete, from ZeRO stage 2 on a layer's;
    /// else they start behind the last backward, or are waited for at once.
    public var gradientReduction: Bool?
    /// Gathers of parameters, a unit ahead of the one that is computed.
    public var parameterGather: Bool?
    /// Exchanges of gradients within a tensor-parallel group, beside the weight products that follow.
    public var tensorExchange: Bool?

    /// As the rest of the plan has it.
    public init() {}

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
        case .tensorExchange: \.tensorExchange
        }
      }
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

  /// Ranks that hold equal parameters.
  public var replicas: Int { dataParallel * contextParallel * (isBidirectional ? 2 : 1) }

  private var reducesBesideBackwards: Bool {
    replicas > 1 && (zeroStage.rawValue >= 2 || stagesPerRank > 1 || isBidirectional)
  }

  private var gathersBesideComputation: Bool { replicas > 1 && zeroStage == .parameters }

  /// Refuses what the plan says of overlap and does not do.
  func checkOverlap(_ schedule: Schedule) throws(PlanError) {
    if case .file(let path) = self.schedule, schedule.isLowered,
      sendMode != nil || overlap.pipelineSends != nil
    {
      let key = sendMode == nil ? "overlap.pipeline-sends" : "send-mode"
      throw .schedule(name: path, rule: "places its sends itself, so that \(key) cannot act")
    }
    for kind in Overlap.Kind.allCases {
      guard let said = overlap[keyPath: kind.path], let rule = rule(against: said, kind, schedule)
      else { continue }
      throw .overlap(kind: kind, value: said, rule: rule)
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
    throw .overlap(kind: .expertExchange, value: true, rule: rule)
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
      if !said || reducesBesideBackwards { return nil }
      return replicas == 1
        ? "there are no copies to reduce over"
        : "a rank's only stage is complete behind its last backward; stages-per-rank above 1 or "
          + "zero-stage 2 reduce beside others"
    case .parameterGather:
      if !said || gathersBesideComputation { return nil }
      return "only zero-stage 3 gathers beside computation, over data-parallel or context-parallel "
        + "above 1; others gather behind the update"
    case .tensorExchange:
      return said && tensorParallel == 1 ? "tensor-parallel is 1: nothing is exchanged" : nil
    }
  }
}

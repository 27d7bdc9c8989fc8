import Clusters
import Models
import Plans
import Schedules

/// The finite grid of plans that a search goes through: a list of alternatives for every setting.
///
/// What the grid does not name is the same for all plans and comes from `bases`. A setting that cannot act
/// in a plan (a dispatcher without expert groups, ZeRO without copies) has one alternative there, so that no
/// plan is in the space twice.
public struct SearchSpace: Sendable {
  /// Plans that hold every setting which the grid does not vary; alternatives of one another.
  public var bases: [Plan]
  /// Devices that every plan uses.
  public var devices: Int
  /// Degrees; data parallelism is what they leave of the devices.
  public var tensorParallel: [Int]
  public var contextParallel: [Int]
  public var pipelineParallel: [Int]
  public var expertParallel: [Int]
  /// Nil for 1 and the tensor degree, as far as they differ.
  public var expertTensorParallel: [Int]?
  /// Data degrees that are wanted; nil for any.
  public var dataParallel: [Int]?
  /// With tensor parallelism above 1: whether norms are divided along the sequence.
  public var sequenceParallel: [Bool]
  public var microbatchSizes: [Int]
  public var schedules: [Plan.ScheduleSource]
  /// Whether schedules are those that somebody named: then each of them is looked at on one pipeline rank, too.
  var namesSchedules = false
  /// Stages of a rank, the same for every schedule; nil for what each schedule usually has, and
  /// `loopedStages` where any number will do.
  public var stagesPerRank: [Int]?
  public var zeroStages: [Plan.ZeROStage]
  /// Consecutive data and context ranks that divide the training state as the ZeRO stage says, where there
  /// is one, nil for all of them; nil for all, and those of a node.
  public var shardingGroups: [Int?]?
  public var recomputations: [Recomputation]
  /// First layers of a stage that are computed again as a whole, beside `recomputations`; nil for a quarter,
  /// half and three quarters of a stage's, where the grid has both none and full.
  public var recomputedLayers: [Int]?
  public var layouts: [Plan.Layout]
  /// With expert groups: how rows get to their experts.
  public var dispatchers: [Plan.Dispatcher]
  /// With DeepEP: multiprocessors of exchanges; other dispatchers have the cluster's.
  public var communicationSMs: [Int]
  /// With tensor parallelism above 1: how its exchanges run beside products.
  public var tensorExchanges: [Plan.Overlap.TensorExchange]
  /// With expert groups: whether forwards and backwards are merged so that exchanges run beside
  /// computation; nil for what a schedule usually has, and merged, too, where it can.
  public var expertExchanges: [Bool?]?
  /// Of those what is taken out, whether a schedule has it of itself or not.
  var excludedExchanges: [Bool] = []
  /// Layers of the model, and devices of a node.
  let layerCount: Int
  let nodeDevices: Int

  /// Stages of a rank under schedules that loop over any number of them.
  public static let loopedStages = [2, 3, 4, 5, 6, 8, 10]
}

/// The settings of a plan that the grid varies, by their keys in plan files.
public enum SearchKey: String, Hashable, Sendable, CaseIterable {
  case tensorParallel = "tensor-parallel"
  case sequenceParallel = "sequence-parallel"
  case contextParallel = "context-parallel"
  case pipelineParallel = "pipeline-parallel"
  case dataParallel = "data-parallel"
  case expertParallel = "expert-parallel"
  case expertTensorParallel = "expert-tensor-parallel"
  case microbatchSize = "microbatch-size"
  case schedule
  case scheduleFile = "schedule-file"
  case stagesPerRank = "stages-per-rank"
  case layersPerStage = "layers-per-stage"
  case unitsPerStage = "units-per-stage"
  case zeroStage = "zero-stage"
  case shardingGroup = "sharding-group"
  case recompute
  case recomputedLayers = "recompute-layers"
  case dispatcher
  case communicationSMs = "communication-sms"
  case tensorExchange = "overlap.tensor-exchange"
  case expertExchange = "overlap.expert-exchange"
}

// MARK: - Alternatives

extension SearchSpace {
  /// Replaces the alternatives of a setting by those that plans have, in their order, each once.
  public mutating func list(_ key: SearchKey, of plans: [Plan]) {
    switch key {
    case .tensorParallel: tensorParallel = distinct(plans.map(\.tensorParallel))
    case .sequenceParallel: sequenceParallel = distinct(plans.map(\.sequenceParallel))
    case .contextParallel: contextParallel = distinct(plans.map(\.contextParallel))
    case .pipelineParallel: pipelineParallel = distinct(plans.map(\.pipelineParallel))
    case .dataParallel: dataParallel = distinct(plans.map(\.dataParallel))
    case .expertParallel: expertParallel = distinct(plans.map(\.expertParallel))
    case .expertTensorParallel:
      expertTensorParallel = distinct(plans.map(\.expertTensorParallel))
    case .microbatchSize: microbatchSizes = distinct(plans.map(\.microbatchSize))
    case .schedule, .scheduleFile:
      schedules = distinct(plans.map(\.schedule))
      namesSchedules = true
    case .stagesPerRank: stagesPerRank = distinct(plans.map(\.stagesPerRank))
    case .layersPerStage, .unitsPerStage: layouts = distinct(plans.map(\.layout))
    case .zeroStage: zeroStages = distinct(plans.map(\.zeroStage))
    case .shardingGroup: shardingGroups = distinct(plans.map(\.shardingGroup))
    case .recompute: recomputations = distinct(plans.map(\.recomputation))
    case .recomputedLayers:
      recomputedLayers = distinct(plans.compactMap(\.recomputation.firstLayers))
    case .dispatcher: dispatchers = distinct(plans.compactMap(\.dispatcher))
    case .communicationSMs: communicationSMs = distinct(plans.compactMap(\.communicationSMs))
    case .tensorExchange:
      tensorExchanges = distinct(plans.compactMap(\.overlap.tensorExchange))
    case .expertExchange:
      expertExchanges = distinct(plans.map(\.overlap.expertExchange))
    }
  }

  /// Takes the alternatives that plans have out of those of a setting.
  ///
  /// - Returns: whether all of them were there.
  public mutating func exclude(_ key: SearchKey, of plans: [Plan]) -> Bool {
    var excluded = self
    excluded.list(key, of: plans)
    switch key {
    case .tensorParallel: return take(excluded, from: \.tensorParallel)
    case .sequenceParallel: return take(excluded, from: \.sequenceParallel)
    case .contextParallel: return take(excluded, from: \.contextParallel)
    case .pipelineParallel: return take(excluded, from: \.pipelineParallel)
    case .expertParallel: return take(excluded, from: \.expertParallel)
    case .microbatchSize: return take(excluded, from: \.microbatchSizes)
    case .schedule, .scheduleFile: return take(excluded, from: \.schedules)
    case .layersPerStage, .unitsPerStage: return take(excluded, from: \.layouts)
    case .zeroStage: return take(excluded, from: \.zeroStages)
    case .recompute: return take(excluded, from: \.recomputations)
    case .dispatcher: return take(excluded, from: \.dispatchers)
    case .communicationSMs: return take(excluded, from: \.communicationSMs)
    case .shardingGroup:
      let gone = excluded.shardingGroups ?? []
      let areThere = gone.allSatisfy { shardingGroups?.contains($0) == true }
      shardingGroups?.removeAll(where: gone.contains)
      return areThere
    case .tensorExchange: return take(excluded, from: \.tensorExchanges)
    case .expertExchange:
      let gone = (excluded.expertExchanges ?? []).compactMap(\.self)
      let areThere = gone.allSatisfy { expertExchanges?.contains($0) ?? true }
      expertExchanges?.removeAll { $0.map(gone.contains) ?? false }
      excludedExchanges += gone
      return areThere
    case .dataParallel, .expertTensorParallel, .stagesPerRank, .recomputedLayers: return false
    }
  }

  private mutating func take<Value: Equatable>(
    _ other: SearchSpace, from path: WritableKeyPath<SearchSpace, [Value]>
  ) -> Bool {
    let gone = other[keyPath: path]
    let areThere = gone.allSatisfy(self[keyPath: path].contains)
    self[keyPath: path].removeAll(where: gone.contains)
    return areThere
  }

  /// Adds what a plan has to the alternatives of every setting, so that the plan is in the space as far as
  /// the rest of it is that of a base.
  public mutating func include(_ plan: Plan) {
    func add<Value: Equatable>(_ value: Value, to list: inout [Value]) {
      if !list.contains(value) { list.append(value) }
    }
    add(plan.tensorParallel, to: &tensorParallel)
    if plan.tensorParallel > 1 { add(plan.sequenceParallel, to: &sequenceParallel) }
    add(plan.contextParallel, to: &contextParallel)
    add(plan.pipelineParallel, to: &pipelineParallel)
    add(plan.expertParallel, to: &expertParallel)
    if var degrees = expertTensorParallel {
      add(plan.expertTensorParallel, to: &degrees)
      expertTensorParallel = degrees
    }
    add(plan.microbatchSize, to: &microbatchSizes)
    add(plan.schedule, to: &schedules)
    if var stages = stagesPerRank {
      add(plan.stagesPerRank, to: &stages)
      stagesPerRank = stages
    }
    add(plan.layout, to: &layouts)
    add(plan.zeroStage, to: &zeroStages)
    if let group = plan.shardingGroup {
      var known = shardingGroups ?? [nil]
      add(group, to: &known)
      shardingGroups = known
    }
    if let layers = plan.recomputation.firstLayers {
      var known = recomputedLayers ?? []
      add(layers, to: &known)
      recomputedLayers = known
    } else {
      add(plan.recomputation, to: &recomputations)
    }
    if let dispatcher = plan.dispatcher { add(dispatcher, to: &dispatchers) }
    if let count = plan.communicationSMs { add(count, to: &communicationSMs) }
    if plan.tensorParallel > 1 {
      add(plan.overlap.tensorExchange ?? .no, to: &tensorExchanges)
    }
    if let isMerged = plan.overlap.expertExchange, var known = expertExchanges {
      add(isMerged, to: &known)
      expertExchanges = known
    }
  }
}

/// The values in their order, each once.
package func distinct<Value: Equatable>(_ values: [Value]) -> [Value] {
  values.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
}

// MARK: - Text

extension SearchSpace {
  /// Whether pairs are taken out of the grid whatever schedule has them.
  private func isExcluded(_ isMerged: Bool?) -> Bool {
    isMerged.map(excludedExchanges.contains) ?? (Set(excludedExchanges).count == 2)
  }

  /// The grid as people read it: keys of plan files with their alternatives.
  public var lines: [(key: String, values: [String])] {
    func texts(_ values: [some CustomStringConvertible]) -> [String] { values.map(\.description) }
    let hasExperts = expertParallel != [1]
    var lines: [(String, [String])] = [
      ("tensor-parallel", texts(tensorParallel)), ("sequence-parallel", texts(sequenceParallel)),
      ("context-parallel", texts(contextParallel)), ("pipeline-parallel", texts(pipelineParallel)),
    ]
    if let dataParallel { lines.append(("data-parallel", texts(dataParallel))) }
    if hasExperts {
      lines.append(("expert-parallel", texts(expertParallel)))
      lines.append(
        ("expert-tensor-parallel", expertTensorParallel.map(texts) ?? ["1", "tensor-parallel"]))
    }
    lines += [
      ("microbatch-size", texts(microbatchSizes)), ("schedule", schedules.map(\.text)),
      (
        "stages-per-rank",
        stagesPerRank.map(texts)
          ?? ["as the schedule has"] + texts(Self.loopedStages).map { "\($0)" }
      ),
      ("layers-per-stage", layouts.map(\.text)),
      ("zero-stage", zeroStages.map { "\($0.rawValue)" }),
      (
        "sharding-group",
        shardingGroups.map { $0.map { $0.map(\.description) ?? "all" } } ?? [
          "all", "those of a node",
        ]
      ),
      ("recompute", recomputations.map(\.text)),
    ]
    let layers = recomputedLayers.map(texts) ?? (mixesLayers ? ["1/4", "1/2", "3/4"] : [])
    if !layers.isEmpty { lines.append(("recompute-layers", layers)) }
    if hasExperts {
      lines.append(("dispatcher", dispatchers.map(\.rawValue)))
      lines.append(("communication-sms", texts(communicationSMs)))
      lines.append(
        (
          "overlap.expert-exchange",
          (expertExchanges ?? [nil, true]).filter { !isExcluded($0) }
            .map { $0.map(\.description) ?? "as the schedule has" }
        ))
    }
    lines.append(("overlap.tensor-exchange", tensorExchanges.map(\.rawValue)))
    return lines
  }
}

extension Plan.ScheduleSource {
  /// The name, or the file.
  public var text: String {
    switch self {
    case .named(let name): name
    case .file(let path, _): path
    }
  }
}

extension Plan.Layout {
  /// As plan files have it.
  public var text: String {
    switch self {
    case .even: "even"
    case .balanced: "balanced"
    case .evenUnits: "even units"
    case .layers(let counts), .units(let counts): "\(counts)"
    }
  }
}

extension Recomputation {
  /// The first layers of a stage that are computed again, where not all are.
  var firstLayers: Int? {
    if case .firstLayers(let count) = self { count } else { nil }
  }

  /// As plan files have it.
  public var text: String {
    switch self {
    case .none: "none"
    case .full: "full"
    case .firstLayers(let count): "full, of \(count) layers of a stage"
    case .selective: "selective"
    case .modules(let modules): "[\(modules.map(\.rawValue).joined(separator: ", "))]"
    }
  }
}

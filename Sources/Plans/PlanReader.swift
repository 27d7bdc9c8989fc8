import Documents
import Foundation
import Quantities
import Schedules

/// Reads a plan from the outermost table of its file, or from a table inside a run file.
struct PlanReader {
  let table: Table
  /// The folder that relative paths inside the plan start from; nil for the working directory.
  let folder: String?
  /// Whether the plan serves: a step's batch and length are training's then, and may be left out.
  let serves: Bool
  let keys = PlanKeys()
  var plan = Plan()

  init(table: Table, name: String, folder: String?, serves: Bool = false) {
    self.table = table
    self.folder = folder
    self.serves = serves
    plan.name = name
  }

  /// The plan, its omitted degrees worked out from `world`.
  mutating func read(world: World) throws(ConfigurationError) -> Plan {
    plan.name = try table.value(keys.name, default: plan.name)
    plan.source = try table.optional(keys.source)
    try readDegrees(world)
    try readSchedule()
    try readBatch()
    try readMemory()
    try readLayout()
    try readCommunication()
    try readExperts()
    try checkThatKeysAct()
    return plan
  }

  private mutating func readBatch() throws(ConfigurationError) {
    plan.microbatchSize = try table.value(keys.microbatchSize)
    if serves {
      // What the rules of a training step divide goes through them.
      plan.globalBatch =
        table.contains(keys.globalBatch)
        ? try table.required(keys.globalBatch) : plan.dataParallel * plan.microbatchSize
      plan.sequenceLength =
        table.contains(keys.sequenceLength)
        ? try table.required(keys.sequenceLength) : plan.tensorParallel * plan.contextParallel
    } else {
      plan.globalBatch = try table.required(keys.globalBatch)
      plan.sequenceLength = try table.required(keys.sequenceLength)
    }
    plan.gradientLanes = try table.optional(keys.gradientLanes)
    plan.documents = try table.optionalTable(keys.documents).map {
      part throws(ConfigurationError) in
      try PackedDocuments(part, keys.documents.keys) { absolute($0, of: $1) }
    }
  }

  private mutating func readSchedule() throws(ConfigurationError) {
    let (name, file) = try table.alternatives(keys.schedule, keys.scheduleFile)
    if let path = file {
      if name != nil {
        throw table.error(
          "schedule and schedule-file exclude each other", at: keys.scheduleFile)
      }
      plan.schedule = Plan.source(
        ofScheduleFile: absolute(path, of: table.field(keys.scheduleFile.name)))
    } else {
      plan.schedule = .named(try table.value(keys.schedule).rawValue)
    }
    plan.stagesPerRank = try table.value(
      keys.stagesPerRank, default: plan.usualStagesPerRank)
    plan.passTimes = try readPassTimes()
    plan.sendMode = try table.optional(keys.sendMode)
    plan.scattersPipelineSends = try table.value(keys.scattersPipelineSends)
    guard !plan.scattersPipelineSends || (plan.tensorParallel > 1 && !plan.sequenceParallel) else {
      throw table.error(
        "only ranks of a tensor-parallel group without sequence-parallel hold the same activations",
        at: keys.scattersPipelineSends)
    }
  }

  private func readPassTimes() throws(ConfigurationError) -> PassCosts? {
    let keys = keys.passTimes
    guard let times = try table.optionalTable(keys) else { return nil }
    func microseconds(_ key: Key<Seconds>) throws(ConfigurationError) -> Int {
      Int((try times.required(key).value * 1e6).rounded())
    }
    return PassCosts(
      forward: try microseconds(keys.forward),
      backwardInput: try microseconds(keys.backwardInput),
      backwardWeight: try microseconds(keys.backwardWeight),
      transfer: try microseconds(keys.transfer))
  }

  private mutating func readMemory() throws(ConfigurationError) {
    let stage = try table.value(keys.zeroStage)
    plan.zeroStage = Plan.ZeROStage(rawValue: stage) ?? .nothing
    plan.precision = try readPrecision()
    plan.library = try readLibrary()
    plan.optimizer = try table.value(keys.optimizer)
    plan.frozen = try readFrozen()
    plan.lora = try readLoRA()
    if let offload = try table.optionalTable(keys.offload) {
      plan.offload = Plan.Offload(
        activations: try offload.value(keys.offload.activations),
        optimizer: try offload.value(keys.offload.optimizer))
    }
    plan.recomputation = try readRecomputation()
    plan.framework = try table.value(keys.framework)
    plan.lossAverage = try table.value(keys.lossAverage)
    plan.gradientAccumulationFusion = try table.optional(keys.gradientAccumulationFusion)
    plan.expandsSegments = try table.value(keys.expandsSegments)
    plan.memoryReserve = try table.value(keys.memoryReserve)
  }

  private func readRecomputation() throws(ConfigurationError) -> Recomputation {
    let given = try table.optional(keys.recomputation)
    if let layers = try table.optional(keys.recomputedLayers) {
      guard given ?? .full == .full else {
        throw table.error(
          "whole layers are computed again with recompute: full", at: keys.recomputedLayers)
      }
      return .firstLayers(layers)
    }
    guard case .modules(let chosen)? = given else { return given ?? .none }
    for (index, part) in chosen.enumerated() {
      for other in chosen[..<index] + chosen[(index + 1)...] {
        if part == other { throw table.error("names a part twice", at: keys.recomputation) }
        if part.lies(in: other) {
          throw table.error(
            "\(part.rawValue) is a part of \(other.rawValue)", at: keys.recomputation)
        }
      }
    }
    return .modules(Recomputation.Module.allCases.filter(chosen.contains))
  }

  private func readFrozen() throws(ConfigurationError) -> [Plan.Part] {
    let given = try table.optional(keys.frozen) ?? []
    guard Set(given).count == given.count else {
      throw table.error("names a part twice", at: keys.frozen)
    }
    return Plan.Part.allCases.filter(given.contains)
  }

  private func readLoRA() throws(ConfigurationError) -> Plan.LoRA? {
    guard let lora = try table.optionalTable(keys.lora) else { return nil }
    let rank = try lora.required(keys.lora.rank)
    guard let given = try lora.optional(keys.lora.targets) else { return Plan.LoRA(rank: rank) }
    guard Set(given).count == given.count else {
      throw lora.error("names a map twice", at: keys.lora.targets)
    }
    return Plan.LoRA(rank: rank, targets: Plan.LoRA.Target.allCases.filter(given.contains))
  }

  private func readLoss() throws(ConfigurationError) -> Plan.Loss {
    let (loss, isFused) = try table.alternatives(keys.loss, keys.fusedLoss)
    if isFused != nil, loss != nil {
      throw table.error("loss and fused-loss exclude each other", at: keys.loss)
    }
    let chosen = loss ?? (isFused == false ? .native : .fused)
    if chosen == .native || chosen == .compiled, plan.fusedHead == true {
      let rule = "a fused head holds its loss, which cannot be unfused"
      if loss != nil { throw table.error(rule, at: keys.loss) }
      throw table.error(rule, at: keys.fusedLoss)
    }
    if chosen == .chunked, plan.fusedHead != nil {
      throw table.error(
        "loss: chunked says how the head is computed: leave fused-head out", at: keys.fusedHead)
    }
    return chosen
  }

  private mutating func readLayout() throws(ConfigurationError) {
    let (layers, given) = try table.alternatives(keys.layersPerStage, keys.unitsPerStage)
    guard let units = given else {
      plan.layout = layers ?? .even
      return
    }
    if layers != nil {
      throw table.error(
        "layers-per-stage and units-per-stage exclude each other", at: keys.unitsPerStage)
    }
    plan.layout = units
  }

  private mutating func readCommunication() throws(ConfigurationError) {
    plan.communicationSMs = try table.optional(keys.communicationSMs)
    plan.computationSMs = try table.optional(keys.computationSMs)
    plan.execution = try table.value(keys.execution)
    plan.cudaGraphs = try table.value(keys.cudaGraphs)
    let (library, isFused) = try table.alternatives(keys.attentionLibrary, keys.fusedAttention)
    if library != nil, isFused != nil {
      throw table.error(
        "attention-library and fused-attention exclude each other", at: keys.fusedAttention)
    }
    plan.attentionLibrary = library
    plan.fusedAttention = isFused ?? (library != .unfused)
    plan.fusedHead = try table.optional(keys.fusedHead)
    plan.loss = try readLoss()
    plan.dropout = try table.value(keys.dropout)
    plan.collectiveAlgorithm = try table.optional(keys.collectiveAlgorithm)
    plan.shardingGroup = try table.optional(keys.shardingGroup)
    plan.reshardAfterForward = try table.optional(keys.reshardAfterForward)
    plan.gradientBucket = try table.optional(keys.gradientBucket)
    plan.pairOrder = try table.value(keys.pairOrder)
    if case .segments(let list) = plan.pairOrder, let rule = PairOrder.rule(against: list) {
      throw table.error(rule, at: keys.pairOrder)
    }
    guard let kinds = try table.optionalTable(keys.overlap) else { return }
    for kind in keys.overlap.kinds {
      plan.overlap[keyPath: kind.path] = try kinds.optional(kind.key)
    }
    plan.overlap.tensorExchange = try kinds.optional(keys.overlap.tensorExchange)
    plan.overlap.prefetch = try kinds.optional(keys.overlap.prefetch)
    if let units = plan.overlap.prefetch, let rule = ruleAgainstPrefetch(units) {
      throw kinds.error(rule, at: keys.overlap.prefetch)
    }
  }

  private mutating func readExperts() throws(ConfigurationError) {
    plan.dispatcher = try table.optional(keys.dispatcher)
    plan.tokenCounts = try table.optional(keys.tokenCounts)
    plan.nodesPerToken = try table.optional(keys.nodesPerToken)
    plan.redundantExperts = try table.value(keys.redundantExperts)
    let keys = keys.expertLoad
    guard case .table(let load) = try table.either(keys) else { return }
    let (file, deviation) = try load.alternatives(keys.counts, keys.deviation)
    var seed = try load.optional(keys.seed)
    // A file's deviation goes with what belongs to it.
    let isReplaced = file != nil && load.isOverride(keys.counts)
    if isReplaced, !load.isOverride(keys.seed) { seed = nil }
    var correlation: Table?
    if !isReplaced || load.field(keys.correlation)?.isOverride == true {
      correlation = try load.optionalTable(keys.correlation)
    }
    switch (file, deviation) {
    case (let file?, nil) where seed == nil && correlation == nil:
      plan.expertLoad = .counts(file: absolute(file, of: load.field(keys.counts.name)))
    case (nil, let deviation?):
      plan.expertLoad = .deviation(
        deviation, seed: UInt64(seed ?? 0),
        correlation: try correlation.map { part throws(ConfigurationError) in
          let keys = LoadCorrelationKeys()
          return Plan.LoadCorrelation(
            layers: try part.value(keys.layers), microbatches: try part.value(keys.microbatches))
        } ?? Plan.LoadCorrelation())
    default:
      throw load.error(
        "expected either `counts`, or `deviation` with its `seed` and `correlation`")
    }
  }

  /// The path of a file that a plan's file names: from its folder on, or, where the command line names
  /// it, from the working directory.
  private func absolute(_ path: String, of field: Field?) -> String {
    guard let folder, !path.hasPrefix("/"), field?.isOverride != true else { return path }
    return URL(fileURLWithPath: path, relativeTo: URL(fileURLWithPath: folder, isDirectory: true))
      .standardizedFileURL.path
  }
}

extension Recomputation {
  /// The words for how much is recomputed where no parts are listed.
  enum Extent: String, CaseIterable {
    case none, full, selective

    var recomputation: Recomputation {
      switch self {
      case .none: .none
      case .full: .full
      case .selective: .selective
      }
    }
  }
}

extension Plan {
  /// The words for layouts without counts.
  enum LayoutName: String, CaseIterable { case even, balanced }

  /// The word for units that are spread without counts.
  enum UnitLayoutName: String, CaseIterable { case even }

  /// The words for expert loads without numbers.
  enum PlainLoad: String, CaseIterable { case balanced }
}

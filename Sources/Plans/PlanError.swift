/// What makes a plan impossible for a model on a cluster, in words.
public enum PlanError: Error, Hashable, Sendable {
  case notPositive(key: String, value: Int)
  /// A product of settings leaves 64 bits.
  case overflow(what: String)
  case exceedsCluster(ranks: Int, devices: Int, product: String)
  /// The number of ranks is not the plan's.
  case rankCount(ranks: Int, plan: Int, product: String)
  case doesNotDivide(key: String, value: Int, into: String, of: Int)
  /// A degree of the experts' mesh does not divide the ranks of a pipeline position.
  case expertMesh(
    key: String, value: Int, beside: String?, ranks: Int, product: String, nearest: Int)
  /// Key and value heads neither divide among tensor ranks nor are held by equally many of them.
  case keyValueHeads(tensorParallel: Int, heads: Int)
  case moreStagesThanUnits(stages: Int, units: Int, layers: Int, predictionModules: Int)
  case emptyStage([Int])
  case layoutStages(key: String, count: Int, stages: Int, product: String)
  case layoutDoesNotAddUp(key: String, sum: Int, expected: Int, what: String)
  case unresolvedLayout
  case schedule(name: String, rule: String)
  case globalBatch(batch: Int, dataParallel: Int, microbatchSize: Int)
  case sequenceTooLong(sequence: Int, positions: Int)
  case needsExperts(key: String)
  /// Places for copies of experts that a plan cannot have.
  case redundantExperts(count: Int, rule: String)
  case recomputation(module: Recomputation.Module, rule: String)
  case lanes(lanes: Int, rule: String)
  case sequenceParallelAlone
  /// A ring of context ranks that a plan cannot have.
  case contextRing(rule: String)
  case multiprocessors(key: String, value: Int, rule: String)
  /// A format that no kernel reads or writes there.
  case precision(key: String, format: NumberFormat, rule: String)
  case scaleBlock(Int)
  /// What the plan says of overlap and does not do.
  case overlap(kind: Plan.Overlap.Kind, value: String, rule: String)
  /// An order of merged pairs that has nothing to act on, or would break a dependency.
  case pairOrder(rule: String)
  /// What a plan may say and the simulator or the cluster's device cannot do.
  case cannotSimulate(key: String, value: String, rule: String)
  /// What CPU ranks do not do.
  case onProcessors(Plan.ProcessorRefusal)
}

extension PlanError: CustomStringConvertible {
  /// The rule that is broken, with the values that break it.
  public var description: String {
    switch self {
    case .notPositive(let key, let value): "\(key) is \(value); it must be at least 1"
    case .overflow(let what): "\(what) does not fit in 64 bits"
    case .exceedsCluster(let ranks, let devices, let product):
      "the plan needs \(ranks) ranks (\(product)) and the cluster has \(devices) devices"
    case .rankCount(let ranks, let plan, let product):
      "the plan is for \(plan) ranks (\(product)) and \(ranks) are running"
    case .doesNotDivide(let key, let value, let into, let of):
      "\(key) \(value) does not divide \(into), which is \(of)"
    case .expertMesh(let key, let value, let beside, let ranks, let product, let nearest):
      "\(key) \(value)\(beside.map { " times \($0)" } ?? "") does not divide the \(ranks) ranks of a "
        + "pipeline position (\(product)); the nearest that does is \(nearest)"
    case .keyValueHeads(let tensor, let heads):
      "tensor-parallel \(tensor) neither divides the number of key and value heads, which is "
        + "\(heads), nor is a multiple of it"
    case .moreStagesThanUnits(let stages, let units, let layers, let modules):
      "\(stages) stages are more than the \(units) units to place (embedding, \(layers) layers, "
        + "final norm with head"
        + (modules > 0 ? ", \(modules) prediction module\(modules > 1 ? "s" : ""))" : ")")
    case .emptyStage(let counts):
      "every stage must hold at least one unit, and stage "
        + "\(counts.firstIndex { $0 <= 0 } ?? 0) holds none"
    case .layoutStages(let key, let count, let stages, let product):
      "\(key) lists \(count) stages and the plan has \(stages) (\(product))"
    case .layoutDoesNotAddUp(let key, let sum, let expected, let what):
      "\(key) must add up to the model's \(expected) \(what), and its numbers (0 to \(expected) "
        + "each) give \(sum)"
    case .unresolvedLayout:
      "layers-per-stage is `balanced`, which only planning can turn into counts"
    case .schedule(let name, let rule): "schedule \(name): \(rule)"
    case .globalBatch(let batch, let data, let size):
      "global-batch \(batch) is not a multiple of data-parallel \(data) times "
        + "microbatch-size \(size)"
    case .sequenceTooLong(let sequence, let positions):
      "sequence-length \(sequence) exceeds the model's \(positions) learned positions"
    case .needsExperts(let key): "\(key) needs a model with routed experts"
    case .redundantExperts(let count, let rule): "redundant-experts \(count): \(rule)"
    case .recomputation(let module, let rule): "recompute \(module.rawValue): \(rule)"
    case .lanes(let lanes, let rule): "gradient-lanes \(lanes) \(rule)"
    case .sequenceParallelAlone: "sequence-parallel needs tensor-parallel above 1"
    case .contextRing(let rule): "context-exchange ring: \(rule)"
    case .multiprocessors(let key, let value, let rule): "\(key) \(value) \(rule)"
    case .precision(let key, let format, let rule):
      "precision.\(key) \(format.rawValue) \(rule)"
    case .scaleBlock(let count):
      "precision.scale-block \(count) has nothing to act on: no format of the recipe has scales of blocks"
    case .overlap(let kind, let value, let rule): "overlap.\(kind.rawValue) \(value): \(rule)"
    case .pairOrder(let rule): "pair-order: \(rule)"
    case .cannotSimulate(let key, let value, let rule): "\(key) \(value) \(rule)"
    case .onProcessors(let refusal): "\(refusal.key) \(refusal.rule)"
    }
  }
}

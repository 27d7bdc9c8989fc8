import Documents
import Models

extension Plan {
  /// Low-rank adapters beside linear maps, which alone are trained (arXiv 2106.09685).
  ///
  /// Maps whose weights are one product have one adapter, as Megatron Bridge has them (`linear_qkv`,
  /// `linear_proj`, `linear_fc1`, `linear_fc2`).
  public struct LoRA: Hashable, Sendable {
    public enum Target: String, Hashable, Sendable, CaseIterable {
      /// What makes queries, keys and values, latents among them.
      case queryKeyValue = "query-key-value"
      /// The map behind attention.
      case output
      /// Into dense blocks and shared experts.
      case gateUp = "gate-up"
      /// Out of them.
      case down

      /// The map that a tensor is the weight of; nil for what has no adapters.
      init?(_ role: ParameterTensor.Role) {
        switch role {
        case .query, .key, .value, .fusedQueryKeyValue, .queryDown, .queryUp, .keyValueDown,
          .keyValueUp, .attentionGate, .recurrentInput:
          self = .queryKeyValue
        case .output, .recurrentOutput: self = .output
        case .gate, .up, .sharedGate, .sharedUp: self = .gateUp
        case .down, .sharedDown: self = .down
        default: return nil
        }
      }
    }

    public var rank: Int
    /// In the order of `Target.allCases`.
    public var targets: [Target]

    public init(rank: Int, targets: [Target] = Target.allCases) {
      self.rank = rank
      self.targets = targets
    }

    /// Whether the map with such a weight has an adapter.
    public func adapts(_ role: ParameterTensor.Role) -> Bool {
      Target(role).map(targets.contains) ?? false
    }
  }

  /// Adapters are all that is trained, and each target is a map of the model.
  func checkLoRA(for architecture: Architecture) throws(PlanError) {
    guard let lora else { return }
    func refused(_ key: String, _ value: String, _ rule: String) -> PlanError {
      .cannotSimulate(key: key, value: value, rule: rule)
    }
    if !frozen.isEmpty {
      throw refused(
        "frozen", "[\(frozen.map(\.rawValue).joined(separator: ", "))]",
        "beside lora, which freezes the whole model: leave it out")
    }
    if fusesHead {
      throw refused(
        "lora", "of rank \(lora.rank)",
        "freezes a head whose kernel writes its gradient: loss fused, fused-head false")
    }
    if splitsTensorExchange {
      throw refused(
        "overlap.tensor-exchange", "chunked",
        "cuts what one product reads, and with lora two read it: bulk or false")
    }
    let maps = LoRA.maps(of: architecture)
    let targets = Set(maps.map(\.target))
    // All of them, which is also what is meant where none is named, are those that the model has.
    let isEvery = Set(lora.targets) == Set(LoRA.Target.allCases) && !targets.isEmpty
    if !isEvery, let target = lora.targets.first(where: { !targets.contains($0) }) {
      throw refused("lora.targets", target.rawValue, lora.reasonWithout(target, in: architecture))
    }
    let adapted = maps.filter { lora.targets.contains($0.target) }
    if let map = adapted.first(where: { min($0.inputs, $0.outputs) < lora.rank }) {
      throw refused(
        "lora.rank", "\(lora.rank)",
        "exceeds the smaller side of \(map.target.rawValue) (\(map.inputs) to \(map.outputs)), beyond "
          + "which an adapter can say no more: \(min(map.inputs, map.outputs)) at most")
    }
  }
}

extension Plan.LoRA {
  /// What an adapter stands beside: one product, however many tensors it joins.
  struct Map: Hashable {
    var target: Target
    var inputs: Int
    var outputs: Int
  }

  /// The maps of a model that may have adapters, each kind of shape once.
  static func maps(of architecture: Architecture) -> [Map] {
    var seen: Set<Map> = []
    return architecture.units.flatMap { maps(of: architecture.parameters(of: $0)) }
      .filter { seen.insert($0).inserted }
  }

  /// Those of a unit: queries, keys and values are one map, and so are gate and up.
  private static func maps(of tensors: [ParameterTensor]) -> [Map] {
    var maps: [Map] = []
    var joined: [ParameterTensor.Role: Int] = [:]
    for tensor in tensors where tensor.shape.count == 2 {
      guard let target = Target(tensor.role) else { continue }
      let sides = tensor.isInputMajor ? tensor.shape : tensor.shape.reversed()
      let first = firstOfProduct[tensor.role] ?? tensor.role
      if let known = joined[first] {
        maps[known].outputs += sides[1]
      } else {
        joined[first] = maps.count
        maps.append(Map(target: target, inputs: sides[0], outputs: sides[1]))
      }
    }
    return maps
  }

  /// The role of the first tensor of a product of several.
  private static let firstOfProduct: [ParameterTensor.Role: ParameterTensor.Role] = [
    .key: .query, .value: .query, .up: .gate, .sharedUp: .sharedGate,
  ]

  /// Why no map of a model is a target.
  func reasonWithout(_ target: Target, in architecture: Architecture) -> String {
    let isOfBlocks = target == .gateUp || target == .down
    guard isOfBlocks, architecture.feedForwards.contains(where: { $0.mixture != nil }) else {
      return "is no map of the model"
    }
    return "is of dense blocks and shared experts, and the model has neither: routed experts have "
      + "no adapters here"
  }

  /// What adapters leave out without being told to, a short phrase; nil where they leave out nothing.
  package func omission(in architecture: Architecture) -> String? {
    let adaptsBlocks = targets.contains(.gateUp) || targets.contains(.down)
    guard adaptsBlocks, architecture.feedForwards.contains(where: { $0.mixture != nil }) else {
      return nil
    }
    let had = Set(Self.maps(of: architecture).map(\.target)).intersection(targets)
    let names = Target.allCases.filter(had.contains).map(\.rawValue).joined(separator: ", ")
    return "lora beside \(names) alone: routed experts have no adapters"
  }
}

/// The keys of `lora`.
struct LoRAKeys: KeySet {
  let rank = Key(
    "rank", .integer(in: 1...(1 << 16)), "Numbers between an adapter's two products.",
    otherNames: ["r", "dim", "lora-rank"])
  let targets = Key(
    "targets",
    .list(
      of: .choice(Plan.LoRA.Target.self), count: 1...Plan.LoRA.Target.allCases.count),
    otherwise: "all", "Maps that have an adapter; those whose weights are one product share one.",
    otherNames: ["target-modules"])
}

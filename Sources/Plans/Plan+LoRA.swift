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
    let targets = Set(
      architecture.units.flatMap { architecture.parameters(of: $0) }
        .compactMap { LoRA.Target($0.role) })
    // All of them, which is also what is meant where none is named, are those that the model has.
    let isEvery = Set(lora.targets) == Set(LoRA.Target.allCases) && !targets.isEmpty
    if !isEvery, let target = lora.targets.first(where: { !targets.contains($0) }) {
      throw refused("lora.targets", target.rawValue, "is no map of the model")
    }
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

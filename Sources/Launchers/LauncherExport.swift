import Documents
import Models
import Plans

/// A plan and its model as a launcher is told them.
public struct LauncherExport: Hashable, Sendable, Encodable {
  /// The launchers that can be told.
  public enum Target: String, Hashable, Sendable, CaseIterable, Encodable {
    case megatron, torchtitan
  }

  public var target: Target
  /// The file for the launcher: arguments one a line, or TOML.
  public var text: String
  /// GPUs of the job.
  public var ranks: Int
  /// What the plan says and the launcher cannot be told, a sentence each that begins with the key; every key
  /// that comes back as another value when the file is imported is among them.
  public var unsaid: [String]

  /// - Parameters:
  ///   - config: the model's `config.json`.
  ///   - architecture: the same, read.
  /// - Throws: `ConfigurationError` for a model of a family that is not known here, `PlanError` where the plan
  ///   is not for the model.
  public init(
    _ plan: Plan, model config: Document, _ architecture: Architecture, to target: Target
  ) throws {
    let description = try ModelDescription(config, name: architecture.name)
    let placed = try plan.validated(for: architecture)
    self.target = target
    ranks = plan.worldSize
    switch target {
    case .megatron:
      var writer = MegatronWriter(placed, description)
      text = writer.write()
      unsaid = writer.unsaid
    case .torchtitan:
      var writer = TorchTitanWriter(placed, description)
      text = try writer.write()
      unsaid = writer.unsaid
    }
    do throws(ConfigurationError) {
      let again = try PlanReadBack(text, ranks: ranks, of: plan, architecture)
      unsaid = Self.named(unsaid, try again.differences())
    } catch {
      // Where a key cannot be said at all, what is left may contradict itself.
      unsaid.append("the file as a whole: an import refuses it, since \(error.rule)")
    }
  }

  /// Sentences that begin with the keys that they are about, and one for each difference that none is about.
  private static func named(
    _ sentences: [String], _ differences: [PlanReadBack.Difference]
  ) -> [String] {
    var (named, rest) = (sentences, differences)
    for index in named.indices {
      guard let own = rest.firstIndex(where: { named[index].hasPrefix("\($0.key): ") }) else {
        continue
      }
      named[index] += " (\(rest.remove(at: own).change))"
    }
    return named + rest.map(\.sentence)
  }
}

extension Plan {
  /// What no launcher here can be told, with the keys that say it.
  var unsaidAnywhere: [String] {
    var unsaid: [String] = []
    func note(_ isSaid: Bool, _ key: String, _ why: String = "no option says so") {
      if isSaid { unsaid.append("\(key): \(why)") }
    }
    note(documents != nil, "documents", "the data decides")
    note(frozen != [], "frozen")
    note(lora != nil, "lora")
    note(expertLoad != .balanced, "expert-load", "the router decides")
    note(redundantExperts > 0, "redundant-experts")
    note(library != nil, "library", "what is installed decides")
    note(computationSMs != nil, "computation-sms")
    note(collectiveAlgorithm != nil, "collective-algorithm", "NCCL decides")
    note(gradientLanes != nil, "gradient-lanes")
    note(nodesPerToken != nil, "nodes-per-token", "the model's router decides")
    note(passTimes != nil, "pass-times")
    note(scattersPipelineSends, "scatter-pipeline-sends")
    note(expandsSegments, "expandable-segments", "an environment variable says so")
    note(tokenCounts != nil, "token-counts")
    note(optimizer == .adamWForeach, "optimizer", "its operators are the launcher's")
    note(lossAverage != .step, "loss-average", "the launcher's version decides")
    note(offload.activations > 0, "offload.activations")
    note(fusedHead == true, "fused-head")
    note(loss == .chunked, "loss", "no option forms logits in parts")
    return unsaid
  }
}

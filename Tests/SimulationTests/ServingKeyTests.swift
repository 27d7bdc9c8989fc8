import Clusters
import Documents
import Models
import Plans
import Simulation
import TestSupport
import Testing

/// Every key of a plan acts on serving, is named as one that does not, or is refused.
@Suite struct ServingKeyTests {
  /// What stands beside a key so that it may say something.
  private static func companions(of path: String) -> [String] {
    switch path {
    case let path where path.hasPrefix("pass-times."):
      ["schedule=zb-1p"]
        + ["forward", "backward-input", "backward-weight", "transfer"].map {
          "pass-times.\($0)=10 us"
        }
    case let path where path.hasPrefix("precision."): ["precision.base=bf16"]
    case let path where path.hasPrefix("documents.") && path != "documents.lengths.mean":
      ["documents.lengths.mean=8"]
    case "expert-load.seed", "expert-load.correlation.layers",
      "expert-load.correlation.microbatches":
      ["expert-load.deviation=0.2"]
    case "lora.targets": ["lora.rank=8"]
    default: []
    }
  }

  /// Values that the description of a key suggests, and some by name.
  private static func values(_ path: String, _ form: ValueForm) -> [String] {
    switch path {
    case "memory-reserve": ["2 GiB"]
    case "frozen": ["[embedding]"]
    case "lora.targets": ["[attention]"]
    case "pair-order", "layers-per-stage": ["[2]", "[f:attention, b:attention]", "balanced"]
    case "units-per-stage": ["even"]
    case "recompute": ["full"]
    case let path where path.hasPrefix("pass-times."): ["20 us"]
    default:
      ["3", "0.3"].flatMap { Leaf(path: path, text: $0).changes(form) + [$0] }
    }
  }

  private enum Outcome {
    case refused(ConfigurationError?)
    case step([InferenceReport], PlannedInference)
  }

  private static let requests = [
    InferenceRequest(.decode(context: 256), batch: 32),
    InferenceRequest(.prefill(length: 256), batch: 4),
  ]

  private static func outcome(_ model: String, _ overrides: [String]) throws -> Outcome {
    do {
      let hasExperts = model == "deepseek-v3"
      let text = hasExperts ? "data-parallel: 16\nexpert-parallel: 16" : "tensor-parallel: 4"
      let planned = try PlannedInference(
        architecture: .named(
          model,
          overrides: ["num_hidden_layers=2"] + (hasExperts ? ["first_k_dense_replace=1"] : [])),
        cluster: .named("h800-2048"),
        plan: .read(
          Document(text: text, name: "plan"), name: "plan", overrides: overrides, serves: true))
      return .step(
        try requests.map { request in
          var report = try planned.report(request)
          report.assumptions = []
          return report
        }, planned)
    } catch let error as ConfigurationError {
      return .refused(error)
    } catch is PlanError {
      return .refused(nil)
    }
  }

  /// Whether a key is among those that are named, by its own name or the one that says the same.
  private static func isNamed(_ path: String, _ idle: [String]) -> Bool {
    let other = [
      "fused-loss": "loss", "fused-attention": "attention-library", "schedule-file": "schedule",
      "units-per-stage": "layers-per-stage", "recompute-layers": "recompute",
    ][path]
    return idle.contains { $0 == path || $0 == other || path.hasPrefix($0 + ".") }
  }

  /// Names, which move nothing.
  private static let labels = ["name", "source", "precision.name"]

  @Test(arguments: ["deepseek-v3", "llama-3.1-8b"])
  func everyKeyActsOrIsNamedOrRefused(_ model: String) throws {
    var seen: [String: Set<String>] = [:]
    for (path, entry) in Plan.keyReference.leaves where !Self.labels.contains(path) {
      let form = try #require(entry.form)
      let beside = Self.companions(of: path)
      guard case .step(let without, let plain) = try Self.outcome(model, beside) else {
        seen[path] = ["refused"]
        continue
      }
      var tried = 0
      for value in Self.values(path, form) where tried < 2 {
        guard
          case .step(let with, let planned) = try Self.outcome(model, beside + ["\(path)=\(value)"])
        else {
          seen[path, default: []].insert("refused")
          continue
        }
        // What holds anyway says nothing.
        if planned.decidedPlan.spelledOut == plain.decidedPlan.spelledOut { continue }
        tried += 1
        if with != without {
          seen[path, default: []].insert("acts")
          continue
        }
        let idle = planned.idleKeys(in: Self.requests)
        #expect(Self.isNamed(path, idle), "\(path)=\(value) does nothing, and \(idle) are named")
        seen[path, default: []].insert("named")
      }
      #expect(seen[path] != nil, "\(path): no value was tried")
    }
    for key in ["zero-stage", "schedule", "loss", "dropout", "recompute", "optimizer"] {
      #expect(seen[key]?.contains("named") == true, "\(key): \(seen[key] ?? [])")
    }
    for key in ["memory-reserve", "execution"] {
      #expect(seen[key]?.contains("acts") == true, "\(key): \(seen[key] ?? [])")
    }
    for key in ["pipeline-parallel", "context-parallel"] {
      #expect(seen[key] == ["refused"], "\(key): \(seen[key] ?? [])")
    }
  }

  /// The keys of a plan for training are named in one line, also those that need each other.
  @Test func aPlanForTrainingIsNamedInOneLine() throws {
    let text = """
      data-parallel: 16
      expert-parallel: 16
      zero-stage: 3
      reshard-after-forward: false
      overlap: {prefetch: 2}
      schedule: 1f1b
      recompute: full
      recompute-layers: 1
      loss: native
      dropout: true
      token-counts: host
      global-batch: 64
      sequence-length: 512
      """
    let planned = try PlannedInference(
      architecture: .named(
        "deepseek-v3", overrides: ["num_hidden_layers=2", "first_k_dense_replace=1"]),
      cluster: .named("h800-2048"),
      plan: .read(Document(text: text, name: "plan"), name: "plan", serves: true))
    let lines = try planned.explainedReport(Self.requests[0]).assumptions
      .filter { $0.contains("never act") }
    #expect(lines.count == 1)
    let line = try #require(lines.first)
    for key in [
      "zero-stage", "reshard-after-forward", "overlap", "recompute", "recompute-layers", "loss",
      "dropout", "token-counts", "global-batch", "sequence-length",
    ] { #expect(line.contains(key), "\(key): \(line)") }
    // A deployment's own says nothing in vain but the length of a training step.
    let own = try PlannedInference(
      architecture: .named("deepseek-v3", overrides: ["num_hidden_layers=4"]),
      cluster: .named("h800-2048"), plan: .named("deepseek-v3-decode", serves: true))
    #expect(own.idleKeys(in: [Self.requests[0]]) == ["sequence-length"])
  }
}

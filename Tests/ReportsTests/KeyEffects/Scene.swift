import Clusters
import Costs
import Documents
import Foundation
import Models
import Planning
import Plans
import Reports
import Simulation
import TestSupport

/// A model on a cluster under a plan: small enough to be simulated hundreds of times.
struct Scene: Sendable {
  /// Which of the files a key is changed in.
  enum File: String { case plan, cluster }

  var model: String
  var modelChanges: [String] = []
  var cluster: Document
  var plan: Document
  /// What makes the plan small; keys that are tried come on top.
  var planChanges: [String] = []

  /// Simulates a step with one value replaced.
  func outcome(
    _ file: File = .plan, _ change: String? = nil
  ) throws -> TrialOutcome<[String: Double]> {
    let changes = change.map { [$0] } ?? []
    do {
      let cluster = try Cluster(cluster, overrides: file == .cluster ? changes : [])
      let architecture = try Architecture.named(model, overrides: modelChanges)
      var plan = try Plan.read(
        plan, name: plan.name, overrides: planChanges + (file == .plan ? changes : []),
        world: .devices(cluster.rankCount))
      if plan.layout == .balanced { plan = try plan.balanced(for: architecture, on: cluster) }
      let step = try PlannedStep(architecture: architecture, cluster: cluster, plan: plan)
      return .figures(try Self.figures(step))
    } catch let error as ConfigurationError {
      return .refused(error.description)
    } catch let error as PlanError {
      return .refused(error.description)
    }
  }

  /// What one product alone costs, as `cost` says it: at the boost clock.
  static func cost(
    on cluster: Document, _ change: String? = nil
  ) throws -> TrialOutcome<[String: Double]> {
    do {
      let cluster = try Cluster(cluster, overrides: change.map { [$0] } ?? [])
      let product = try MatmulCost(DeviceModel(cluster.device), library: .bf16)
      let shape = MatmulShape(rows: [4096], columns: 4096, depth: 4096)
      return .figures(["seconds": product?.cost(shape, clock: .boost).seconds ?? 0])
    } catch {
      return .refused(error.description)
    }
  }

  /// What the files say, or follows from nothing else: a change of these proves nothing.
  private static let echoes: Set<String> = [
    "inputs", "model", "cluster", "plan", "library", "ranks", "simulated_ranks", "degrees",
    "tokens_per_step", "assumptions", "us_dollars_per_gpu_hour", "limit", "operations", "units",
    // Seconds over the peak: a peak that does nothing else would move them.
    "mfu", "hfu", "tflops_per_gpu",
  ]

  /// All computed figures of `simulate --json` by their paths.
  private static func figures(_ step: PlannedStep) throws -> [String: Double] {
    let report = step.report()
    try report.checkPossible()
    let text = try jsonText(StepFigures(report, of: step, Inputs()))
    let tree = try JSONSerialization.jsonObject(with: Data(text.utf8))
    var figures: [String: Double] = [:]
    collect(tree, at: "", into: &figures)
    return figures
  }

  private static func collect(_ tree: Any, at path: String, into figures: inout [String: Double]) {
    if let table = tree as? [String: Any] {
      for (key, value) in table where !echoes.contains(key) {
        collect(value, at: "\(path).\(key)", into: &figures)
      }
    } else if let list = tree as? [Any] {
      for (index, value) in list.enumerated() {
        collect(value, at: "\(path)[\(index)]", into: &figures)
      }
    } else if let number = tree as? NSNumber {
      figures[path] = number.doubleValue
    }
  }
}

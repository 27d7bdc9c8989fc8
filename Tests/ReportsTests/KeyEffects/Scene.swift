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

  /// What components alone cost, as `cost` says it: products of every library at the boost clock, and
  /// collectives in every way.
  static func cost(
    on cluster: Document, _ change: String? = nil
  ) throws -> TrialOutcome<[String: Double]> {
    do {
      let cluster = try Cluster(cluster, overrides: change.map { [$0] } ?? [])
      let device = try DeviceModel(cluster.device)
      var figures = products(device).merging(attention(device)) { first, _ in first }
      let contention = CollectiveContention(cluster, try CollectiveConstants(cluster))
      let inNode = cluster.node.devices.value
      // A node, two nodes, and a rank of each of two.
      let groups = [
        Array(0..<inNode), Array(0..<min(2 * inNode, cluster.rankCount)), [0, inNode],
      ].filter { $0.allSatisfy { $0 < cluster.rankCount } }
      for group in groups {
        for operation: CollectiveOperation in [.allReduce, .allGather, .allToAll] {
          for way in contention.ways(of: operation, in: contention.group(of: group), by: nil) {
            for bytes in [1e3, 1e6, 6e6, 1e9] {
              let outcome = contention.times(operation, by: way, bytes: bytes, over: [group])[0]
              figures["\(operation) \(way) of \(bytes) over \(group)"] = outcome.cost.seconds
            }
          }
        }
      }
      let sends = CollectiveCost(try CollectiveConstants(cluster))
      for isInside in [true, false] {
        figures["send \(isInside)"] = sends.send(bytes: 1e9, insideNode: isInside).seconds
      }
      return .figures(figures.merging(try exchanges(cluster)) { first, _ in first })
    } catch {
      return .refused(error.description)
    }
  }

  /// Exchanges of a node and of two whose multiprocessors are too few to fill a link, as fast as they may be.
  private static func exchanges(_ cluster: Cluster) throws(ConfigurationError) -> [String: Double] {
    guard !cluster.node.exchange.entries.isEmpty else { return [:] }
    let cost = ExchangeCost(try ExchangeConstants(cluster))
    var figures: [String: Double] = [:]
    for nodes in [1, 2] {
      let routing = ExpertRouting.deepEPBenchmark(nodes: nodes)
      let reach = routing.reach(ranks: 8 * nodes, ranksPerNode: 8)
      let shape = ExchangeShape(
        .dispatch, tokens: 4_096, rowBytes: 7_392, reach: reach, ranks: 8 * nodes)
      for end in MultiprocessorRate.End.allCases {
        figures["exchange over \(nodes) at the \(end) rate"] =
          cost.at(end).parts(shape, multiprocessors: 2).payload.seconds
      }
    }
    return figures.merging(try fewTokens(cluster)) { first, _ in first }
  }

  /// Exchanges of few tokens within a node and between two, of few bytes and of many.
  private static func fewTokens(_ cluster: Cluster) throws(ConfigurationError) -> [String: Double] {
    guard let constants = try LowLatencyConstants(cluster) else { return [:] }
    let cost = LowLatencyExchangeCost(constants)
    var figures: [String: Double] = [:]
    for nodes in [1, 2] {
      for rows in [8.0, 8_192] {
        figures["few tokens over \(nodes), \(rows) rows"] =
          cost.cost(rows: rows, rowBytes: 7_456, ranks: 8 * nodes, ranksPerNode: 8).seconds
      }
    }
    return figures
  }

  /// A square product, one that is split along K, a weight's gradient and a single small tile, by every
  /// library.
  private static func products(_ device: DeviceModel) -> [String: Double] {
    var figures: [String: Double] = [:]
    for library in MatmulLibrary.allCases {
      guard let cost = MatmulCost(device, library: library) else { continue }
      for shape in [
        MatmulShape(m: 4096, n: 4096, k: 4096), MatmulShape(m: 256, n: 1024, k: 16384),
        MatmulShape(m: 4096, n: 4096, k: 4096, pass: .backwardWeight),
        MatmulShape(m: 64, n: 64, k: 16384),
      ] {
        figures["\(library) \(shape)"] = cost.cost(shape, clock: .boost).seconds
      }
    }
    return figures
  }

  /// Heads of every width by every library, short and few enough for the ramp and the tail.
  private static func attention(_ device: DeviceModel) -> [String: Double] {
    var figures: [String: Double] = [:]
    for library in device.attention.known {
      let cost = AttentionCost(device, library: library)
      for width in [64, 128, 192, 256] {
        let shape = AttentionShape(heads: 32, queries: 1024, queryDimension: width)
        figures["\(library) \(width) forward"] = cost.forward(shape, clock: .boost).seconds
        figures["\(library) \(width) backward"] = cost.backward(shape, clock: .boost).seconds
      }
    }
    return figures
  }

  /// What the files say, or follows from nothing else: a change of these proves nothing.
  private static let echoes: Set<String> = [
    "inputs", "model", "cluster", "plan", "library", "ranks", "simulated_ranks", "degrees",
    "tokens_per_step", "multiprocessor_rate", "assumptions", "us_dollars_per_gpu_hour", "limit",
    "operations", "units",
    // Seconds over the peak: a peak that does nothing else would move them.
    "mfu", "hfu", "tflops_per_gpu",
  ]

  /// All computed figures of `simulate --json` by their paths.
  private static func figures(_ step: PlannedStep) throws -> [String: Double] {
    let report = step.report(replaysAllocator: true)
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

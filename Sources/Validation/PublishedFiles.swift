import Clusters
import Documents
import Models
import Plans
import Quantities

/// The files of published runs, with what a person overrides in all of them.
///
/// An override acts on every run whose file takes its key; the others stay as they were published. One
/// that acts on no run is an error.
public final class PublishedFiles {
  /// What was typed: `plan.key=value` or `cluster.key=value`.
  public let overrides: [String]
  /// The path of a file of measured layouts, which does not ship.
  public let layouts: String?
  /// For each override, how many published runs and tables of measurements it acted on.
  public private(set) var uses: [Int]
  private var refusals: [(any Error)?]
  private var clusters: [[String]: Cluster] = [:]

  /// - Throws: `ConfigurationError` for an override that is of neither file.
  public init(overrides: [String] = [], layouts: String? = nil) throws(ConfigurationError) {
    self.layouts = layouts
    for text in overrides where !["plan.", "cluster."].contains(where: text.hasPrefix) {
      let noun = String(text.prefix { $0 != "." && $0 != "=" })
      throw ConfigurationError(
        file: "--set", value: text, rule: "expected plan.key=value or cluster.key=value",
        suggestion: nearestName(to: noun, among: ["plan", "cluster"]))
    }
    self.overrides = overrides
    uses = overrides.map { _ in 0 }
    refusals = overrides.map { _ in nil }
  }

  /// The overrides that acted on no run, if there are such.
  ///
  /// - Throws: why the first of them could not.
  public func checkUses() throws {
    for (index, text) in overrides.enumerated() where uses[index] == 0 {
      if let refusal = refusals[index] { throw refusal }
      throw ConfigurationError(
        file: "--set", value: text, rule: "acts on nothing in the parts that were asked for")
    }
  }

  /// A cluster that ships, overridden, then with the overrides of `variant`.
  ///
  /// - Parameter own: what the published cluster differs by from the one that ships.
  func cluster(
    _ name: String, own: [String] = [], variant: [String] = []
  ) throws -> Overridden<Cluster> {
    let read = { (overrides: [String]) throws -> Cluster in
      let key = [name] + overrides
      if let cluster = self.clusters[key] { return cluster }
      let cluster = try Cluster.shipped(name, overrides: overrides)
      self.clusters[key] = cluster
      return cluster
    }
    return try overridden(noun: "cluster", own: own, variant: variant, read: read)
  }

  /// A run with everything that it is made of, ready to be simulated.
  package func planned(_ run: PublishedRun, variant: [String] = []) throws -> PlannedRun {
    let cluster = try cluster(run.cluster, own: run.clusterOverrides, variant: variant)
    let architecture = try Architecture.named(run.model, overrides: run.modelOverrides)
    let plan = try overridden(noun: "plan", own: run.planOverrides, variant: variant) {
      let plan = try Plan.named(
        run.plan, overrides: $0, world: .devices(cluster.value.rankCount))
      // What ships has no keys but those of its model.
      if overrides.contains(where: { $0.hasPrefix("plan.") }) {
        try Self.checkKeysExist(plan, architecture, cluster.value)
      }
      return plan
    }
    return PlannedRun(
      name: run.name, architecture: architecture, cluster: cluster.value, plan: plan.value,
      inputs: RunInputs(
        model: run.model, cluster: run.cluster, plan: run.plan,
        overrides: run.modelOverrides.map { "model.\($0)" } + plan.overrides.map { "plan.\($0)" }
          + cluster.overrides.map { "cluster.\($0)" }),
      replaysAllocator: run.replaysAllocator)
  }

  /// Keys of experts do not exist for a model without them; whatever else is wrong with a plan is the
  /// row's refusal.
  private static func checkKeysExist(
    _ plan: Plan, _ architecture: Architecture, _ cluster: Cluster
  ) throws {
    do {
      _ = try plan.validated(
        for: architecture, on: .devices(cluster.rankCount),
        multiprocessors: cluster.device.multiprocessors.value)
    } catch PlanError.needsExperts(let key) {
      throw PlanError.needsExperts(key: key)
    } catch {}
  }

  /// Something that was read with overrides, which stand without their noun.
  struct Overridden<Value> {
    var value: Value
    var overrides: [String]
  }

  private func overridden<Value>(
    noun: String, own: [String], variant: [String], read: ([String]) throws -> Value
  ) throws -> Overridden<Value> {
    func bare(_ text: String) -> String { String(text.dropFirst(noun.count + 1)) }
    let typed = overrides.indices.filter { overrides[$0].hasPrefix("\(noun).") }
    let last = variant.filter { $0.hasPrefix("\(noun).") }.map(bare)
    func all(_ kept: [Int]) -> [String] { own + kept.map { bare(overrides[$0]) } + last }
    var kept = typed
    let value: Value
    if let whole = try? read(all(typed)) {
      value = whole
    } else {
      kept = []
      for index in typed {
        do {
          _ = try read(own + (kept + [index]).map { bare(overrides[$0]) })
          kept.append(index)
        } catch {
          refusals[index] = refusals[index] ?? error
        }
      }
      value = try read(all(kept))
    }
    if variant.isEmpty { for index in kept { uses[index] += 1 } }
    return Overridden(value: value, overrides: all(kept))
  }
}

extension PublishedFiles {
  /// The rows of the file of measured layouts.
  ///
  /// - Throws: `ConfigurationError` where none was named, or as `MeasuredLayouts` does.
  func measuredLayouts() throws -> MeasuredLayouts {
    guard let layouts else {
      throw ConfigurationError(
        file: "--layouts", rule: "the part \(Validation.layoutsPart) needs a file")
    }
    return try MeasuredLayouts([UInt8](try textFile(layouts).utf8), file: layouts)
  }
}

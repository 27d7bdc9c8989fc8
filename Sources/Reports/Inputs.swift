import Clusters
import Documents
import Models
import Plans

/// What a command computed from, as its JSON and the trace of a step say it.
public struct Inputs: Encodable, Sendable {
  /// One of the files that people write.
  public struct File: Encodable, Sendable {
    public var name: String
    /// The name or the path under which it was asked for.
    public var given: String
    /// Values that the command line replaced, each `key=value`, in their order.
    public var overrides: [String]

    public init(name: String, given: String, overrides: [String]) {
      self.name = name
      self.given = given
      self.overrides = overrides
    }
  }

  /// A cluster, with what is slower than described, one sentence each.
  public struct ClusterFile: Encodable, Sendable {
    public var name: String
    public var given: String
    public var overrides: [String]
    /// What goes with them, a phrase each.
    public var following: [String]
    public var degradations: [String]

    public init(_ cluster: Cluster, given: String, overrides: [String]) {
      name = cluster.name
      self.given = given
      self.overrides = overrides
      following = cluster.followings.map { "\($0)" }
      degradations = cluster.degradations.map { "\($0)" }
    }

    /// The same for a plan of so many ranks: what is degraded elsewhere is told apart.
    public func used(by ranks: Int, of cluster: Cluster) -> ClusterFile {
      var file = self
      file.degradations = cluster.degradations.map { degradation in
        let isAmong = cluster.isAmong(ranks: ranks, degradation)
        return isAmong ? "\(degradation)" : "\(degradation), not among the plan's \(ranks) ranks"
      }
      return file
    }
  }

  /// A plan, with every setting spelled out, in the keys of plan files: `settings` reads back as a plan of the same
  /// step.
  public struct PlanFile: Encodable, Sendable {
    public var name: String
    public var given: String
    public var overrides: [String]
    public var settings: Document

    /// - Parameter onDevices: whether accelerators carry it out; CPU ranks have defaults of their own.
    public init(
      _ plan: Plan, given: String, overrides: [String], onDevices: Bool = true
    ) throws(ConfigurationError) {
      name = plan.name
      self.given = given
      self.overrides = overrides
      settings = try Document(text: onDevices ? plan.settings : plan.yaml, name: plan.name)
    }
  }

  public var version = Version.current
  /// The run file of a real step.
  public var run: File?
  public var model: File?
  public var cluster: ClusterFile?
  public var plan: PlanFile?
  /// The files that a real step trains on.
  public var data: [String]?
  /// From where chance comes; nil where nothing is drawn.
  public var seed: UInt64?

  public init(
    run: File? = nil, model: File? = nil, cluster: ClusterFile? = nil, plan: PlanFile? = nil,
    data: [String]? = nil, seed: UInt64? = nil
  ) {
    self.run = run
    self.model = model
    self.cluster = cluster
    self.plan = plan
    self.data = data
    self.seed = seed
  }

  /// What the command line replaced, with the noun of each file in front.
  public var changes: [String] {
    (plan?.overrides ?? []).map { "plan.\($0)" }
      + (cluster?.overrides ?? []).map { "cluster.\($0)" }
      + (model?.overrides ?? []).map { "model.\($0)" }
  }

  /// What goes with values of the cluster that the command line replaced.
  public var following: [String] { (cluster?.following ?? []).map { "cluster.\($0)" } }

  /// What is slower than described.
  public var degradations: [String] { cluster?.degradations ?? [] }

  /// `Set: plan.zero-stage=1.` and `Degraded: …`, in lines of at most `width` characters; nothing where
  /// there is neither.
  func lines(width: Int) -> [String] {
    var lines: [String] = []
    for (word, parts) in [
      ("Set", changes), ("Taken along", following), ("Degraded", degradations),
    ] where !parts.isEmpty {
      let broken = wrapped("\(word): " + parts.joined(separator: "; ") + ".", width: width)
        .map { $0.count > width ? $0.prefix(width - 1) + "…" : $0 }
      lines += broken
    }
    return lines
  }
}

extension Plan {
  /// The seed of what is drawn: the load of experts, where it scatters.
  public var seed: UInt64? {
    if case .deviation(_, let seed, _) = expertLoad { seed } else { nil }
  }
}

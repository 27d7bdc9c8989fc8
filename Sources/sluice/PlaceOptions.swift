import ArgumentParser
import Clusters
import Costs
import Documents
import Models
import Planning
import Plans
import Quantities
import Reports
import Simulation

/// The model and the cluster that a command is about, with overrides of all three files.
struct PlaceOptions: ParsableArguments {
  @Option(
    name: .customLong("model"),
    help: """
      The model: a name (see sluice model --list), a config.json or a folder with one; deepseek-v3 by \
      default.
      """,
    completion: .model)
  var givenModel: String?

  @Option(
    name: .customLong("cluster"),
    help: "The cluster: a name (see sluice cluster --list) or a file; h800-2048 by default.",
    completion: .cluster)
  var givenCluster: String?

  @OptionGroup var borrowing: BorrowingOptions

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Replace a value of the plan, the cluster or the model; may be repeated.",
      valueName: "plan.key=value"))
  var overrides: [String] = []

  /// The model and the cluster, by the names that stand where none are given.
  var model: String { givenModel ?? "deepseek-v3" }
  var cluster: String { givenCluster ?? "h800-2048" }

  /// The options, and whether they were written.
  var given: [(String, Bool)] {
    [
      ("--model", givenModel != nil), ("--cluster", givenCluster != nil),
      ("--borrow-kernels", borrowing.kernels != nil), ("--set", !overrides.isEmpty),
    ]
  }

  /// The plan where none is given: it is for one model.
  static let usualPlan = "deepseek-v3"

  /// The files that are read, which no output of the command may replace.
  var inputFiles: [String] {
    InputFiles.reached(from: [model, cluster] + borrowing.overrides + overrides)
  }

  /// Reads the three files.
  ///
  /// - Parameters:
  ///   - plan: nil for the usual plan.
  ///   - overrides: what is replaced of the plan; nil for what was written.
  ///   - serves: whether the plan is of a deployment.
  /// - Throws: `ConfigurationError`, also where the usual plan is not for the model.
  func scene(
    plan: String?, overrides: [String]? = nil, serves: Bool = false
  ) throws(ConfigurationError) -> Scene {
    let (architecture, cluster) = try modelAndCluster()
    let overrides = overrides ?? own("plan")
    let name = if let plan { plan } else { try usualPlan(for: architecture) }
    return Scene(
      architecture: architecture, cluster: cluster,
      plan: try read(
        name, overrides: overrides, world: .devices(cluster.rankCount), serves: serves),
      model: .init(name: architecture.name, given: model, overrides: own("model")),
      place: .init(cluster, given: self.cluster, overrides: own("cluster")),
      givenPlan: name, planOverrides: overrides)
  }

  /// Reads the model and the cluster.
  ///
  /// - Throws: `ConfigurationError`, also where an override is for none of the three files.
  func modelAndCluster() throws(ConfigurationError) -> (Architecture, Cluster) {
    for text in overrides where !["plan.", "cluster.", "model."].contains(where: text.hasPrefix) {
      let noun = String(text.prefix { $0 != "." && $0 != "=" })
      throw ConfigurationError(
        file: "--set", value: text,
        rule: "expected plan.key=value, cluster.key=value or model.key=value",
        suggestion: nearestName(to: noun, among: ["plan", "cluster", "model"]))
    }
    let cluster = try Cluster.named(self.cluster, overrides: own("cluster"))
    try cluster.checkExchange()
    return (try Architecture.named(model, overrides: own("model")), cluster)
  }

  /// The overrides of one of the three files, without its name.
  func own(_ noun: String) -> [String] {
    (noun == "cluster" ? borrowing.overrides : [])
      + withoutPrefix(noun, overrides.filter { $0.hasPrefix("\(noun).") })
  }

  /// Whether the model has the layers and experts that the usual plan is laid out for.
  static func isUsualPlan(for architecture: Architecture) throws(ConfigurationError) -> Bool {
    let known = try Architecture.named(usualPlan)
    func blocks(_ model: Architecture) -> [Int?] {
      model.units.map { model.feedForward(of: $0)?.mixture?.routedExperts }
    }
    return blocks(architecture) == blocks(known)
  }

  /// The usual plan, if it is for the model.
  private func usualPlan(for architecture: Architecture) throws(ConfigurationError) -> String {
    guard try Self.isUsualPlan(for: architecture) else {
      let own = Plan.shippedNames.filter { $0.hasPrefix(architecture.name) }
      let choices =
        own.isEmpty ? "sluice plan --list names what ships" : own.joined(separator: ", ")
      throw ConfigurationError(
        file: "plan",
        rule: "none is given, and \(Self.usualPlan) is not for \(architecture.name): give the name "
          + "of a plan (\(choices)) or a file")
    }
    return Self.usualPlan
  }

  /// A plan by its name, from a file or from standard input.
  func read(
    _ plan: String, overrides: [String] = [], world: World, serves: Bool = false
  ) throws(ConfigurationError) -> Plan {
    guard plan == StandardInput.name else {
      return try Plan.named(plan, overrides: overrides, world: world, serves: serves)
    }
    return try Plan.read(
      StandardInput.document(), name: "standard input", overrides: overrides, world: world,
      serves: serves)
  }
}

/// What the three files say.
struct Scene {
  var architecture: Architecture
  var cluster: Cluster
  var plan: Plan
  /// Where model and cluster came from.
  var model: Inputs.File
  var place: Inputs.ClusterFile
  /// The plan as it was asked for, and what was replaced of it.
  var givenPlan: String
  var planOverrides: [String]

  /// What is computed from, with the plan as it was resolved.
  func inputs(for plan: Plan) throws(ConfigurationError) -> Inputs {
    Inputs(
      model: model, cluster: place.used(by: plan.worldSize, of: cluster),
      plan: try .init(
        plan, given: givenPlan, overrides: planOverrides,
        onDevices: cluster.device.processor == nil), seed: plan.seed)
  }

  /// The same scene with a layout by cost turned into counts of layers.
  func resolved() throws -> Scene {
    guard plan.layout == .balanced else { return self }
    var scene = self
    scene.plan = try plan.balanced(for: architecture, on: cluster)
    return scene
  }

  /// The plan placed on model and cluster.
  func placed() throws -> PlacedPlan {
    try resolved().plan.validated(
      for: architecture, on: .devices(cluster.rankCount),
      multiprocessors: cluster.device.multiprocessors.value)
  }

  /// The plan ready to be simulated.
  func step() throws -> PlannedStep {
    try PlannedStep(architecture: architecture, cluster: cluster, plan: try resolved().plan)
  }
}

import ArgumentParser
import Clusters
import Documents
import Models
import Planning
import Plans
import Quantities
import Simulation

/// The model and the cluster that a command is about, with overrides of all three files.
struct PlaceOptions: ParsableArguments {
  @Option(
    help: "The model: a name (see sluice model --list), a config.json or a folder with one.",
    completion: .file(extensions: ["json"]))
  var model = "deepseek-v3"

  @Option(
    help: "The cluster: a name (see sluice cluster --list) or a file.",
    completion: .file(extensions: ["yaml", "yml"]))
  var cluster = "h800-2048"

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Replace a value of the plan, the cluster or the model; may be repeated.",
      valueName: "plan.key=value"))
  var overrides: [String] = []

  /// The files that are read, which no output of the command may replace.
  var inputFiles: [String] { InputFiles.reached(from: [model, cluster] + overrides) }

  /// Reads the three files.
  func scene(plan: String) throws(ConfigurationError) -> Scene {
    for text in overrides where !["plan.", "cluster.", "model."].contains(where: text.hasPrefix) {
      let noun = String(text.prefix { $0 != "." && $0 != "=" })
      throw ConfigurationError(
        file: "--set", value: text,
        rule: "expected plan.key=value, cluster.key=value or model.key=value",
        suggestion: nearestName(to: noun, among: ["plan", "cluster", "model"]))
    }
    func own(_ noun: String) -> [String] {
      withoutPrefix(noun, overrides.filter { $0.hasPrefix("\(noun).") })
    }
    let cluster = try Cluster.named(self.cluster, overrides: own("cluster"))
    return Scene(
      architecture: try Architecture.named(model, overrides: own("model")), cluster: cluster,
      plan: try Plan.named(
        plan, overrides: own("plan"), world: .devices(cluster.rankCount)))
  }
}

/// What the three files say.
struct Scene {
  var architecture: Architecture
  var cluster: Cluster
  var plan: Plan

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

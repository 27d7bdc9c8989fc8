import Clusters
import Documents
import Foundation
import Models
import Planning
import Plans
import Reports

/// The plan of a step where none is given and the usual one is for another model: the best of a short grid, on
/// the fewest GPUs that hold the model.
struct ShortSearch {
  let scene: Scene
  /// What was assumed, with the command that finds the same plan.
  let phrase: String

  /// Sequences in a step for each GPU, and tokens in a sequence at most.
  private static let sequencesPerGPU = 16
  private static let tokens = 4096

  /// The grid but for what the command line says of plans: the schedules that all frameworks have, layouts,
  /// degrees and whole recomputation.
  private static let grid = [
    "schedule=1f1b,interleaved-1f1b", "stages-per-rank=1,2", "microbatch-size=1,2",
    "context-parallel=1", "zero-stage=0,1,3", "recompute=none,full", "layers-per-stage=even",
    "overlap.tensor-exchange=false", "dispatcher=deepep,all-to-all", "communication-sms=20",
  ]

  /// - Throws: `ConfigurationError` where nothing of the grid fits the cluster or a setting is none.
  init(_ place: PlaceOptions) throws {
    let (architecture, cluster) = try place.modelAndCluster()
    var settings = SearchSettings()
    let own = place.own("plan")
    func isSaid(_ key: String) -> Bool { own.contains { $0.hasPrefix("\(key)=") } }
    let hasExperts = architecture.feedForwards.contains { $0.mixture != nil }
    settings.listed =
      own
      + Self.grid.filter { text in
        let key = String(text.prefix { $0 != "=" })
        return !isSaid(key) && (hasExperts || !["dispatcher", "communication-sms"].contains(key))
      }
    let tokens = min(Self.tokens, architecture.maximumPositions)
    if !isSaid("sequence-length") { settings.sequenceLength = tokens }
    var request = PlanSearch.Request()
    request.count = 1
    request.threads = ProcessInfo.processInfo.activeProcessorCount
    request.memoryLimit = Int(cluster.device.memory.size.value.bytes)
    for devices in GridOptions.ladder(of: cluster, isCoarse: true) {
      if !isSaid("global-batch") { settings.globalBatch = Self.sequencesPerGPU * devices }
      let space = try SearchSpace(settings, devices: devices, for: architecture, on: cluster)
      let outcome = try PlanSearch(
        space, for: architecture, on: cluster, request: request
      ).run()
      guard let best = outcome.plans.first else { continue }
      let command = Self.command(settings, devices, place)
      scene = Scene(
        architecture: architecture, cluster: cluster, plan: best.plan,
        model: .init(
          name: architecture.name, given: place.model, overrides: place.own("model")),
        place: .init(cluster, given: place.cluster, overrides: place.own("cluster")),
        givenPlan: command, planOverrides: own)
      phrase =
        "no plan is given, and \(PlaceOptions.usualPlan) is for another model: the best of "
        + "\(outcome.counts.size) plans on the fewest GPUs that hold one, as "
        + "\(command) finds it"
      return
    }
    throw ConfigurationError(
      file: "plan",
      rule:
        "none is given, \(PlaceOptions.usualPlan) is not for \(architecture.name), and of a short "
        + "grid none fits \(cluster.name): give the name of a plan or a file")
  }

  private static func command(
    _ settings: SearchSettings, _ devices: Int, _ place: PlaceOptions
  ) -> String {
    var words = [
      "sluice search --model \(place.model) --cluster \(place.cluster) --gpus \(devices)"
    ]
    words += settings.globalBatch.map { ["--global-batch \($0)"] } ?? []
    words += settings.sequenceLength.map { ["--sequence \($0)"] } ?? []
    let others = place.overrides.filter { !$0.hasPrefix("plan.") }
    words += (others + settings.listed.map { "plan.\($0)" }).map { text in
      "--set " + (text.contains { " []{}".contains($0) } ? "'\(text)'" : text)
    }
    return words.joined(separator: " ")
  }
}

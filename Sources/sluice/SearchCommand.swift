import ArgumentParser
import Clusters
import Documents
import Foundation
import Models
import Planning
import Plans
import Quantities
import Reports
import Simulation

/// `sluice search`: which plans are best.
struct SearchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "search",
    abstract: "Find the fastest plans of a model on a cluster that fit its devices.",
    discussion: """
      Every plan of a finite grid is refused, does not fit, cannot be among the best, or is simulated; \
      docs/search.md says how.

      Example:
        sluice search --model llama-3.1-70b --cluster h100-2048 --gpus 512 \\
          --global-batch 1024 --sequence 8192
        sluice search --model llama-3.1-70b --cluster h100-2048 --gpus 256,512 \\
          --global-batch 1024 --sequence 8192 --set plan.tensor-parallel=4,8 \\
          --exclude plan.schedule=gpipe --margin 5GiB --write best.yaml
        sluice search --global-batch 15360 --sequence 4096 --against deepseek-v3
      """)

  @OptionGroup var place: PlaceOptions

  @Option(help: "How many GPUs a plan uses, or a list: 256,512; by default all of the cluster.")
  var gpus: String?

  @Option(help: "Sequences in a step.")
  var globalBatch: Int?

  @Option(help: "Tokens in a sequence.")
  var sequence: Int?

  @Option(help: "What of the grid exists: megatron, torchtitan or any, the default.")
  var framework: SearchFramework = .any

  @Option(
    help: ArgumentHelp(
      "Take alternatives out of the grid; may be repeated.", valueName: "plan.key=value,value"))
  var exclude: [String] = []

  @Option(help: "Memory of a GPU that stays free, such as 5GiB; none by default.")
  var margin: String?

  @Option(help: "How many plans are listed; 10 by default.")
  var count: Int = 10

  @Option(
    help: "A plan whose place among all others is asked for: a name, a file, or - .",
    completion: .file(extensions: ["yaml", "yml"]))
  var against: String?

  @Option(
    help: """
      Simulations behind which the search ends without proof, and says what could still be gained; 1,000 \
      by default, 0 for as many as it takes.
      """)
  var simulations = 1000

  @Option(help: "Threads; as many as the machine has cores by default. The result is the same.")
  var threads: Int?

  @OptionGroup var money: MoneyOptions

  @Option(
    help: ArgumentHelp("Write the best plan to a file that simulate takes.", valueName: "file"),
    completion: .file(extensions: ["yaml", "yml"]))
  var write: String?

  @Flag(help: "Print everything as JSON; a list where there are several numbers of GPUs.")
  var json = false

  func run() throws {
    let (price, tokens) = try money.values()
    try checked("count", count, in: 1...1000)
    try checked("simulations", simulations, in: 0...(1 << 30))
    if let threads { try checked("threads", threads, in: 1...1024) }
    if let globalBatch { try checked("global-batch", globalBatch, in: 1...(1 << 30)) }
    if let sequence { try checked("sequence", sequence, in: 1...(1 << 24)) }
    let path = try write.map { path throws(ConfigurationError) in
      try OutputPath(path, besides: place.inputFiles + InputFiles.reached(from: [against ?? ""]))
    }
    let (architecture, cluster) = try place.modelAndCluster()
    let limit = try memoryLimit(of: cluster)
    var figures: [SearchFigures] = []
    for devices in try deviceCounts(of: cluster) {
      var space = try space(devices, architecture, cluster)
      var request = PlanSearch.Request()
      request.count = count
      request.memoryLimit = limit
      request.mostSimulations = simulations == 0 ? nil : simulations
      request.threads = threads ?? ProcessInfo.processInfo.activeProcessorCount
      if let against {
        let plan = try place.read(against, world: .devices(devices))
        space.include(plan)
        request.against = plan
      }
      let start = ContinuousClock.now
      let outcome = try PlanSearch(space, for: architecture, on: cluster, request: request).run()
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      figures.append(
        try SearchFigures(
          outcome, of: space, for: architecture, on: cluster, inputs(architecture, cluster),
          limit: limit, price: price, tokens: tokens, seconds: seconds,
          threads: request.threads))
    }
    try show(json ? try jsonText(figures) : figures.map(\.page).joined(separator: "\n"))
    let best = figures.compactMap(\.best).min { $0.stepSeconds < $1.stepSeconds }
    guard let best else { throw NothingAdmissible(description: figures[0].nearestReason) }
    if let path { try OutputFile.write(best.yaml, to: path) }
  }

  private func space(
    _ devices: Int, _ architecture: Architecture, _ cluster: Cluster
  ) throws(ConfigurationError) -> SearchSpace {
    var settings = SearchSettings()
    settings.listed = place.own("plan")
    settings.excluded = withoutPrefix("plan", exclude)
    settings.globalBatch = globalBatch
    settings.sequenceLength = sequence
    settings.framework = framework
    return try SearchSpace(settings, devices: devices, for: architecture, on: cluster)
  }

  private func inputs(_ architecture: Architecture, _ cluster: Cluster) -> Inputs {
    Inputs(
      model: .init(
        name: architecture.name, given: place.model, overrides: place.own("model")),
      cluster: .init(cluster, given: place.cluster, overrides: place.own("cluster")))
  }

  private func deviceCounts(of cluster: Cluster) throws(CommandError) -> [Int] {
    guard let gpus else { return [cluster.rankCount] }
    var counts: [Int] = []
    for part in gpus.split(separator: ",", omittingEmptySubsequences: false) {
      guard let count = Int(part), 1...cluster.rankCount ~= count else {
        throw CommandError(
          "--gpus \(gpus): expected numbers from 1 to \(cluster.rankCount), the devices of "
            + "\(cluster.name), with commas between them")
      }
      counts.append(count)
    }
    return counts
  }

  private func memoryLimit(of cluster: Cluster) throws(CommandError) -> Int {
    let memory = Int(cluster.device.memory.size.value.bytes)
    guard let margin else { return memory }
    switch ByteCount.parse(margin) {
    case .value(let size):
      guard size.bytes < memory else {
        throw CommandError("--margin \(margin): leaves nothing of \(ByteCount(memory))")
      }
      return memory - Int(size.bytes)
    case .refused(let rule): throw CommandError("--margin \(margin): \(rule)")
    }
  }
}

extension SearchFramework: ExpressibleByArgument {}

/// A search found no plan.
struct NothingAdmissible: Error, CustomStringConvertible {
  var description: String
}

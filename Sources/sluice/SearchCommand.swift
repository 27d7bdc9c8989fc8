import ArgumentParser
import Clusters
import Documents
import Foundation
import Planning
import Reports

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
        sluice search --model llama-3.1-70b --cluster h100-2048 --gpus fewest \\
          --global-batch 1024 --sequence 8192 --tokens 15T --deadline 120d
        sluice search --global-batch 15360 --sequence 4096 \\
          --anchor base.yaml --measured 21s
      """)

  @OptionGroup var place: PlaceOptions

  @OptionGroup var grid: GridOptions

  @Option(help: "What plans are ordered by: time, the default, cost (of a token), or memory.")
  var objective: SearchObjective = .time

  @OptionGroup var limits: SearchLimits

  @Option(help: "How many plans are listed; 10 by default.")
  var count: Int = 10

  @Option(
    help: "A plan whose place among all others is asked for: a name, a file, or - .",
    completion: .plan)
  var against: String?

  @Option(
    help: """
      Simulations behind which the search ends without proof, and says what could still be gained; 500 by \
      default, 0 for as many as it takes.
      """)
  var simulations = 500

  @Flag(
    inversion: .prefixedNo,
    help: "Say which constant of the cluster, moved within its range, changes the first plan.")
  var doubt = true

  @Option(help: "Threads; as many as the machine has cores by default. The result is the same.")
  var threads: Int?

  @OptionGroup var anchoring: AnchorOptions

  @OptionGroup var money: MoneyOptions

  @Option(
    help: ArgumentHelp("Write the best plan to a file that simulate takes.", valueName: "file"),
    completion: .file(extensions: ["yaml", "yml"]))
  var write: String?

  @Flag(help: "Print everything as JSON.")
  var json = false

  @Flag(help: "Print a line of comma-separated figures per plan.")
  var csv = false

  @OptionGroup var reporting: ReportOptions

  func run() throws {
    guard !json || !csv else { throw CommandError("--json and --csv exclude each other") }
    try checked("count", count, in: 1...1000)
    try checked("simulations", simulations, in: 0...(1 << 30))
    if let threads { try checked("threads", threads, in: 1...1024) }
    let inputFiles =
      place.inputFiles + InputFiles.reached(from: [against ?? ""] + anchoring.inputFiles)
    let path = try write.map { path throws(ConfigurationError) in
      try OutputPath(path, besides: inputFiles)
    }
    let reportPath = try reporting.path(besides: inputFiles + [write].compactMap { $0 })
    let run = try searchRun()
    Interruption.watch()
    let answer = SearchAnswer(
      try figures(run), by: objective, count: count, seeksFewest: grid.seeksFewest)
    try show(json ? try jsonText(answer) : csv ? answer.csv : try ReportPage(search: answer).text)
    if let path, let best = answer.bestPlan { try OutputFile.write(best, to: path) }
    try reporting.write(ReportPage(search: answer), to: reportPath)
    if Interruption.isWished {
      throw Interrupted(description: "interrupted: what was found until then is printed")
    }
    if answer.bestPlan == nil { throw NothingAdmissible(description: answer.nearestReason) }
  }

  private func searchRun() throws -> SearchRun {
    let (price, tokens) = try money.values()
    let (architecture, cluster) = try place.modelAndCluster()
    let settings = try grid.settings(listed: place.own("plan"))
    var request = PlanSearch.Request()
    request.count = count
    request.objective = objective
    request.memoryLimit = try limits.memory(of: cluster)
    request.mostSimulations = simulations == 0 ? nil : simulations
    request.threads = threads ?? ProcessInfo.processInfo.activeProcessorCount
    request.indifference = StatedError(of: architecture, on: cluster).share
    request.isInterrupted = { Interruption.isWished }
    return SearchRun(
      architecture: architecture, cluster: cluster, place: place, settings: settings,
      request: request, against: against, limits: limits, price: price, tokens: tokens,
      doubts: doubt,
      learned: anchoring.isGiven ? try anchoring.learnedForSearch(in: place) : nil)
  }

  /// A search for each number of GPUs; of the fewest those up to the first that will do, and two beyond for
  /// what more of them would bring.
  private func figures(_ run: SearchRun) throws -> [SearchFigures] {
    guard grid.seeksFewest else {
      return try grid.counts(of: run.cluster).map { try run.figures($0) }
    }
    var all: [SearchFigures] = []
    var beyond = 0
    for devices in GridOptions.ladder(of: run.cluster) where beyond < 3 {
      let found = try run.figures(devices)
      all.append(found)
      if Interruption.isWished { break }
      if beyond > 0 || !found.plans.isEmpty { beyond += 1 }
    }
    return all
  }
}

extension SearchFramework: ExpressibleByArgument {}
extension SearchObjective: ExpressibleByArgument {}

/// A search found no plan.
struct NothingAdmissible: Error, CustomStringConvertible {
  var description: String
}

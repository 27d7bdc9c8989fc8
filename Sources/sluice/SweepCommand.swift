import ArgumentParser
import Clusters
import Documents
import Foundation
import Planning
import Plans
import Quantities
import Reports
import Simulation

/// `sluice sweep`: a step, or the best plan, over one or two values of the files.
struct SweepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep",
    abstract:
      "Show how a step changes with one or two values of the cluster, the plan or the model.",
    discussion: """
      What --set gives several values is swept: commas outside brackets separate them, a unit behind the last \
      holds for all. With --search the best plan is sought at every place, and values of the plan are those \
      that the search may choose from.

      Example:
        sluice sweep --set cluster.node.link.bandwidth="200,300,450 GB/s"
        sluice sweep --set plan.expert-load.deviation=0,0.075,0.15 \\
          --set cluster.node.adapters.reached="22,44 GB/s" --chart load.svg
        sluice sweep --search --global-batch 15360 --sequence 4096 \\
          --set cluster.node.link.bandwidth="200,250,300,350,400,450 GB/s"
      """)

  @OptionGroup var place: PlaceOptions

  @Option(
    help:
      "The plan: a name, a file, or - for standard input; deepseek-v3 by default, for its model.",
    completion: .plan)
  var plan: String?

  @Flag(help: "Search the best plan at every place.")
  var search = false

  @OptionGroup var grid: GridOptions

  @Option(help: "Simulations of one search; 500 by default.")
  var simulations: Int?

  @Option(help: "US dollars for a GPU for an hour; by default the cluster's, else 2.")
  var price: Double?

  @Flag(help: "Print everything as JSON.")
  var json = false

  @Flag(help: "Print a line of comma-separated figures for each place.")
  var csv = false

  @Option(
    help: ArgumentHelp("Draw the steps into an SVG file.", valueName: "file"),
    completion: .file(extensions: ["svg"]))
  var chart: String?

  @OptionGroup var reporting: ReportOptions

  private static let mostPlaces = 400

  func run() throws {
    try checkOptions()
    let inputFiles = place.inputFiles + InputFiles.reached(from: [plan ?? ""])
    let path = try chart.map { path throws(ConfigurationError) in
      try OutputPath(path, besides: inputFiles)
    }
    let reportPath = try reporting.path(besides: inputFiles + [chart].compactMap { $0 })
    let (axes, fixed) = try axes()
    var places: [[String]] = [[]]
    for axis in axes { places = places.flatMap { place in axis.values.map { place + [$0] } } }
    guard places.count <= Self.mostPlaces else {
      throw CommandError("\(places.count) places are more than \(Self.mostPlaces)")
    }
    Interruption.watch()
    var points: [SweepFigures.Point] = []
    for (number, values) in places.enumerated() {
      if isatty(2) == 1 { note("\r\u{1B}[K\(number + 1) of \(places.count)") }
      if Interruption.isWished { throw Interrupted(description: "interrupted") }
      var here = place
      here.overrides = fixed + zip(axes, values).map { "\($0.key)=\($1)" }
      points.append(try point(values, here))
    }
    if isatty(2) == 1 { note("\r\u{1B}[K") }
    if points.allSatisfy({ $0.stepSeconds == nil }), let reason = points[0].reason {
      throw NothingAdmissible(description: "no place has a step: \(reason)")
    }
    let figures = try figures(axes, fixed, points, try notes(axes, fixed))
    try show(json ? try jsonText(figures) : csv ? figures.csv : try ReportPage(sweep: figures).text)
    if let path { try OutputFile.write(SweepChart(figures).svg, to: path) }
    try reporting.write(ReportPage(sweep: figures), to: reportPath)
  }

  private func checkOptions() throws(CommandError) {
    guard !json || !csv else { throw CommandError("--json and --csv exclude each other") }
    if let price, !(price.isFinite && price >= 0 && price <= 1e6) {
      throw CommandError("--price \(price): must be from 0 to 1,000,000 US$")
    }
    if let simulations { try checked("simulations", simulations, in: 1...(1 << 30)) }
    if search, plan != nil { throw CommandError("--plan has no effect beside --search") }
    guard !search else { return }
    for (option, isGiven) in grid.given + [("--simulations", simulations != nil)] where isGiven {
      throw CommandError("\(option) has no effect without --search")
    }
  }

  /// What is swept, and all other overrides.
  private func axes() throws(CommandError) -> ([SweepFigures.Axis], [String]) {
    var axes: [SweepFigures.Axis] = []
    var fixed: [String] = []
    for text in place.overrides {
      guard let equals = text.firstIndex(of: "=") else {
        fixed.append(text)
        continue
      }
      let key = String(text[..<equals])
      let values = Alternatives.split(String(text[text.index(after: equals)...]))
      if values.count > 1, !(search && key.hasPrefix("plan.")) {
        axes.append(SweepFigures.Axis(key: key, values: values))
      } else {
        fixed.append(text)
      }
    }
    guard 1...2 ~= axes.count else {
      throw CommandError(
        axes.isEmpty
          ? "nothing is swept: give --set one or two keys several values, such as "
            + "cluster.node.link.bandwidth=\"200,450 GB/s\""
          : "\(axes.count) keys have several values: one or two can be swept")
    }
    if price != nil, axes.contains(where: { $0.key == SweepFigures.priceKey }) {
      throw CommandError("--price replaces \(SweepFigures.priceKey), which is swept")
    }
    return (axes, fixed)
  }

  private func point(_ values: [String], _ place: PlaceOptions) throws -> SweepFigures.Point {
    var point = SweepFigures.Point(values: values)
    do {
      guard search else {
        let scene = try place.scene(plan: plan)
        let step = try scene.step()
        let report = step.report(replaysAllocator: true)
        point.read(
          StepFigures(
            report, of: step, try scene.inputs(for: step.decidedPlan), price: price, tokens: nil))
        return point
      }
      let figures = try searchRun(place).figures(grid.devices(place.modelAndCluster().1))
      if let best = figures.plans.first {
        point.read(best)
      } else {
        point.reason = figures.nearestReason
      }
    } catch let error as PlanError {
      point.reason = "\(error)"
    }
    return point
  }

  private func searchRun(_ place: PlaceOptions) throws -> SearchRun {
    let (architecture, cluster) = try place.modelAndCluster()
    var request = PlanSearch.Request()
    request.count = 1
    request.memoryLimit = Int(cluster.device.memory.size.value.bytes)
    request.mostSimulations = simulations ?? 500
    request.threads = ProcessInfo.processInfo.activeProcessorCount
    request.isInterrupted = { Interruption.isWished }
    return SearchRun(
      architecture: architecture, cluster: cluster, place: place,
      settings: try grid.settings(listed: place.own("plan")), request: request, against: nil,
      limits: nil, price: price, tokens: nil, doubts: false)
  }

  /// What swept values take along.
  private func notes(_ axes: [SweepFigures.Axis], _ fixed: [String]) throws -> [String] {
    guard axes.contains(where: { $0.key.hasPrefix("cluster.") }) else { return [] }
    var here = place
    here.overrides = fixed + axes.map { "\($0.key)=\($0.values[0])" }
    return try here.modelAndCluster().1.followings.compactMap { following in
      guard axes.contains(where: { $0.key == "cluster.\(following.leader)" }) else { return nil }
      return "cluster.\(following.key) goes with cluster.\(following.leader): the same share "
        + "of it is reached."
    }
  }

  private func figures(
    _ axes: [SweepFigures.Axis], _ fixed: [String], _ points: [SweepFigures.Point],
    _ notes: [String]
  ) throws -> SweepFigures {
    var here = place
    here.overrides = fixed
    let (architecture, cluster) = try here.modelAndCluster()
    let inputs = Inputs(
      model: .init(name: architecture.name, given: here.model, overrides: here.own("model")),
      cluster: .init(cluster, given: here.cluster, overrides: here.own("cluster")))
    return SweepFigures(
      axes: axes, points: points, notes: notes,
      price: axes.contains { $0.key == SweepFigures.priceKey }
        ? nil : price ?? cluster.price?.value ?? 2,
      isSearched: search, inputs)
  }
}

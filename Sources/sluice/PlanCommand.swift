import ArgumentParser
import Clusters
import Documents
import Models
import Plans
import Reports

/// `sluice plan`: how a plan lays a model on a cluster.
struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Show how a plan lays a model on a cluster: degrees, groups, stages, microbatches.",
    discussion: """
      Example:
        sluice plan deepseek-v3 --model deepseek-v3 --cluster h800-2048
        sluice plan deepseek-v3 --print > my-plan.yaml
        sluice plan best.yaml --scale-to 4 --output small.yaml
      """)

  @Argument(
    help: """
      A plan that ships (see --list), a file, or - for standard input; deepseek-v3 by default, for its \
      model alone.
      """,
    completion: .plan)
  var plan: String?

  @OptionGroup var place: PlaceOptions

  @Flag(help: "List the plans that ship.")
  var list = false

  @Flag(help: "Print the file of a plan that ships, to copy and change.")
  var print = false

  @Flag(help: "Print every key of a plan file: what may be written, its default, its meaning.")
  var keys = false

  @Flag(help: "Print the placement as JSON.")
  var json = false

  @Option(
    help: ArgumentHelp(
      "Make a plan with the same schedule for so many CPU ranks, for train; what is dropped is said.",
      valueName: "ranks"))
  var scaleTo: Int?

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "Write the plan of --scale-to to a file; else it is printed.", valueName: "file"),
    completion: .file(extensions: ["yaml", "yml"]))
  var output: String?

  func run() throws {
    let listing = try Listing.chosen(
      keys: keys, list: list, print: print, name: plan,
      others: place.given + [
        ("--json", json), ("--scale-to", scaleTo != nil), ("--output", output != nil),
      ])
    if listing == .keys { return try show(Plan.keyReference.text) }
    if listing == .list { return try show(Plan.shippedNames.joined(separator: "\n") + "\n") }
    if listing == .print {
      let plan = plan ?? PlaceOptions.usualPlan
      guard let text = Plan.shippedText(named: plan) else {
        _ = try Plan.named(plan)
        throw CommandError("\(plan) is a file of yours; --print shows what ships")
      }
      return try show(text)
    }
    if let scaleTo { return try scale(to: scaleTo) }
    if output != nil { throw CommandError("--output has no effect without --scale-to") }
    let scene = try place.scene(plan: plan)
    let placed = try scene.locatedPlace()
    let report = PlanReport(
      placed, cluster: scene.cluster.name, devices: scene.cluster.rankCount,
      try scene.inputs(for: placed.plan))
    let noun = scene.cluster.device.processor == nil ? "devices" : "CPU ranks"
    try show(json ? try jsonText(report) : report.page(of: noun))
  }

  private func scale(to ranks: Int) throws {
    guard !json else { throw CommandError("--json has no effect beside --scale-to") }
    try checked("scale-to", ranks, in: 1...4096)
    let path = try output.map { path throws(ConfigurationError) in
      try OutputPath(
        path,
        besides: place.inputFiles + InputFiles.reached(from: [plan ?? PlaceOptions.usualPlan]))
    }
    let scene = try place.scene(plan: plan)
    let scaled = try scene.resolved().plan.scaled(toRanks: ranks, for: scene.architecture)
    for change in scaled.changes { note("sluice: \(change)\n") }
    if let path {
      try OutputFile.write(scaled.plan.yaml, to: path)
    } else {
      try show(scaled.plan.yaml)
    }
  }
}

import ArgumentParser
import Documents
import Foundation
import Planning
import Plans
import Reports
import Schedules
import Simulation

/// `sluice overlap`: how communication hides behind computation in a plan's pairs.
struct OverlapCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "overlap",
    abstract:
      "Plan the order of a forward and a backward that run as one, and the split of the device.",
    discussion: """
      The fastest order of the pair's segments on every number of multiprocessors, and what of it hangs on \
      constants that nobody has published; docs/overlap.md says how.

      Example:
        sluice overlap
        sluice overlap --multiprocessors 8,12,16,20,24 --svg pair.svg
        sluice overlap --plan mine.yaml --cluster h800-2048 --write planned.yaml
      """)

  @OptionGroup var place: PlaceOptions

  @Option(
    help:
      "The plan: a name, a file, or - for standard input; deepseek-v3 by default, for its model.",
    completion: .plan)
  var plan: String?

  @Option(
    help: ArgumentHelp(
      """
      Multiprocessors that exchanges may take; every even number from 4 to 64 by default. The plan's own are \
      tried in any case.
      """, valueName: "list"))
  var multiprocessors: String?

  @Flag(inversion: .prefixedNo, help: "Simulate the whole step before and after.")
  var step = true

  @Option(help: "Threads; as many as the machine has cores by default. The result is the same.")
  var threads: Int?

  @Option(
    help: ArgumentHelp(
      "Write the plan with the planned order and split to a file that simulate and train take.",
      valueName: "file"),
    completion: .file(extensions: ["yaml", "yml"]))
  var write: String?

  @Option(
    help: ArgumentHelp(
      "Draw the pair before and after by stream, and its time over the multiprocessors.",
      valueName: "file"),
    completion: .file(extensions: ["svg"]))
  var svg: String?

  @Option(
    help: ArgumentHelp(
      """
      Plan the order of all passes too, from what the plan's stages take and what the device holds, and write \
      it to a file that plan.schedule-file takes.
      """, valueName: "file"),
    completion: .file(extensions: ["csv"]))
  var schedule: String?

  @Flag(help: "Print everything as JSON.")
  var json = false

  @OptionGroup var reporting: ReportOptions

  func run() throws {
    if let threads { try checked("threads", threads, in: 1...1024) }
    let inputs = place.inputFiles + InputFiles.reached(from: [plan ?? ""])
    let file = try write.map { path throws(ConfigurationError) in
      try OutputPath(path, besides: inputs + [svg, schedule].compactMap(\.self))
    }
    let picture = try svg.map { path throws(ConfigurationError) in
      try OutputPath(path, besides: inputs + [write, schedule].compactMap(\.self))
    }
    let order = try schedule.map { path throws(ConfigurationError) in
      try OutputPath(path, besides: inputs + [write, svg].compactMap(\.self))
    }
    let reportPath = try reporting.path(
      besides: inputs + [write, svg, schedule].compactMap(\.self))
    let scene = try place.scene(plan: plan)
    let planned = try scene.step()
    let asked = try request(planned)
    let overlap: OverlapPlan
    do {
      overlap = try OverlapPlan(planned, request: asked)
    } catch let nothing as OverlapPlan.NothingToPlan {
      throw CommandError(nothing.description)
    }
    let whole = step ? try OverlappedStep(planned, overlap, threads: asked.threads) : nil
    let automatic = try order.map { try Self.automatic(planned, $0) }
    var figures = OverlapFigures(
      overlap, step: whole, planned, try scene.inputs(for: planned.decidedPlan))
    if let automatic { figures.schedule = .init(automatic) }
    try show(json ? try jsonText(figures) : try ReportPage(overlap: figures).text)
    try reporting.write(ReportPage(overlap: figures, overlap), to: reportPath)
    if let picture {
      try OutputFile.write(
        PairPicture(overlap, title: "\(figures.plan) on \(figures.cluster)").svg, to: picture)
    }
    if let file { try OutputFile.write((whole?.planned.plan ?? overlap.plan).yaml, to: file) }
  }

  /// The order of all passes on the plan's own placement, written down.
  private static func automatic(
    _ step: PlannedStep, _ path: OutputPath
  ) throws -> AutomaticSchedule {
    let plan = step.placed.plan
    guard
      let made = Schedule.automatic(
        on: step.placed.schedule.placement, ranks: plan.pipelineParallel,
        microbatches: plan.microbatchCount, step.stageCosts,
        pairs: plan.overlaps(.expertExchange))
    else {
      throw CommandError("--schedule: no order keeps within the devices' memory")
    }
    try OutputFile.write(made.schedule.csv, to: path)
    return made
  }

  private func request(_ step: PlannedStep) throws(CommandError) -> OverlapPlan.Request {
    var request = OverlapPlan.Request()
    request.threads = threads ?? ProcessInfo.processInfo.activeProcessorCount
    guard let multiprocessors else { return request }
    let most = step.cluster.device.multiprocessors.value - 1
    request.multiprocessors = []
    for text in multiprocessors.split(separator: ",", omittingEmptySubsequences: false) {
      guard let count = Int(text.trimmingCharacters(in: .whitespaces)), count >= 1, count <= most
      else {
        throw CommandError(
          "--multiprocessors \(multiprocessors): expected numbers from 1 to \(most), such as 8,16,20"
        )
      }
      request.multiprocessors.append(count)
    }
    return request
  }
}

import ArgumentParser
import Documents
import Reports
import Schedules

/// `sluice schedule`: a pipeline schedule as text, data or picture, and the check of a given one.
struct ScheduleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schedule",
    abstract: "Print a pipeline schedule, or check one from a CSV file.",
    discussion: """
      Schedules: \(ScheduleName.allCases.map(\.rawValue).joined(separator: " ")).

      Example:
        sluice schedule 1f1b --ranks 4 --microbatches 8
        sluice schedule dualpipe --ranks 8 --microbatches 20 --format svg -o d.svg
        sluice schedule --check mine.csv --forward 10 --backward-input 12

      Times are those of a rank's share of the model, so that bubbles, makespans and memory of \
      schedules compare: a stage of a V, which is half of a share, takes half of them.
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case grid, csv, json, svg
  }

  @Argument(
    help: "The schedule's name.", completion: .list(ScheduleName.allCases.map(\.rawValue)))
  var name: String?

  @Option(help: "Pipeline ranks.")
  var ranks: Int?

  @Option(help: "Stages that each rank holds; by default what the schedule usually has.")
  var stagesPerRank: Int?

  @Option(help: "Microbatches in a step; DualPipe's two directions together.")
  var microbatches: Int?

  @Option(help: "How to print it: grid, csv, json or svg; csv has the order without times.")
  var format = Format.grid

  @Flag(help: "Insert sends and receives.")
  var lowered = false

  @Option(
    help: ArgumentHelp(
      "How --lowered sends: eager, batched in groups that are waited for together, or waited for "
        + "one by one.",
      discussion: "By default as published: batched for dualpipe and dualpipev, else eager."))
  var sends: TransferStyle?

  @Option(
    help: ArgumentHelp(
      "How the forward and the backward of a turn go: merged into one, or apart.",
      discussion: "By default merged for dualpipe and dualpipev, else apart."))
  var pairs: PairStyle?

  @Option(
    help: ArgumentHelp("Check a schedule in a CSV file instead.", valueName: "file"),
    completion: .file(extensions: ["csv"]))
  var check: String?

  @Option(
    help: ArgumentHelp(
      "How --check takes sends: buffered, or rendezvous, where both ends must meet.",
      discussion: "By default rendezvous in groups that end with COMMIT, else buffered."))
  var ends: TransferEnds?

  @OptionGroup var times: TimeOptions

  @Option(name: .shortAndLong, help: "Write to a file.", completion: .file())
  var output: String?

  @OptionGroup var reporting: ReportOptions

  func run() throws {
    let inputFiles = InputFiles.reached(from: [check].compactMap { $0 })
    let place = try output.map { path throws(ConfigurationError) in
      try OutputPath(path, besides: inputFiles)
    }
    let reportPath = try reporting.path(besides: inputFiles + [output].compactMap { $0 })
    if let check { return try runCheck(of: check, output: place, report: reportPath) }
    guard let name else { throw ValidationError("Name a schedule, or give --check a file.") }
    let known = try ScheduleName(named: name)
    guard let ranks, let microbatches else {
      throw ValidationError("A schedule needs --ranks and --microbatches.")
    }
    if ends != nil { throw ValidationError("--ends needs --check.") }
    let given = try times.given()
    let share = 1 / Double(max(1, stagesPerRank ?? known.defaultStagesPerRank))
    let progress = SlowProgress("planning \(name)")
    var schedule = try known.schedule(
      ranks: ranks, stagesPerRank: stagesPerRank, microbatches: microbatches,
      costs: given.map { TimeOptions.wholeCosts($0.ofStage(share: share)) }, pairs: pairs,
      progress: { progress.show($0) })
    progress.end()
    try times.refuseIdle(on: schedule, isOrderAlone: format == .csv && !known.isPlanned)
    if !known.canMergePairs {
      try refuse([("--pairs", pairs != nil)], beside: "a schedule that has none to merge")
    }
    let style = try style(of: known)
    if let style { schedule = try schedule.lowered(style) }
    let inputs = ScheduleInputs(
      schedule: known.rawValue, ranks: ranks,
      stagesPerRank: stagesPerRank ?? known.defaultStagesPerRank, microbatches: microbatches,
      pairs: known.canMergePairs ? (pairs ?? known.usualPairs).rawValue : nil,
      sends: style?.rawValue, times: given)
    let ends: TransferEnds? = style == .waited ? .rendezvous : nil
    try show(try rendered(schedule, name: name, given, inputs, ends: ends), in: place)
    try write(schedule, name: name, given, inputs, ends: ends, to: reportPath)
  }

  /// Writes the report, if one was asked for.
  private func write(
    _ schedule: Schedule, name: String, _ given: PassTimes?, _ inputs: ScheduleInputs,
    ends: TransferEnds?, to path: OutputPath?
  ) throws {
    try reporting.write(
      ReportPage(
        schedule: ScheduleReport(
          schedule, name: name, times: given ?? TimeOptions.even, ends: ends, inputs: inputs),
        schedule), to: path)
  }

  /// How sends are inserted; nil where they are not.
  private func style(of known: ScheduleName) throws -> TransferStyle? {
    guard lowered else {
      if sends != nil { throw ValidationError("--sends needs --lowered.") }
      return nil
    }
    return sends ?? (known == .dualPipe || known == .dualPipeV ? .batched : .eager)
  }

  private func rendered(
    _ schedule: Schedule, name: String, _ given: PassTimes?, _ inputs: ScheduleInputs,
    ends: TransferEnds?
  ) throws -> String {
    let times = given ?? TimeOptions.even
    func report() throws -> ScheduleReport {
      try ScheduleReport(schedule, name: name, times: times, ends: ends, inputs: inputs)
    }
    switch format {
    case .grid:
      let grid = try given.map { try schedule.grid(times: $0.ofStage(in: schedule)) }
      return try (grid ?? schedule.grid()) + "\n" + ReportPage(schedule: report()).text
    case .csv: return schedule.csv
    case .json: return try jsonText(report())
    case .svg: return try SchedulePicture(schedule, name: name, times: times, ends: ends).svg
    }
  }

  private func runCheck(of path: String, output: OutputPath?, report place: OutputPath?) throws {
    guard name == nil, ranks == nil, microbatches == nil, stagesPerRank == nil, !lowered else {
      throw ValidationError("--check reads everything from its file; name no schedule beside it.")
    }
    try refuse(
      [("--sends", sends != nil), ("--pairs", pairs != nil)],
      beside: "--check, whose file has its own sends and pairs")
    let text = try textFile(path)
    let given = try times.given()
    do {
      let schedule = try Schedule(csv: text)
      let passedOver = Schedule.shardingCells(inCSV: text)
      if passedOver > 0 {
        note(
          "sluice: \(path): \(passedOver) cells UNSHARD, RESHARD or REDUCE_GRAD are passed over: a plan's "
            + "zero-stage says when parameters are gathered\n")
      }
      if ends != nil, !schedule.isLowered {
        throw CommandError(
          "--ends says how sends are taken, and \(path) has none; `sluice schedule NAME --lowered` "
            + "prints orders that have")
      }
      try schedule.validate(ends: ends)
      try times.refuseIdle(on: schedule, isOrderAlone: format == .csv)
      let inputs = ScheduleInputs(file: path, ends: ends?.rawValue, times: given)
      switch format {
      case .grid:
        let report = try ScheduleReport(
          schedule, name: path, times: given ?? TimeOptions.even, ends: ends, inputs: inputs)
        try show(ReportPage(schedule: report).text, in: output)
      case .csv, .json, .svg:
        try show(try rendered(schedule, name: path, given, inputs, ends: ends), in: output)
      }
      try write(schedule, name: path, given, inputs, ends: ends, to: place)
    } catch let error as ScheduleError {
      throw ScheduleFileError(path: path, error: error)
    }
  }
}

extension TransferStyle: ExpressibleByArgument {}
extension PairStyle: ExpressibleByArgument {}
extension TransferEnds: ExpressibleByArgument {}

import ArgumentParser
import Documents
import Foundation
import Plans
import Quantities
import Reports
import Simulation

/// `sluice simulate`: one training step on a virtual clock.
struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Say what one step of training or serving a model costs on a cluster under a plan.",
    discussion: """
      Example:
        sluice simulate
        sluice simulate --set plan.expert-load=balanced --tokens 14.8T
        sluice simulate --set 'plan.expert-load={counts: runs/mine/metrics.jsonl}'
        sluice simulate \\
          --set 'cluster.degraded=[{what: device, rank: 3, share: 0.8}]'
        sluice simulate --model llama-3.1-70b --plan mine.yaml --trace step.json
        sluice simulate --plan - --require-fit < mine.yaml
        sluice simulate --report step.html
        sluice simulate --plan mine.yaml --export-chakra traces --chakra-all-ranks
        sluice simulate --anchor base.yaml --measured 9.67s --plan new.yaml
        sluice simulate --decode --batch 128 --context 4989 --acceptance 0.85
        sluice simulate --prefill --batch 4 --context 4096
      """)

  @OptionGroup var place: PlaceOptions

  @Option(
    help: """
      The plan: a name (see sluice plan --list), a file, or - for standard input; deepseek-v3 by default, \
      for other models the best of a short search.
      """,
    completion: .plan)
  var plan: String?

  @OptionGroup var serving: ServingOptions

  @OptionGroup var learning: RolloutOptions

  @OptionGroup var money: MoneyOptions

  @OptionGroup var fit: FitOptions

  @OptionGroup var anchoring: AnchorOptions

  @Flag(
    help: """
      Simulate every rank by itself, not one for all that do the same. Where nothing differs, the step is \
      the same.
      """)
  var allRanks = false

  @Option(
    help: """
      Simulate the step from as many seeds, the plan's own and those that follow it: seconds are means.
      """)
  var seeds = 1

  @Flag(help: "Print all figures as JSON.")
  var json = false

  @Option(
    help: ArgumentHelp(
      "Write a Chrome and Perfetto trace of the step, with several seeds of the first.",
      valueName: "file"),
    completion: .file(extensions: ["json"]))
  var trace: String?

  @Option(
    parsing: .upToNextOption, help: "The pipeline positions that the trace shows; by default all.")
  var tracePositions: [Int] = []

  @Option(help: "The largest size of the trace; 512 MiB by default.")
  var traceLimit: String?

  @OptionGroup var chakra: ChakraOptions

  @OptionGroup var reporting: ReportOptions

  func run() throws {
    if serving.isGiven { return try serve() }
    if learning.rollout { return try learn() }
    try serving.checkAbsence()
    try learning.checkAbsence()
    let (price, tokens) = try money.values()
    if trace == nil {
      for (option, isGiven) in [
        ("--trace-positions", !tracePositions.isEmpty),
        ("--trace-limit", traceLimit != nil && !chakra.isGiven),
      ] where isGiven { throw CommandError("\(option) has no effect without --trace") }
    }
    try chakra.check()
    let inputFiles =
      place.inputFiles
      + InputFiles.reached(from: [plan ?? PlaceOptions.usualPlan] + anchoring.inputFiles)
    let tracePath = try trace.map { path throws(ConfigurationError) in
      try OutputPath(path, besides: inputFiles)
    }
    let reportPath = try reporting.path(besides: inputFiles + [trace].compactMap { $0 })
    let short = try shortSearch()
    let scene = try short?.scene ?? place.scene(plan: plan)
    if scene.cluster.device.processor != nil {
      return try runOnProcessor(scene, trace: tracePath, report: reportPath)
    }
    let step = try scene.locatedStep()
    let inputs = try scene.inputs(for: step.decidedPlan)
    try checked("seeds", seeds, in: 1...10_000)
    if seeds > 1, !step.isDrawn {
      throw CommandError(
        "--seeds \(seeds) has no effect: nothing of this step is drawn, neither by expert-load, documents "
          + "nor slow-hosts")
    }
    let isTraced = tracePath != nil || reportPath != nil || chakra.isGiven
    let results = step.run(seeds: seeds) { [isTraced, allRanks] simulation in
      simulation.keepsSpans = isTraced && simulation.seedOffset == 0
      if allRanks { simulation.isExplicit = true }
    }
    let report = step.report(results, replaysAllocator: true)
    try report.checkPossible()
    if let tracePath { try write(results[0], of: step, inputs, to: tracePath) }
    try chakra.write(results[0], of: step, besides: inputFiles, limit: try sizeLimit())
    var figures = StepFigures(report, of: step, inputs, price: price, tokens: tokens)
    if let short { figures.assumptions.insert(short.phrase, at: 0) }
    if anchoring.isGiven {
      figures.anchored = try anchoring.figures(of: step, report, in: scene, place)
    }
    try show(json ? try jsonText(figures) : try ReportPage(step: figures).text)
    try reporting.write(
      ReportPage(step: figures, results[0], of: step), to: reportPath)
    try fit.check([figures], [figures.plan])
  }

  /// The search for a plan where none is given and the usual one is for another model.
  private func shortSearch() throws -> ShortSearch? {
    guard plan == nil, case let (architecture, cluster) = try place.modelAndCluster(),
      // CPU ranks are simulated for what they train, which a plan says.
      cluster.device.processor == nil,
      try !PlaceOptions.isUsualPlan(for: architecture)
    else { return nil }
    return try ShortSearch(place)
  }

  private func write(
    _ result: StepResult, of step: PlannedStep, _ inputs: Inputs, to path: OutputPath
  ) throws {
    var trace = try StepTrace(result, of: step, inputs)
    if !tracePositions.isEmpty {
      for position in tracePositions {
        try checked("trace-positions", position, in: 0...step.input.ranks.count - 1)
      }
      trace.positions = Set(tracePositions)
    }
    if let limit = try sizeLimit() { trace.limit = limit }
    let isTerminal = isatty(2) == 1
    try trace.write(to: path) { done, all in
      if isTerminal { note("\rtrace: \(done * 100 / max(1, all)) %") }
    }
    if isTerminal { note("\r\(path.name): open it at https://ui.perfetto.dev\n") }
  }
}

extension SimulateCommand {
  /// The largest size of traces, if one is given.
  private func sizeLimit() throws(CommandError) -> Int? {
    guard let traceLimit else { return nil }
    switch ByteCount.parse(traceLimit) {
    case .value(let size): return Int(size.bytes)
    case .refused(let rule): throw CommandError("--trace-limit \(traceLimit): \(rule)")
    }
  }
}

/// Price and budget.
struct MoneyOptions: ParsableArguments {
  @Option(help: "US dollars for a GPU for an hour; by default the cluster's, else 2.")
  var price: Double?

  @Option(help: "A budget of tokens to price, such as 14.8T.")
  var tokens: String?

  /// Both, if given.
  func values() throws(CommandError) -> (price: Double?, tokens: Double?) {
    if let price, !(price.isFinite && price >= 0 && price <= 1e6) {
      throw CommandError("--price \(price): must be from 0 to 1,000,000 US$")
    }
    guard let tokens else { return (price, nil) }
    let units: [Character: Double] = ["k": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12]
    let unit = tokens.last.flatMap { units[$0] }
    let digits = unit == nil ? tokens[...] : tokens.dropLast()
    let plain = digits.allSatisfy { $0.isASCII && ($0.isNumber || $0 == "." || $0 == "e") }
    guard plain, let number = Double(digits), number > 0, number * (unit ?? 1) <= 1e18 else {
      throw CommandError(
        "--tokens \(tokens): expected a number above 0 such as 14.8T; units: k, M, B, T")
    }
    return (price, number * (unit ?? 1))
  }
}

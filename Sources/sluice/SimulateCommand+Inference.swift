import Documents
import Quantities
import Reports
import Simulation

/// Steps that are none of training alone.
extension SimulateCommand {
  /// A step of serving.
  func serve() throws {
    let mode = serving.decode ? "--decode" : "--prefill"
    try refuse(ofTraining, beside: mode)
    if learning.rollout { throw CommandError("\(mode) and --rollout exclude each other") }
    try learning.checkAbsence()
    let (price, _) = try money.values()
    let request = try serving.request()
    let reportPath = try reporting.path(
      besides: place.inputFiles + InputFiles.reached(from: [plan ?? ""]))
    let scene = try place.scene(plan: plan, serving: serving.usualPlan)
    let planned = try scene.inference()
    let report = try planned.explainedReport(request)
    let figures = InferenceFigures(
      report, of: planned, try scene.inputs(for: planned.decidedPlan), price: price)
    try show(json ? try jsonText(figures) : try ReportPage(serving: figures).text)
    try reporting.write(
      ReportPage(serving: figures, beside: ServingBatches.steps(beside: report, of: planned)),
      to: reportPath)
    guard fit.requireFit, !report.memory.fits else { return }
    throw FitError(
      description: "\(planned.plan.name): does not fit: a device needs "
        + "\(ByteCount(report.memory.needed)) of \(ByteCount(report.memory.limit))")
  }

  /// A step of reinforcement learning.
  func learn() throws {
    try refuse(
      ofTraining + [
        ("--batch", serving.batch != nil), ("--context", serving.context != nil),
        ("--parts", serving.parts != nil), ("--price", money.price != nil),
      ], beside: "--rollout")
    let description = try learning.description(acceptance: serving.acceptance)
    guard let generator = learning.generator else {
      throw CommandError("--rollout needs --generator, the plan of one generator")
    }
    let reportPath = try reporting.path(
      besides: place.inputFiles + learning.inputFiles + InputFiles.reached(from: [plan ?? ""]))
    let scene = try place.scene(plan: plan)
    let planned = try scene.rollout(generator, place)
    let report = try planned.explainedReport(description)
    var figures = RolloutFigures(report, of: planned, try scene.inputs(for: planned.training))
    figures.assumptions = learning.assumed + figures.assumptions
    try show(json ? try jsonText(figures) : try ReportPage(rollout: figures).text)
    try reporting.write(ReportPage(rollout: figures, report), to: reportPath)
    guard fit.requireFit, !figures.fits else { return }
    let memory = figures.trainingMemoryBytes
    throw FitError(
      description: "\(planned.training.name): does not fit: training needs "
        + "\(ByteCount(memory.needed)) of \(ByteCount(memory.limit)) on its fullest device")
  }

  /// What is of steps of training alone.
  private var ofTraining: [(String, Bool)] {
    [
      ("--trace", trace != nil), ("--trace-positions", !tracePositions.isEmpty),
      ("--trace-limit", traceLimit != nil), ("--seeds", seeds != 1), ("--all-ranks", allRanks),
      ("--tokens", money.tokens != nil),
      ("an option of measured runs", anchoring.isGiven),
      ("--export-chakra", chakra.isGiven), ("--chakra-all-ranks", chakra.chakraAllRanks),
    ]
  }
}

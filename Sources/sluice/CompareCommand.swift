import ArgumentParser
import Documents
import Plans
import Reports
import Simulation

/// `sluice compare`: several plans of one model on one cluster.
struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Simulate several plans side by side and say what makes the difference.",
    discussion: """
      Example:
        sluice compare deepseek-v3 mine.yaml
        sluice compare deepseek-v3 mine.yaml --tokens 14.8T --price 1.5 --csv
        sluice compare megatron-22b-full megatron-22b-selective \\
          --model megatron-22b --cluster a100-selene
      """)

  @Argument(
    help: ArgumentHelp(
      "Two to twelve plans: names (see sluice plan --list), files, or - for standard input.",
      valueName: "plan"),
    completion: .plan)
  var plans: [String]

  @OptionGroup var place: PlaceOptions

  @OptionGroup var money: MoneyOptions

  @OptionGroup var fit: FitOptions

  @Flag(help: "Print all figures of all plans as a JSON list.")
  var json = false

  @Flag(help: "Print a line of comma-separated figures per plan.")
  var csv = false

  @OptionGroup var reporting: ReportOptions

  func run() throws {
    guard PlanComparison.planCounts.contains(plans.count) else {
      throw CommandError("compare takes two to twelve plans, not \(plans.count)")
    }
    guard !json || !csv else { throw CommandError("--json and --csv exclude each other") }
    guard plans.count(where: { $0 == StandardInput.name }) < 2 else {
      throw CommandError("standard input can be one plan only")
    }
    let (price, tokens) = try money.values()
    let reportPath = try reporting.path(besides: place.inputFiles + InputFiles.reached(from: plans))
    var steps: [ComparedStep] = []
    for name in plans {
      let scene = try place.scene(plan: name)
      do {
        let step = try scene.step()
        let result = step.simulation.run()
        let report = step.report(result, replaysAllocator: true)
        try report.checkPossible()
        let figures = StepFigures(
          report, of: step, try scene.inputs(for: step.decidedPlan), price: price, tokens: tokens)
        steps.append(ComparedStep(figures, result, of: step))
      } catch let error as PlanError {
        throw CommandError("\(name): \(error)")
      }
    }
    let figures = steps.map(\.figures)
    let comparison = PlanComparison(figures)
    try show(
      json
        ? try jsonText(figures)
        : csv ? comparison.csv : try ReportPage(comparing: comparison).text)
    try reporting.write(ReportPage(comparing: steps), to: reportPath)
    try fit.check(figures, comparison.labels)
  }
}

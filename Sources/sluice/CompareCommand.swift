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
        sluice compare megatron-22b-full megatron-22b-selective \\
          --model megatron-22b --cluster a100-selene
      """)

  @Argument(
    help: "Two to six plans: names (see sluice plan --list) or files.",
    completion: .file(extensions: ["yaml", "yml"]))
  var plans: [String]

  @OptionGroup var place: PlaceOptions

  @OptionGroup var money: MoneyOptions

  @Flag(help: "Print all figures of all plans as a JSON list.")
  var json = false

  func run() throws {
    guard (2...6).contains(plans.count) else {
      throw CommandError("compare takes two to six plans, not \(plans.count)")
    }
    let (price, tokens) = try money.values()
    var entries: [PlanComparison.Entry] = []
    for name in plans {
      let scene = try place.scene(plan: name)
      do {
        let step = try scene.step()
        let report = step.report()
        try report.checkPossible()
        entries.append(
          .init(
            plan: scene.plan,
            figures: StepFigures(report, of: step, price: price, tokens: tokens)))
      } catch let error as PlanError {
        throw CommandError("\(name): \(error)")
      }
    }
    let comparison = PlanComparison(entries)
    try show(json ? try jsonText(entries.map(\.figures)) : comparison.text)
  }
}

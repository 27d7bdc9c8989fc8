import Documents
import Foundation
import Plans
import Reports
import Simulation

extension SimulateCommand {
  /// A step on a cluster of CPU ranks, which has a clock and figures of its own.
  func runOnProcessor(_ scene: Scene, trace path: OutputPath?) throws {
    let given: [(String, Bool)] = [
      ("--price", money.price != nil), ("--tokens", money.tokens != nil),
      ("--require-fit", fit.requireFit), ("--anchor", anchoring.isGiven), ("--seeds", seeds != 1),
      ("--all-ranks", allRanks), ("--trace-positions", !tracePositions.isEmpty),
      ("--trace-limit", traceLimit != nil), ("--report", reporting.isGiven),
    ]
    try refuse(given, beside: "a cluster of CPU ranks (\(scene.cluster.name))")
    let placed = try scene.plan.validated(
      for: scene.architecture, on: .ranks(scene.plan.worldSize))
    try ProcessorStep.check(placed.plan)
    let step = try ProcessorStep(placed, on: scene.cluster)
    let outcome = step.run()
    if let path {
      let inputs = try scene.inputs(for: placed.plan)
      try RunTrace.write(
        step.traceParts(outcome, named: nil), title: "\(scene.architecture.name), simulated",
        inputs,
        to: path)
    }
    let figures = PredictionFigures(outcome, of: step)
    try show(json ? try jsonText(figures) : figures.page)
  }
}

import Documents
import Foundation
import Models
import Plans
import Reports
import Simulation

extension SimulateCommand {
  /// A step on a cluster of CPU ranks, which has a clock and figures of its own.
  func runOnProcessor(
    _ scene: Scene, trace path: OutputPath?, report reportPath: OutputPath?
  ) throws {
    let given: [(String, Bool)] = [
      ("--price", money.price != nil), ("--tokens", money.tokens != nil),
      ("--require-fit", fit.requireFit), ("--anchor", anchoring.isGiven), ("--seeds", seeds != 1),
      ("--all-ranks", allRanks), ("--trace-positions", !tracePositions.isEmpty),
      ("--trace-limit", traceLimit != nil),
      ("--export-chakra", chakra.isGiven), ("--chakra-all-ranks", chakra.chakraAllRanks),
    ]
    try refuse(given, beside: "a cluster of CPU ranks (\(scene.cluster.name))")
    try scene.architecture.checkRuntime(
      file: scene.architecture.name, key: "model", use: "simulated on CPU ranks")
    let placed = try scene.plan.validated(
      for: scene.architecture, on: .ranks(scene.plan.worldSize))
    try ProcessorStep.check(placed.plan, for: scene.architecture)
    if let key = placed.plan.keysForDevicesAlone.first {
      throw ConfigurationError(
        file: placed.plan.name, keyPath: key,
        rule: "is for devices, without effect on CPU ranks (\(scene.cluster.name)): leave it out")
    }
    let step = try ProcessorStep(placed, on: scene.cluster)
    let outcome = step.run()
    let inputs = try scene.inputs(for: placed.plan)
    if let path {
      try RunTrace.write(
        step.traceParts(outcome, named: nil), title: "\(scene.architecture.name), simulated",
        inputs,
        to: path)
    }
    let figures = PredictionFigures(outcome, of: step)
    try show(json ? try jsonText(figures) : try ReportPage(predicted: figures, inputs).text)
    try reporting.write(
      ReportPage(predicted: figures, inputs, step.picture(outcome)), to: reportPath)
  }
}

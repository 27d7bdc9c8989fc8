import ArgumentParser
import Calibration
import Foundation
import Reports

/// `sluice calibrate`.
struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Constants of cost formulas, fitted to component measurements.",
    discussion: """
      With --shipped: fits again what ships, from the measurements that ship, and shows every constant \
      beside the shipped one. Every second size of a series is fitted, the others are predicted.

      With --probe: prints a Python script that measures the kernels of a node's devices in under five \
      minutes, and needs PyTorch alone. Its CSV states the conditions; benchmarks/probe has some.

      Example:
        sluice calibrate --shipped h100
        sluice calibrate --probe > probe.py && python3 probe.py -o probe.csv
      """)

  @Option(
    help: """
      The measured collectives or products to fit: \(measurementNames.joined(separator: ", ")).
      """)
  var shipped: String?

  @Flag(help: "Print the script that measures a device's kernels.")
  var probe = false

  @Flag(help: "Every constant and every measured collective as JSON.")
  var json = false

  func validate() throws {
    guard (shipped != nil) != probe else {
      throw ValidationError("expected either --shipped or --probe")
    }
    guard !(probe && json) else {
      throw ValidationError("--json has nothing to act on: --probe prints a script")
    }
  }

  func run() throws {
    guard let shipped else {
      try show(Probe.script)
      return
    }
    if let fit = PowerFit.all.first(where: { $0.measurements == shipped }) {
      let figures = PowerFitFigures(fit, try fit.run())
      try show(json ? try jsonText(figures) : figures.page)
      return
    }
    if let fit = AttentionFit.all.first(where: { $0.measurements == shipped }) {
      let figures = AttentionFitFigures(fit, try fit.run())
      try show(json ? try jsonText(figures) : figures.page)
      return
    }
    if let fit = ProductFit.all.first(where: { $0.measurements == shipped }) {
      let outcome = try fit.run()
      try show(
        json ? try jsonText(ProductFitFigures(fit, outcome)) : ProductFitPage(fit, outcome).text)
      return
    }
    guard let fit = ShippedFit.all.first(where: { $0.machine == shipped }) else {
      throw CommandError(
        "--shipped \(shipped): expected one of " + measurementNames.joined(separator: ", "))
    }
    let outcome = try fit.run()
    try show(
      json
        ? try jsonText(CollectiveFitFigures(fit, outcome)) : CollectiveFitPage(fit, outcome).text)
  }
}

/// What can be fitted again.
private let measurementNames =
  ShippedFit.all.map(\.machine) + ProductFit.all.map(\.measurements)
  + AttentionFit.all.map(\.measurements) + PowerFit.all.map(\.measurements)

import ArgumentParser
import Calibration
import Documents
import Foundation
import Reports

/// `sluice calibrate`.
struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "A cluster from what people measured: constants of cost formulas, with residuals.",
    discussion: """
      With files: reads the outputs of nccl-tests, rccl-tests, perftest, OSU's micro-benchmarks, DeepEP's tests, \
      mamf-finder, tables of products (CSV), traces of PyTorch's profiler (also .gz) and of the probe, each found by \
      what it holds. Every second row is fitted, the others are predicted. What a file does not say is asked \
      for. -o writes the cluster: what differs from --base, each value with its file and residual.

      With --here: measures the CPU ranks of this machine and writes a cluster of them, which simulate and \
      train --predict take.

      With --shipped: fits again what ships, from the measurements that ship, and shows every constant \
      beside the shipped one. Every second size of a series is fitted, the others are predicted.

      With --probe: prints a Python script that measures the kernels of a node's devices in under five \
      minutes, and needs PyTorch alone. Its CSV states the conditions; benchmarks/probe has some.

      Example:
        sluice calibrate nccl.txt probe.csv --base h100-2048 -o mine.yaml
        sluice calibrate --probe > probe.py && python3 probe.py -o probe.csv
        sluice calibrate --here -o here.yaml
        sluice calibrate --shipped h100
      """)

  @Argument(help: "Outputs of benchmarks.", completion: .file())
  var files: [String] = []

  @OptionGroup var measuring: MeasuringOptions

  @OptionGroup var hereOptions: HereOptions

  @Option(
    help: """
      The measured collectives or products to fit: \(measurementNames.joined(separator: ", ")).
      """)
  var shipped: String?

  @Flag(help: "Print the script that measures a device's kernels.")
  var probe = false

  @Flag(help: "Every constant and every measurement as JSON.")
  var json = false

  @OptionGroup var reporting: ReportOptions

  func validate() throws {
    guard
      [shipped != nil, probe, !files.isEmpty, hereOptions.here].count(where: { $0 }) == 1
    else {
      throw ValidationError("expected either files, or --here, or --shipped, or --probe")
    }
    try hereOptions.validate(measuring, reporting)
    if hereOptions.here { return }
    guard !(probe && json) else {
      throw ValidationError("--json has nothing to act on: --probe prints a script")
    }
    guard !(probe && reporting.isGiven) else {
      throw ValidationError("--report has nothing to act on: --probe prints a script")
    }
    if files.isEmpty, let option = measuring.given.first {
      throw ValidationError("\(option) has nothing to act on without files")
    }
  }

  func run() throws {
    if hereOptions.here { return try hereOptions.run(measuring, json: json) }
    guard files.isEmpty else { return try measuring.run(files, json: json, reporting) }
    guard let shipped else {
      try show(Probe.script)
      return
    }
    let reportPath = try reporting.path(besides: [])
    if let fit = PowerFit.all.first(where: { $0.measurements == shipped }) {
      return try tell(PowerFitFigures(fit, try fit.run()), report: reportPath)
    }
    if let fit = StreamFit.all.first(where: { $0.measurements == shipped }) {
      return try tell(StreamFitFigures(fit, try fit.run()), report: reportPath)
    }
    if let fit = AttentionFit.all.first(where: { $0.measurements == shipped }) {
      return try tell(AttentionFitFigures(fit, try fit.run()), report: reportPath)
    }
    if let fit = ProductFit.all.first(where: { $0.measurements == shipped }) {
      return try tell(ProductFitFigures(fit, try fit.run()), report: reportPath)
    }
    guard let fit = ShippedFit.all.first(where: { $0.machine == shipped }) else {
      throw CommandError(
        "--shipped \(shipped): expected one of " + measurementNames.joined(separator: ", "))
    }
    try tell(CollectiveFitFigures(fit, try fit.run()), report: reportPath)
  }

  private func tell(_ figures: some FitFigures, report path: OutputPath?) throws {
    let page = try ReportPage(fit: figures)
    try show(json ? try jsonText(figures) : page.text)
    try reporting.write(page, to: path)
  }
}

/// What can be fitted again.
private let measurementNames =
  ShippedFit.all.map(\.machine) + ProductFit.all.map(\.measurements)
  + AttentionFit.all.map(\.measurements) + StreamFit.all.map(\.measurements)
  + PowerFit.all.map(\.measurements)

import ArgumentParser
import Clusters
import Costs
import Documents
import Forecasts
import Foundation
import Planning
import Quantities
import Reports
import Runs

/// `sluice forecast`: how long a whole run takes on a cluster where things fail.
struct ForecastCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forecast",
    abstract: "Say how long a whole run takes on a cluster where things fail, and what it costs.",
    discussion: """
      Example:
        sluice forecast examples/deepseek-v3-run.yaml
        sluice forecast examples/deepseek-v3-run.yaml --set recovery.cadence=optimal
        sluice forecast run.yaml --cluster h100-2048 \\
          --set cluster.failures.detection='30 s'
        sluice forecast run.yaml --step-seconds 0.52 --failure-times kills.txt
      """)

  @Argument(
    help: ArgumentHelp("The run file (see sluice train --keys).", valueName: "file"),
    completion: .file(extensions: ["yaml", "yml"]))
  var runFile: String

  @Option(
    help: "The cluster: a name (see sluice cluster --list) or a file; h800-2048 by default.",
    completion: .file(extensions: ["yaml", "yml"]))
  var cluster = "h800-2048"

  @OptionGroup var borrowing: BorrowingOptions

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Replace a value of the run file, as key=value, or of the cluster; may be repeated.",
      valueName: "cluster.key=value"))
  var overrides: [String] = []

  @Option(help: "From where failures come.")
  var seed = 1

  @Option(help: "Runs that are tried, each with failures of its own.")
  var runs = 2000

  @Option(
    help: "What every step takes, as it was measured: nothing is simulated then.")
  var stepSeconds: Double?

  @Option(
    help: ArgumentHelp(
      "Times of failures in place of the cluster's: a time a line, seconds from the run's start.",
      valueName: "file"))
  var failureTimes: String?

  @Option(help: "US dollars for a GPU for an hour; by default the cluster's, else 2.")
  var price: Double?

  @Option(help: "Threads; by default as many as the machine has processors.")
  var threads: Int?

  @Flag(help: "Print all figures as JSON.")
  var json = false

  @OptionGroup var reporting: ReportOptions

  /// Runs that each improvement is tried with.
  private static let improvedRuns = 400

  func run() throws {
    try checkOptions()
    let inputFiles =
      InputFiles.reached(from: [runFile, cluster] + borrowing.overrides + overrides)
      + [failureTimes].compactMap { $0 }
    let report = try reporting.path(besides: inputFiles)
    let ofCluster = try clusterOverrides
    let ofRun = overrides.filter { !$0.hasPrefix("cluster.") }
    let place = try Cluster.named(cluster, overrides: ofCluster)
    try place.checkExchange()
    if stepSeconds != nil, place.slowHosts != nil {
      throw CommandError(
        "--step-seconds is what each step takes: slow-hosts of \(place.name) would have no effect; "
          + "--set cluster.slow-hosts=null leaves them out")
    }
    var phases = try RunFile.readPhases(path: runFile, overrides: ofRun)
    for index in phases.indices where phases[index].plan.layout == .balanced {
      phases[index].plan = try phases[index].plan.balanced(
        for: phases[index].model.architecture, on: place)
    }
    let threads = threads ?? ProcessInfo.processInfo.activeProcessorCount
    let planned = try PlannedRun(
      phases, on: place, stepSeconds: stepSeconds, threads: threads)
    let forecast = Forecast(
      planned.model, runs: runs, seed: UInt64(seed), threads: threads)
    let figures = ForecastFigures(
      forecast, of: planned,
      planned.model.sensitivities(of: forecast, runs: Self.improvedRuns, threads: threads),
      price: price,
      Inputs(
        run: .init(name: planned.name, given: runFile, overrides: ofRun),
        cluster: .init(place, given: cluster, overrides: ofCluster), seed: UInt64(seed)))
    try show(json ? try jsonText(figures) : try ReportPage(forecast: figures).text)
    try reporting.write(ReportPage(forecast: figures), to: report)
  }

  private func checkOptions() throws(CommandError) {
    try checked("runs", runs, in: 1...10_000_000)
    try checked("seed", seed, in: 0...Int.max)
    if let threads { try checked("threads", threads, in: 1...1024) }
    if let price, !(price.isFinite && price >= 0 && price <= 1e6) {
      throw CommandError("--price \(price): must be from 0 to 1,000,000 US$")
    }
    if let stepSeconds, !(stepSeconds.isFinite && stepSeconds >= 1e-6 && stepSeconds <= 1e6) {
      throw CommandError("--step-seconds \(stepSeconds): must be from 0.000001 to 1,000,000 s")
    }
    if stepSeconds != nil, borrowing.kernels != nil {
      throw CommandError("--borrow-kernels has no effect with --step-seconds: nothing is simulated")
    }
  }

  /// What replaces values of the cluster's file, given times of failures among it.
  private var clusterOverrides: [String] {
    get throws {
      var all =
        borrowing.overrides
        + withoutPrefix("cluster", overrides.filter { $0.hasPrefix("cluster.") })
      guard let failureTimes else { return all }
      let times = try Self.times(in: failureTimes)
      all += [
        "failures.causes=null", "failures.repair=null",
        "failures.at=[\(times.joined(separator: ", "))]",
      ]
      return all
    }
  }

  /// Times of a file, a line each: seconds, or a time with its unit; `#` begins a comment.
  private static func times(in path: String) throws -> [String] {
    let bytes: [UInt8]
    do throws(CheckpointError) {
      bytes = try InputFile(path: path).allBytes(limit: 1 << 24)
    } catch {
      throw ConfigurationError(file: path, rule: error.rule)
    }
    let text = String(decoding: bytes, as: UTF8.self)
    var times: [String] = []
    // A carriage return and a line feed are one character, and one end of a line.
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (number, line) in lines.enumerated() {
      let word = line.prefix { $0 != "#" }.trimmingCharacters(in: .whitespaces)
      guard !word.isEmpty else { continue }
      let time = Double(word).map { "\($0) s" } ?? word
      guard let seconds = Seconds.parse(time).value, seconds.value <= 1e9 else {
        throw ConfigurationError(
          file: path, line: number + 1, value: word,
          rule: "expected a time in seconds, or with its unit such as 12 min")
      }
      times.append(time)
    }
    guard !times.isEmpty else { throw ConfigurationError(file: path, rule: "holds no time") }
    return times
  }
}

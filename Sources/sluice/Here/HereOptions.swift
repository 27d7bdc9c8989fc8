import ArgumentParser
import Calibration
import Documents
import Foundation
import Reports

#if MPI
  import Kernels
  import MessagePassing
  import OpenMPI
  import Training
#endif

/// `calibrate --here`: CPU ranks of this machine.
struct HereOptions: ParsableArguments {
  @Flag(
    help: """
      Measure the CPU ranks of this machine: kernels one by one, alone and beside others, and messages. \
      --ranks says how many ranks; 2 by default. --nodes: how many such machines the cluster has.
      """)
  var here = false

  @Flag(help: "With --here: fewer and smaller shapes, for a try.")
  var quick = false

  @Option(
    help: ArgumentHelp("With --here: write what was measured.", valueName: "file.csv"),
    completion: .file(extensions: ["csv"]))
  var csv: String?

  @Option(
    name: .customLong("from"),
    help: ArgumentHelp(
      "With --here: fit what was measured before, and measure nothing.", valueName: "file.csv"),
    completion: .file(extensions: ["csv"]))
  var source: String?

  /// Where the ranks of a launch leave what they have measured.
  @Option(name: .customLong("here-part"), help: .hidden)
  var part: String?

  /// The options that were written beside `--here`.
  var given: [String] {
    [("--quick", quick), ("--csv", csv != nil), ("--from", source != nil)].filter(\.1).map(\.0)
  }

  /// What `calibrate` has for other inputs.
  func validate(_ measuring: MeasuringOptions, _ reporting: ReportOptions) throws {
    guard here else {
      if let option = given.first {
        throw ValidationError("\(option) has nothing to act on without --here")
      }
      return
    }
    if reporting.isGiven {
      throw ValidationError("--report has nothing to act on: --here prints tables alone")
    }
    let known = ["--output", "--overwrite", "--ranks", "--nodes"]
    if let option = measuring.given.first(where: { !known.contains($0) }) {
      throw ValidationError("\(option) has nothing to act on: --here measures itself")
    }
    if source != nil {
      for (option, isGiven) in [("--quick", quick), ("--csv", csv != nil)] where isGiven {
        throw ValidationError("\(option) has nothing to act on: --from measures nothing")
      }
    }
  }

  /// Measures or reads, fits, writes and shows.
  func run(_ measuring: MeasuringOptions, json: Bool) throws {
    #if MPI
      if let part { return try measureAsRank(part) }
    #endif
    if measuring.overwrite, measuring.output == nil, csv == nil {
      throw CommandError("--overwrite has nothing to act on without --output or --csv")
    }
    let outputs = [measuring.output, csv].compactMap { $0 }
    for path in outputs where !measuring.overwrite {
      guard InputFiles.reached(from: [path]).isEmpty else {
        throw CommandError("\(path): is there already; --overwrite replaces it")
      }
    }
    let inputs = [source].compactMap { $0 }
    let path = try measuring.output.map { path throws(ConfigurationError) in
      try OutputPath(path, besides: inputs + [csv].compactMap { $0 })
    }
    let csvPath = try csv.map { path throws(ConfigurationError) in
      try OutputPath(path, besides: inputs + [measuring.output].compactMap { $0 })
    }
    let ranks = try measuring.ranks.map { try checked("ranks", $0, in: 1...64) }
    let nodes = try measuring.nodes.map { try checked("nodes", $0, in: 1...4096) }
    let table: HereTable
    if let source {
      table = try HereTable(path: source)
    } else {
      table = try measure(ranks: ranks ?? 2)
    }
    if let csvPath { try OutputFile.write(table.text, to: csvPath) }
    let fit = try HereFit(table)
    let most = table.kernels.map(\.ranks).max() ?? 1
    let name = measuring.output.map(MeasuringOptions.stem(of:)) ?? "here"
    let text = try fit.clusterText(name: name, nodes: nodes ?? 1, ranksPerNode: ranks ?? most)
    if let path { try OutputFile.write(text, to: path) }
    let figures = HereFigures(fit)
    try show(json ? try jsonText(figures) : figures.page)
  }

  #if !MPI
    private func measure(ranks: Int) throws -> HereTable {
      throw CommandError("--here measures training, which this sluice was built without (MPI)")
    }
  #endif
}

#if MPI
  extension HereOptions {
    /// With 1 rank, 2, 4 and so on up to those that are asked for.
    private func measure(ranks: Int) throws -> HereTable {
      try prepareProcessor()
      let signals = StopSignals()
      let begin = ContinuousClock.now
      note("measuring kernels and messages of up to \(ranks) ranks here\n")
      var table = try HereMeasurement.alone(isQuick: quick)
      var counts: [Int] = []
      var count = 2
      while count < ranks {
        counts.append(count)
        count *= 2
      }
      if ranks > 1 { counts.append(ranks) }
      let folder = FileManager.default.temporaryDirectory
      for count in counts {
        if signals.poll() > .goOn {
          throw Interrupted(description: "the measurement was interrupted")
        }
        let part = folder.appendingPathComponent("sluice-here-\(getpid())-\(count).csv").path
        defer { unlink(part) }
        let launch = Launch(
          ranks: count,
          command: [Launch.ownPath, "calibrate", "--here", "--here-part", part]
            + (quick ? ["--quick"] : []))
        let outcome = try launch.run(signals)
        note(outcome.launcherWords)
        guard outcome.status == 0 else {
          throw CommandError(
            "--here: the measurement with \(count) ranks ended with status \(outcome.status)")
        }
        let made = try HereTable(path: part)
        table.kernels += made.kernels
        // Of messages those of the largest launch count, whose ranks share the cores as they will.
        table.messages = made.messages
      }
      table.facts = Self.facts
      note("measured in \(HereMeasurement.seconds(since: begin))\n")
      return table
    }

    private func measureAsRank(_ part: String) throws {
      try prepareProcessor()
      try withWorld { world in
        let table = try HereMeasurement.together(isQuick: quick, world)
        guard world.rank == 0 else { return }
        try OutputFile.write(table.text, to: OutputPath(part, besides: []))
      }
    }

    /// What the machine is.
    static var facts: [(key: String, value: String)] {
      let processor = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
      let model = processor.split(separator: "\n").first { $0.hasPrefix("model name") }?
        .split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
      let information = ProcessInfo.processInfo
      return [
        ("processor", model ?? "unknown"), ("cores", "\(information.activeProcessorCount)"),
        ("memory", "\(information.physicalMemory)"), ("host", information.hostName),
        ("system", information.operatingSystemVersionString), ("sluice", Version.current),
        ("date", ISO8601DateFormatter().string(from: Date())),
      ]
    }
  }
#endif

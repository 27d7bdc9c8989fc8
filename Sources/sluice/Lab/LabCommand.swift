#if MPI
  import ArgumentParser
  import Calibration
  import Documents
  import Foundation
  import Quantities
  import Runs
  import Training

  /// `sluice lab`.
  struct LabCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "lab",
      abstract:
        "A training on nodes with slow links, on this one machine: measured, predicted, run.",
      discussion: """
        Lays nodes out as network namespaces whose links have the bandwidth that is asked for, measures kernels \
        and messages of CPU ranks there, trains the run on them, and shows beside its step what the simulator \
        says of it. It needs root, and removes its network when it ends.

        The nodes share this machine's cores. Logs and checkpoints are the run's own.

        Example:
          sudo sluice lab examples/tiny-deepseek-v3.yaml --nodes 2 --ranks-per-node 2 \\
            --bandwidth 400Mb/s
        """)

    @Argument(
      help: ArgumentHelp("The run file.", valueName: "file"),
      completion: .file(extensions: ["yaml", "yml"]))
    var runFile: String

    @Option(help: "How many nodes, from 2 to 16.")
    var nodes = 2

    @Option(help: "How many ranks each node has, from 1 to 16.")
    var ranksPerNode = 2

    @Option(
      help: ArgumentHelp("What a node's link carries each way.", valueName: "400Mb/s"))
    var bandwidth = "400Mb/s"

    @Option(
      name: .customLong("set"),
      help: """
        Replace a value of the run file, or of the plan that it names, as key=value or plan.key=value; \
        may be repeated.
        """)
    var overrides: [String] = []

    @Option(
      name: .shortAndLong,
      help: ArgumentHelp("Keep the cluster that was measured.", valueName: "lab.yaml"),
      completion: .file(extensions: ["yaml", "yml"]))
    var output: String?

    @Option(
      help: ArgumentHelp(
        "Predict by a cluster that an earlier lab has kept, and measure none.",
        valueName: "lab.yaml"),
      completion: .file(extensions: ["yaml", "yml"]))
    var cluster: String?

    @Option(
      help: ArgumentHelp(
        "Write a trace of one step of all ranks, the simulated one beside it.", valueName: "file"),
      completion: .file(extensions: ["json"]))
    var trace: String?

    @Option(
      help: ArgumentHelp("Write the figures of the prediction as JSON.", valueName: "file.json"),
      completion: .file(extensions: ["json"]))
    var predictionJson: String?

    @Flag(help: "Measure fewer and smaller shapes, for a try.")
    var quick = false

    @Flag(help: "Replace what an earlier run and an earlier lab wrote.")
    var overwrite = false

    func run() throws {
      try checked("nodes", nodes, in: 2...16)
      try checked("ranks-per-node", ranksPerNode, in: 1...16)
      if cluster != nil {
        try refuse([("--quick", quick), ("--output", output != nil)], beside: "--cluster")
      }
      let rate = try checkedBandwidth()
      let kept = try output.map { path in
        try OutputPath.free(
          path, besides: InputFiles.reached(from: [runFile]), overwrites: overwrite)
      }
      try prepareProcessor()
      try checkRun()
      let signals = StopSignals()
      let network = try LabNetwork(nodes: nodes, bandwidth: rate)
      let status: Int32
      do {
        status = try run(on: network, keeping: kept, signals)
      } catch {
        network.remove()
        throw error
      }
      network.remove()
      Foundation.exit(status)
    }

    /// What nodes of one machine are worth measuring at: between a modem and what memory copies.
    private func checkedBandwidth() throws -> BytesPerSecond {
      switch BytesPerSecond.parse(bandwidth) {
      case .refused(let rule): throw CommandError("--bandwidth \(bandwidth): \(rule)")
      case .value(let rate):
        guard (BytesPerSecond(1e4)...BytesPerSecond(1e10)).contains(rate) else {
          throw CommandError("--bandwidth \(bandwidth): must be from 10 kB/s to 10 GB/s")
        }
        return rate
      }
    }

    private var ranks: Int { nodes * ranksPerNode }

    /// What `train` is given.
    ///
    /// - Parameter cluster: what its step is predicted by; nil where that is still to be measured.
    private func arguments(predictingBy cluster: String?) -> [String] {
      var words =
        [runFile] + overrides.flatMap { ["--set", $0] } + (overwrite ? ["--overwrite"] : [])
      if let trace { words += ["--trace", trace] }
      guard let cluster else { return words }
      words += ["--predict", cluster]
      if let predictionJson { words += ["--prediction-json", predictionJson] }
      return words
    }

    /// What can be found wrong with the run is said before anything is laid or measured.
    private func checkRun() throws {
      try TrainCommand.check(
        arguments(predictingBy: cluster) + ["--ranks", "\(ranks)"])
      if let predictionJson {
        _ = try OutputPath(
          predictionJson, besides: InputFiles.reached(from: [runFile]) + [output].compactMap { $0 })
      }
    }

    private func run(
      on network: LabNetwork, keeping kept: OutputPath?, _ signals: StopSignals
    ) throws -> Int32 {
      let temporary = FileManager.default.temporaryDirectory
        .appendingPathComponent("sluice-lab-\(getpid()).yaml").path
      defer { unlink(temporary) }
      if cluster == nil {
        let text = try measured(on: network, signals)
        try OutputFile.write(text, to: kept ?? OutputPath(temporary, besides: []))
      }
      note(
        "lab: training on \(nodes) nodes of \(ranksPerNode) ranks, links of \(network.bandwidth)\n")
      let command =
        [Launch.ownPath, "train"] + arguments(predictingBy: cluster ?? output ?? temporary)
      let launch = network.launch(
        command, ranksPerNode: ranksPerNode,
        environment: [TrainCommand.live: isatty(STDOUT_FILENO) != 0 ? "1" : "0"])
      let outcome = try launch.run(signals)
      if let message = outcome.message { note("sluice: \(printable(message, atMost: .max))\n") }
      note(outcome.launcherWords)
      return outcome.status
    }

    /// The cluster of the lab's ranks, as `calibrate --here` measures it.
    private func measured(on network: LabNetwork, _ signals: StopSignals) throws -> String {
      note("lab: measuring kernels and messages of \(ranks) ranks\n")
      let begin = ContinuousClock.now
      let part = FileManager.default.temporaryDirectory
        .appendingPathComponent("sluice-lab-\(getpid()).csv").path
      defer { unlink(part) }
      let launch = network.launch(
        [Launch.ownPath, "calibrate", "--here", "--here-part", part] + (quick ? ["--quick"] : []),
        ranksPerNode: ranksPerNode)
      let outcome = try launch.run(signals)
      note(outcome.launcherWords)
      guard outcome.status == 0 else {
        if signals.wish > .goOn {
          throw Interrupted(description: "the measurement was interrupted")
        }
        throw CommandError("lab: the measurement ended with status \(outcome.status)")
      }
      note("lab: measured in \(HereMeasurement.seconds(since: begin))\n")
      var table = try HereTable(path: part)
      table.facts = HereOptions.facts
      return try HereFit(table).clusterText(
        name: "lab", nodes: nodes, ranksPerNode: ranksPerNode, nodesOnMachine: nodes)
    }
  }
#endif

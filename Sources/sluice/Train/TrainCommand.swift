#if MPI
  import ArgumentParser
  import Checkpoints
  import Documents
  import Foundation
  import MessagePassing
  import OpenMPI
  import Plans
  import Reports
  import Runs
  import Simulation
  import Training

  /// `sluice train`: a real run on CPU ranks.
  struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "train",
      abstract: "Train a model for real, on ranks of this machine or under mpirun.",
      discussion: """
        Signals are obeyed between two steps, after a checkpoint: SIGINT, SIGTERM, SIGHUP and SIGUSR2 end \
        the run with status \(ExitStatus.interrupted.rawValue), SIGUSR1 with status 0. sluice help \
        lists all statuses.

        Example:
          sluice train examples/tiny-deepseek-v3.yaml --ranks 4
          sluice train examples/tiny-deepseek-v3.yaml --ranks 4 --resume
          sluice train examples/tiny-deepseek-v3.yaml --ranks 4 --elastic \\
            --minimum-ranks 2
          mpirun -np 4 sluice train examples/tiny-deepseek-v3.yaml --set steps=200
        """)

    @Argument(
      help: ArgumentHelp("The run file.", valueName: "file"),
      completion: .file(extensions: ["yaml", "yml"]))
    var runFile: String?

    @Option(
      help: "Start so many ranks on this machine, through mpirun if more than one; 1 by default.")
    var ranks: Int?

    @Option(
      help: """
        With --ranks: start them on these hosts, each with its places and this one first, such as one:2,two:2.
        """)
    var hosts: String?

    @Option(
      name: .customLong("set"),
      help: """
        Replace a value of the run file, or of the plan that it names, as key=value or plan.key=value; \
        may be repeated.
        """)
    var overrides: [String] = []

    @Flag(help: "Go on from the newest checkpoint in the run's folder.")
    var resume = false

    @Flag(
      help: """
        Go on from the newest good checkpoint in the run's folder; begin if there is none at all.
        """)
    var resumeIfAny = false

    @Flag(help: "Begin anew where an earlier run wrote: remove its checkpoints and its log.")
    var overwrite = false

    @Flag(help: "Check everything, print placement and predicted memory, and train nothing.")
    var dryRun = false

    @Option(
      help: """
        Seconds that a rank waits for another before it ends the run; 600 by default, 0 for ever.
        """)
    var timeout: Double?

    @Option(
      help: """
        With --ranks: seconds within which all ranks must have started; by default --timeout, at least 60, and \
        for ever where that is 0.
        """)
    var startTimeout: Double?

    @Option(
      help: ArgumentHelp(
        """
        Write a Chrome and Perfetto trace of one step of all ranks: the second, or the only one.
        """, valueName: "file"),
      completion: .file(extensions: ["json"]))
    var trace: String?

    @Flag(help: "Hold the first step against its simulation, and print the table.")
    var checkSimulation = false

    @Option(
      help: "End after so many steps, with a checkpoint; after 0 with that of the first weights.")
    var stopAfter: Int?

    @Flag(help: "Print every key of a run file: what may be written, its default, its meaning.")
    var keys = false

    @OptionGroup var elastic: ElasticOptions

    @OptionGroup var reporting: ReportOptions

    @OptionGroup var predicting: PredictionOptions

    func run() throws {
      try refuseIdleOptions()
      if keys { return try show(RunFile.keyReference.text) }
      guard runFile != nil else { throw CommandError("train needs a run file, or --keys") }
      try checkTimeouts()
      if let stopAfter, stopAfter < 0 {
        throw CommandError("--stop-after \(stopAfter): must be at least 0")
      }
      guard [resume, resumeIfAny, overwrite].count(where: { $0 }) <= 1 else {
        throw CommandError("--resume, --resume-if-any and --overwrite exclude each other")
      }
      try prepareProcessor()
      let signals = StopSignals()
      if Launch.isRank { return try runAsRank(signals) }
      if let refusal = SlurmStep()?.refusal { throw CommandError(refusal) }
      let phases = try RunFile.readPhases(path: file, overrides: overrides)
      let count = try checkedRanks(of: phases[0])
      let hosts = try checkedHosts(count)
      let elasticRun = try elastic.run(self, phases, signals, hosts)
      // What can be found wrong here is said here, once, and before any rank starts.
      let prepared = try prepare(phases, ranks: count, checksPlaces: true)
      if dryRun {
        try show(try prepared.map { try RunOutline($0).text }.joined())
        return try show(elasticRun.map { "\n\($0.outline)" } ?? "")
      }
      if let elasticRun { try elasticRun.run() }
      if count > 1 { try launch(phases, count, signals) }
      let isLive = isatty(STDOUT_FILENO) != 0
      let wish = try withRanksAsThreads(1, timeout: limit) { communicator in
        try train(prepared, communicator, signals, isLive: isLive)
      }
      end(wish[0])
    }

    /// Refuses what would be passed over: options that need steps in a run that makes none.
    private func refuseIdleOptions() throws(CommandError) {
      let ofSteps =
        [
          ("--trace", trace != nil), ("--check-simulation", checkSimulation),
          ("--stop-after", stopAfter != nil), ("--report", reporting.isGiven),
        ] + predicting.given
      let ofRanks = [("--hosts", hosts != nil)] + timeouts
      if dryRun { try refuse(ofSteps + ofRanks, beside: "--dry-run") }
      try elastic.refuseIdle(besides: ofSteps)
      if stopAfter == 0 {
        try refuse(ofSteps.filter { $0.0 != "--stop-after" }, beside: "--stop-after 0")
      }
      guard keys else { return }
      try refuse(
        ofSteps + ofRanks + [
          (runFile ?? "", runFile != nil), ("--ranks", ranks != nil),
          ("--set", !overrides.isEmpty), ("--resume", resume), ("--resume-if-any", resumeIfAny),
          ("--overwrite", overwrite), ("--dry-run", dryRun), ("--elastic", elastic.elastic),
        ], beside: "--keys")
    }

    var file: String { runFile ?? "" }

    var beginning: RunBeginning {
      overwrite ? .overwriting : resume ? .resuming : resumeIfAny ? .resumingIfAny : .anew
    }

    /// Looks at every phase before the first one begins: those that start from an earlier one as if
    /// their weights were new.
    private func prepare(
      _ phases: [RunFile], ranks: Int, checksPlaces: Bool
    ) throws -> [PreparedRun] {
      if phases.count > 1 {
        try refuse([("--trace", trace != nil)] + predicting.given, beside: "several phases")
      }
      if stopAfter == 0, phases[0].checkpoints == nil {
        throw CommandError("--stop-after 0 has no effect on a run that keeps no checkpoints")
      }
      if checksPlaces { try checkOrder(of: phases) }
      let places = RunFile.places(of: phases)
      return try phases.enumerated().map { index, run in
        if checksPlaces { try checkPlaces(of: run, places[index], index) }
        if index > 0 { try checkStart(of: run, behind: phases[..<index]) }
        let prepared = try PreparedRun(index == 0 ? run : run.withoutCheckpoint, ranks: ranks)
        if checksPlaces {
          _ = try predicting.prediction(prepared)
          try checkResumption(of: prepared)
        }
        return prepared
      }
    }

    /// Looks at a run as `train` with these arguments does before any rank starts.
    static func check(_ arguments: [String]) throws {
      let command = try TrainCommand.parse(arguments)
      let phases = try RunFile.readPhases(path: command.file, overrides: command.overrides)
      let count = try command.checkedRanks(of: phases[0])
      _ = try command.prepare(phases, ranks: count, checksPlaces: true)
    }

    private var limit: Duration? { timeout == 0 ? nil : .seconds(timeout ?? 600) }

    /// Refuses what a run of one rank would pass over.
    private func refuseIdleOptions(ranks: Int) throws(CommandError) {
      guard ranks == 1 else { return }
      try refuse(timeouts, beside: "one rank, which waits for no other")
    }

    /// The ranks that are asked for, if the plan has as many.
    private func checkedRanks(of run: RunFile) throws -> Int {
      let count = ranks ?? 1
      guard (1...4096).contains(count) else {
        throw CommandError("--ranks \(count): must be from 1 to 4096")
      }
      let wanted = run.plan.worldSize
      guard count == wanted else {
        let given = ranks == nil ? "this is one" : "--ranks says \(count)"
        throw CommandError(
          "the plan of \(run.file) has \(wanted) ranks, and \(given); try --ranks \(wanted)")
      }
      try refuseIdleOptions(ranks: count)
      return count
    }

    /// Whether the terminal shows what is overwritten; a rank's own isatty is always true.
    static let live = "SLUICE_LIVE"

    private func runAsRank(_ signals: StopSignals) throws {
      var wish = StopWish.goOn
      do {
        if let failure = ranksFailure { throw failure }
        try MPISession.run(
          timeout: limit, status: rankStatus, message: message(of:)
        ) { world in
          try sayingOnce(world) {
            do {
              try sayStarted(world)
              wish = try trainOrOutline(world, signals)
            } catch {
              RankReports.say(.failed)
              signals.release()
              throw error
            }
          }
        }
      } catch {
        RankReports.say(.failed)
        throw error
      }
      // A rank that ends with another status than 0 would end the others: sluice says it for them.
      end(Launch.isLaunched ? .goOn : wish)
    }

    private func trainOrOutline(
      _ world: any Communicator, _ signals: StopSignals
    ) throws -> StopWish {
      let prepared = try agreed(world) {
        if world.size == 1, let refusal = SlurmStep()?.refusal { throw CommandError(refusal) }
        try refuseIdleOptions(ranks: world.size)
        let phases = try RunFile.readPhases(path: file, overrides: overrides)
        // Other hosts may not have the folders that rank 0 writes to.
        return try prepare(phases, ranks: world.size, checksPlaces: world.rank == 0)
      }
      guard dryRun else {
        let isLive = getenv(TrainCommand.live).map { String(cString: $0) } == "1"
        return try train(prepared, world, signals, isLive: isLive)
      }
      if world.rank == 0 {
        try show(try prepared.map { try RunOutline($0).text }.joined())
      }
      return .goOn
    }

    private var ranksFailure: CommandError? {
      if hosts != nil {
        return CommandError("--hosts has no effect under mpirun, which has started the ranks")
      }
      if startTimeout != nil {
        return CommandError(
          "--start-timeout has no effect under mpirun, which has started the ranks")
      }
      if elastic.elastic {
        return CommandError("--elastic starts the ranks itself: sluice train --elastic --ranks N")
      }
      let started = getenv("OMPI_COMM_WORLD_SIZE").flatMap { Int(String(cString: $0)) }
      guard let ranks, let size = started, ranks != size else { return nil }
      return CommandError("--ranks \(ranks): mpirun has started \(size)")
    }

    /// All phases, each from where the one before ended.
    private func train(
      _ phases: [PreparedRun], _ communicator: any Communicator, _ signals: StopSignals,
      isLive: Bool
    ) throws -> StopWish {
      var wish = StopWish.goOn
      var pages: [RunFigures] = []
      let described = try RunFile.readPhases(path: file, overrides: overrides)
      try clearLaterPhases(described, communicator)
      for (index, run) in described.enumerated() where wish == .goOn {
        let isLast = index == phases.count - 1
        if !isLast, beginning != .anew, beginning != .overwriting {
          let done = run.place.folder?.steps().last == run.steps
          if try communicator.allReduce(done ? 1 : 0, .minimum) == 1 { continue }
        }
        let prepared =
          index == 0
          ? phases[0]
          : try agreed(communicator) { try PreparedRun(run, ranks: communicator.size) }
        wish = try train(
          prepared, index, communicator, signals, isLive: isLive, isLast: isLast, &pages)
      }
      if communicator.rank == 0 { RankReports.say(.init(endedBy: wish)) }
      return wish
    }

    private func train(
      _ prepared: PreparedRun, _ index: Int, _ communicator: any Communicator,
      _ signals: StopSignals, isLive: Bool, isLast: Bool, _ pages: inout [RunFigures]
    ) throws -> StopWish {
      let training = try TrainingRun(
        prepared, communicator, beginning(of: index),
        inputs: try jsonLine(inputs(of: prepared.run)))
      let first = training.state.step
      if training.isFinished, isLast {
        try refuse(
          [("--trace", trace != nil), ("--check-simulation", checkSimulation)],
          beside: "a run that is finished: all \(first) steps are done")
      }
      // The step behind the first one is like all that follow; the first warms caches up.
      let traced = min(2, stopAfter ?? 2, training.run.steps - first)
      var board = ProgressBoard(
        training.run, ranks: communicator.size,
        peakRate: training.isFinished ? nil : try training.measurePeak(), isLive: isLive,
        isSilent: communicator.rank != 0)
      board.begin(training.notices, step: first)
      var wish = try agree(stopAfter == 0 ? .stop : .goOn, signals, communicator)
      var lostTrace: ConfigurationError?
      var record = RunRecord(training.run, ranks: communicator.size)
      var prediction = try predicting.prediction(prepared)
      while !training.isFinished, wish == .goOn {
        let number = training.state.step - first + 1
        let isTraced =
          (trace != nil || reporting.isGiven || prediction != nil) && number == traced
        let isChecked = checkSimulation && number == 1
        training.recording = Recording(order: isChecked, timeline: isTraced)
        guard let metrics = try step(of: training) else {
          wish = try agree(.stop, signals, communicator)
          break
        }
        board.show(metrics, after: training.opening)
        if reporting.isGiven { record.add(metrics, of: training) }
        prediction?.add(metrics.seconds ?? 0, step: number, isRecorded: isTraced)
        if isChecked { try check(training, communicator, &board) }
        if isTraced, let ledger = training.lastResult?.ledger {
          let delay = try delay(ledger, communicator)
          try prediction?.simulate(training, delay: delay, communicator)
          lostTrace = try writeTrace(training, communicator, beside: prediction?.trace ?? "")
        }
        if isTraced, reporting.isGiven {
          try record.add(
            training, delay: { try delay($0, communicator) }, communicator)
        }
        // What an output cannot take is no reason to lose the steps since the last checkpoint.
        let isLost = training.logFailure != nil || lostTrace != nil
        let isEnough = isLost || number >= stopAfter ?? .max
        wish = try agree(isEnough ? .stop : .goOn, signals, communicator)
      }
      if wish > .goOn { try training.save() }
      var lost: (any Error)? = training.logFailure ?? lostTrace
      if communicator.rank == 0, let prediction {
        try predicting.show(prediction, training.run, &board)
        record.prediction = try prediction.figures.map { ($0, try prediction.lanes()) }
      }
      let summary = board.summary(
        isFinished: training.isFinished, wish, outputIsLost: lost != nil)
      if communicator.rank == 0,
        let failure = try writePage(record, of: training, summary, &pages)
      {
        lost = lost ?? failure
      }
      try end(
        &board, summary, losing: lost, isBeforeTrace: training.state.step - first < traced)
      if training.isFinished { wish = .goOn }
      return wish
    }

    /// The strongest wish of any rank.
    private func agree(
      _ own: StopWish, _ signals: StopSignals, _ communicator: any Communicator
    ) throws -> StopWish {
      let wish = max(own, signals.poll()).rawValue
      return StopWish(rawValue: try communicator.allReduce(wish, .maximum)) ?? .goOn
    }

    func end(_ wish: StopWish) -> Never {
      Foundation.exit((wish == .interrupt ? ExitStatus.interrupted : .success).rawValue)
    }
  }
#endif

#if MPI
  import Documents
  import MessagePassing
  import Plans
  import Reports
  import Runs
  import Simulation
  import Training

  extension TrainCommand {
    /// Holds the step that was just made against its simulation, and says what came of it.
    func check(
      _ training: TrainingRun, _ communicator: any Communicator, _ board: inout ProgressBoard
    ) throws {
      guard let ledger = training.lastResult?.ledger else { return }
      let step = try SimulationCheck(
        ledger, training.run.model.architecture, training.plan,
        objective: training.run.setting(atStep: 0).objective, communicator)
      // In the order in which they came: what the step learnt from, then the step.
      let checks = try training.recordedForwards.map { try SimulationCheck($0, communicator) }
      guard communicator.rank == 0 else { return }
      for check in checks + [step] { board.say(check.text) }
      guard (checks + [step]).allSatisfy(\.isEqual) else {
        throw UnequalError(description: "the step is not what the simulation says")
      }
    }

    /// Says how a phase ended; throws what of its output was lost.
    func end(
      _ board: inout ProgressBoard, _ summary: RunSummary, losing lost: (any Error)?,
      isBeforeTrace: Bool
    ) throws {
      if let trace, lost == nil, isBeforeTrace {
        board.say(
          "note: \(printable(trace)) is not written: the run ended before the step it shows\n")
      }
      board.end(summary)
      if let lost { throw lost }
      // Whoever closed the pipe has what they wanted; a disk that is full has not.
      if let failure = board.outputFailure, !(failure is ReaderIsGone) { throw failure }
    }

    /// Every rank writes down its step, and rank 0 puts the parts into one file.
    ///
    /// - Parameter others: the parts of ranks that stand beside the real ones.
    /// - Returns: on rank 0, why there is no file.
    func writeTrace(
      _ training: TrainingRun, _ communicator: any Communicator, beside others: String = ""
    ) throws -> ConfigurationError? {
      guard trace != nil, let ledger = training.lastResult?.ledger else { return nil }
      let (run, plan) = (training.run, training.plan)
      let placed = try plan.validated(for: run.model.architecture, on: .ranks(plan.worldSize))
      let input = try StepInput(
        placed, rows: (received: 0, routed: 0, sent: 0), target: .cpuRank,
        objective: run.setting(atStep: 0).objective)
      let own = RunTrace.part(
        ledger.timeline, delay: try delay(ledger, communicator), rank: communicator.rank, input)
      let parts = try communicator.allGather(Array(own.utf8))
      guard communicator.rank == 0 else { return nil }
      do {
        guard let place = try run.checkOutputs(trace: trace) else { return nil }
        try RunTrace.write(
          String(decoding: parts, as: UTF8.self) + others,
          title: "\(run.name), step \(training.state.step)", inputs(of: run, plan), to: place)
      } catch let error as ConfigurationError {
        return error
      }
      return nil
    }

    /// Adds what a phase did to the report, if one is asked for: written behind every phase, since what comes
    /// later may fail.
    ///
    /// - Parameter summary: what the phase's board says at its end.
    /// - Returns: why it is not written.
    func writePage(
      _ record: RunRecord, of training: TrainingRun, _ summary: RunSummary,
      _ pages: inout [RunFigures]
    ) throws -> ConfigurationError? {
      guard let report = reporting.report else { return nil }
      do {
        let place = try training.run.checkOutputs(trace: report)
        pages.append(try record.figures(inputs(of: training.run), summary))
        try reporting.write(try ReportPage(run: pages), to: place)
        return nil
      } catch let error as ConfigurationError {
        return error
      }
    }

    /// What a run computes from; with the plan of one step, what that does.
    func inputs(of run: RunFile, _ plan: Plan? = nil) throws -> Inputs {
      Inputs(
        run: .init(name: run.name, given: run.file, overrides: overrides),
        model: .init(
          name: run.model.architecture.name,
          given: run.model.file ?? run.model.architecture.name, overrides: []),
        plan: try .init(
          plan ?? run.plan, given: run.planFile ?? run.file, overrides: run.planOverrides),
        data: run.data.training, seed: run.seed)
    }

    /// How much later a rank's step began than the first one's on its host, in picoseconds; a collective.
    ///
    /// Ranks of one host share its clock; the first ones of different hosts count as if they began together.
    func delay(_ ledger: Ledger, _ communicator: any Communicator) throws -> Int64 {
      let hosts = try RecordedStep.hosts(communicator)
      let began = try communicator.allGather([Int(ledger.began)])
      let beside = began.indices.filter { hosts[$0] == hosts[communicator.rank] }
      let first = beside.map { began[$0] }.min() ?? began[communicator.rank]
      return Int64(began[communicator.rank] - first) * 1000
    }
  }
#endif

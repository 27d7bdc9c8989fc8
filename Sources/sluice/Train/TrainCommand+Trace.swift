#if MPI
  import Documents
  import MessagePassing
  import Plans
  import Reports
  import Simulation
  import Training

  extension TrainCommand {
    /// Holds the step that was just made against its simulation, and says what came of it.
    func check(
      _ training: TrainingRun, _ communicator: any Communicator, _ board: inout ProgressBoard
    ) throws {
      guard let ledger = training.lastResult?.ledger else { return }
      let check = try SimulationCheck(
        ledger, training.run.model.architecture, training.plan,
        objective: training.run.setting(atStep: 0).objective, communicator)
      guard communicator.rank == 0 else { return }
      board.say(check.text)
      guard check.isEqual else {
        throw UnequalError(description: "the step is not what the simulation says")
      }
    }

    /// Every rank writes down its step, and rank 0 puts the parts into one file.
    ///
    /// - Returns: on rank 0, why there is no file.
    func writeTrace(
      _ training: TrainingRun, _ communicator: any Communicator
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
          String(decoding: parts, as: UTF8.self),
          title: "\(run.name), step \(training.state.step)", inputs(of: run, plan), to: place)
      } catch let error as ConfigurationError {
        return error
      }
      return nil
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

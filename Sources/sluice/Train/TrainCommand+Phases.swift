#if MPI
  import Checkpoints
  import Documents
  import MessagePassing
  import Reports
  import Runs
  import Training

  extension TrainCommand {
    /// How a phase begins: a later one may not have begun where a run goes on.
    func beginning(of index: Int) -> RunBeginning {
      index > 0 && beginning == .resuming ? .resumingIfAny : beginning
    }

    /// All that a phase will write can be written, and nothing is spoilt by it.
    func checkPlaces(of run: RunFile, _ place: RunPlace, _ index: Int) throws {
      _ = try run.checkOutputs(trace: trace)
      if let report = reporting.report {
        _ = try run.checkOutputs(trace: report)
        _ = try OutputPath(report, besides: [trace].compactMap { $0 })
      }
      try run.check(beginning(of: index))
      try place.check(beginning(of: index))
    }

    /// No phase is trained further behind which another has begun.
    func checkOrder(of phases: [RunFile]) throws {
      guard beginning == .resuming || beginning == .resumingIfAny else { return }
      try RunFile.checkOrder(of: phases)
    }

    /// What a run that goes on looks at before its first step, where there is to be none.
    func checkResumption(of prepared: PreparedRun) throws {
      guard dryRun, beginning == .resuming else { return }
      try TrainingRun.checkResumption(of: prepared)
    }

    /// A step; nil where the run is to stop while a program judges, and none was made.
    func step(of training: TrainingRun) throws -> StepMetrics? {
      do { return try training.step() } catch is RolloutStopped { return nil }
    }

    /// A later phase may name a checkpoint of its own, which has to be one of its model before the phases in
    /// front of it are trained.
    func checkStart(of run: RunFile, behind earlier: ArraySlice<RunFile>) throws {
      guard let path = run.model.checkpoint else { return }
      let places = earlier.compactMap { $0.checkpoints.map { "\($0.folder)/" } }
      // What an earlier phase writes is of its model, and not there yet.
      guard !places.contains(where: path.hasPrefix) else { return }
      _ = try CheckpointReader(path: path).admitted(for: run.model.architecture)
    }

    /// Where earlier runs wrote, later phases are cleared before the first one begins, which clears its own
    /// place.
    func clearLaterPhases(_ phases: [RunFile], _ communicator: any Communicator) throws {
      guard beginning == .overwriting, phases.count > 1 else { return }
      try agreed(communicator) {
        guard communicator.rank == 0 else { return }
        for notice in try RunFile.clearPlaces(of: phases, from: 1) {
          note("note: \(printable(notice))\n")
        }
      }
    }
  }
#endif

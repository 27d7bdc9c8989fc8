#if MPI
  import MessagePassing
  import Plans
  import Reports
  import Simulation
  import Training

  /// What a run's report needs of it, kept while it goes on.
  struct RunRecord {
    private let run: RunFile
    private let ranks: Int
    private var steps: [RunFigures.Step] = []
    private var recorded: (parts: [String], step: Int, plan: Plan)?

    init(_ run: RunFile, ranks: Int) { (self.run, self.ranks) = (run, ranks) }

    /// Keeps a step's line and what pictures show of it.
    mutating func add(_ metrics: StepMetrics) {
      var step = RunFigures.Step(step: metrics.step, line: metrics.line)
      step.loss = metrics.loss
      step.predictionLoss = metrics.predictionLoss
      step.evaluationLoss = metrics.evaluationLoss
      step.gradientNorm = metrics.gradientNorm
      step.learningRate = metrics.learningRate
      step.seconds = metrics.seconds
      step.tokensPerSecond = metrics.tokensPerSecond
      step.peakBytes = metrics.peakMemory
      step.times = metrics.times.map { ($0.kind, $0.seconds, $0.exposed) }
      step.imbalance = metrics.expertLoads.map { ($0.layer, $0.imbalance) }
      steps.append(step)
    }

    /// Gathers what every rank did in the step that was recorded; a collective.
    ///
    /// - Parameter delay: how much later than the others' this rank's step began.
    mutating func add(
      _ training: TrainingRun, delay: (Ledger) throws -> Int64, _ communicator: any Communicator
    ) throws {
      guard let ledger = training.lastResult?.ledger else { return }
      let plan = training.plan
      let placed = try plan.validated(for: run.model.architecture, on: .ranks(plan.worldSize))
      let input = try StepInput(
        placed, rows: (received: 0, routed: 0, sent: 0), target: .cpuRank,
        objective: run.setting(atStep: 0).objective)
      let own = try RunLanes.part(
        ledger.timeline, delay: try delay(ledger), rank: communicator.rank, input, placed.schedule)
      let all = try communicator.allGather(Array((own + "\n").utf8))
      let parts = String(decoding: all, as: UTF8.self).split(separator: "\n").map(String.init)
      recorded = (parts, training.state.step, plan)
    }

    /// The page of the run.
    func page(_ inputs: Inputs, isFinished: Bool) throws -> ReportPage {
      var figures = RunFigures(
        name: run.name, ranks: ranks,
        parameters: run.model.architecture.parameters.filter { $0.sharedWith == nil }
          .reduce(0) { $0 + $1.count }, steps: steps, inputs: inputs, isFinished: isFinished)
      if let recorded {
        let placed = try recorded.plan.validated(
          for: run.model.architecture, on: .ranks(recorded.plan.worldSize))
        figures.recorded = (recorded.parts, recorded.step, placed.schedule)
      }
      return try ReportPage(run: figures)
    }
  }
#endif

#if MPI
  import Documents
  import MessagePassing
  import Plans
  import Reports
  import Runs
  import Simulation
  import Training

  /// What a run's report needs of it, kept while it goes on.
  struct RunRecord {
    private let run: RunFile
    private let ranks: Int
    private var steps: [RunFigures.Step] = []
    /// One prompt's completions in the first rollout, and in the newest one.
    private var samples: (first: [RunFigures.Sample], last: [RunFigures.Sample]) = ([], [])
    /// What a cluster of CPU ranks says of the recorded step.
    var prediction: (figures: PredictionFigures, parts: [String])?
    private var recorded: (parts: [String], step: Int, plan: Plan)?

    init(_ run: RunFile, ranks: Int) { (self.run, self.ranks) = (run, ranks) }

    /// Keeps what a step was like, and before the first one what was evaluated in front of it.
    mutating func add(_ metrics: StepMetrics, of training: TrainingRun) {
      if steps.isEmpty, let opening = training.opening { add(opening) }
      add(metrics)
      let sampled = training.rolloutSamples.compactMap(RunFigures.Sample.init)
      guard !sampled.isEmpty else { return }
      if samples.first.isEmpty { samples.first = sampled } else { samples.last = sampled }
    }

    /// Keeps a step's line and what pictures show of it.
    private mutating func add(_ metrics: StepMetrics) {
      var step = RunFigures.Step(metrics)
      step.line = metrics.line
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

    /// What the page of the run shows of it.
    ///
    /// - Parameter summary: what the run's board says at its end.
    func figures(_ inputs: Inputs, _ summary: RunSummary) throws -> RunFigures {
      var figures = RunFigures(
        name: run.name, ranks: ranks,
        parameters: run.model.architecture.parameters.filter { $0.sharedWith == nil }
          .reduce(0) { $0 + $1.count }, steps: steps, inputs: inputs,
        isFinished: summary.isFinished)
      figures.told = summary
      if let recorded {
        let placed = try recorded.plan.validated(
          for: run.model.architecture, on: .ranks(recorded.plan.worldSize))
        figures.recorded = (recorded.parts, recorded.step, placed.schedule)
      }
      figures.samples = samples.first + samples.last
      figures.prediction = prediction
      return figures
    }
  }

  extension RunFigures.Step {
    /// What the figures of a step show, without the line of the log.
    init(_ metrics: StepMetrics) {
      self.init(step: metrics.step, line: "")
      loss = metrics.loss
      predictionLoss = metrics.predictionLoss
      evaluationLoss = metrics.evaluationLoss
      gradientNorm = metrics.gradientNorm
      learningRate = metrics.learningRate
      seconds = metrics.seconds
      tokensPerSecond = metrics.tokensPerSecond
      utilization = metrics.utilization
      peakBytes = metrics.peakMemory
      times = metrics.times.map { ($0.kind, $0.seconds, $0.exposed) }
      policy = RunFigures.Policy(metrics)
      imbalance = metrics.expertLoads.map { ($0.layer, $0.imbalance) }
    }
  }

  extension RunFigures.Policy {
    /// Nil where a step was none of a policy.
    fileprivate init?(_ metrics: StepMetrics) {
      guard metrics.policy != nil || metrics.heldOut != nil else { return nil }
      self.init()
      reward = metrics.policy?.reward
      divergence = metrics.policy?.divergence
      entropy = metrics.policy?.entropy
      meanLength = metrics.policy?.meanLength
      clippedShare = metrics.policy?.clippedShare
      heldOutAccuracy = metrics.heldOut?.accuracy
      heldOutLength = metrics.heldOut?.meanLength
    }
  }

  extension RunFigures.Sample {
    /// Nil for an object without these entries.
    fileprivate init?(_ object: JSONValue) {
      guard let step = object["step"]?.number, let prompt = object["prompt"]?.text,
        let completion = object["completion"]?.text, let reward = object["reward"]?.double
      else { return nil }
      self.init(step: step, prompt: prompt, completion: completion, reward: reward)
    }
  }
#endif

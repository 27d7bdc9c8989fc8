#if MPI
  import ArgumentParser
  import Clusters
  import Documents
  import MessagePassing
  import Reports
  import Runs
  import Simulation
  import Training

  /// `train --predict`: what a cluster of CPU ranks says of the run's step, beside it.
  struct PredictionOptions: ParsableArguments {
    @Option(
      help: ArgumentHelp(
        """
        Say beside the run's step what a cluster of CPU ranks (calibrate --here) says of it, by kind, and \
        where they part. With --trace and --report both stand in one picture.
        """, valueName: "here.yaml"),
      completion: .file(extensions: ["yaml", "yml"]))
    var predict: String?

    @Option(
      help: ArgumentHelp("With --predict: write its figures as JSON.", valueName: "file.json"),
      completion: .file(extensions: ["json"]))
    var predictionJson: String?

    /// The options, and whether they were written.
    var given: [(String, Bool)] {
      [("--predict", predict != nil), ("--prediction-json", predictionJson != nil)]
    }

    /// Looks at the cluster and at where figures go, before anything is trained; nil without --predict.
    func prediction(_ prepared: PreparedRun) throws -> StepPrediction? {
      guard let predict else {
        if predictionJson != nil {
          throw CommandError("--prediction-json has nothing to act on without --predict")
        }
        return nil
      }
      let cluster = try Cluster.named(predict)
      try StepPrediction.check(cluster, prepared)
      guard prepared.run.steps > 1 else {
        throw CommandError("--predict needs a run of at least 2 steps: the first warms caches up")
      }
      _ = try path(prepared.run, predict)
      return StepPrediction(cluster)
    }

    private func path(_ run: RunFile, _ predict: String) throws -> OutputPath? {
      guard let predictionJson else { return nil }
      _ = try run.checkOutputs(trace: predictionJson)
      return try OutputPath(predictionJson, besides: InputFiles.reached(from: [predict]))
    }

    /// Shows the figures and writes them, on rank 0.
    func show(
      _ prediction: StepPrediction, _ run: RunFile, _ board: inout ProgressBoard
    ) throws {
      guard let figures = prediction.figures, let predict else {
        return board.say("note: nothing is predicted: the run ended before its second step\n")
      }
      board.say(try ReportPage(compared: figures).text)
      guard let path = try path(run, predict) else { return }
      try OutputFile.write(try jsonText(figures), to: path)
    }
  }
#endif

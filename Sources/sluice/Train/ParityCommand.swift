#if MPI
  import ArgumentParser
  import Documents
  import Runs
  import Training

  /// `sluice parity`: whether two plans compute the same bits.
  struct ParityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "parity",
      abstract: "Make one step of a run under two plans and name the first tensor that differs.",
      discussion: """
        A plan is a file, a name, or values of the run's own plan to replace. Ranks are threads of \
        this process. The status is \(ExitStatus.unequal.rawValue) where a bit differs.

        Example:
          sluice parity run.yaml --plan pipeline-parallel=1 --plan schedule=1f1b
        """)

    @Argument(help: "The run file.", completion: .file(extensions: ["yaml", "yml"]))
    var file: String

    @Option(
      name: .customLong("plan"),
      help: ArgumentHelp(
        "A plan; given twice.", valueName: "plan.yaml | key=value,key=value"))
    var plans: [String]

    @Option(
      name: .customLong("set"),
      help: "Replace a value of the run file under both plans, as key=value; may be repeated.")
    var overrides: [String] = []

    func run() throws {
      guard plans.count == 2 else {
        throw CommandError("parity compares two plans: give --plan twice")
      }
      if let plan = plans.first(where: { !$0.contains("=") }) {
        try refuse(
          [("--set plan", overrides.contains { $0.hasPrefix("plan.") || $0.hasPrefix("plan=") })],
          beside: "--plan \(plan), which replaces the whole plan")
      }
      try prepareProcessor()
      let steps = try plans.map(step)
      for (plan, step) in zip(plans, steps) {
        try show("\(plan): loss \(step.loss), gradient norm \(step.gradientNorm)\n")
      }
      guard let difference = steps[0].difference(from: steps[1]) else {
        let count = steps[0].parameters.reduce(0) { $0 + $1.values.count }
        return try show("equal in every bit: \(count) gradients, \(count) parameters\n")
      }
      let place = difference.index.map { "[\($0)]" } ?? ""
      throw UnequalError(
        description:
          "\(difference.what)\(place) is \(difference.first) and \(difference.second); "
          + "\(difference.count) of \(difference.total) differ, by at most \(difference.largest)")
    }

    private func step(_ plan: String) throws -> StepSnapshot {
      let own =
        plan.contains("=")
        ? plan.split(separator: ",").map { "plan.\($0)" } : ["plan=\(plan)"]
      let described = try RunFile.read(path: file, overrides: overrides + own)
      let ranks = described.plan.worldSize
      guard ranks <= 64 else {
        throw CommandError("the plan \(plan) has \(ranks) ranks; parity takes at most 64")
      }
      return try StepSnapshot(firstStepOf: PreparedRun(described, ranks: ranks), ranks: ranks)
    }
  }
#endif

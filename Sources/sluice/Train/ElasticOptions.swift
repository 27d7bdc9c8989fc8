#if MPI
  import ArgumentParser
  import Runs
  import Training

  /// Whether a run goes on without ranks that it loses.
  struct ElasticOptions: ParsableArguments {
    @Flag(
      help: """
        When a rank is lost, go on from the newest good checkpoint with those that are left.
        """)
    var elastic = false

    @Option(help: "With --elastic: end with status 5 where fewer are left; 1 by default.")
    var minimumRanks: Int?

    @Option(
      help: """
        With --elastic: checkpoints that are written without lost ranks before these are taken back; \
        1 by default, 0 for never.
        """)
    var takeBackAfter: Int?

    /// Refuses what would be passed over beside the options, or without them.
    func refuseIdle(besides ofOneLaunch: [(String, Bool)]) throws(CommandError) {
      if elastic { return try refuse(ofOneLaunch, beside: "--elastic") }
      for (written, isGiven) in [
        ("--minimum-ranks", minimumRanks != nil), ("--take-back-after", takeBackAfter != nil),
      ] where isGiven {
        throw CommandError("\(written) has no effect without --elastic")
      }
    }

    /// The run that goes on, if one is asked for and can.
    func run(
      _ command: TrainCommand, _ phases: [RunFile], _ signals: StopSignals,
      _ hosts: LaunchHosts?
    ) throws(CommandError) -> ElasticRun? {
      guard elastic else { return nil }
      let whole = phases[0].plan.worldSize
      guard whole > 1 else {
        throw CommandError("--elastic has nothing to go on with: the plan has one rank")
      }
      guard phases.allSatisfy({ $0.checkpoints != nil }) else {
        throw CommandError("--elastic goes on from checkpoints, and the run keeps none")
      }
      let minimum = minimumRanks ?? 1
      guard (1...whole).contains(minimum) else {
        throw CommandError("--minimum-ranks \(minimum): must be from 1 to the plan's \(whole)")
      }
      let back = takeBackAfter ?? 1
      guard (0...1_000_000).contains(back) else {
        throw CommandError("--take-back-after \(back): must be from 0 to 1,000,000")
      }
      return ElasticRun(
        command: command, phases: phases, plans: ElasticPlans(phases, minimum: minimum),
        signals: signals, takeBackAfter: back, hosts: hosts)
    }
  }
#endif

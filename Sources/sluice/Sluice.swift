import ArgumentParser
import Documents

#if MPI
  import Training
#endif

/// The command line of sluice.
@main
struct Sluice: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sluice",
    abstract: "Plan, simulate and run distributed training where the links are the bottleneck.",
    discussion: """
      Example: what one training step of DeepSeek-V3 on 2,048 H800s costs.
        sluice simulate

      Exit statuses, the same for all commands:
      \(ExitStatus.allCases.map { "  \($0.rawValue)  \($0.meaning)" }.joined(separator: "\n"))
      """,
    version: "sluice \(Version.current)",
    subcommands: [
      ModelCommand.self, ClusterCommand.self, PlanCommand.self, ScheduleCommand.self,
      CostCommand.self, SimulateCommand.self, CompareCommand.self, ValidateCommand.self,
    ] + trainingCommands)

  /// The commands that need Open MPI and OpenBLAS.
  private static var trainingCommands: [any ParsableCommand.Type] {
    #if MPI
      [
        TrainCommand.self, EvaluateCommand.self, GenerateCommand.self, DataCommand.self,
        ParityCommand.self,
      ]
    #else
      []
    #endif
  }

  static func main() {
    #if MPI
      // A signal during the first tenths of a second is kept for the run.
      if CommandLine.arguments.dropFirst().first == TrainCommand.configuration.commandName {
        StopSignals.hold()
        RankReports.say(.listening)
      }
    #endif
    Fault.watch()
    StandardOutput.prepare()
    do {
      let typed = Array(CommandLine.arguments.dropFirst())
      var command = try parseAsRoot(TypedArguments.joiningNegativeNumbers(typed))
      try command.run()
    } catch {
      report(error)
    }
  }
}

import ArgumentParser
import Documents
import Quantities

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
      ModelCommand.self, MemoryCommand.self, ClusterCommand.self, PlanCommand.self,
      ScheduleCommand.self,
      CostCommand.self, SimulateCommand.self, CompareCommand.self, SearchCommand.self,
      SweepCommand.self, ForecastCommand.self, OverlapCommand.self, ValidateCommand.self,
      CalibrateCommand.self,
      ImportCommand.self, ExportCommand.self,
    ] + trainingCommands)

  /// The commands that need Open MPI and OpenBLAS.
  private static var trainingCommands: [any ParsableCommand.Type] {
    #if MPI
      [
        TrainCommand.self, EvaluateCommand.self, GenerateCommand.self, DataCommand.self,
        ParityCommand.self, LabCommand.self,
      ]
    #else
      []
    #endif
  }

  /// Refuses a name that no command has, and says the nearest.
  private static func checkNames(_ typed: [String]) throws(CommandError) {
    var commands = configuration.subcommands
    var path = ""
    for name in typed where !commands.isEmpty {
      guard !name.hasPrefix("-"), name != "help" else { return }
      guard let next = commands.first(where: { $0.configuration.commandName == name }) else {
        let names = commands.compactMap { $0.configuration.commandName }
        let advice = nearestName(to: name, among: names).map { "did you mean \($0)?" }
        throw CommandError(
          "there is no command '\(path)\(name)'; \(advice ?? "see sluice \(path)--help")")
      }
      commands = next.configuration.subcommands
      path += "\(name) "
    }
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
      try checkNames(typed)
      var command = try parseAsRoot(TypedArguments.joiningNegativeNumbers(typed))
      try command.run()
    } catch {
      report(error)
    }
  }
}

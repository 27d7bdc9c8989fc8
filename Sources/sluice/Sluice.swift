import ArgumentParser

/// The command line of sluice.
@main
struct Sluice: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sluice",
    abstract: "Plan, simulate and run distributed training where the links are the bottleneck.",
    subcommands: [ValidateCommand.self])
}

import ArgumentParser
import Clusters
import Documents
import Reports

/// `sluice cost`: one operation on a cluster.
struct CostCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cost",
    abstract: "Say how long one operation takes on a cluster, and what decides it.",
    discussion: """
      Example:
        sluice cost matmul --m 4096 --n 4096 --k 7168 --precision fp8 --sms 112
        sluice cost dispatch --ranks 64 --tokens 4096 --hidden 7168
        sluice cost all-reduce --bytes 1GiB --ranks 2048 --json
      """,
    subcommands: [
      MatmulCommand.self, GroupedMatmulCommand.self, AttentionCommand.self, DispatchCommand.self,
      CombineCommand.self, AllReduceCommand.self, AllGatherCommand.self,
      ReduceScatterCommand.self, AllToAllCommand.self,
    ])
}

/// What every cost command takes.
struct CostOptions: ParsableArguments {
  @Option(
    help: "The cluster: a name (see sluice cluster --list) or a file.",
    completion: .file(extensions: ["yaml", "yml"]))
  var cluster = "h800-2048"

  @OptionGroup var borrowing: BorrowingOptions

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Replace a value of the cluster; may be repeated.", valueName: "cluster.key=value"))
  var overrides: [String] = []

  @Flag(help: "Print seconds, rate and limit as JSON.")
  var json = false

  /// The cost formulas of the cluster.
  func models() throws -> CostModels { try CostModels(try place()) }

  private var own: [String] { borrowing.overrides + withoutPrefix("cluster", overrides) }

  private func place() throws(ConfigurationError) -> Cluster {
    try Cluster.named(cluster, overrides: own)
  }

  func show(_ report: CostReport) throws {
    var report = report
    report.inputs = Inputs(
      cluster: .init(try place(), given: cluster, overrides: own))
    try sluice.show(json ? try jsonText(report) : report.text)
  }
}

/// `value` if it lies in the range, else an error that names the option.
@discardableResult
func checked(
  _ name: String, _ value: Int, in range: ClosedRange<Int> = 1...1 << 30
) throws(CommandError) -> Int {
  guard range.contains(value) else {
    throw CommandError(
      "--\(name) \(value): must be from \(grouped(range.lowerBound)) to "
        + "\(grouped(range.upperBound))")
  }
  return value
}

import ArgumentParser
import Clusters
import Costs
import Documents
import Reports

/// `sluice cluster`: what a cluster consists of.
struct ClusterCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cluster",
    abstract: "Describe a cluster: devices, links, switches, and the path between two ranks.",
    discussion: """
      Example:
        sluice cluster h800-2048
        sluice cluster h800-2048 --path 0 2047
        sluice cluster --new --device h200 --nodes 64 > mine.yaml
      """)

  @Argument(
    help: "A cluster that ships (see --list), or a file.",
    completion: .cluster)
  var cluster: String?

  @Option(
    parsing: .upToNextOption, help: "Show the links from one rank to another: two rank numbers.")
  var path: [Int] = []

  @Option(
    name: .customLong("set"),
    help: "Replace a value of the file, as key=value; may be repeated.")
  var overrides: [String] = []

  @Flag(help: "List the clusters that ship.")
  var list = false

  @Flag(help: "Print the file of a cluster that ships, to copy and change.")
  var print = false

  @Flag(help: "Print every key of a cluster file: what may be written, its default, its meaning.")
  var keys = false

  @Flag(help: "Print the description as JSON.")
  var json = false

  @OptionGroup(title: "A new cluster") var making: NewClusterOptions

  func run() throws {
    if making.new {
      try refuse(
        [
          ("a cluster", cluster != nil), ("--keys", keys), ("--list", list), ("--print", print),
          ("--path", !path.isEmpty), ("--set", !overrides.isEmpty), ("--json", json),
        ], beside: "--new")
      return try making.run()
    }
    try refuse(making.given, beside: "a cluster that is not --new")
    let listing = try Listing.chosen(
      keys: keys, list: list, print: print, name: cluster,
      others: [("--path", !path.isEmpty), ("--set", !overrides.isEmpty), ("--json", json)])
    if listing == .keys { return try show(Cluster.keyReference.text) }
    if listing == .list {
      return try show(Cluster.knownNames.joined(separator: "\n") + "\n")
    }
    guard let cluster else { throw CommandError("name a cluster, or use --list") }
    if listing == .print {
      guard let text = Cluster.shippedText(cluster) else {
        _ = try Cluster.named(cluster)
        throw CommandError("\(cluster) is a file of yours; --print shows what ships")
      }
      return try show(text)
    }
    let own = withoutPrefix("cluster", overrides)
    let description = try Cluster.named(cluster, overrides: own)
    guard path.isEmpty || path.count == 2 else {
      throw CommandError("--path takes two ranks, such as --path 0 2047")
    }
    for rank in path where !(0..<description.rankCount).contains(rank) {
      throw CommandError(
        "--path \(rank): \(description.name) has the ranks 0 to \(description.rankCount - 1)")
    }
    let report = ClusterReport(
      description,
      path: path.isEmpty ? nil : description.path(from: path[0], to: path[1]),
      Inputs(cluster: .init(description, given: cluster, overrides: own)))
    try show(json ? try jsonText(report) : report.text)
  }
}

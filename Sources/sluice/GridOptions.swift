import ArgumentParser
import Clusters
import Planning

/// What spans the grid of a search.
struct GridOptions: ParsableArguments {
  @Option(
    help: """
      How many GPUs a plan uses, a list: 256,512, or fewest: the smallest number that keeps to the limits, of \
      those within a node and 1, 2, 3, 4, 6, 8, 12, … nodes; by default all of the cluster.
      """)
  var gpus: String?

  @Option(help: "Sequences in a step.")
  var globalBatch: Int?

  @Option(help: "Tokens in a sequence.")
  var sequence: Int?

  @Option(help: "What of the grid exists: megatron, torchtitan or any, the default.")
  var framework: SearchFramework?

  @Option(
    help: ArgumentHelp(
      "Take alternatives out of the grid; may be repeated.", valueName: "plan.key=value,value"))
  var exclude: [String] = []

  /// The options, and whether they were written.
  var given: [(String, Bool)] {
    [
      ("--gpus", gpus != nil), ("--global-batch", globalBatch != nil),
      ("--sequence", sequence != nil), ("--framework", framework != nil),
      ("--exclude", !exclude.isEmpty),
    ]
  }

  /// The settings of a space with these alternatives of plans.
  func settings(listed: [String]) throws(CommandError) -> SearchSettings {
    if let globalBatch { try checked("global-batch", globalBatch, in: 1...(1 << 30)) }
    if let sequence { try checked("sequence", sequence, in: 1...(1 << 24)) }
    var settings = SearchSettings()
    settings.listed = listed
    settings.excluded = withoutPrefix("plan", exclude)
    settings.globalBatch = globalBatch
    settings.sequenceLength = sequence
    settings.framework = framework ?? .any
    return settings
  }

  private static let fewestWord = "fewest"

  /// Whether the smallest number of GPUs is sought.
  var seeksFewest: Bool { gpus == Self.fewestWord }

  /// The one number of GPUs that is asked for.
  func devices(_ cluster: Cluster) throws(CommandError) -> Int {
    let counts = try seeksFewest ? [] : counts(of: cluster)
    guard counts.count == 1 else {
      throw CommandError("--gpus \(gpus ?? ""): a sweep takes one number of GPUs")
    }
    return counts[0]
  }

  /// The numbers of GPUs that are asked for.
  func counts(of cluster: Cluster) throws(CommandError) -> [Int] {
    guard let gpus else { return [cluster.rankCount] }
    var counts: [Int] = []
    for part in gpus.split(separator: ",", omittingEmptySubsequences: false) {
      guard let count = Int(part), 1...cluster.rankCount ~= count else {
        throw CommandError(
          "--gpus \(gpus): expected numbers from 1 to \(cluster.rankCount), the devices of "
            + "\(cluster.name), with commas between them, or fewest")
      }
      if !counts.contains(count) { counts.append(count) }
    }
    return counts
  }

  /// Numbers of GPUs: each within a node, then 1, 2, 3, 4, 6, 8, 12, … nodes, and all of them.
  ///
  /// - Parameter isCoarse: of a node's only powers of two.
  static func ladder(of cluster: Cluster, isCoarse: Bool = false) -> [Int] {
    let perNode = cluster.node.devices.value
    let within = (1...perNode).filter { !isCoarse || $0.nonzeroBitCount == 1 }
    var counts = Set(within.filter { $0 <= cluster.rankCount } + [cluster.rankCount])
    var power = 1
    while power <= cluster.rankCount {
      for nodes in [power, 3 * power / 2] where nodes * perNode <= cluster.rankCount {
        counts.insert(nodes * perNode)
      }
      power *= 2
    }
    return counts.sorted()
  }
}

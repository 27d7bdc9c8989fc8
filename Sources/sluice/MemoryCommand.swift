import ArgumentParser
import Clusters
import Documents
import Models
import Planning
import Reports

/// `sluice memory`: what training a model holds on each device, without a plan file.
struct MemoryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "memory",
    abstract:
      "Say what training a model holds on each device, and the fewest devices that hold it.",
    discussion: """
      Example:
        sluice memory llama-3.1-8b
        sluice memory Qwen/Qwen2.5-72B --gpus 64 --device h200 --sequence 8192
      """)

  @Argument(
    help: "The model: a name (see sluice model --list), a config.json or a folder with one.",
    completion: .model)
  var model: String

  @Option(help: "Devices, each with sequences of its own; 8 by default.")
  var gpus = 8

  @Option(
    help: """
      The device, by the first word of a cluster that ships (h100, h800, h200, b200), or a cluster's name or \
      file; a100 alone may be one of two.
      """)
  var device = "h100"

  @Option(help: "Tokens of a sequence; by default 4,096 or what the model takes.")
  var sequence: Int?

  @Option(help: "Sequences that a device takes at a time.")
  var microbatch = 1

  @Option(help: "The rank of low-rank adapters, in the rows that train them alone.")
  var loraRank = 16

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Replace a value of the model or of the cluster; may be repeated.",
      valueName: "model.key=value"))
  var overrides: [String] = []

  @Flag(help: "Print the table as JSON.")
  var json = false

  func run() throws {
    let (own, ofCluster) = try divided()
    let architecture = try Architecture.named(model, overrides: own)
    let name = try clusterName()
    let cluster = try Cluster.named(name, overrides: ofCluster)
    try cluster.refuseProcessors()
    for (option, value, most) in [
      ("--gpus", gpus, cluster.rankCount), ("--microbatch", microbatch, 4096),
      ("--sequence", sequence ?? 1, 1 << 24), ("--lora-rank", loraRank, 1 << 16),
    ] where !(1...most).contains(value) {
      throw CommandError("\(option) \(value): must be from 1 to \(grouped(most))")
    }
    let length = sequence ?? min(4096, architecture.maximumPositions)
    let table = try MemoryTable(
      architecture, on: try holding(cluster, name, ofCluster), devices: gpus,
      sequenceLength: length, microbatchSize: microbatch, ways: ways)
    let page = MemoryPage(
      table, of: architecture, device: cluster.device.name,
      Inputs(
        model: .init(name: architecture.name, given: model, overrides: own),
        cluster: .init(cluster, given: name, overrides: ofCluster)))
    try show(json ? try jsonText(page) : page.text)
  }

  /// Every ZeRO stage with and without recomputation, and adapters whole and divided.
  private var ways: [MemoryTable.Way] {
    let all = (0...3).flatMap { stage in
      [false, true].map { MemoryTable.Way(zeroStage: stage, recomputes: $0, lora: nil) }
    }
    let adapters = [0, 3].flatMap { stage in
      [false, true].map { MemoryTable.Way(zeroStage: stage, recomputes: $0, lora: loraRank) }
    }
    return all + adapters
  }

  /// The first cluster that ships whose name begins with the device's, or the name as it is.
  ///
  /// - Throws: `CommandError` where such clusters have devices with different memory.
  private func clusterName() throws -> String {
    let word = device.lowercased() + "-"
    let names = Cluster.knownNames.filter { $0.hasPrefix(word) }
    let sizes = try names.map { try Cluster.named($0).device.memory.size.value }
    guard Set(sizes).count <= 1 else {
      let all = zip(names, sizes).map { "\($0) (\($1))" }
      throw CommandError("--device \(device): which of \(all.joined(separator: ", "))?")
    }
    return names.first ?? device
  }

  /// The same cluster for which programs can be walked: what memory holds, no kernel's time decides, so that of a
  /// device whose kernels nobody measured another's stand in.
  private func holding(
    _ cluster: Cluster, _ name: String, _ overrides: [String]
  ) throws -> Cluster {
    guard cluster.device.kernels.field == nil else { return cluster }
    return try Cluster.named(
      name,
      overrides: overrides + ["device.kernels=\(Cluster.standIn)", "device.kernels-scaled=true"])
  }

  private func divided() throws -> (model: [String], cluster: [String]) {
    for text in overrides where !["model.", "cluster."].contains(where: text.hasPrefix) {
      throw ConfigurationError(
        file: "--set", value: text, rule: "expected model.key=value or cluster.key=value")
    }
    func own(_ noun: String) -> [String] {
      withoutPrefix(noun, overrides.filter { $0.hasPrefix("\(noun).") })
    }
    return (own("model"), own("cluster"))
  }
}

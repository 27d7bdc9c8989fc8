import ArgumentParser
import Clusters
import Quantities

/// The parts that a new cluster's file is put together from.
struct NewClusterOptions: ParsableArguments {
  @Flag(
    help: "Print the file of a new cluster: ten lines that say what differs from shipped parts.")
  var new = false

  @Option(
    help: """
      Its device: \(NewCluster.devices.map(\.name).joined(separator: ", ")), or a cluster that has it.
      """)
  var device: String?

  @Option(help: "Its nodes.")
  var nodes: Int?

  @Option(help: "Devices of a node; by default as the device ships.")
  var devicesPerNode: Int?

  @Option(
    help: "Adapters of a node and what each carries: 8x400Gb/s; by default as the device ships.")
  var adapters: String?

  @Option(help: "What joins the nodes: infiniband, roce, ethernet; by default as the device ships.")
  var network: NewCluster.Technology?

  @Option(help: "How switches are joined: rail or fat-tree; by default as the device ships.")
  var fabric: NewCluster.Fabric?

  @Option(help: "Bandwidth below leaf switches over that above them; 1 or more.")
  var oversubscription: Double?

  @Option(help: "Its name; mine by default.")
  var name: String?

  /// The options beside --new, and whether they were written.
  var given: [(String, Bool)] {
    [
      ("--device", device != nil), ("--nodes", nodes != nil),
      ("--devices-per-node", devicesPerNode != nil), ("--adapters", adapters != nil),
      ("--network", network != nil), ("--fabric", fabric != nil),
      ("--oversubscription", oversubscription != nil), ("--name", name != nil),
    ]
  }

  func run() throws {
    guard let device else { throw CommandError("--new needs --device, such as --device h200") }
    guard let nodes else { throw CommandError("--new needs --nodes, such as --nodes 64") }
    try checked("nodes", nodes, in: 1...Cluster.largestRankCount)
    let name = name ?? "mine"
    guard !name.isEmpty, name.allSatisfy({ $0.isLetter || $0.isNumber || "-_.".contains($0) })
    else {
      throw CommandError("--name \(name): expected letters, digits, -, _ and .")
    }
    var made = NewCluster(name: name, device: device, nodes: nodes)
    if let devicesPerNode {
      made.devicesPerNode = try checked("devices-per-node", devicesPerNode, in: 1...4096)
    }
    if let adapters { made.adapters = try Self.adapters(adapters) }
    (made.technology, made.fabric) = (network, fabric)
    if let oversubscription {
      guard (1...1024).contains(oversubscription) else {
        throw CommandError("--oversubscription \(oversubscription): must be from 1 to 1,024")
      }
      made.oversubscription = oversubscription
    }
    if nodes == 1, network != nil || fabric != nil || oversubscription != nil {
      throw CommandError(
        "--network, --fabric and --oversubscription have nothing to act on: one node needs no "
          + "network"
      )
    }
    let (text, remarks) = try made.text()
    try show(text)
    for remark in remarks { note("\(remark)\n") }
  }

  /// `8x400Gb/s`.
  private static func adapters(_ text: String) throws(CommandError) -> (Int, BytesPerSecond) {
    let parts = text.split(separator: "x", maxSplits: 1).map(String.init)
    guard parts.count == 2, let count = Int(parts[0]), (1...4096).contains(count) else {
      throw CommandError("--adapters \(text): expected a number and a rate, such as 8x400Gb/s")
    }
    let digits = parts[1].prefix { $0.isNumber || $0 == "." }
    let unit = parts[1].dropFirst(digits.count).drop { $0 == " " }
    switch BytesPerSecond.parse("\(digits) \(unit)") {
    case .value(let rate) where rate.value >= 1e6 && rate.value <= 1e15: return (count, rate)
    case .value: throw CommandError("--adapters \(text): must be from 1 MB/s to 1000 TB/s")
    case .refused(let rule): throw CommandError("--adapters \(text): \(rule)")
    }
  }
}

extension NewCluster.Technology: ExpressibleByArgument {}
extension NewCluster.Fabric: ExpressibleByArgument {}

import Documents
import Quantities

/// One value of a description with its place and its source, for printing.
public struct Fact: Hashable, Sendable {
  /// The path in the file: `node.link.bandwidth`.
  public let path: String
  /// The value for people, with three significant figures.
  public let text: String
  /// The value with every digit, as a file may have it.
  public let exact: String
  public let origin: Provenance
}

extension Cluster {
  /// Every value of the description in the order of a file, kernel parameters last.
  public var facts: [Fact] {
    var facts: [Fact] = []
    func add(_ path: String, _ value: Sourced<Int>?) {
      guard let value else { return }
      facts.append(
        Fact(path: path, text: "\(value.value)", exact: "\(value.value)", origin: value.origin))
    }
    func add(_ path: String, _ value: Sourced<Double>?) {
      guard let value else { return }
      facts.append(
        Fact(
          path: path, text: plain(value.value), exact: "\(value.value)", origin: value.origin))
    }
    func add<Value: Quantity>(_ path: String, _ value: Sourced<Value>?) {
      guard let value else { return }
      facts.append(
        Fact(
          path: path, text: value.value.description, exact: value.value.exactDescription,
          origin: value.origin))
    }
    func add(_ path: String, word: String?) {
      guard let word else { return }
      facts.append(Fact(path: path, text: word, exact: word, origin: .unstated))
    }
    add("nodes", nodes)
    add("price", price)
    add("device.name", word: device.name)
    if let processor = device.processor {
      add("device.memory.size", device.memory.size)
      facts += processor.facts
    } else {
      add("device.multiprocessors", device.multiprocessors)
      for peak in device.peaks { add("device.peak.\(peak.precision.rawValue)", peak.rate) }
      add("device.clock.boost", device.clock?.boost)
      if let cap = device.powerCap {
        add("device.power-cap", cap)
      } else {
        add("device.clock.loaded", device.clock?.loaded)
      }
      add("device.compute-capability", device.computeCapability)
      add("device.energy.idle", device.energy?.idle)
      add("device.energy.fp8", device.energy?.fp8)
      add("device.energy.bf16", device.energy?.bf16)
      add("device.energy.attention", device.energy?.attention)
      add("device.energy.byte", device.energy?.byte)
      add("device.energy.exponent", device.energy?.exponent)
      add("device.jitter.lasting", device.jitter?.lasting)
      add("device.jitter.operation", device.jitter?.operation)
      add("device.jitter.pause-interval", device.jitter?.pause?.interval)
      add("device.jitter.pause-length", device.jitter?.pause?.length)
      add("slow-hosts.share", slowHosts?.share)
      add("slow-hosts.speed", slowHosts?.speed)
      add("slow-hosts.seed", word: slowHosts.map { "\($0.seed)" })
      add("device.memory.size", device.memory.size)
      add("device.memory.bandwidth", device.memory.bandwidth)
      add("device.memory.reached", device.memory.reached)
      add("device.shared-memory", device.sharedMemory)
      if let link = device.hostLink {
        add("device.host-link.bandwidth", link.bandwidth)
        add("device.host-link.reached", link.reached)
      }
      add("device.launch.gap", device.launch.gap)
      add("device.launch.host", device.launch.host)
      add("device.launch.eager", device.launch.eager)
    }
    add("node.devices", node.devices)
    add("node.link.name", word: node.link.name)
    add("node.link.bandwidth", node.link.rate.bandwidth)
    add("node.link.reached", node.link.rate.reached)
    add("node.link.latency", node.link.latency)
    add("node.link.shared-bandwidth", node.link.sharedBandwidth)
    add("node.adapters.name", word: node.adapters?.name)
    add("node.adapters.count", node.adapters?.count)
    add("node.adapters.bandwidth", node.adapters?.rate.bandwidth)
    add("node.adapters.reached", node.adapters?.rate.reached)
    add("network.name", word: network?.name)
    add("network.attachment", word: network?.attachment.rawValue)
    add("network.planes", network?.planes)
    for (index, layer) in (network?.layers ?? []).enumerated() {
      add("network.layers[\(index)].radix", layer.radix)
      if index + 1 < network?.layers.count ?? 0 {
        add("network.layers[\(index)].oversubscription", layer.oversubscription)
      }
    }
    add("network.latency.same-leaf", network?.latency.sameLeaf)
    add("network.latency.cross-leaf", network?.latency.crossLeaf)
    add("network.latency.cross-pod", network?.latency.crossPod)
    // Left out, it is that of an adapter.
    if let port = network?.port, port != node.adapters?.rate {
      add("network.port.bandwidth", port.bandwidth)
      add("network.port.reached", port.reached)
    }
    facts += failureFacts
    if device.kernels.field != nil {
      add("device.kernels-scaled", word: "\(device.kernelsAreScaled)")
    }
    for (section, parameters) in [
      ("device.kernels", device.kernels), ("node.exchange", node.exchange),
      ("node.collectives", node.collectives),
    ] {
      facts += parameters.entries.map {
        Fact(
          path: "\(section).\($0.path)", text: $0.text, exact: $0.text, origin: $0.origin)
      }
    }
    return facts
  }
}

extension Cluster {
  /// How many of what lies where, in a line.
  ///
  /// - Parameter count: the ranks as they are to be printed.
  public func heading(of count: String) -> String {
    let network = network.map { ", \($0.name), attached by \($0.attachment.rawValue)" } ?? ""
    let ranks = node.devices.value
    guard device.processor == nil else {
      return "\(count) CPU ranks, \(ranks) on a machine, messages by \(node.link.name)\(network)"
    }
    return "\(count) x \(device.name), \(ranks) per node on \(node.link.name)\(network)"
  }
}

extension Cluster: CustomStringConvertible {
  /// A page for people: what the cluster is made of, every value with its source, and the bill.
  public var description: String {
    var lines = [summary.map { "\(name): \($0)" } ?? name]
    lines.append(heading(of: "\(rankCount)"))
    lines.append("")
    let facts = self.facts
    let pathWidth = facts.map(\.path.count).max() ?? 0
    let textWidth = facts.map(\.text.count).max() ?? 0
    for fact in facts {
      let line =
        padded(fact.path, pathWidth) + "  " + padded(fact.text, textWidth) + "  "
        + fact.origin.description
      lines.append(line.trimmingTrailingSpaces)
    }
    if let bill {
      lines += ["", bill.description]
    }
    for degradation in degradations { lines.append("degraded: \(degradation)") }
    return lines.joined(separator: "\n") + "\n"
  }
}

extension Bill: CustomStringConvertible {
  /// `96 switches (64 leaf, 32 spine) and 2048 links between them join 2048 endpoints`.
  public var description: String {
    let kinds = [(leafSwitches, "leaf"), (spineSwitches, "spine"), (coreSwitches, "core")]
    let parts = kinds.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
    return "\(switches) switches (\(parts)) and \(links) links between them join \(endpoints) "
      + "endpoints"
  }
}

extension Degradation: CustomStringConvertible {
  /// `adapter 5 of node 1 at 0`.
  public var description: String {
    let place =
      switch target {
      case .device(let rank): "device of rank \(rank)"
      case .nodeLink(let rank): "node link of rank \(rank)"
      case .adapter(let node, let index): "adapter \(index) of node \(node)"
      case .leafUplinks(let plane, let leaf): "uplinks of leaf \(leaf) of plane \(plane)"
      case .spineUplinks(let plane, let pod): "uplinks of pod \(pod) of plane \(plane)"
      }
    return "\(place) at \(plain(share))"
  }
}

extension Link: CustomStringConvertible {
  /// From where to where: `adapter 3 of node 0 → leaf switch`.
  public var description: String {
    switch self {
    case .deviceOut(let rank): "rank \(rank) → node link"
    case .deviceIn(let rank): "node link → rank \(rank)"
    case .nodeShared(let node): "shared link of node \(node)"
    case .adapterOut(let node, let index): "adapter \(index) of node \(node) → leaf switch"
    case .adapterIn(let node, let index): "leaf switch → adapter \(index) of node \(node)"
    case .leafUp(let plane, let leaf): "leaf \(leaf) of plane \(plane) → spine"
    case .leafDown(let plane, let leaf): "spine → leaf \(leaf) of plane \(plane)"
    case .podUp(let plane, let pod): "pod \(pod) of plane \(plane) → core"
    case .podDown(let plane, let pod): "core → pod \(pod) of plane \(plane)"
    }
  }
}

extension Path: CustomStringConvertible {
  /// A line for the whole path and one per hop with what the link carries and its latency.
  public var description: String {
    let names: [Reach: String] = [
      .sameRank: "the same rank", .sameNode: "inside a node", .sameLeaf: "through one leaf switch",
      .crossLeaf: "through a spine switch", .crossPod: "through a core switch",
    ]
    var lines = [
      "rank \(source) → rank \(destination): \(names[reach] ?? "")"
        + (isForwarded ? ", forwarded inside the node" : "")
        + (hops.isEmpty ? "" : ", \(bandwidth), \(latency)")
    ]
    let width = hops.map(\.link.description.count).max() ?? 0
    for hop in hops {
      lines.append(
        "  \(padded(hop.link.description, width))  \(padded("\(hop.bandwidth)", 10))  \(hop.latency)"
      )
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

/// A number as a person would write it: `2`, `1.5`.
func plain(_ value: Double) -> String {
  value.rounded() == value && value.magnitude < 1e6 ? "\(Int(value))" : threeFigures(value)
}

private func padded(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(0, width - text.count))
}

extension String {
  fileprivate var trimmingTrailingSpaces: String {
    var end = endIndex
    while end > startIndex, self[index(before: end)] == " " { end = index(before: end) }
    return String(self[..<end])
  }
}

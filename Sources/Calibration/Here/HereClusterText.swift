import Clusters
import Documents
import Foundation

extension HereFit {
  /// The cluster of CPU ranks that the fit describes, as a file.
  ///
  /// - Parameters:
  ///   - name: what it is called.
  ///   - nodes: nodes with as many ranks each.
  ///   - nodesOnMachine: how many of them share a machine, and so its cores and its memory.
  /// - Throws: `ConfigurationError` where kernels or messages are missing that so many ranks or nodes need, and
  ///   where the text would not be read as a cluster.
  public func clusterText(
    name: String, nodes: Int = 1, ranksPerNode: Int, nodesOnMachine: Int = 1
  ) throws(ConfigurationError) -> String {
    let counts = Set(kernels.map(\.ranks)).sorted()
    let onMachine = ranksPerNode * nodesOnMachine
    guard counts.contains(onMachine) else {
      throw ConfigurationError(
        file: table.file,
        rule: "has no kernels with \(onMachine) ranks on a machine; there are those with "
          + counts.map(String.init).joined(separator: ", "))
    }
    let inside = messages.first { $0.name == "node" && $0.active == 2 }
    guard ranksPerNode == 1 || inside != nil else {
      throw missing("messages inside a node", "\(ranksPerNode) ranks of a node")
    }
    let between = messages.first { $0.name == "network" && $0.active == 2 }
    guard nodes == 1 || between != nil else {
      throw missing("messages between nodes", "\(nodes) nodes")
    }
    let processor = table[fact: "processor"] ?? "a processor"
    let cores = table[fact: "cores"] ?? "?"
    let memory = try memory(onMachine)
    var lines = [
      "# CPU ranks as sluice calibrate --here measured them, each constant with its residual: the mean relative",
      "# error of every second shape, predicted from the others. Kernels were timed one by one inside steps of",
      "# calibration models; the class step is what those steps had beside their kernels, the engine's own time.",
      "# No time of a plan that is predicted went into any of them.",
      "", "name: \(quoted(name))",
      "summary: \(quoted("CPU ranks of \(processor), \(cores) cores"))", "nodes: \(nodes)", "",
      "device:", "  name: \(quoted("rank on \(processor)"))",
      "  memory: {size: \(memory)}",
      "  processor:",
    ]
    if nodesOnMachine > 1 { lines.append("    nodes-on-machine: \(nodesOnMachine)") }
    lines.append("    kernels:")
    lines += kernels.map { "      - {\(Self.entry($0))}" }
    let crowded = messages.filter {
      $0.active > 2 && $0.ranks == onMachine && ($0.name == "node" ? ranksPerNode : nodes) > 1
    }
    if !crowded.isEmpty {
      lines.append("    messages:")
      lines += crowded.map { "      - {\(Self.entry($0, of: "way"))}" }
    }
    lines += ["", "node:", "  devices: \(ranksPerNode)"]
    lines += link(inside, indent: 2)
    if nodes > 1, let between {
      let rate = Self.rate(between)
      lines += [
        "  adapters:", "    name: shaped link", "    count: 1",
        "    bandwidth: {value: \(rate), source: \(quoted(Self.source(between)))}", "",
        "network:", "  name: Open MPI over TCP", "  planes: 1", "  attachment: node",
        "  layers: [{radix: \(max(2, nodes))}]",
        "  latency: {same-leaf: {value: \(Self.time(between.constants[0])), source: "
          + "\(quoted(Self.source(between)))}}",
      ]
    }
    let text = lines.joined(separator: "\n") + "\n"
    // What is written is what is read: a fact or a constant that no cluster may have is refused here.
    _ = try Cluster(Document(text: text, name: "the cluster of \(table.file)"))
    return text
  }

  /// A rank's part of the machine's memory, as a value of the file.
  private func memory(_ ranks: Int) throws(ConfigurationError) -> String {
    guard let fact = table[fact: "memory"] else {
      return "{value: 1 GiB, assumption: \(quoted("the table does not say the machine's"))}"
    }
    guard let bytes = Double(fact), bytes >= 1024, bytes <= 0x1p60 else {
      throw ConfigurationError(
        file: table.file, keyPath: "memory", value: fact,
        rule: "expected the machine's bytes, at least 1024")
    }
    return String(format: "{value: %.0f KiB, source: ", max(1, bytes / 1024 / Double(ranks)))
      + quoted("the machine's, divided by its ranks") + "}"
  }

  private func link(_ part: Part?, indent: Int) -> [String] {
    guard let part else {
      // One rank sends nothing; a link has to be there.
      return ["  link: {name: none, bandwidth: 1 GB/s, latency: 1 us}"]
    }
    let source = quoted(Self.source(part))
    return [
      "  link:", "    name: Open MPI in shared memory",
      "    bandwidth: {value: \(Self.rate(part)), source: \(source)}",
      "    latency: {value: \(Self.time(part.constants[0])), source: \(source)}",
    ]
  }

  private func missing(_ what: String, _ needs: String) -> ConfigurationError {
    ConfigurationError(file: table.file, rule: "has no \(what), which \(needs) need")
  }

  private static func source(_ part: Part) -> String {
    let kind = part.isPredicted ? "predicted" : "fitted"
    return String(
      format: "%d shapes, mean error %.1f %% %@, largest %.1f %%", part.shapes,
      100 * part.meanError, kind, 100 * part.largestError)
  }

  private static func entry(_ part: Part, of key: String = "kernel") -> String {
    let constants = part.constants
    var words = [
      "\(key): \(part.name)", "ranks: \(part.ranks)", "active: \(part.active)",
      "start: {value: \(time(constants[0])), source: \(quoted(source(part)))}",
    ]
    if constants[1] > 0 { words.append("flops: \(figures(1 / constants[1] * 1e-6)) MFLOPS") }
    if constants[2] > 0 { words.append("bytes: \(figures(1 / constants[2] * 1e-6)) MB/s") }
    if constants[3] > 0 { words.append("weights: \(figures(1 / constants[3] * 1e-6)) MB/s") }
    if constants[4] > 0 { words.append("row: \(time(constants[4]))") }
    return words.joined(separator: ", ")
  }

  private static func rate(_ part: Part) -> String {
    // What no byte costs is beyond measuring.
    "\(figures(part.constants[2] > 0 ? 1e-6 / part.constants[2] : 1e9)) MB/s"
  }

  /// Six figures, so that what a fit found is what a file says.
  private static func figures(_ value: Double) -> String { String(format: "%.6g", value) }

  private static func time(_ seconds: Double) -> String {
    "\(String(format: "%.6f", seconds * 1e9)) ns"
  }
}

private func quoted(_ text: String) -> String {
  "\"" + text.filter { $0 != "\"" && $0 != "\\" && !$0.isNewline } + "\""
}

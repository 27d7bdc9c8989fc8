import Documents
import Foundation

extension HereFit {
  /// The cluster of CPU ranks that the fit describes, as a file.
  ///
  /// - Parameters:
  ///   - name: what it is called.
  ///   - nodes: machines with as many ranks each.
  /// - Throws: `ConfigurationError` where messages are missing that several ranks or nodes need.
  public func clusterText(
    name: String, nodes: Int = 1, ranksPerNode: Int
  ) throws(ConfigurationError) -> String {
    let isAlone = nodes * ranksPerNode == 1
    let inside = messages.first { $0.name == "node" }
    guard isAlone || ranksPerNode == 1 || inside != nil else {
      throw missing("messages inside a node", "\(ranksPerNode) ranks of a node")
    }
    let between = messages.first { $0.name == "network" }
    guard nodes == 1 || between != nil else {
      throw missing("messages between nodes", "\(nodes) nodes")
    }
    let processor = table[fact: "processor"] ?? "a processor"
    let cores = table[fact: "cores"] ?? "?"
    let memory =
      (table[fact: "memory"].flatMap { Double($0) } ?? 1e9) / Double(ranksPerNode)
    var lines = [
      "# CPU ranks as sluice calibrate --here measured them, each constant with its residual: the mean relative",
      "# error of every second shape, predicted from the others. Kernels were timed one by one inside steps of",
      "# calibration models; the class step is what those steps had beside their kernels, the engine's own time.",
      "# No time of a plan that is predicted went into any of them.",
      "", "name: \(quoted(name))",
      "summary: \(quoted("CPU ranks of \(processor), \(cores) cores"))", "nodes: \(nodes)", "",
      "device:", "  name: \(quoted("rank on \(processor)"))",
      "  memory: {size: {value: \(String(format: "%.0f", max(1, memory / 1024))) KiB, "
        + "source: \(quoted("the machine's, divided by its ranks"))}}",
      "  processor:",
    ]
    lines.append("    kernels:")
    lines += kernels.map { "      - {\(Self.entry($0))}" }
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
    return lines.joined(separator: "\n") + "\n"
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

  private static func entry(_ part: Part) -> String {
    let constants = part.constants
    var words = [
      "kernel: \(part.name)", "ranks: \(part.ranks)", "active: \(part.active)",
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

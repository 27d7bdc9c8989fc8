import Documents

/// What a job asks Slurm for, in `#SBATCH` lines and behind `srun`, and how many GPUs that comes to.
///
/// A GPU is a rank: tasks count as GPUs where nothing else says how many there are.
struct SlurmRequest {
  /// One value as it was written.
  struct Said {
    var spelling: String
    var text: String
    var line: Int
    /// The number in it; nil where it has none.
    var count: Int?
  }

  private enum Kind: CaseIterable {
    case nodes, tasks, tasksPerNode, gpus, gpusPerNode, gpusPerTask, gres
  }

  private static let names: [String: Kind] = [
    "--nodes": .nodes, "-N": .nodes, "--ntasks": .tasks, "-n": .tasks,
    "--ntasks-per-node": .tasksPerNode, "--tasks-per-node": .tasksPerNode, "--gpus": .gpus,
    "-G": .gpus, "--gpus-per-node": .gpusPerNode, "--gpus-per-task": .gpusPerTask, "--gres": .gres,
  ]

  private var said: [Kind: Said] = [:]

  /// What the `#SBATCH` lines of a script say; of an option that is written twice the last counts.
  ///
  /// Slurm reads none behind the first command.
  init(header text: String) {
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (index, line) in lines.enumerated() {
      guard line.hasPrefix("#SBATCH") else {
        if line.hasPrefix("#") || line.allSatisfy(\.isWhitespace) { continue }
        return
      }
      let words = line.dropFirst(7).split(whereSeparator: \.isWhitespace)
        .prefix { !$0.hasPrefix("#") }
      _ = take(words.map { .init(text: String($0), line: index + 1) })
    }
  }

  /// Takes what is Slurm's among words.
  ///
  /// - Returns: the others.
  mutating func take(_ words: [ShellScript.Word]) -> [ShellScript.Word] {
    var others: [ShellScript.Word] = []
    var open: (spelling: String, kind: Kind)?
    for word in words {
      if let (spelling, kind) = open {
        add(kind, spelling, word.text, word.line)
        open = nil
        continue
      }
      let parts = word.text.split(separator: "=", maxSplits: 1).map(String.init)
      // `-N4`, as short options may be written.
      let short = String(word.text.prefix(2))
      if let kind = Self.names[parts.first ?? ""] {
        if parts.count > 1 {
          add(kind, parts[0], parts[1], word.line)
        } else {
          open = (parts[0], kind)
        }
      } else if word.text.count > 2, !word.text.hasPrefix("--"), let kind = Self.names[short] {
        add(kind, short, String(word.text.dropFirst(2)), word.line)
      } else {
        others.append(word)
      }
    }
    return others
  }

  private mutating func add(_ kind: Kind, _ spelling: String, _ text: String, _ line: Int) {
    let plain = text.filter { $0 != "\"" && $0 != "'" }
    let count: Int?
    switch kind {
    case .nodes:
      // `4-4` is 4 nodes; a range is for whoever runs the job.
      let ends = Set(plain.split(separator: "-"))
      count = ends.count == 1 ? ends.first.flatMap(Self.count) : nil
    case .tasks, .tasksPerNode: count = Self.count(plain)
    case .gpus, .gpusPerNode, .gpusPerTask:
      let parts = plain.split(separator: ",").map { Self.gpus($0.split(separator: ":")[...]) }
      count = parts.contains { $0 == nil } ? nil : parts.compactMap(\.self).reduce(0, +)
    case .gres:
      let all: [[Substring]] = plain.split(separator: ",").map { $0.split(separator: ":") }
      let own = all.filter { $0.first == "gpu" || $0.first == "gres/gpu" }
      guard !own.isEmpty else { return }
      let parts = own.map { Self.gpus($0.dropFirst()) }
      count = parts.contains { $0 == nil } ? nil : parts.compactMap(\.self).reduce(0, +)
    }
    said[kind] = Said(spelling: spelling, text: plain, line: line, count: count)
  }

  /// No machine has more of anything.
  private static func count(_ text: some StringProtocol) -> Int? {
    Int(text).flatMap { (0...(1 << 20)).contains($0) ? $0 : nil }
  }

  /// `8`, `a100:8`, and 1 where only a kind is named.
  private static func gpus(_ parts: ArraySlice<Substring>) -> Int? {
    guard let last = parts.last else { return 1 }
    if last.allSatisfy(\.isNumber) { return count(last) }
    return last.contains("$") ? nil : 1
  }

  // MARK: - What it comes to

  /// Variables that Slurm sets for the script, as far as the request decides them.
  var environment: [String: String] {
    let counts = [
      ("SLURM_NNODES", nodes?.count), ("SLURM_JOB_NUM_NODES", nodes?.count),
      ("SLURM_NTASKS", tasks), ("SLURM_NPROCS", tasks), ("SLURM_NTASKS_PER_NODE", tasksPerNode),
      ("SLURM_GPUS_ON_NODE", said[.gpusPerNode]?.count ?? said[.gres]?.count),
    ]
    return Dictionary(
      uniqueKeysWithValues: counts.compactMap { name, count in count.map { (name, "\($0)") } })
  }

  private var tasks: Int? { said[.tasks]?.count }
  private var tasksPerNode: Int? { said[.tasksPerNode]?.count }

  /// GPUs of a node, by what says so.
  private var perNode: (kind: Kind, count: Int?)? {
    for kind in [Kind.gpusPerNode, .gres] {
      if let own = said[kind] { return (kind, own.count) }
    }
    guard let tasks = tasksPerNode else { return nil }
    if let each = said[.gpusPerTask] { return (.gpusPerTask, each.count.map { $0 * tasks }) }
    return tasks > 1 ? (.tasksPerNode, tasks) : nil
  }

  /// Nodes, by what says so.
  private var nodes: (kind: Kind, count: Int?)? {
    if let own = said[.nodes] { return (.nodes, own.count) }
    guard let tasks, let tasksPerNode, tasksPerNode > 0, tasks % tasksPerNode == 0 else {
      return nil
    }
    return (.tasks, tasks / tasksPerNode)
  }

  /// All GPUs, by what says so.
  private var total: (kind: Kind, count: Int?)? {
    if let own = said[.gpus] { return (.gpus, own.count) }
    guard let tasks, let each = said[.gpusPerTask] else { return nil }
    return (.tasks, each.count.map { $0 * tasks })
  }

  private static func isCounted(_ launch: [GivenOption]) -> Bool {
    launch.contains { $0.name == "nproc-per-node" || $0.name == "world-size" }
  }

  /// The request as options of the launch, which go in front of what the launch says by itself.
  func options(file: String, launch: [GivenOption]) -> [GivenOption] {
    let perNode = launch.last { $0.name == "nproc-per-node" }.flatMap { Int($0.text) }
    let found = counts(perNode: perNode, isCounted: Self.isCounted(launch))
    return Kind.allCases.compactMap { kind in
      guard let own = said[kind] else { return nil }
      let use = found.first { $0.kind == kind }
      return GivenOption(
        name: use?.name ?? "slurm-request", spelling: own.spelling,
        values: [use?.count.map { "\($0)" } ?? own.text], file: file, line: own.line,
        written: own.text)
    }
  }

  /// What counts of the request, under the names of a launch's options.
  ///
  /// - Parameter perNode: what the launch itself says of a node.
  private func counts(
    perNode own: Int?, isCounted: Bool
  ) -> [(name: String, kind: Kind, count: Int?)] {
    if let perNode, let nodes {
      return [
        ("nnodes", nodes.kind, nodes.count), ("nproc-per-node", perNode.kind, perNode.count),
      ]
    }
    if let total {
      if let own, own > 0, let all = total.count, all % own == 0 {
        return [("nnodes", total.kind, all / own)]
      }
      return isCounted ? [] : [("world-size", total.kind, total.count)]
    }
    if let tasks, tasks > max(1, nodes?.count ?? perNode?.count ?? 1), !isCounted {
      return [("world-size", .tasks, tasks)]
    }
    if let perNode { return [("nproc-per-node", perNode.kind, perNode.count)] }
    return nodes.map { [("nnodes", $0.kind, $0.count)] } ?? []
  }

  /// Why nobody can say how many GPUs these are; nil where that can be said, or the launch itself says it.
  func refusal(file: String, launch: [GivenOption]) -> ConfigurationError? {
    guard !Self.isCounted(launch) else { return nil }
    if let kind = Kind.allCases.first(where: { said[$0].map { $0.count == nil } ?? false }) {
      return error(kind, file, "is no number that can be counted with: give --gpus N")
    }
    guard let one = perNode?.count, let many = nodes?.count, let all = said[.gpus]?.count,
      one * many != all
    else { return nil }
    return error(.gpus, file, "contradicts \(many) nodes of \(one) GPUs: give --gpus N")
  }

  private func error(_ kind: Kind, _ file: String, _ rule: String) -> ConfigurationError {
    let own = said[kind]
    return ConfigurationError(
      file: file, line: own?.line, keyPath: own?.spelling ?? "", value: own?.text, rule: rule)
  }
}

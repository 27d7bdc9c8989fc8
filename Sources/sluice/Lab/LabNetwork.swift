#if MPI
  import Documents
  import Foundation
  import Quantities
  import Training

  /// Nodes on this one machine whose links are slow: a network namespace for each, with one link of limited rate
  /// to a switch that has a namespace of its own, so that the machine's own network is left alone.
  ///
  /// Both directions of a link are shaped by token buckets (`tc … tbf`): one at the node, one at the switch's
  /// port. Everything is removed with `remove`, and what a lab left that was killed by the next one.
  struct LabNetwork {
    let nodes: Int
    /// Of each link and direction.
    let bandwidth: BytesPerSecond
    private let prefix: String
    private let agent: String

    private static let name = "sluice-lab"
    private static let programs = ["ip", "tc", "unshare", "hostname", "mpirun"]

    /// Sets the network up.
    ///
    /// - Throws: `CommandError` where the machine or the user cannot have namespaces; nothing is left then.
    init(nodes: Int, bandwidth: BytesPerSecond) throws {
      guard geteuid() == 0 else {
        throw CommandError("lab makes network namespaces, for which it has to be root: try sudo")
      }
      let missing = Self.programs.filter { !Self.isOnPath($0) }
      guard missing.isEmpty else {
        throw CommandError(
          "lab needs \(missing.joined(separator: ", ")); Debian's packages are iproute2, util-linux, "
            + "hostname and openmpi-bin")
      }
      self.nodes = nodes
      self.bandwidth = bandwidth
      prefix = "\(Self.name)-\(getpid())"
      agent = FileManager.default.temporaryDirectory.appendingPathComponent("\(prefix).sh").path
      Self.removeStale()
      do {
        try connect()
        try writeAgent()
      } catch {
        remove()
        throw error
      }
    }

    /// Starts a command on every node, so many ranks on each.
    func launch(
      _ command: [String], ranksPerNode: Int, environment: [String: String] = [:]
    ) -> Launch {
      let places = (0..<nodes).map { "\(Self.address($0)):\(ranksPerNode)" }
      let network = "\(Self.subnet).0/24"
      let parameters = [
        "plm_rsh_agent": agent, "plm_rsh_no_tree_spawn": "1", "btl": "self,vader,tcp",
        "oob_tcp_if_include": network, "btl_tcp_if_include": network,
      ]
      return Launch(
        ranks: nodes * ranksPerNode, command: command,
        environment: environment.merging(
          parameters.map { ("OMPI_MCA_\($0.key)", $0.value) }, uniquingKeysWith: { $1 }),
        hosts: LaunchHosts(places.joined(separator: ",")), entrance: [agent, Self.address(0)])
    }

    /// Takes the network down, and ends what still runs on its nodes.
    func remove() {
      Self.remove(namespacesOf: prefix)
      unlink(agent)
    }

    // MARK: Nodes

    private static let subnet = "10.173.0"
    private static func address(_ node: Int) -> String { "\(subnet).\(node + 1)" }
    private var hub: String { "\(prefix)-switch" }
    private func namespace(_ node: Int) -> String { "\(prefix)-\(node + 1)" }

    private func connect() throws(CommandError) {
      try run("ip netns add \(hub)")
      try run("ip -n \(hub) link add bridge0 type bridge")
      try run("ip -n \(hub) link set bridge0 up")
      for node in 0..<nodes {
        let (own, port) = (namespace(node), "port\(node + 1)")
        try run("ip netns add \(own)")
        try run("ip -n \(own) link set lo up")
        try run("ip link add link0 netns \(own) type veth peer name \(port) netns \(hub)")
        try run("ip -n \(hub) link set \(port) master bridge0")
        try run("ip -n \(hub) link set \(port) up")
        try run("ip -n \(own) address add \(Self.address(node))/24 dev link0")
        try run("ip -n \(own) link set link0 up")
        try run("tc -n \(own) qdisc add dev link0 root \(shaping)")
        try run("tc -n \(hub) qdisc add dev \(port) root \(shaping)")
      }
    }

    /// A bucket that holds two packets, or what passes in a tenth of a millisecond, with a queue of a quarter of a
    /// second.
    ///
    /// What the bucket holds passes at once: with a larger one a message's time is no line over its bytes, and a fit
    /// of relative errors follows the small messages.
    private var shaping: String {
      let bits = Int((8 * bandwidth.value).rounded())
      let burst = max(3_200, Int(bandwidth.value * 1e-4))
      return "tbf rate \(bits)bit burst \(burst) limit \(max(1 << 20, Int(bandwidth.value / 4)))"
    }

    /// The program that enters a node: Open MPI takes what has another host name for another host.
    private func writeAgent() throws {
      let text = """
        #!/bin/sh
        # Enters a node of a lab, as a remote shell would: HOST COMMAND…
        node=${1##*.}
        shift
        exec ip netns exec \(prefix)-"$node" unshare --uts sh -c "hostname node$node; exec $*"

        """
      try OutputFile.write(text, to: OutputPath(agent, besides: []))
      chmod(agent, 0o700)
    }

    // MARK: Commands

    private func run(_ command: String) throws(CommandError) {
      let (status, words) = Self.output(of: command.split(separator: " ").map(String.init))
      guard status != 0 else { return }
      let reason = words.split(separator: "\n").first.map(String.init) ?? "status \(status)"
      throw CommandError("lab cannot lay its network: \(command): \(reason)")
    }

    private static func isOnPath(_ program: String) -> Bool {
      let folders = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":") ?? []
      return folders.contains { access("\($0)/\(program)", X_OK) == 0 }
    }

    /// What a program says on both outputs.
    private static func output(of words: [String]) -> (status: Int32, text: String) {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = words
      let pipe = Pipe()
      (process.standardOutput, process.standardError) = (pipe, pipe)
      process.standardInput = FileHandle.nullDevice
      do { try process.run() } catch { return (127, "\(error)") }
      let data = pipe.fileHandleForReading.readDataToEndOfFile()
      process.waitUntilExit()
      return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    /// Labs whose program is gone.
    private static func removeStale() {
      var owners: Set<Int32> = []
      for namespace in namespaces() where namespace.hasPrefix("\(name)-") {
        let words = namespace.dropFirst(name.count + 1).split(separator: "-")
        if let owner = words.first.flatMap({ Int32($0) }) { owners.insert(owner) }
      }
      for owner in owners where kill(owner, 0) != 0 && errno == ESRCH {
        remove(namespacesOf: "\(name)-\(owner)")
      }
    }

    private static func namespaces() -> [String] {
      output(of: ["ip", "netns", "list"]).text.split(separator: "\n")
        .compactMap { $0.split(separator: " ").first.map(String.init) }
    }

    private static func remove(namespacesOf prefix: String) {
      for namespace in namespaces() where namespace.hasPrefix("\(prefix)-") {
        let processes = output(of: ["ip", "netns", "pids", namespace]).text
        for process in processes.split(whereSeparator: \.isWhitespace) {
          if let number = Int32(process), number > 1 { kill(number, SIGKILL) }
        }
        _ = output(of: ["ip", "netns", "delete", namespace])
      }
    }
  }
#endif

import Foundation

/// Two hosts on one machine: network namespaces with an address and a host name each, joined by a
/// cable (a pair of virtual Ethernet devices).
///
/// Open MPI takes processes for neighbours by their host name, hence a UTS namespace per host. Needs
/// root; nothing outside the namespaces changes, and removing them removes the cable.
public struct TwoHosts: ~Copyable {
  private let prefix: String
  private let agent: URL
  private static let network = "10.77.0"

  /// Whether this process may make network namespaces.
  public static let areAvailable: Bool = {
    let name = "sluice-try-\(getpid())"
    guard Launch.hasMPI, getuid() == 0 else { return false }
    guard (try? Launch.run(["ip", "netns", "add", name]).status) == 0 else { return false }
    return (try? Launch.run(["ip", "netns", "delete", name]).status) == 0
  }()

  /// Makes the hosts.
  ///
  /// - Parameter rate: what the cable carries, as `tc` writes it, for example `400mbit`.
  public init(rate: String? = nil) throws {
    Self.removeLeftovers()
    prefix = "sluice-\(getpid())-\(UInt32.random(in: 0...0xFFFF))-"
    agent = FileManager.default.temporaryDirectory.appending(path: "\(prefix)agent")
    let (one, two) = ("\(prefix)1", "\(prefix)2")
    try Self.command("ip netns add \(one)")
    try Self.command("ip netns add \(two)")
    try Self.command("ip link add cable netns \(one) type veth peer name cable netns \(two)")
    for (number, host) in [one, two].enumerated() {
      try Self.command("ip -n \(host) address add \(Self.network).\(number + 1)/24 dev cable")
      try Self.command("ip -n \(host) link set cable up")
      try Self.command("ip -n \(host) link set lo up")
      if let rate {
        try Self.command(
          "tc -n \(host) qdisc add dev cable root tbf rate \(rate) burst 256kb latency 50ms")
      }
    }
    try Data(Self.agentScript(prefix).utf8).write(to: agent)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: agent.path)
  }

  deinit {
    endProcesses()
    for number in 1...2 { _ = try? Launch.run(["ip", "netns", "delete", "\(prefix)\(number)"]) }
    try? FileManager.default.removeItem(at: agent)
  }

  /// Removes the hosts of test processes that were killed before they could.
  private static func removeLeftovers() {
    let listed = (try? Launch.run(["ip", "netns", "list"]).output) ?? ""
    for line in listed.split(separator: "\n") {
      let name = line.prefix { $0 != " " }
      let parts = name.split(separator: "-")
      guard parts.count == 4, parts[0] == "sluice", let pid = pid_t(parts[1]) else { continue }
      if kill(pid, 0) != 0 { _ = try? Launch.run(["ip", "netns", "delete", String(name)]) }
    }
  }

  /// What mpirun calls in place of ssh: the address of a host and a command for its shell.
  private static func agentScript(_ prefix: String) -> String {
    """
    #!/bin/sh
    number=${1##*.}
    shift
    exec ip netns exec \(prefix)$number unshare --uts \\
      sh -c 'hostname "sluice-host-$1"; shift; eval "$*"' sh "$number" "$@"

    """
  }

  private struct Refusal: Error {
    var command: String
    var output: String
  }

  private static func command(_ text: String) throws {
    let outcome = try Launch.run(text.split(separator: " ").map(String.init))
    guard outcome.status == 0 else { throw Refusal(command: text, output: outcome.output) }
  }

  /// Starts a program with two ranks on each host, mpirun itself being on the first.
  public borrowing func run(
    _ program: String, _ arguments: String..., meanwhile: (Running) throws -> Void = { _ in }
  ) throws -> Outcome {
    let net = "\(Self.network).0/24"
    let launcher =
      [
        agent.path, "\(Self.network).1", "exec", "mpirun", "--oversubscribe", "-n", "4",
        "--host", "\(Self.network).1:2,\(Self.network).2:2", "--mca", "plm_rsh_agent", agent.path,
      ]
      + ["--mca", "oob_tcp_if_include", net, "--mca", "btl_tcp_if_include", net]
      + ["--mca", "btl", "tcp,vader,self"]
    return try Launch.run(launcher + [program] + arguments, meanwhile: meanwhile)
  }

  /// The hosts with two places each, as `--hosts` takes them.
  public static var places: String { "\(network).1:2,\(network).2:2" }

  /// The second host's address.
  public static var second: String { "\(network).2" }

  /// Starts a program on the first host, from where Open MPI reaches the second.
  public borrowing func runOnFirst(
    _ command: [String], meanwhile: (Running) throws -> Void = { _ in }
  ) throws -> Outcome {
    let net = "\(Self.network).0/24"
    let settings = [
      "plm_rsh_agent=\(agent.path)", "oob_tcp_if_include=\(net)", "btl_tcp_if_include=\(net)",
      "btl=tcp,vader,self",
    ].map { "OMPI_MCA_\($0)" }
    return try Launch.run(
      [agent.path, "\(Self.network).1", "exec", "env"] + settings + command, meanwhile: meanwhile)
  }

  /// Pulls the cable out of the second host.
  public borrowing func cutCable() throws {
    try Self.command("ip -n \(prefix)2 link set cable down")
  }

  /// Puts it back.
  public borrowing func plugCable() throws {
    try Self.command("ip -n \(prefix)2 link set cable up")
  }

  /// Kills all that runs on the second host, which is there again at once.
  public borrowing func killSecond() {
    for pid in processes(on: 2) { kill(pid, SIGKILL) }
  }

  /// How many processes of a program run on the two hosts.
  public borrowing func count(of program: String) -> Int {
    processes().count { pid in
      let name = try? String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8)
      return name == "\(program)\n"
    }
  }

  /// Kills whatever still runs on the two hosts.
  public borrowing func endProcesses() {
    for pid in processes() { kill(pid, SIGKILL) }
  }

  private borrowing func processes() -> [pid_t] { processes(on: 1) + processes(on: 2) }

  private borrowing func processes(on number: Int) -> [pid_t] {
    let listed = try? Launch.run(["ip", "netns", "pids", "\(prefix)\(number)"])
    return (listed?.output ?? "").split(separator: "\n").compactMap { pid_t($0) }
  }
}

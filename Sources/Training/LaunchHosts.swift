/// The hosts that ranks are started on, each with places for so many; this program's own is the first.
public struct LaunchHosts: Hashable, Sendable {
  public struct Host: Hashable, Sendable {
    /// A name or an address, as mpirun takes it.
    public var name: String
    public var places: Int
  }

  public private(set) var hosts: [Host]

  /// Reads `one:2,two:2`; nil for anything else, and where a name comes twice.
  public init?(_ text: String) {
    hosts = []
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let colon = word.lastIndex(of: ":"), colon > word.startIndex,
        let places = Int(word[word.index(after: colon)...]), (1...4096).contains(places)
      else { return nil }
      let name = String(word[..<colon])
      guard !name.contains(where: \.isWhitespace), !hosts.contains(where: { $0.name == name })
      else { return nil }
      hosts.append(Host(name: name, places: places))
    }
    guard !hosts.isEmpty else { return nil }
  }

  /// Ranks that all hosts have room for.
  public var places: Int { hosts.reduce(0) { $0 + $1.places } }

  /// What mpirun's `--host` takes.
  var words: String { hosts.map { "\($0.name):\($0.places)" }.joined(separator: ",") }

  /// How long a host may take to start a program.
  private static let patience = Duration.seconds(10)

  /// Those on which a program can be started now, which takes a moment for each that
  /// answers, and `patience` for each that does not.
  ///
  /// mpirun itself is asked to, over whatever it reaches other hosts with, so that whoever answers can have ranks.
  /// This program's own host answers by its running.
  public func answering(_ signals: StopSignals) throws -> LaunchHosts {
    var answering = self
    answering.hosts = try hosts.enumerated().filter { index, host in
      guard index > 0, signals.poll() == .goOn else { return true }
      var alone = self
      alone.hosts = [Host(name: host.name, places: 1)]
      let probe = Launch(ranks: 1, command: ["true"], hosts: alone, timeLimit: Self.patience)
      return try probe.run(signals).status == 0
    }.map(\.element)
    return answering
  }

  /// The names of the hosts that others lack.
  public func names(missingIn others: LaunchHosts) -> [String] {
    hosts.filter { !others.hosts.contains($0) }.map(\.name)
  }
}

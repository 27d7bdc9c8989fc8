import Documents
import Quantities

extension Processor {
  /// Which messages between ranks of a machine: inside a node, or between nodes.
  public enum Way: String, Hashable, Sendable, CaseIterable { case node, network }

  /// The time of a message while other ranks of its machine compute: a start, and bytes over a rate.
  ///
  /// With more ranks than cores a rank that waits for a message has to wait for its turn, too. What a message
  /// takes while all others wait stands where every cluster has it: at the link, and at the network.
  public struct Messages: Hashable, Sendable {
    public var way: Way
    public var ranks: Int
    /// The two ranks of the message, and those that compute.
    public var active: Int
    public var start: Seconds
    public var bytes: BytesPerSecond?
    public var origin: Provenance
  }
}

/// The keys of one entry of `device.processor.messages`.
struct ProcessorMessageKeys: KeySet {
  let way = Key(
    "way", .choice(Processor.Way.self), "Messages inside a node, or those between nodes.")
  let ranks = Key("ranks", .integer(in: 3...4096), "Ranks that were started on the machine.")
  let active = Key(
    "active", .integer(in: 3...4096),
    "The two of the message, and those that computed meanwhile; the others waited.")
  let start = Key("start", .sourced(.latency), "Every message.")
  let bytes = Key(
    "bytes", .sourced(.bandwidth), otherwise: "they take no time", "Bytes a second.")
}

extension Processor.Messages {
  init(_ table: Table, _ keys: ProcessorMessageKeys) throws(ConfigurationError) {
    way = try table.required(keys.way)
    ranks = try table.required(keys.ranks)
    active = try table.required(keys.active)
    guard active <= ranks else {
      throw table.error("must not exceed the \(ranks) ranks that were started", at: keys.active)
    }
    let start = try table.required(keys.start)
    (self.start, origin) = (start.value, start.origin)
    bytes = try table.optional(keys.bytes)?.value
  }

  /// Its place, numbers and source, for printing.
  func facts(_ index: Int) -> [Fact] {
    let place = "device.processor.messages[\(index)]"
    let state = "\(way.rawValue), \(active) of \(ranks) ranks"
    var facts = [
      Fact(path: place, text: state, exact: state, origin: origin),
      Fact(
        path: "\(place).start", text: start.description, exact: start.exactDescription,
        origin: .unstated),
    ]
    if let bytes {
      facts.append(
        Fact(
          path: "\(place).bytes", text: bytes.description, exact: bytes.exactDescription,
          origin: .unstated))
    }
    return facts
  }
}

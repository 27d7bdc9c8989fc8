import Documents
import Quantities

/// What a link reaches, which goes with the bandwidth that the command line gives it.
///
/// Data sheets say bandwidths, measurements what is reached of them: whoever asks about another bandwidth without
/// a measurement of it asks about the same share. Also of a memory.
public struct Following: Hashable, Sendable {
  /// The key that was taken along: `node.link.reached`.
  public let key: String
  /// The key that it goes with: `node.link.bandwidth`.
  public let leader: String
  /// What is reached now.
  public let reached: BytesPerSecond
  /// The share of the bandwidth that this is, as in the file.
  public let share: Double
}

extension Following: CustomStringConvertible {
  /// `node.link.reached=80.0 GB/s, the same 80 % of node.link.bandwidth`.
  public var description: String {
    "\(key)=\(reached), the same \(plain(100 * share)) % of \(leader)"
  }
}

extension Following {
  /// The tables with a rate as the data sheet says and as it is reached.
  private static let places = [
    "device.memory", "device.host-link", "node.link", "node.adapters", "network.port",
  ]

  /// What goes along in a description with overrides, put into it.
  ///
  /// - Parameter plain: the description without them.
  static func take(
    in document: inout Document, from plain: Document
  ) throws(ConfigurationError) -> [Following] {
    var all: [Following] = []
    for place in places {
      let (leader, key) = ("\(place).bandwidth", "\(place).reached")
      guard let now = document.value(at: leader), now.isOverride,
        let reached = document.value(at: key), !reached.isOverride,
        let before = plain.value(at: leader),
        case .value(let rate) = BytesPerSecond.parse(reached.text),
        case .value(let whole) = BytesPerSecond.parse(before.text),
        case .value(let other) = BytesPerSecond.parse(now.text), whole > .zero
      else { continue }
      let following = Following(
        key: key, leader: leader, reached: rate * (other / whole), share: rate / whole)
      all.append(following)
      let reason = "assumption: the same share of \(leader) as in the file"
      try document.set(key, to: "{value: \(following.reached.exactDescription), \(reason)}")
    }
    return all
  }
}

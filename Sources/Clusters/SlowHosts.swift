import Documents
import Quantities

/// Machines that are slower than described, nobody knows which: each with the same probability.
public struct SlowHosts: Hashable, Sendable {
  /// The probability that a node is one of them.
  public var share: Sourced<Double>
  /// How fast its devices compute, as a share of what the description says.
  public var speed: Sourced<Double>
  /// From where it comes which ones they are.
  public var seed: UInt64
}

/// The keys of `slow-hosts`.
struct SlowHostKeys: KeySet {
  let share = Key(
    "share", .sourced(.fraction), "The probability that a node is slow, each by itself.")
  let speed = Key(
    "speed", .sourced(.number(in: 0.01...1)),
    "How fast the devices of a slow node compute, as a share of what is described.")
  let seed = Key("seed", .integer(), default: 0, "From where it comes which nodes they are.")
}

extension SlowHosts {
  init(_ table: Table, _ keys: SlowHostKeys) throws(ConfigurationError) {
    share = try table.required(keys.share)
    speed = try table.required(keys.speed)
    seed = UInt64(try table.value(keys.seed))
  }
}

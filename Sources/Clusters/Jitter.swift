import Documents
import Quantities

/// How far equal devices lie apart in time, from traces of operations.
public struct Jitter: Hashable, Sendable {
  /// The standard deviation of devices around the described one, which lasts as long as they do, as a share
  /// of an operation's time.
  public var lasting: Sourced<Double>?
  /// The standard deviation of one microbatch's pass on one device around that device's own mean, as a share
  /// of its time; every pass anew.
  public var operation: Sourced<Double>?
  /// What stops a device now and then.
  public var pause: Pause?

  public init(
    lasting: Sourced<Double>? = nil, operation: Sourced<Double>? = nil, pause: Pause? = nil
  ) {
    (self.lasting, self.operation, self.pause) = (lasting, operation, pause)
  }

  /// A device that stands still for a moment: a collection of garbage, a thread that is put aside.
  public struct Pause: Hashable, Sendable {
    /// From one to the next of a device at work, in the mean.
    public var interval: Sourced<Seconds>
    public var length: Sourced<Seconds>

    public init(interval: Sourced<Seconds>, length: Sourced<Seconds>) {
      (self.interval, self.length) = (interval, length)
    }
  }
}

/// The keys of `device.jitter`.
struct JitterKeys: KeySet {
  let lasting = Key(
    "lasting", .sourced(.number(in: 0...0.2)), otherwise: "devices are alike",
    "Standard deviation of the speeds of equal devices, relative to their mean.")
  let operation = Key(
    "operation", .sourced(.number(in: 0...0.5)), otherwise: "a device does the same in equal times",
    "Standard deviation of one microbatch's pass on one device, relative to its mean; each anew.")
  let pauseInterval = Key(
    "pause-interval", .sourced(.pauseInterval), otherwise: "nothing stops",
    "From one pause of a device at work to its next, in the mean.")
  let pauseLength = Key(
    "pause-length", .sourced(.latency), otherwise: "nothing stops",
    "How long a device stands still.")
}

extension Expected where Value == Seconds {
  fileprivate static var pauseInterval: Expected { .quantity(in: Seconds(1)...Seconds(1e9)) }
}

extension Jitter {
  init(_ table: Table, _ keys: JitterKeys) throws(ConfigurationError) {
    lasting = try table.optional(keys.lasting)
    operation = try table.optional(keys.operation)
    let interval = try table.optional(keys.pauseInterval)
    let length = try table.optional(keys.pauseLength)
    guard let interval else {
      if length != nil { throw table.error("needs pause-interval", at: keys.pauseLength) }
      return
    }
    guard let length else { throw table.error("needs pause-length", at: keys.pauseInterval) }
    pause = Pause(interval: interval, length: length)
  }
}

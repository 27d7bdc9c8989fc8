import Documents
import Quantities

/// What breaks in a cluster, how often, and what it takes to go on.
public struct Failures: Hashable, Sendable {
  /// Everything that breaks by itself.
  public var causes: [Cause]
  /// Times of failures counted from the start of the run, in place of what would be drawn.
  public var times: [Seconds]
  /// From a failure to everybody's knowing, where a cause does not say.
  public var detection: Sourced<Seconds>
  /// Until a broken node is back, where a cause does not say; nil beside given times, which lose none.
  public var repair: Sourced<Seconds>?
  /// Until a job that ended has its nodes again.
  public var requeue: Sourced<Seconds>
  /// From having nodes to the first collective, whatever their number.
  public var start: Sourced<Seconds>
  /// What each rank adds to it.
  public var startPerRank: Sourced<Seconds>

  /// One process of failures: a Poisson process of its elements together.
  public struct Cause: Hashable, Sendable {
    public var name: String
    public var element: Element
    /// Failures of a thousand elements in a day.
    public var rate: Sourced<Double>
    public var effect: Effect
    /// nil for what the section says.
    public var detection: Sourced<Seconds>?
    /// nil for what the section says.
    public var repair: Sourced<Seconds>?
    /// The probability that a failure brings on another one.
    public var followUp: Sourced<Double>?
    /// After how long it does, in the mean.
    public var followUpWithin: Sourced<Seconds>?
  }

  /// What breaks; a job knows failures of its own, such as faults of software.
  public enum Element: String, Hashable, Sendable, CaseIterable {
    case device, node, `switch`, job
  }

  /// What a failure does to the job.
  public enum Effect: Hashable, Sendable {
    /// It ends, or hangs until that is found out.
    case stop
    /// It runs on at this share of its speed until the slow node is found.
    case slow(speed: Sourced<Double>)
    /// Its state is wrong and nobody knows until it is found out.
    case corrupt
  }
}

/// What checkpoints are written to.
public struct Storage: Hashable, Sendable {
  /// What a node writes and reads.
  public var write: Sourced<BytesPerSecond>
  public var read: Sourced<BytesPerSecond>
  /// What all nodes together write and read at most; nil where nodes are the limit.
  public var totalWrite: Sourced<BytesPerSecond>?
  public var totalRead: Sourced<BytesPerSecond>?
}

extension Storage {
  /// What so many nodes write together.
  public func write(nodes: Int) -> BytesPerSecond {
    min(write.value * Double(nodes), totalWrite?.value ?? BytesPerSecond(.infinity))
  }

  /// What so many nodes read together.
  public func read(nodes: Int) -> BytesPerSecond {
    min(read.value * Double(nodes), totalRead?.value ?? BytesPerSecond(.infinity))
  }
}

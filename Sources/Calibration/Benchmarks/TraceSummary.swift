/// What a trace of a real step shows: kernels by class, and how much of the messages is hidden.
public struct TraceSummary: Hashable, Sendable {
  /// Kernels of one class.
  public struct Kernels: Hashable, Sendable {
    public var name: String
    public var count: Int
    public var seconds: Double
  }

  public var file: String
  /// The device's name, where the trace says it.
  public var device: String?
  /// By time, longest first; those of messages are one class.
  public var kernels: [Kernels]
  /// From the first kernel's start to the last one's end.
  public var seconds: Double
  /// Seconds in which any kernel computes, in which any message is under way, and in which one is and
  /// nothing computes.
  public var computing: Double
  public var communicating: Double
  public var exposed: Double
}

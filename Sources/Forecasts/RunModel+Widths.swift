/// What a job is like that goes on with fewer replicas, and behind each of its starts.
extension RunModel.Recovery {
  /// A number of replicas, and how the job runs on them.
  public struct Width: Hashable, Sendable {
    public var replicas: Int
    /// Seconds of a step over those on all replicas.
    public var stepRatio: Double
    /// From having nodes to the first step, the state not counted; nil for what it is with all.
    public var start: Double?

    public init(replicas: Int, stepRatio: Double, start: Double? = nil) {
      (self.replicas, self.stepRatio, self.start) = (replicas, stepRatio, start)
    }
  }

  /// The first steps behind a start, which take longer.
  public struct WarmUp: Hashable, Sendable {
    public var steps: Int
    /// Seconds of one of them over those of a later one.
    public var ratio: Double

    public init(steps: Int = 0, ratio: Double = 1) { (self.steps, self.ratio) = (steps, ratio) }
  }

  /// The width that so many replicas admit: the widest that is not wider; nil where all that are known are wider.
  private func width(of working: Int) -> Width? {
    let widest = widths.filter { $0.replicas <= working }.max { $0.replicas < $1.replicas }
    // All replicas are a width of their own, whether it is said or not.
    return working == replicas && widest?.replicas != replicas ? nil : widest
  }

  /// Seconds of a step on so many replicas over those on all: in proportion where nothing is known.
  func stepRatio(on working: Int) -> Double {
    guard working < replicas else { return 1 }
    return width(of: working)?.stepRatio ?? Double(replicas) / Double(max(1, working))
  }

  /// From having nodes to the first step on so many replicas.
  func start(on working: Int) -> Double { width(of: working)?.start ?? start }
}

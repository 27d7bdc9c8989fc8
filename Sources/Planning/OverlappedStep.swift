import Clusters
import Costs
import Models
import Plans
import Simulation

/// Whole steps, warm-up, tail and draws of load among them: with the plan's own order and split, with planned
/// ones, and with what else of a plan hides communication.
///
/// The fastest order of a pair by itself need not be that of a step: passes outside of pairs compute on what
/// the split leaves them, experts that are fuller than others exchange longer, and buckets of gradients move
/// beside. So orders and splits are candidates here, and steps decide between them.
public struct OverlappedStep: Sendable {
  /// A step that was simulated.
  public struct Candidate: Sendable {
    /// What differs from the plan as it is.
    public var change: String
    public var plan: Plan
    public var seconds: Double
    /// Of expert exchanges on the reference rank.
    public var exchanges: StepReport.Communication
    /// Bytes of the fullest rank.
    public var peak: Int
    /// With what the caching allocator holds.
    public var fits: Bool
    /// Seconds at the ends of what a multiprocessor of an exchange moves; empty where nobody asked.
    public var ends: [End] = []
  }

  /// A step at one end of the exchange's law.
  public struct End: Hashable, Sendable {
    public var end: MultiprocessorRate.End
    public var seconds: Double
  }

  public let published: Candidate
  /// The fastest that fits and is predicted faster wherever the exchange's law lies; the plan as it is where
  /// none is.
  public let planned: Candidate
  /// All others that were simulated, in their order.
  public let tried: [Candidate]

  /// How many of the fastest are simulated at the ends, too, until one is faster there.
  private static let mostDoubted = 8

  /// Simulates the step as it is and every candidate.
  ///
  /// - Parameter threads: the result is the same with any number.
  /// - Complexity: a step for every split in the plan's and in its own order, and some dozens more.
  /// - Throws: what `PlannedStep` throws.
  public init(_ step: PlannedStep, _ overlap: OverlapPlan, threads: Int = 1) throws {
    var trials = StepTrials(step, overlap, threads: threads)
    try trials.trySplits()
    try trials.tryOtherOrders()
    try trials.tryOtherKeys()
    try trials.tryRunnersUp()
    var all = trials.all
    let first = all[0]
    var own = first
    own.ends = try trials.ends(of: first.plan)
    var chosen: Candidate?
    for place in trials.order.prefix(while: { trials.isBetter(all[$0], than: own) })
      .prefix(Self.mostDoubted)
    {
      all[place].ends = try trials.ends(of: all[place].plan)
      let survives = zip(all[place].ends, own.ends).allSatisfy { $0.seconds < $1.seconds }
      // What does not fit is no better than what does, however fast.
      guard all[place].fits, survives || !own.fits else { continue }
      chosen = all[place]
      break
    }
    published = own
    planned = chosen ?? own
    tried = Array(all.dropFirst())
  }

  /// Whether the planned step is predicted faster over the whole range of the exchange's law.
  public var survives: Bool {
    planned.seconds < published.seconds
      && zip(planned.ends, published.ends).allSatisfy { $0.seconds < $1.seconds }
  }
}

import Clusters
import Plans
import Simulation

/// What a pass of one rank takes at least, on a device as the cluster describes it.
struct PassCost: Hashable, Sendable {
  /// Seconds from its first kernel to its last one, with waits for exchanges.
  var seconds = 0.0
  /// Seconds of kernels that nothing hides: how much the pass grows where devices are slower.
  ///
  /// A pass takes the longest of its ways, so that it grows no less than what is its longest way here.
  var onPath = 0.0
  /// Seconds of all of its kernels.
  var busy = 0.0
  /// Of these, kernels of passes in which ranks exchange something.
  var meeting = 0.0

  /// Seconds where devices of one kind do not take equal times.
  func seconds(_ delays: PassDelays) -> Double { withoutDelay(delays) + delay(delays) }

  /// The same without what the pass takes longer behind all that it does.
  func withoutDelay(_ delays: PassDelays) -> Double {
    seconds + onPath * (delays.slowness - 1)
  }

  /// Of these, what the pass takes longer behind all that it does, since ranks wait for each other.
  func delay(_ delays: PassDelays) -> Double {
    delays.slowness * (meeting * delays.meeting + (busy - meeting) * delays.alone)
  }

  /// Of these, kernels that nothing hides; what a rank waits for others leaves the device to collectives.
  func path(_ delays: PassDelays) -> Double { onPath * delays.slowness }

  static func + (left: Self, right: Self) -> Self {
    Self(
      seconds: left.seconds + right.seconds, onPath: left.onPath + right.onPath,
      busy: left.busy + right.busy, meeting: left.meeting + right.meeting)
  }

  static func * (factor: Double, cost: Self) -> Self {
    Self(
      seconds: factor * cost.seconds, onPath: factor * cost.onPath, busy: factor * cost.busy,
      meeting: factor * cost.meeting)
  }

  /// The smaller of this one and of what one cost has more than another one, part by part.
  func least(_ both: Self, less other: Self) -> Self {
    Self(
      seconds: min(seconds, both.seconds - other.seconds),
      onPath: min(onPath, both.onPath - other.onPath), busy: min(busy, both.busy - other.busy),
      meeting: min(meeting, both.meeting - other.meeting))
  }
}

/// What devices of one kind that do not take equal times make of passes.
struct PassDelays: Hashable, Sendable {
  /// How many times the described device's time the kernels of a position's slowest rank take.
  var slowness = 1.0
  /// What a pass takes longer for a second of its kernels, where ranks meet in it and where none do.
  var meeting = 0.0
  var alone = 0.0
}

/// The delays of plans, by what decides them.
final class DelayBook: Sendable {
  private struct Key: Hashable {
    var positions: Int
    var replicas: Int
    var perAction: Int
    /// Ranks that share parameters, and those that agree on scales: they meet in passes.
    var sharing: Int
    var agreesOnScales: Bool
  }

  private let jitter: Jitter?
  private let known = Memo<Key, ExpectedWaits>()

  init(_ cluster: Cluster) { jitter = cluster.device.jitter }

  /// What the ranks of a plan wait for; nil where devices take equal times.
  func waits(_ plan: Plan) throws -> ExpectedWaits? {
    guard let jitter else { return nil }
    let sharing =
      plan.zeroStage == .parameters
      ? plan.shardingRanks ?? plan.dataParallel * plan.contextParallel : 0
    let key = Key(
      positions: plan.pipelineParallel, replicas: plan.worldSize / plan.pipelineParallel,
      perAction: plan.mesh.ranksPerAction, sharing: sharing * plan.tensorParallel,
      agreesOnScales: plan.agreesOnScales)
    return try known(key) {
      ExpectedWaits(jitter, plan, positions: plan.pipelineParallel)
    }
  }
}

extension PassDelays {
  /// Those that ranks have who wait for each other like this.
  init(_ waits: ExpectedWaits?) {
    guard let waits else { return }
    let second: Int64 = 1_000_000_000_000
    slowness = waits.slowness
    // Picoseconds are rounded: what is less than one of them is left out.
    meeting = max(0, Double(waits.wait(busy: second, meets: true) - 1) / Double(second))
    alone = max(0, Double(waits.wait(busy: second, meets: false) - 1) / Double(second))
  }
}

import Clusters
import Costs
import Foundation
import Plans

/// What a step takes longer because equal devices do not take equal times: ranks that meet wait for the
/// expected slowest of them.
///
/// Nothing is drawn. Expected values follow from how many ranks meet (`LargestOfNormals`), so that all
/// ranks that do the same still do the same and one stands for all:
/// - devices differ for good: the ranks of a pipeline position, which meet in every reduction of gradients,
///   are as slow as the slowest of them;
/// - a pass over a microbatch takes another time on every device: those that meet in it (tensor, context and
///   expert groups, with ZeRO 3 all that share parameters, and all of a position where each pass ends with their
///   agreement on the scales of the next) wait for the slowest each time, and the groups
///   of a position, which meet at the end of the step and where they average the loss, for the one whose passes
///   since then together took longest;
/// - a pause stops all that meet in a pass; at the end of the step the group that had most pauses is waited
///   for.
///
/// Not modelled: that a late pass delays other pipeline positions beyond what it delays its own, and that
/// a group that is late in one pass may be early in the next within the slack of its pipeline.
package struct ExpectedWaits: Sendable {
  /// How many times the described device's time the kernels of the slowest one of a position take.
  package let slowness: Double
  private let operation: Double
  /// Pauses of a device at work in a picosecond, and their length in picoseconds.
  private let pauseRate: Double
  private let pauseLength: Double
  /// Ranks that meet in a pass, and groups of them at a position.
  private let members: Int
  private let groups: Int
  /// Most of those that meet in a pass are copies: they share parameters, or agree on scales.
  package let copiesMeet: Bool
  private let ofMembers: (mean: Double, deviation: Double)
  private let meanOfGroups: Double

  /// - Parameter positions: of the pipeline.
  package init(_ jitter: Jitter, _ plan: Plan, positions: Int) {
    let replicas = max(1, plan.worldSize / positions)
    let sharing =
      plan.zeroStage == .parameters
      ? plan.tensorParallel
        * (plan.shardingRanks ?? plan.dataParallel * plan.contextParallel) : 1
    let meeting = max(sharing, plan.agreesOnScales ? replicas : 1)
    copiesMeet = meeting > plan.mesh.ranksPerAction
    members = min(replicas, max(meeting, plan.mesh.ranksPerAction))
    groups = max(1, replicas / members)
    let largest = LargestOfNormals(of: members)
    ofMembers = (largest.mean, largest.deviation)
    meanOfGroups = LargestOfNormals(of: groups).mean
    let lasting = jitter.lasting?.value ?? 0
    slowness = lasting > 0 ? 1 + lasting * LargestOfNormals(of: replicas).mean : 1
    operation = jitter.operation?.value ?? 0
    pauseLength = (jitter.pause?.length.value.value ?? 0) * 1e12
    pauseRate = jitter.pause.map { 1 / ($0.interval.value.value * 1e12) } ?? 0
  }

  /// Picoseconds that a pass takes longer whose kernels take `busy`.
  ///
  /// - Parameter meets: ranks meet in it.
  package func wait(busy: Int64, meets: Bool) -> Int64 {
    let scatter = meets ? operation * ofMembers.mean : 0
    let pauses = pauseRate * pauseLength * Double(meets ? members : 1)
    return Int64((Double(busy) * (scatter + pauses)).rounded())
  }

  /// What a pass adds to how far the groups of a position lie apart: a variance, in squared picoseconds.
  package func variance(busy: Int64, meets: Bool) -> Double {
    let deviation = operation * (meets ? ofMembers.deviation : 1) * Double(busy)
    return deviation * deviation
  }

  /// Picoseconds that the groups of a position wait for the last one where they meet.
  ///
  /// - Parameters:
  ///   - busy: what the kernels of a rank took since they last met.
  ///   - variance: of all of its passes since then together.
  package func waitForGroups(busy: Int64, variance: Double) -> Int64 {
    guard groups > 1 else { return 0 }
    let pauses = Double(members) * pauseRate * Double(busy)
    let most = LargestOfCounts(of: groups, mean: pauses).mean - pauses
    return Int64((variance.squareRoot() * meanOfGroups + most * pauseLength).rounded())
  }

  /// By how many times at most a step takes longer.
  var bound: Double {
    let replicas = Double(members * groups)
    return slowness
      * (1 + operation * (ofMembers.mean + meanOfGroups) + 2 * replicas * pauseRate * pauseLength)
  }
}

/// The largest of independent counts of rare events, each with the same mean (Poisson's distribution).
package struct LargestOfCounts {
  private let count: Int
  private let expected: Double

  package init(of count: Int, mean: Double) {
    precondition(count > 0 && mean >= 0, "Events have a mean.")
    (self.count, expected) = (count, mean)
  }

  /// The mean of the largest: the sum over k of the probability that one exceeds k.
  ///
  /// Means beyond 10,000 are taken as normally distributed.
  package var mean: Double {
    guard expected > 0 else { return 0 }
    guard expected <= 10_000 else {
      return expected + expected.squareRoot() * LargestOfNormals(of: count).mean
    }
    var (sum, below, number) = (0.0, 0.0, 0)
    while true {
      below += exp(
        Double(number) * log(expected) - expected - lgamma(Double(number) + 1))
      let exceeds = -expm1(Double(count) * log(min(below, 1)))
      sum += exceeds
      if Double(number) > expected, exceeds < 1e-12 { return sum }
      number += 1
      // Rounding may keep the sum of all probabilities below 1.
      if Double(number) > 2 * expected + 200 { return sum }
    }
  }
}

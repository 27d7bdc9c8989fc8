import Costs
import Plans
import Quantities
import Schedules

/// The rank of an expert group that one exchange loads most, and what it gets; all others have the mean,
/// which is the balanced load, since as many rows arrive as are sent.
package struct LargestLoad: Hashable, Sendable {
  /// Its place in the expert group.
  package var place: Int
  /// Its rows relative to the mean: 1 or more.
  package var factor: Double
}

/// Draws, for every exchange of a step, which rank of an expert group is loaded most and how much.
///
/// Loads of ranks are normally distributed around their mean. Of a group's, the largest is drawn at once, from
/// the distribution that the largest of so many has: one draw an exchange, whatever the group's size.
///
/// Chance is a function of (seed, layer, microbatch, pass) and of nothing else, so that what an action draws
/// depends neither on the order of events nor on what else is simulated. Draws of exchanges hang together by
/// a normal copula: the score of one is made of four independent ones, of the step, of its layer, of its
/// microbatch and of its own. Every draw by itself has the same distribution whatever the correlation.
///
/// All expert groups of a stage draw the same. Not modelled: that they differ, ranks beside the one that is
/// loaded most, and that a backward has the rows of its forward (they draw apart).
package struct ExpertDraws: Sendable {
  private let seed: UInt64
  private let deviation: Double
  private let largest: LargestOfNormals
  /// How much of the score is the step's, the layer's, the microbatch's and the exchange's own; of squares
  /// that add up to 1.
  private let weights: (step: Double, layer: Double, microbatch: Double, own: Double)
  /// Every microbatch of a layer draws the same.
  let repeatsMicrobatches: Bool

  /// - Parameter ranks: places of an expert group.
  package init(
    _ deviation: Double, seed: UInt64, _ correlation: Plan.LoadCorrelation, ranks: Int
  ) {
    self.seed = seed
    self.deviation = deviation
    largest = LargestOfNormals(of: ranks)
    let (layers, microbatches) = (correlation.layers, correlation.microbatches)
    weights = (
      (layers * microbatches).squareRoot(), (microbatches * (1 - layers)).squareRoot(),
      (layers * (1 - microbatches)).squareRoot(),
      ((1 - layers) * (1 - microbatches)).squareRoot()
    )
    repeatsMicrobatches = microbatches == 1
  }

  /// What is drawn for.
  private enum Quantity: UInt64 { case load = 1, place = 2 }

  /// The load of an exchange, in constant time.
  package func load(layer: Int, microbatch: Int, isForward: Bool) -> LargestLoad {
    let load = tail(.load, layer, microbatch, isForward)
    let place = tail(.place, layer, microbatch, isForward)
    let factor = 1 + deviation * largest.quantile(load)
    return LargestLoad(
      place: min(largest.count - 1, Int(place * Double(largest.count))),
      factor: min(Double(largest.count), max(1, factor)))
  }

  /// A probability above 0 and below 1, evenly distributed.
  private func tail(
    _ quantity: Quantity, _ layer: Int, _ microbatch: Int, _ isForward: Bool
  ) -> Double {
    // Distinct numbers for what is left out, which no layer and no microbatch has.
    func even(_ layer: Int, _ microbatch: Int) -> Double {
      evenNumber(quantity, layer, microbatch, isForward)
    }
    if weights.own == 1 { return even(layer, microbatch) }
    if weights.step == 1 { return even(-1, -1) }
    if weights.layer == 1 { return even(layer, -1) }
    if weights.microbatch == 1 { return even(-1, microbatch) }
    func part(_ weight: Double, _ layer: Int, _ microbatch: Int) -> Double {
      weight > 0 ? weight * NormalTail.quantile(even(layer, microbatch)) : 0
    }
    let score =
      part(weights.step, -1, -1) + part(weights.layer, layer, -1)
      + part(weights.microbatch, -1, microbatch) + part(weights.own, layer, microbatch)
    return min(max(NormalTail.probability(above: score), .leastNormalMagnitude), 1 - 1e-16)
  }

  /// An even number between 0 and 1, both excluded, by its counters.
  private func evenNumber(
    _ quantity: Quantity, _ layer: Int, _ microbatch: Int, _ isForward: Bool
  ) -> Double {
    var bits = mixed(seed, quantity.rawValue * 2 + (isForward ? 1 : 0))
    bits = mixed(bits, UInt64(bitPattern: Int64(layer)))
    bits = mixed(bits, UInt64(bitPattern: Int64(microbatch)))
    return (Double(bits >> 12) + 0.5) / 4_503_599_627_370_496
  }

  private func mixed(_ bits: UInt64, _ counter: UInt64) -> UInt64 {
    // Two rounds, so that neither seeds nor counters in a row give numbers in a row.
    var generator = SeededGenerator(seed: bits)
    var second = SeededGenerator(seed: generator.next() ^ counter)
    return second.next()
  }
}

extension StepInput {
  /// The draws of a step whose expert load scatters, from the plan's seed and so many more; nil where
  /// nothing is drawn.
  func expertDraws(seedOffset: UInt64 = 0) -> ExpertDraws? {
    guard case .deviation(let deviation, let seed, let correlation) = load, rankRows == nil,
      deviation > 0, expertRanks > 1, stages.contains(where: { $0.exchangeCount > 0 })
    else { return nil }
    return ExpertDraws(deviation, seed: seed &+ seedOffset, correlation, ranks: expertRanks)
  }
}

import Planning
import Plans
import Simulation
import Testing

/// The fastest order of a pair's segments, on pairs that can be tried out.
@Suite struct PairSearchTests {
  /// A pair of so many layers whose times come from a seed; weight halves apart, or in the backward's own
  /// order.
  private static func parts(layers: Int, seed: UInt64, movesWeights: Bool) -> PairParts {
    var state = seed
    func draw(_ range: ClosedRange<Int64>) -> Int64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return range.lowerBound + Int64(state >> 33) % (range.upperBound - range.lowerBound + 1)
    }
    func compute(_ range: ClosedRange<Int64>) -> PairParts.Step {
      let alone = draw(range)
      return .compute(alone: alone, issued: alone + draw(0...40), host: draw(0...8))
    }
    func send() -> PairParts.Step {
      .start(preparation: draw(0...9), payload: draw(20...200), host: 2)
    }
    func segment(_ name: PairSegment, _ steps: PairParts.Step..., owner: Int = -1)
      -> PairParts.Segment
    {
      PairParts.Segment(segment: name, steps: steps, owner: owner)
    }
    var (forward, backward, weights) = (
      [PairParts.Segment](), [PairParts.Segment](), [PairParts.Segment]()
    )
    let cost = (attention: compute(50...200), experts: compute(50...200))
    for layer in 0..<layers {
      forward += [
        segment(.forwardAttention, layer == 0 ? compute(20...90) : .wait, compute(20...90)),
        segment(.forwardDispatch, send()),
        segment(.forwardExperts, .wait, compute(20...120)), segment(.forwardCombine, send()),
      ]
      let first = backward.count
      backward += [
        layer == 0
          ? segment(.backwardAttention, compute(5...30))
          : segment(.backwardAttention, .wait, compute(50...250)),
        segment(.backwardCombine, send()),
      ]
      if movesWeights {
        weights.append(segment(.weightAttention, cost.attention, owner: first))
        backward += [
          segment(.backwardExperts, .wait, compute(50...250)), segment(.backwardDispatch, send()),
        ]
        weights.append(segment(.weightExperts, cost.experts, owner: first + 2))
      } else {
        backward += [
          segment(.weightAttention, cost.attention),
          segment(.backwardExperts, .wait, compute(50...250)),
          segment(.weightExperts, cost.experts), segment(.backwardDispatch, send()),
        ]
      }
    }
    forward.append(segment(.forwardAttention, .wait, compute(5...30)))
    backward.append(segment(.backwardAttention, .wait, compute(50...250)))
    return PairParts(forward: forward, backward: backward, weights: weights)
  }

  /// The least of all orders, each carried out.
  private static func bruteForce(_ work: PairWork) -> (least: Int64, orders: Int) {
    var (least, orders) = (Int64.max, 0)
    func go(_ state: PairState, _ clock: PairClock) {
      if state == work.last {
        orders += 1
        least = min(least, work.end(clock))
        return
      }
      for move in PairMove.allCases {
        guard let segment = work.segment(move, at: state) else { continue }
        var next = clock
        work.carryOut(segment, move, &next)
        go(state.after(move), next)
      }
    }
    go(PairState(), PairClock())
    return (least, orders)
  }

  private func expectLeast(_ parts: PairParts, orders: Int?) {
    let work = PairWork(parts)
    let pairwise = PairwiseOrder(work).moves
    let search = PairSearch(work, known: work.sequential)
    let all = Self.bruteForce(work)
    if let orders { #expect(all.orders == orders) }
    #expect(search.picoseconds == all.least)
    #expect(work.picoseconds(of: search.moves) == search.picoseconds)
    #expect(PairSearch.bound(work) <= all.least)
    #expect(search.picoseconds <= work.picoseconds(of: pairwise) ?? 0)
    // From a better order on it is the same.
    #expect(PairSearch(work, known: pairwise).picoseconds == all.least)
    #expect(PairSearch(work, known: search.moves).picoseconds == all.least)
  }

  /// Two layers, each pass in its own order: 9 segments against 13 are 497,420 orders.
  @Test(arguments: 1...3 as ClosedRange<UInt64>) func twoLayersAreExact(seed: UInt64) {
    expectLeast(Self.parts(layers: 2, seed: seed, movesWeights: false), orders: 497_420)
  }

  /// Weight halves that go where they like.
  @Test(arguments: 1...12 as ClosedRange<UInt64>) func weightHalvesAreExact(seed: UInt64) {
    expectLeast(Self.parts(layers: 1, seed: seed, movesWeights: true), orders: nil)
  }

  /// Weight halves beside the exchange that they were put off behind, in one segment with it: 5 segments against
  /// 5 are 252 orders.
  @Test(arguments: 1...40 as ClosedRange<UInt64>) func halvesInPlaceAreExact(seed: UInt64) {
    var parts = Self.parts(layers: 1, seed: seed, movesWeights: true)
    parts.putWeightsInPlace()
    expectLeast(parts, orders: 252)
  }

  /// Shared experts are computed beside the dispatch of their own pass: they and it make no pass longer than
  /// the longer of both.
  ///
  /// The forward by itself: 10, a dispatch of 100 beside 80 of shared experts, 10, a combine of 20, 10; together
  /// 150. The backward first as far as its combine, its experts and dispatch while tokens travel: 155.
  @Test func whatIsBesideAPassesOwnExchangeAddsNothing() {
    func compute(_ time: Int64) -> PairParts.Step {
      .compute(alone: time, issued: time, host: 0)
    }
    func send(_ time: Int64) -> PairParts.Step { .start(preparation: 0, payload: time, host: 0) }
    func segments(_ list: [(PairSegment, [PairParts.Step])]) -> [PairParts.Segment] {
      list.map { PairParts.Segment(segment: $0.0, steps: $0.1, owner: -1) }
    }
    let parts = PairParts(
      forward: segments([
        (.forwardAttention, [compute(10)]), (.forwardDispatch, [send(100)]),
        (.forwardShared, [compute(80)]), (.forwardExperts, [.wait, compute(10)]),
        (.forwardCombine, [send(20)]), (.forwardAttention, [.wait, compute(10)]),
      ]),
      backward: segments([
        (.backwardAttention, [compute(5)]), (.backwardCombine, [send(3)]),
        (.backwardExperts, [.wait, compute(5)]), (.backwardDispatch, [send(2)]),
        (.backwardAttention, [.wait, compute(5)]),
      ]), weights: [])
    let work = PairWork(parts)
    #expect(PairSearch.bound(work) == 150)
    #expect(work.picoseconds(of: work.sequential) == 170)
    #expect(PairSearch(work, known: work.sequential).picoseconds <= 155)
    // 6 segments against 5.
    expectLeast(parts, orders: 462)
  }

  /// On whole pairs: never worse than orders that are known, never below the bound, and the list says what
  /// the moves do.
  @Test(arguments: 1...6 as ClosedRange<UInt64>) func wholePairsKeepTheirBounds(seed: UInt64) throws
  {
    let work = PairWork(Self.parts(layers: 4, seed: seed, movesWeights: true))
    let published = try #require(work.moves(of: PairOrder.publishedSegments))
    let known = [published, work.sequential, PairwiseOrder(work).moves].compactMap {
      work.picoseconds(of: $0)
    }
    #expect(known.count == 3)
    let search = PairSearch(work, known: work.sequential)
    #expect(search.picoseconds <= known.min() ?? 0)
    #expect(search.picoseconds >= PairSearch.bound(work))
    let list = work.list(of: search.moves)
    #expect(PairOrder.rule(against: list) == nil)
    #expect(work.moves(of: list) == search.moves)
  }

  /// Whatever takes longer, the pair ends no earlier; exchanges that take nothing leave its kernels.
  @Test(arguments: 1...4 as ClosedRange<UInt64>) func longerExchangesAreNeverFaster(seed: UInt64) {
    func parts(_ factor: Int64) -> PairParts {
      var parts = Self.parts(layers: 2, seed: seed, movesWeights: true)
      func longer(_ segments: inout [PairParts.Segment]) {
        for index in segments.indices {
          segments[index].steps = segments[index].steps.map { step in
            switch step {
            case .start(let preparation, let payload, _):
              .start(preparation: preparation * factor, payload: payload * factor, host: 0)
            case .compute(let alone, _, _): .compute(alone: alone, issued: 0, host: 0)
            default: step
            }
          }
        }
      }
      longer(&parts.forward)
      longer(&parts.backward)
      longer(&parts.weights)
      return parts
    }
    let times = [0, 1, 2, 5].map { (factor: Int64) -> Int64 in
      let work = PairWork(parts(factor))
      return PairSearch(work, known: work.sequential).picoseconds
    }
    #expect(times == times.sorted())
    #expect(times[0] == parts(0).compute)
  }
}

import Plans
import Simulation

/// The order that pairs segments of a forward with segments of a backward, two at a time.
///
/// By dynamic programming: each step carries out a segment of either pass or one of both side by side, as DHelix does
/// (arXiv 2411.15871): what is computed beside what moves takes the longer of both, two of one kind their
/// sum. Weight halves keep their place in the backward.
///
/// A mark to be no worse than: the order is then timed without the barriers that its steps suppose.
package struct PairwiseOrder {
  package let moves: [PairMove]

  private struct Unit {
    var move: PairMove
    var time: Int64
    var isMoving: Bool
  }

  package init(_ work: PairWork) {
    let forward = work.parts.forward.map { Self.unit($0, .forward) }
    let backward = Self.backward(work)
    let width = backward.count + 1
    var cost = [Int64](repeating: .max, count: (forward.count + 1) * width)
    var choice = [UInt8](repeating: 0, count: cost.count)
    cost[0] = 0
    for i in 0...forward.count {
      for j in 0...backward.count {
        let here = i * width + j
        func take(_ from: Int, _ time: Int64, _ number: UInt8) {
          guard cost[from] + time < cost[here] else { return }
          (cost[here], choice[here]) = (cost[from] + time, number)
        }
        if i > 0, j > 0 {
          let (one, other) = (forward[i - 1], backward[j - 1])
          let time =
            one.isMoving != other.isMoving ? max(one.time, other.time) : one.time + other.time
          take(here - width - 1, time, 3)
        }
        if i > 0 { take(here - width, forward[i - 1].time, 1) }
        if j > 0 { take(here - 1, backward[j - 1].time, 2) }
      }
    }
    var (i, j, made) = (forward.count, backward.count, [PairMove]())
    while i > 0 || j > 0 {
      switch choice[i * width + j] {
      case 3:
        // What moves starts first.
        let pair = [forward[i - 1], backward[j - 1]]
        made += pair[0].isMoving ? [pair[1].move, pair[0].move] : [pair[0].move, pair[1].move]
        (i, j) = (i - 1, j - 1)
      case 1:
        made.append(forward[i - 1].move)
        i -= 1
      default:
        made.append(backward[j - 1].move)
        j -= 1
      }
    }
    moves = made.reversed()
  }

  private static func unit(_ segment: PairParts.Segment, _ move: PairMove) -> Unit {
    let isMoving = segment.moving > segment.compute
    return Unit(move: move, time: isMoving ? segment.moving : segment.compute, isMoving: isMoving)
  }

  /// The backward with its weight halves behind the exchange that follows what they belong to.
  private static func backward(_ work: PairWork) -> [Unit] {
    var units: [Unit] = []
    for (index, segment) in work.parts.backward.enumerated() {
      units.append(unit(segment, .backward))
      let isLast = index == work.parts.backward.count - 1
      for (halves, move) in [
        (work.experts, PairMove.weightExperts), (work.attention, .weightAttention),
      ] {
        for half in halves where half.owner == index - 1 || isLast && half.owner == index {
          units.append(unit(half, move))
        }
      }
    }
    return units
  }
}

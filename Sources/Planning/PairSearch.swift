import Plans
import Simulation

/// The fastest order of a pair's segments.
///
/// Labels over how far both passes and their weight halves have come; of labels at one state only those
/// remain that are earlier than every other on some clock, so that the result is the fastest of all orders
/// in which each pass keeps its own and weight halves of one kind go oldest first (halves of one kind on
/// equal layers take the same, so that no other order is faster). Labels whose bound is no better than the
/// best order known are left.
///
/// Complexity: states × labels of one state, squared; DeepSeek-V3's pair of four layers on four has 12,000
/// states.
package struct PairSearch {
  private struct Label {
    var clock: PairClock
    var parent: Int32
    var move: PairMove
    /// Moves that weight halves have waited, together: of orders that end at once, the one that holds less.
    var held: Int32
  }

  let work: PairWork
  private let rest: Rest
  private var labels: [Label] = []
  private var best: Int64
  package private(set) var moves: [PairMove]
  /// Labels that were looked at.
  package private(set) var walked = 0

  /// - Parameter known: an order of all moves, to be improved on.
  package init(_ work: PairWork, known: [PairMove]) {
    self.work = work
    rest = Rest(work)
    moves = known
    best = work.picoseconds(of: known) ?? .max
    search()
  }

  package var picoseconds: Int64 { best }

  private mutating func search() {
    let last = work.last
    let (backward, experts, attention) = (
      last.backward + 1, last.experts + 1, last.attention + 1
    )
    func place(_ state: PairState) -> Int {
      ((state.forward * backward + state.backward) * experts + state.experts) * attention
        + state.attention
    }
    var open = [[Int32]](repeating: [], count: place(last) + 1)
    labels.append(Label(clock: PairClock(), parent: -1, move: .forward, held: 0))
    open[0] = [0]
    for number in open.indices where !open[number].isEmpty {
      let state = PairState(
        forward: number / attention / experts / backward,
        backward: number / attention / experts % backward, experts: number / attention % experts,
        attention: number % attention)
      for move in PairMove.allCases {
        guard let segment = work.segment(move, at: state) else { continue }
        let next = state.after(move)
        let (target, waiting) = (place(next), Int32(waiting(next)))
        for index in open[number] {
          var clock = labels[Int(index)].clock
          work.carryOut(segment, move, &clock)
          walked += 1
          guard rest.bound(next, clock) < best else { continue }
          insert(
            Label(
              clock: clock, parent: index, move: move,
              held: labels[Int(index)].held + waiting), into: &open[target])
        }
      }
      open[number] = number == open.count - 1 ? open[number] : []
    }
    finish(open[open.count - 1])
  }

  /// Weight halves that could have been carried out.
  private func waiting(_ state: PairState) -> Int {
    work.experts[state.experts...].count { $0.owner < state.backward }
      + work.attention[state.attention...].count { $0.owner < state.backward }
  }

  private mutating func insert(_ label: Label, into open: inout [Int32]) {
    var kept = 0
    for index in open {
      let other = labels[Int(index)]
      if other.clock.isNoLater(than: label.clock),
        other.clock != label.clock || other.held <= label.held
      {
        return
      }
    }
    for index in open where !label.clock.isNoLater(than: labels[Int(index)].clock) {
      open[kept] = index
      kept += 1
    }
    open.removeSubrange(kept...)
    open.append(Int32(labels.count))
    labels.append(label)
  }

  private mutating func finish(_ ends: [Int32]) {
    var chosen: Int32?
    for index in ends {
      let end = work.end(labels[Int(index)].clock)
      guard end < best else { continue }
      (best, chosen) = (end, index)
    }
    guard var index = chosen else { return }
    moves = []
    while index > 0 {
      moves.append(labels[Int(index)].move)
      index = labels[Int(index)].parent
    }
    moves.reverse()
  }

  // MARK: Bounds

  /// What is left of a pair at each state, at the least.
  struct Rest {
    private let work: PairWork
    /// By segments done: picoseconds of the kernels, and of the exchanges, behind them.
    private let forward: [(compute: Int64, moving: Int64)]
    private let backward: [(compute: Int64, moving: Int64)]
    private let experts: [Int64]
    private let attention: [Int64]
    private let end: Int64
    private let forwardWays: [Way]
    private let backwardWays: [Way]

    init(_ work: PairWork) {
      self.work = work
      func sums(_ segments: [PairParts.Segment]) -> [(compute: Int64, moving: Int64)] {
        var sums: [(compute: Int64, moving: Int64)] = [(0, 0)]
        for segment in segments.reversed() {
          let last = sums[sums.count - 1]
          sums.append((last.compute + segment.compute, last.moving + segment.moving))
        }
        return sums.reversed()
      }
      forward = sums(work.parts.forward)
      backward = sums(work.parts.backward)
      experts = sums(work.experts).map(\.compute)
      attention = sums(work.attention).map(\.compute)
      end =
        PairParts.Segment(segment: .backwardAttention, steps: work.parts.end, owner: -1).compute
      forwardWays = Way.all(work.parts.forward, end: [])
      backwardWays = Way.all(work.parts.backward, end: work.parts.end)
    }

    /// No order of what is left ends earlier: all kernels follow one another, and so do all exchanges; and
    /// neither pass is faster than by itself.
    func bound(_ state: PairState, _ clock: PairClock) -> Int64 {
      let (ahead, behind) = (forward[state.forward], backward[state.backward])
      let kernels =
        clock.compute + ahead.compute + behind.compute + experts[state.experts]
        + attention[state.attention] + end
      let exchanges = clock.stream + ahead.moving + behind.moving
      let first = forwardWays[state.forward].end(clock.compute, clock.forwardEnd)
      let second = backwardWays[state.backward].end(clock.compute, clock.backwardEnd)
      return max(kernels, exchanges, first, second)
    }
  }

  /// The longest way through what a pass has left by itself: what it computes beside its own exchange, such as
  /// shared experts, comes on top of neither.
  private struct Way {
    /// Picoseconds from the compute clock, and from the end of the exchange under way, to the end of the pass;
    /// nil where nothing waits for that exchange.
    private var computing: Int64 = 0
    private var moving: Int64?

    /// By segments done.
    static func all(_ segments: [PairParts.Segment], end: [PairParts.Step]) -> [Way] {
      var way = Way()
      for step in end.reversed() { way.prepend(step) }
      var ways = [way]
      for segment in segments.reversed() {
        for step in segment.steps.reversed() { way.prepend(step) }
        ways.append(way)
      }
      return ways.reversed()
    }

    private mutating func prepend(_ step: PairParts.Step) {
      switch step {
      case .compute(let alone, _, _): computing += alone
      case .start(let preparation, let payload, _):
        if let behind = moving { computing = max(computing, preparation + payload + behind) }
        moving = nil
      case .wait: moving = computing
      case .counts, .startOther, .waitOther: break
      }
    }

    func end(_ compute: Int64, _ exchange: Int64) -> Int64 {
      max(compute + computing, moving.map { exchange + $0 } ?? 0)
    }
  }

  /// No order of the pair's kernels in which each pass keeps its own ends earlier, wherever segments are
  /// cut: beside `Rest.bound`, no exchange starts before the shorter way to one, and behind the last there
  /// is what its pass has left.
  package static func bound(_ work: PairWork) -> Int64 {
    let moving = work.parts.moving
    func head(_ segments: [PairParts.Segment]) -> Int64 {
      segments.prefix { $0.moving == 0 }.reduce(0) { $0 + $1.compute }
    }
    func tail(_ segments: [PairParts.Segment]) -> Int64 {
      segments.reversed().prefix { $0.moving == 0 }.reduce(0) { $0 + $1.compute }
    }
    let passes = [work.parts.forward, work.parts.backward].filter { pass in
      pass.contains { $0.moving > 0 }
    }
    let ends = (passes.map(head).min() ?? 0) + (passes.map(tail).min() ?? 0)
    return max(Rest(work).bound(PairState(), PairClock()), moving > 0 ? ends + moving : 0)
  }
}

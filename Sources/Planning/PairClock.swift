import Plans
import Simulation

/// Where the clocks of a rank stand in a pair, picoseconds: all that decides when what is left of it ends.
package struct PairClock: Hashable {
  /// The compute stream, the host, and the stream of exchanges.
  package var compute: Int64 = 0
  package var host: Int64 = 0
  package var stream: Int64 = 0
  /// When the exchange ends that the forward, and the backward, has started and not awaited; else 0.
  package var forwardEnd: Int64 = 0
  package var backwardEnd: Int64 = 0

  package init() {}

  /// Carries out what a segment does, as the simulator's own clocks do.
  package mutating func carryOut(_ steps: [PairParts.Step], isForward: Bool, waitsForCounts: Bool) {
    var others: [Int: Int64] = [:]
    for step in steps {
      switch step {
      case .compute(let alone, let issued, let time):
        compute = max(compute + alone, host + issued)
        host += time
      case .start(let preparation, let payload, let time):
        host += time
        stream = max(compute, host, stream) + preparation + payload
        if isForward { forwardEnd = stream } else { backwardEnd = stream }
      case .wait:
        compute = max(compute, isForward ? forwardEnd : backwardEnd)
        if isForward { forwardEnd = 0 } else { backwardEnd = 0 }
      case .counts(let time):
        host += time
        if waitsForCounts { host = max(host, compute) }
      case .startOther(let number, let payload, let time):
        host += time
        others[number] = max(compute, host) + payload
      case .waitOther(let number): compute = max(compute, others[number] ?? 0)
      }
    }
  }

  /// Whether nothing can end later from here than from there.
  package func isNoLater(than other: PairClock) -> Bool {
    compute <= other.compute && host <= other.host && stream <= other.stream
      && forwardEnd <= other.forwardEnd && backwardEnd <= other.backwardEnd
  }
}

/// A segment of a pair that is carried out next.
package enum PairMove: UInt8, Hashable, CaseIterable {
  case forward, backward, weightExperts, weightAttention
}

/// How far a pair has come: segments of the forward and of the backward, and weight halves by kind.
package struct PairState: Hashable {
  package var forward = 0
  package var backward = 0
  package var experts = 0
  package var attention = 0

  package init(forward: Int = 0, backward: Int = 0, experts: Int = 0, attention: Int = 0) {
    (self.forward, self.backward) = (forward, backward)
    (self.experts, self.attention) = (experts, attention)
  }

  package func after(_ move: PairMove) -> PairState {
    var state = self
    switch move {
    case .forward: state.forward += 1
    case .backward: state.backward += 1
    case .weightExperts: state.experts += 1
    case .weightAttention: state.attention += 1
    }
    return state
  }
}

/// A pair's segments, ready to be put in order.
package struct PairWork {
  package let parts: PairParts
  package let experts: [PairParts.Segment]
  package let attention: [PairParts.Segment]

  package init(_ parts: PairParts) {
    self.parts = parts
    experts = parts.weights.filter { $0.segment == .weightExperts }
    attention = parts.weights.filter { $0.segment == .weightAttention }
  }

  /// The segment that a move carries out; nil where there is none that may go.
  package func segment(_ move: PairMove, at state: PairState) -> PairParts.Segment? {
    switch move {
    case .forward:
      return state.forward < parts.forward.count ? parts.forward[state.forward] : nil
    case .backward:
      return state.backward < parts.backward.count ? parts.backward[state.backward] : nil
    case .weightExperts:
      guard state.experts < experts.count, experts[state.experts].owner < state.backward else {
        return nil
      }
      return experts[state.experts]
    case .weightAttention:
      guard state.attention < attention.count, attention[state.attention].owner < state.backward
      else { return nil }
      return attention[state.attention]
    }
  }

  package func carryOut(_ segment: PairParts.Segment, _ move: PairMove, _ clock: inout PairClock) {
    clock.carryOut(
      segment.steps, isForward: move == .forward, waitsForCounts: parts.waitsForCounts)
  }

  /// When the pair is over once all segments are.
  package func end(_ clock: PairClock) -> Int64 {
    var clock = clock
    clock.carryOut(parts.end, isForward: false, waitsForCounts: parts.waitsForCounts)
    return clock.compute
  }

  /// Picoseconds of the pair in an order of moves, all of which may go; nil if one may not or one is
  /// missing.
  package func picoseconds(of moves: [PairMove]) -> Int64? {
    var (state, clock) = (PairState(), PairClock())
    for move in moves {
      guard let segment = segment(move, at: state) else { return nil }
      carryOut(segment, move, &clock)
      state = state.after(move)
    }
    return state == last ? end(clock) : nil
  }

  /// Everything is over.
  package var last: PairState {
    PairState(
      forward: parts.forward.count, backward: parts.backward.count, experts: experts.count,
      attention: attention.count)
  }

  /// The backward with its weight halves, and the forward behind it.
  package var sequential: [PairMove] {
    parts.backward.map { _ in .backward } + experts.map { _ in .weightExperts }
      + attention.map { _ in .weightAttention } + parts.forward.map { _ in .forward }
  }

  /// The order of moves as a list of segments.
  package func list(of moves: [PairMove]) -> [PairSegment] {
    var (state, list) = (PairState(), [PairSegment]())
    for move in moves {
      if let segment = segment(move, at: state) { list.append(segment.segment) }
      state = state.after(move)
    }
    return list
  }

  /// The moves of a list that is carried out again and again, as the interpreter does; nil for one that gets
  /// stuck.
  package func moves(of list: [PairSegment]) -> [PairMove]? {
    var (state, moves) = (PairState(), [PairMove]())
    var isMoving = true
    while isMoving {
      let before = moves.count
      for wanted in list {
        for move in PairMove.allCases where segment(move, at: state)?.segment == wanted {
          moves.append(move)
          state = state.after(move)
          break
        }
      }
      isMoving = moves.count > before
    }
    return state == last ? moves : nil
  }
}

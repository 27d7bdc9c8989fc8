import Plans

/// Carries a list of segments out over the blocks of a forward and a backward.
struct PairWalk {
  /// A block of one of the two programs.
  struct Place: Hashable {
    var isForward: Bool
    var block: Int
  }

  /// The blocks in the order in which they are carried out.
  private(set) var places: [Place] = []
  private let forward: [PairBlocks.Block]
  private let backward: [PairBlocks.Block]
  private let program: Program
  private let named: Set<PairSegment>
  /// The next blocks of both passes, weight halves left out.
  private var next = (forward: 0, backward: 0)
  /// Weight halves whose segments are over, oldest first.
  private var waiting: [Int] = []

  /// - Parameters:
  ///   - backward: the program of the backward, whose blocks are `PairBlocks(backward:)`.
  init(forward: Program, backward: Program, _ list: [PairSegment]) {
    self.forward = PairBlocks(forward: forward).blocks
    self.backward = PairBlocks(backward: backward).blocks
    program = backward
    named = Set(list)
    var isMoving = true
    while isMoving {
      let before = places.count
      for segment in list { carryOut(segment) }
      isMoving = places.count > before
    }
    finish()
  }

  /// Blocks without steps are nowhere.
  mutating func leaveOutEmptyBlocks() {
    places.removeAll {
      ($0.isForward ? forward[$0.block] : backward[$0.block]).steps.isEmpty
    }
  }

  private mutating func carryOut(_ segment: PairSegment) {
    switch segment.half {
    case .forward:
      guard let last = reach(segment, in: forward, from: next.forward) else { return }
      while next.forward <= last { stepForward() }
    case .backward:
      guard let last = reach(segment, in: backward, from: next.backward) else { return }
      while next.backward <= last { stepBackward() }
      // Weight halves that were put off behind it, and what is left of it behind them.
      while next.backward < backward.count, !isEnd,
        backward[next.backward].goesOn || backward[next.backward].segment.half == .weight
      { stepBackward() }
    case .weight:
      guard let place = waiting.firstIndex(where: { backward[$0].segment == segment }) else {
        return
      }
      places.append(Place(isForward: false, block: waiting.remove(at: place)))
    }
  }

  /// What stands behind the last weight halves comes behind all.
  private var isEnd: Bool { next.backward == backward.count - 1 && backward[next.backward].goesOn }

  /// The block of a segment, if nothing that the list names stands before it.
  private func reach(
    _ segment: PairSegment, in blocks: [PairBlocks.Block], from first: Int
  ) -> Int? {
    for index in first..<blocks.count {
      let block = blocks[index]
      if block.segment == segment, !block.goesOn { return index }
      if block.segment.half != .weight, !block.goesOn, named.contains(block.segment) { return nil }
    }
    return nil
  }

  private mutating func stepForward() {
    places.append(Place(isForward: true, block: next.forward))
    next.forward += 1
  }

  private mutating func stepBackward() {
    let block = next.backward
    next.backward += 1
    if backward[block].segment.half == .weight {
      // The list says where it goes.
      if named.contains(backward[block].segment) { return }
    } else {
      // What a later part of the backward would spoil goes before it.
      while let first = waiting.first(where: {
        program.conflict(backward[$0].steps, backward[block].steps)
      }) {
        waiting.removeAll { $0 == first }
        places.append(Place(isForward: false, block: first))
      }
    }
    places.append(Place(isForward: false, block: block))
    if let weights = weights(of: block) { waiting.append(weights) }
  }

  /// The weight half of a block that the list moves.
  private func weights(of block: Int) -> Int? {
    let segment = backward[block].segment
    guard !backward[block].goesOn else { return nil }
    for index in backward.indices.dropFirst(block + 1) {
      if backward[index].segment.owner == segment {
        return named.contains(backward[index].segment) ? index : nil
      }
      if backward[index].segment == segment, !backward[index].goesOn { return nil }
    }
    return nil
  }

  private mutating func finish() {
    while next.backward < backward.count, !isEnd { stepBackward() }
    while next.forward < forward.count { stepForward() }
    for block in waiting { places.append(Place(isForward: false, block: block)) }
    waiting = []
    while next.backward < backward.count { stepBackward() }
  }
}

import Plans

/// The order in which the steps of a forward and a backward are carried out as one: what a plan's order of
/// pairs comes to for two programs.
///
/// By the published order (`PairOrder.published`) both programs run as threads of one rank: a thread that
/// comes to wait for an expert exchange gives way to the other, and the backward goes first. A list of
/// segments is walked by `PairWalk`.
public struct Interleaving: Hashable, Sendable {
  /// A run of steps of one of the two programs.
  public struct Piece: Hashable, Sendable {
    public var isForward: Bool
    public var steps: Range<Int>
  }

  public var pieces: [Piece]
  /// The backward, whose weight halves may stand elsewhere than in one by itself.
  public var backward: Program

  /// The interleaving of a stage's forward with the backward of another.
  ///
  /// - Parameter isClosing: whether the backward starts the reductions of its stage.
  public init(
    forward: Program, backward stage: StageProgram, isClosing: Bool = false,
    order: PairOrder = .published
  ) {
    guard case .segments(let list) = order else {
      self.init(forward: forward, backward: stage.program(for: .backward, isClosing: isClosing))
      return
    }
    var walk = PairWalk(forward: forward, backward: stage.backward, list)
    walk.leaveOutEmptyBlocks()
    let ahead = PairBlocks(forward: forward).blocks.map(\.steps)
    let behind = PairBlocks(backward: stage.backward).blocks.map(\.steps)
    let order = walk.places.filter { !$0.isForward }.map(\.block)
    var moved = (program: stage.backward, blocks: order.map { behind[$0] })
    if zip(order, order.dropFirst()).contains(where: { $0 > $1 }) {
      moved = stage.backward.reordered(moved.blocks)
    }
    if isClosing { moved = stage.closing(moved.program, moved.blocks) }
    self.init(pieces: [], backward: moved.program)
    var next = 0
    for place in walk.places {
      if place.isForward {
        append(ahead[place.block], isForward: true)
      } else {
        append(moved.blocks[next], isForward: false)
        next += 1
      }
    }
  }

  private init(pieces: [Piece], backward: Program) {
    (self.pieces, self.backward) = (pieces, backward)
  }

  /// Adds steps behind the last piece, as a part of it where they follow on.
  private mutating func append(_ steps: Range<Int>, isForward: Bool) {
    guard !steps.isEmpty else { return }
    if let last = pieces.last, last.isForward == isForward {
      pieces[pieces.count - 1].steps = last.steps.lowerBound..<steps.upperBound
    } else {
      pieces.append(Piece(isForward: isForward, steps: steps))
    }
  }

  /// The published interleaving of two programs.
  public init(forward: Program, backward: Program) {
    self.backward = backward
    pieces = []
    var next = [false: 0, true: 0]
    var isForward = false
    let programs = [true: forward, false: backward]
    while true {
      guard let program = programs[isForward], let start = next[isForward] else { break }
      if start == program.steps.count {
        let other = !isForward
        guard let rest = next[other], let otherProgram = programs[other],
          rest < otherProgram.steps.count
        else { break }
        pieces.append(Piece(isForward: other, steps: rest..<otherProgram.steps.count))
        break
      }
      let end = Self.nextSeam(program, after: start)
      pieces.append(Piece(isForward: isForward, steps: start..<end))
      next[isForward] = end
      isForward.toggle()
    }
  }

  /// The first wait for an expert exchange behind `start`, or the end.
  ///
  /// A piece begins with its wait.
  private static func nextSeam(_ program: Program, after start: Int) -> Int {
    var position = start + 1
    while position < program.steps.count {
      if case .wait(let index) = program.steps[position],
        program.transfers[Int(index)].kind.isExpertPayload
      {
        return position
      }
      position += 1
    }
    return position
  }
}

extension TransferKind {
  /// Moves tokens between the ranks of an expert group.
  public var isExpertPayload: Bool {
    switch self {
    case .dispatch, .combine, .combineBackward, .dispatchBackward: true
    default: false
    }
  }
}

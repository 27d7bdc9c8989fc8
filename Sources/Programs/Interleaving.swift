/// The order in which the steps of a forward and a backward are carried out as one.
///
/// Both programs run as threads of one rank: a thread that comes to wait for an expert exchange gives way
/// to the other. The backward goes first. On mixture layers this is the published order: combine of the
/// backward under the forward's attention, dispatch of the forward under the backward's experts,
/// dispatch of the backward under weight products and the forward's experts, combine of the forward
/// under the backward's attention (DeepSeek profile-data, training trace of 2025-02-27).
public struct Interleaving: Hashable, Sendable {
  /// A run of steps of one of the two programs.
  public struct Piece: Hashable, Sendable {
    public var isForward: Bool
    public var steps: Range<Int>
  }

  public var pieces: [Piece]

  public init(forward: Program, backward: Program) {
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

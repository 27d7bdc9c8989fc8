/// The actions of one cell: none, one, or a forward with a backward.
public struct CellActions: RandomAccessCollection, Hashable, Sendable {
  private let first: Action?
  private let second: Action?

  init(_ first: Action? = nil, _ second: Action? = nil) {
    self.first = first
    self.second = second
  }

  public var startIndex: Int { 0 }
  public var endIndex: Int { first == nil ? 0 : second == nil ? 1 : 2 }

  public subscript(position: Int) -> Action {
    guard let action = position == 0 ? first : second else {
      preconditionFailure("A cell has at most two actions.")
    }
    return action
  }
}

extension Cell {
  /// The actions that a cell carries out, in the order in which they count.
  public var actions: CellActions {
    switch self {
    case .idle, .send, .receive, .commit: CellActions()
    case .run(let action): CellActions(action)
    case .overlapped(let forward, let backward): CellActions(forward, backward)
    }
  }

  /// Whether a cell moves data or ends a group of cells that do.
  public var isTransfer: Bool {
    switch self {
    case .send, .receive, .commit: true
    case .idle, .run, .overlapped: false
    }
  }

  static func forward(_ stage: Int, _ microbatch: Int) -> Cell {
    .run(Action(.forward, stage: stage, microbatch: microbatch))
  }

  static func backward(_ stage: Int, _ microbatch: Int) -> Cell {
    .run(Action(.backward, stage: stage, microbatch: microbatch))
  }

  static func backwardInput(_ stage: Int, _ microbatch: Int) -> Cell {
    .run(Action(.backwardInput, stage: stage, microbatch: microbatch))
  }

  static func backwardWeight(_ stage: Int, _ microbatch: Int) -> Cell {
    .run(Action(.backwardWeight, stage: stage, microbatch: microbatch))
  }
}

extension Schedule {
  /// Whether the schedule holds sends and receives.
  public var isLowered: Bool { ranks.contains { $0.contains(where: \.isTransfer) } }

  /// Whether the schedule holds overlapped pairs, which have a time of their own.
  public var hasPairs: Bool { ranks.contains { $0.contains { $0.actions.count == 2 } } }

  /// The same orders of actions without sends, receives and group ends.
  public var computeOnly: Schedule {
    var schedule = self
    schedule.ranks = ranks.map { $0.filter { !$0.isTransfer } }
    return schedule
  }

  /// The rank that carries out `stage` for `microbatch`.
  func rank(ofStage stage: Int, microbatch: Int) -> Int {
    placement.rank(ofStage: stage, microbatch: microbatch, microbatchCount: microbatchCount)
  }

  /// What `action` hands on, and to which stage; nothing leaves the ends of the pipeline.
  func output(of action: Action) -> (boundary: Boundary, toStage: Int)? {
    switch action.pass {
    case .forward:
      action.stage < stageCount - 1 ? (.activation, action.stage + 1) : nil
    case .backward, .backwardInput:
      action.stage > 0 ? (.gradient, action.stage - 1) : nil
    case .backwardWeight: nil
    }
  }

  /// What `action` needs from the stage before it in its direction.
  func input(of action: Action) -> (boundary: Boundary, fromStage: Int)? {
    switch action.pass {
    case .forward: action.stage > 0 ? (.activation, action.stage - 1) : nil
    case .backward, .backwardInput:
      action.stage < stageCount - 1 ? (.gradient, action.stage + 1) : nil
    case .backwardWeight: nil
    }
  }

  /// A number for what enters `toStage` over `boundary`, for tables of `2 * stageCount *
  /// microbatchCount` entries.
  func message(_ boundary: Boundary, toStage: Int, microbatch: Int) -> Int {
    ((boundary == .activation ? 0 : stageCount) + toStage) * microbatchCount + microbatch
  }
}

extension Placement {
  /// Stages dealt out in turn: rank r holds r, r + P, r + 2P, ...
  public static func looped(ranks: Int, stagesPerRank: Int) -> Placement {
    .fixed((0..<ranks * stagesPerRank).map { $0 % ranks })
  }

  /// Down the ranks and back up: rank r holds stages r and 2P - 1 - r.
  public static func vShaped(ranks: Int) -> Placement {
    .fixed(Array(0..<ranks) + (0..<ranks).reversed())
  }
}

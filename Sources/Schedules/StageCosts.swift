/// What the passes of every stage take, and what a microbatch keeps there, in units of one's own: what
/// orders of uneven stages are planned and judged by.
public struct StageCosts: Hashable, Sendable {
  /// By stage: a forward, a whole backward, and its halves by themselves.
  public var forward: [Int]
  public var backward: [Int]
  public var backwardInput: [Int]
  public var backwardWeight: [Int]
  /// A forward and a backward as one, by the forward's stage and the backward's; empty where none are merged.
  public var merged: [[Int]] = []
  /// A message from one rank to another.
  public var transfer: Int
  /// By stage: what a microbatch keeps from its forward to its backward, or its weight half.
  public var kept: [Int]
  /// By rank: the most that it may keep at once.
  public var limits: [Int]

  public init(
    forward: [Int], backwardInput: [Int], backwardWeight: [Int], backward: [Int]? = nil,
    transfer: Int, kept: [Int], limits: [Int]
  ) {
    self.forward = forward
    self.backwardInput = backwardInput
    self.backwardWeight = backwardWeight
    self.backward = backward ?? zip(backwardInput, backwardWeight).map { $0 + $1 }
    (self.transfer, self.kept, self.limits) = (transfer, kept, limits)
  }

  /// What the passes of a stage take in the mean: with what the automatic orders of even stages plan.
  var mean: PassCosts {
    func mean(_ costs: [Int]) -> Int { max(1, costs.reduce(0, +) / max(1, costs.count)) }
    return PassCosts(
      forward: mean(forward), backwardInput: mean(backwardInput),
      backwardWeight: mean(backwardWeight), transfer: transfer)
  }

  /// What a cell takes.
  func duration(of cell: Cell) -> Int {
    switch cell {
    case .run(let action):
      switch action.pass {
      case .forward: forward[action.stage]
      case .backward: backward[action.stage]
      case .backwardInput: backwardInput[action.stage]
      case .backwardWeight: backwardWeight[action.stage]
      }
    case .overlapped(let first, let second):
      merged.isEmpty
        ? forward[first.stage] + backward[second.stage] : merged[first.stage][second.stage]
    default: 0
    }
  }
}

/// An order carried out with costs of every stage: every cell starts as soon as the order lets it.
///
/// Not modelled: messages that share links, and sends that their rank waits for.
public struct StageTiming: Hashable, Sendable {
  public var makespan: Int
  /// The most that each rank keeps at once.
  public var peaks: [Int]

  /// Nil if the order never ends.
  ///
  /// - Complexity: cells, and once more the ranks for each time that all wait.
  public init?(_ schedule: Schedule, _ costs: StageCosts) {
    var book = ReadyBook(schedule, costs)
    var clocks = [Int](repeating: 0, count: schedule.ranks.count)
    var next = clocks
    peaks = clocks
    var held = clocks
    var isMoving = true
    while isMoving {
      isMoving = false
      for rank in schedule.ranks.indices {
        while next[rank] < schedule.ranks[rank].count {
          let cell = schedule.ranks[rank][next[rank]]
          guard let ready = book.ready(cell) else { break }
          for action in cell.actions where action.pass == .forward {
            held[rank] += costs.kept[action.stage]
          }
          peaks[rank] = max(peaks[rank], held[rank])
          clocks[rank] = max(clocks[rank], ready) + costs.duration(of: cell)
          book.finish(cell, on: rank, at: clocks[rank])
          for action in cell.actions
          where action.pass == .backward || action.pass == .backwardWeight {
            held[rank] -= costs.kept[action.stage]
          }
          next[rank] += 1
          isMoving = true
        }
      }
    }
    for rank in next.indices where next[rank] < schedule.ranks[rank].count { return nil }
    makespan = clocks.max() ?? 0
  }

  /// Whether every rank keeps no more than it may.
  public func fits(_ costs: StageCosts) -> Bool {
    zip(peaks, costs.limits).allSatisfy { $0 <= $1 }
  }
}

/// When what passes read is there.
struct ReadyBook {
  private let schedule: Schedule
  private let costs: StageCosts
  private var activations: [Int?]
  private var gradients: [Int?]
  private var inputs: [Bool]

  init(_ schedule: Schedule, _ costs: StageCosts) {
    (self.schedule, self.costs) = (schedule, costs)
    let count = schedule.stageCount * schedule.microbatchCount
    activations = Array(repeating: nil, count: count)
    gradients = activations
    inputs = Array(repeating: false, count: count)
    for microbatch in 0..<schedule.microbatchCount { activations[microbatch] = 0 }
  }

  private func place(_ stage: Int, _ microbatch: Int) -> Int {
    stage * schedule.microbatchCount + microbatch
  }

  /// When a cell's inputs are there; nil where that is not known yet.
  func ready(_ cell: Cell) -> Int? {
    var latest = 0
    for action in cell.actions {
      guard let time = ready(action) else { return nil }
      latest = max(latest, time)
    }
    return latest
  }

  func ready(_ action: Action) -> Int? {
    let place = place(action.stage, action.microbatch)
    switch action.pass {
    case .forward: return activations[place]
    case .backward, .backwardInput: return gradients[place]
    case .backwardWeight: return inputs[place] ? 0 : nil
    }
  }

  mutating func finish(_ cell: Cell, on rank: Int, at end: Int) {
    for action in cell.actions {
      let place = place(action.stage, action.microbatch)
      func arrival(at stage: Int) -> Int {
        schedule.placement.rank(
          ofStage: stage, microbatch: action.microbatch,
          microbatchCount: schedule.microbatchCount) == rank ? end : end + costs.transfer
      }
      switch action.pass {
      case .forward where action.stage + 1 == schedule.stageCount: gradients[place] = end
      case .forward:
        activations[place + schedule.microbatchCount] = arrival(at: action.stage + 1)
      case .backward, .backwardInput:
        inputs[place] = true
        if action.stage > 0 {
          gradients[place - schedule.microbatchCount] = arrival(at: action.stage - 1)
        }
      case .backwardWeight: break
      }
    }
  }
}

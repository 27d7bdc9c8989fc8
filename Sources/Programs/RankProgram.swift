import Plans
import Schedules

/// A message between neighbouring stages.
public struct PipelineTransfer: Hashable, Sendable {
  public var boundary: Boundary
  public var isSend: Bool
  /// The stage whose buffer is sent or received, on this rank.
  public var stage: Int
  public var microbatch: Int
  /// The pipeline rank at the other end.
  public var peer: Int

  public init(boundary: Boundary, isSend: Bool, stage: Int, microbatch: Int, peer: Int) {
    self.boundary = boundary
    self.isSend = isSend
    self.stage = stage
    self.microbatch = microbatch
    self.peer = peer
  }
}

/// One entry of what a pipeline rank does in a step.
public enum Item: Hashable, Sendable {
  case run(Action)
  case overlapped(forward: Action, backward: Action)
  /// Starts a message, as an index into `RankProgram.transfers`.
  case start(Int)
  /// Waits for a message that was started.
  case wait(Int)
  /// Passes a boundary buffer to the next stage on the same rank: of `stage`, for `microbatch`.
  case handOver(Boundary, stage: Int, microbatch: Int)
  /// Begins or adds up sums of gradients.
  case lane(LaneStep)
  /// Starts to gather the parameters of a stage that the step before has updated.
  case gather(stage: Int)
  /// Begins to reduce a stage's gradients over their copies: no later action of this step adds to them.
  case reduce(stage: Int)
  /// Waits for a stage's reduction and sums the squares of the shard that this rank owns.
  case norm(stage: Int)
  /// Agrees on the norm of all gradients.
  case agree
  /// Updates a stage's shard and starts to gather its parameters.
  case update(stage: Int)
  /// Waits for a stage's parameters.
  case settle(stage: Int)
}

/// What one pipeline rank does in a step, with its messages and optimizer made explicit.
public struct RankProgram: Hashable, Sendable {
  public var pipelineRank: Int
  /// The stages that this rank holds.
  public var stages: [Int]
  public var items: [Item]
  public var transfers: [PipelineTransfer]
  /// The items whose backward, or weight half, is the last to add to its stage's gradients and starts
  /// their reductions as it goes; ascending.
  public var closingItems: [Int]
  /// The first forwards of their stages, which wait for the parameters that the step gathers; ascending,
  /// empty where they are gathered behind the update.
  public var openingItems: [Int] = []
  /// By item: the action behind it whose first gathers it starts; empty where nothing is gathered ahead.
  public var gathersAhead: [Action?] = []
  /// By item: whether its first gathers were started by one before it; empty likewise.
  public var isGatheredAhead: [Bool] = []
  /// In which order its overlapped pairs carry out their segments.
  public var pairOrder = PairOrder.published

  public init(
    pipelineRank: Int, stages: [Int], items: [Item], transfers: [PipelineTransfer],
    closingItems: [Int] = []
  ) {
    self.closingItems = closingItems
    self.pipelineRank = pipelineRank
    self.stages = stages
    self.items = items
    self.transfers = transfers
  }
}

/// When the reductions of a stage's gradients start.
public enum ReductionStart: Hashable, Sendable {
  /// Behind the rank's last action.
  case behindAll
  /// Behind the stage's last action.
  case behindStage
  /// Inside of the stage's last action, a bucket at a time.
  case insideBackward
}

extension RankProgram {
  /// Makes a rank's program of its row of a lowered schedule.
  ///
  /// Beside computation, a receive is waited for in front of the action that reads it; a send in front of
  /// the next send to the same peer in the same direction, and at the end. Else each is waited for where it
  /// starts. What stands between two commits starts together, and all of it is waited for at once.
  ///
  /// - Parameters:
  ///   - reductions: when a stage's gradients begin to be reduced.
  ///   - overlapsSends: whether the rank computes beside its sends and receives; by default unless commits
  ///     say where it waits.
  public init(
    schedule: Schedule, rank: Int, reductions: ReductionStart, overlapsSends: Bool? = nil
  ) {
    var builder = RankProgramBuilder(
      schedule: schedule, rank: rank, reductions: reductions, overlapsSends: overlapsSends)
    for cell in schedule.ranks[rank] { builder.add(cell) }
    builder.finish()
    pipelineRank = rank
    stages = schedule.placement.stages(ofRank: rank)
    items = builder.items
    transfers = builder.transfers
    closingItems = builder.closingItems
  }
}

extension RankProgram {
  /// Has every action start the first gathers of the next one on this rank.
  ///
  /// A weight half gathers nothing and lets those of the action behind it through; overlapped pairs begin
  /// with their own.
  public mutating func gatherAhead() {
    gathersAhead = Array(repeating: nil, count: items.count)
    isGatheredAhead = Array(repeating: false, count: items.count)
    var before: Int?
    for (index, item) in items.enumerated() {
      switch item {
      case .run(let action):
        if action.pass == .backwardWeight { continue }
        if let before {
          gathersAhead[before] = action
          isGatheredAhead[index] = true
        }
        before = index
      case .overlapped: before = nil
      default: continue
      }
    }
  }
}

private struct RankProgramBuilder {
  let schedule: Schedule
  let rank: Int
  let usesCommits: Bool
  let reductions: ReductionStart
  let overlapsSends: Bool
  var items: [Item] = []
  var transfers: [PipelineTransfer] = []
  var closingItems: [Int] = []
  /// Started since the last commit.
  private var group: [Int] = []
  /// Committed and not yet waited for.
  private var openGroups: [[Int]] = []
  private var receives: [(action: Action, transfer: Int)] = []
  private var sends: [(transfer: Int, boundary: Boundary, peer: Int)] = []
  /// Stages by the index of the last cell that adds to their gradients.
  private var lastWeightCell: [Int: Int] = [:]
  private var cellIndex = 0
  /// Stages whose gradients are complete, to be reduced at the end.
  private var complete: [Int] = []
  /// Stages whose last action starts their reductions.
  private var closed: Set<Int> = []

  init(schedule: Schedule, rank: Int, reductions: ReductionStart, overlapsSends: Bool?) {
    self.schedule = schedule
    self.rank = rank
    self.reductions = reductions
    usesCommits = schedule.ranks[rank].contains(.commit)
    self.overlapsSends = overlapsSends ?? !usesCommits
    for (index, cell) in schedule.ranks[rank].enumerated() {
      switch cell {
      case .run(let action) where action.pass != .backwardInput:
        lastWeightCell[action.stage] = index
      case .overlapped(let forward, let backward):
        lastWeightCell[forward.stage] = index
        lastWeightCell[backward.stage] = index
      default: break
      }
    }
  }

  mutating func add(_ cell: Cell) {
    switch cell {
    case .idle: break
    case .run(let action):
      awaitInputs(of: action)
      if action.pass != .forward { close(action.stage) }
      items.append(.run(action))
      handOver(action)
    case .overlapped(let forward, let backward):
      awaitInputs(of: forward)
      awaitInputs(of: backward)
      close(backward.stage)
      items.append(.overlapped(forward: forward, backward: backward))
      handOver(forward)
      handOver(backward)
    case .send(let boundary, let stage, let microbatch):
      send(boundary, stage, microbatch)
    case .receive(let boundary, let stage, let microbatch):
      receive(boundary, stage, microbatch)
    case .commit:
      if overlapsSends { openGroups.append(group) } else { items += group.map { .wait($0) } }
      group = []
    }
    for stage in lastWeightCell.keys.sorted() where lastWeightCell[stage] == cellIndex {
      if closed.contains(stage) { continue }
      if reductions == .behindAll {
        complete.append(stage)
      } else {
        items.append(.reduce(stage: stage))
      }
    }
    cellIndex += 1
  }

  /// The next item starts the stage's reductions if it is the last to add to its gradients.
  private mutating func close(_ stage: Int) {
    guard reductions == .insideBackward, lastWeightCell[stage] == cellIndex else { return }
    closed.insert(stage)
    closingItems.append(items.count)
  }

  mutating func finish() {
    while let first = sends.first { awaitGroup(of: first.transfer) }
    items += complete.map { .reduce(stage: $0) }
    let stages = schedule.placement.stages(ofRank: rank)
    items += stages.map { .norm(stage: $0) }
    items.append(.agree)
    // Copies of one tensor may lie on several stages of a rank: all gathers start before one is waited for.
    items += stages.map { .update(stage: $0) }
    items += stages.map { .settle(stage: $0) }
  }

  private func owner(_ stage: Int, _ microbatch: Int) -> Int {
    schedule.placement.rank(
      ofStage: stage, microbatch: microbatch, microbatchCount: schedule.microbatchCount)
  }

  private mutating func send(_ boundary: Boundary, _ stage: Int, _ microbatch: Int) {
    let peer = owner(boundary == .activation ? stage + 1 : stage - 1, microbatch)
    let earlier = sends.first {
      $0.boundary == boundary && $0.peer == peer && !group.contains($0.transfer)
    }
    if let earlier { awaitGroup(of: earlier.transfer) }
    let transfer = start(boundary, isSend: true, stage, microbatch, peer)
    if overlapsSends { sends.append((transfer, boundary, peer)) }
  }

  private mutating func receive(_ boundary: Boundary, _ stage: Int, _ microbatch: Int) {
    let peer = owner(boundary == .activation ? stage - 1 : stage + 1, microbatch)
    let transfer = start(boundary, isSend: false, stage, microbatch, peer)
    if overlapsSends {
      let pass: Action.Pass = boundary == .activation ? .forward : .backward
      receives.append((Action(pass, stage: stage, microbatch: microbatch), transfer))
    }
  }

  private mutating func start(
    _ boundary: Boundary, isSend: Bool, _ stage: Int, _ microbatch: Int, _ peer: Int
  ) -> Int {
    transfers.append(
      PipelineTransfer(
        boundary: boundary, isSend: isSend, stage: stage, microbatch: microbatch, peer: peer))
    let transfer = transfers.count - 1
    items.append(.start(transfer))
    if usesCommits {
      group.append(transfer)
    } else if !overlapsSends {
      items.append(.wait(transfer))
    }
    return transfer
  }

  /// Waits for a message, and for those that started together with it.
  private mutating func awaitGroup(of transfer: Int) {
    let index = openGroups.firstIndex { $0.contains(transfer) }
    let together = index.map { openGroups.remove(at: $0) } ?? [transfer]
    items += together.map { .wait($0) }
    receives.removeAll { together.contains($0.transfer) }
    sends.removeAll { together.contains($0.transfer) }
  }

  /// Waits for what an action reads.
  private mutating func awaitInputs(of action: Action) {
    guard action.pass != .backwardWeight else { return }
    let pass: Action.Pass = action.pass == .forward ? .forward : .backward
    let key = Action(pass, stage: action.stage, microbatch: action.microbatch)
    if let receive = receives.first(where: { $0.action == key }) {
      awaitGroup(of: receive.transfer)
    }
  }

  /// Passes on what an action made where the next stage lies on this rank.
  private mutating func handOver(_ action: Action) {
    switch action.pass {
    case .forward:
      let next = action.stage + 1
      if next < schedule.stageCount, owner(next, action.microbatch) == rank {
        items.append(
          .handOver(.activation, stage: action.stage, microbatch: action.microbatch))
      }
    case .backward, .backwardInput:
      let next = action.stage - 1
      if next >= 0, owner(next, action.microbatch) == rank {
        items.append(
          .handOver(.gradient, stage: action.stage, microbatch: action.microbatch))
      }
    case .backwardWeight: break
    }
  }
}

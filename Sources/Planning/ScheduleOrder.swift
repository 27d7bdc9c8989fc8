import Schedules

/// The cells of a schedule in an order in which each comes behind what it needs: made once for all plans that
/// share the schedule.
struct ScheduleOrder: Sendable {
  typealias Pass = Schedules.Action.Pass

  /// One action, in few bytes.
  struct Action: Sendable {
    var pass: Pass
    var stage: Int16
    /// The place of what it reads, −1 for nothing that another action makes; and by which message it comes,
    /// −1 for none.
    var input: Int32
    var message: Int16
    /// The place of what it makes, −1 for nothing.
    var output: Int32
  }

  /// What a rank carries out as one.
  struct Cell: Sendable {
    var rank: Int16
    var isPair: Bool
    var first: Action
    var second: Action
  }

  /// From where to where a message goes.
  struct Message: Hashable, Sendable {
    var boundary: Boundary
    var from: Int
    var to: Int
  }

  let rankCount: Int
  let placement: Placement
  private(set) var cells: [Cell] = []
  /// Kinds of messages, by their numbers.
  private(set) var messages: [Message] = []
  /// Outputs of forwards and of backwards, by stage and microbatch.
  let placeCount: Int
  private var numbers: [Message: Int16] = [:]

  init(_ schedule: Schedule) {
    rankCount = schedule.ranks.count
    placement = schedule.placement
    placeCount = 2 * schedule.stageCount * schedule.microbatchCount
    var isReady = [Bool](repeating: false, count: placeCount)
    var places = schedule.ranks.map { _ in 0 }
    var hasMoved = true
    while hasMoved {
      hasMoved = false
      for rank in schedule.ranks.indices {
        let row = schedule.ranks[rank]
        while places[rank] < row.count {
          let actions = row[places[rank]].actions
          let made = actions.map { action($0, on: rank, of: schedule) }
          guard made.allSatisfy({ $0.input < 0 || isReady[Int($0.input)] }) else { break }
          places[rank] += 1
          hasMoved = true
          guard let first = made.first, let last = made.last else { continue }
          for action in made where action.output >= 0 { isReady[Int(action.output)] = true }
          cells.append(
            Cell(rank: Int16(rank), isPair: made.count > 1, first: first, second: last))
        }
      }
    }
    numbers = [:]
  }

  private mutating func action(
    _ action: Schedules.Action, on rank: Int, of schedule: Schedule
  ) -> Action {
    let (count, stages) = (schedule.microbatchCount, schedule.stageCount)
    let backwards = stages * count
    let place = action.stage * count + action.microbatch
    var made = Action(
      pass: action.pass, stage: Int16(action.stage), input: -1, message: -1, output: -1)
    func owner(_ stage: Int) -> Int {
      schedule.placement.rank(
        ofStage: stage, microbatch: action.microbatch, microbatchCount: count)
    }
    switch action.pass {
    case .forward:
      made.output = Int32(place)
      guard action.stage > 0 else { break }
      made.input = Int32(place - count)
      made.message = message(.activation, from: owner(action.stage - 1), to: rank)
    case .backward, .backwardInput:
      made.output = Int32(backwards + place)
      guard action.stage < stages - 1 else {
        made.input = Int32(place)
        break
      }
      made.input = Int32(backwards + place + count)
      made.message = message(.gradient, from: owner(action.stage + 1), to: rank)
    case .backwardWeight: break
    }
    return made
  }

  private mutating func message(_ boundary: Boundary, from: Int, to: Int) -> Int16 {
    guard from != to else { return -1 }
    let message = Message(boundary: boundary, from: from, to: to)
    if let known = numbers[message] { return known }
    let number = Int16(messages.count)
    messages.append(message)
    numbers[message] = number
    return number
  }
}

import Engines
import Programs
import Schedules

extension StepInput {
  /// The operations of an item's program, as its spans number them; none where it computes nothing.
  ///
  /// A pass that closes a stage's gradients, and one that opens the step, end with what their programs convert.
  package func operations(of item: Item, isForward: Bool) -> [Programs.Operation] {
    func pass(_ action: Action) -> [Programs.Operation] {
      let stage = stages[action.stage]
      let conversions =
        switch action.pass {
        case .backward, .backwardWeight: stage.reduce.operations
        case .forward where !stage.gather.transfers.isEmpty: stage.settle.operations
        default: [Programs.Operation]()
        }
      return stage.program(for: action.pass).operations + conversions
    }
    return switch item {
    case .run(let action): pass(action)
    case .overlapped(let forward, let backward): pass(isForward ? forward : backward)
    case .lane(let step): stages[step.stage].program(for: step).operations
    case .gather(let stage): stages[stage].gather.operations
    case .reduce(let stage): stages[stage].reduce.operations
    case .norm(let stage): stages[stage].norm.operations
    case .update(let stage): stages[stage].update.operations
    case .settle(let stage): stages[stage].settle.operations
    case .start, .wait, .handOver, .agree: []
    }
  }
}

import Engines
import Programs
import Schedules

/// What a rank's actions started, in order, where it is asked for.
extension RankBackend {
  /// Writes down what an action did.
  func log(_ record: ActionRecord, _ item: Item) {
    guard world.log != nil else { return }
    for started in record.started {
      if started.isReduction {
        logReduction(started, stage: backwardStage(of: item))
        continue
      }
      let action: Action
      switch item {
      case .run(let lone): action = lone
      case .overlapped(let forward, let backward): action = started.isForward ? forward : backward
      default: preconditionFailure("Only actions have transfers.")
      }
      let instance = Instance(
        stage: action.stage, microbatch: action.microbatch, pass: action.pass)
      let program = world.input.stages[action.stage].program(for: action.pass)
      let number = Int(started.index)
      if started.isTransfer {
        world.log?.add(program.transfers[number], number, instance, on: index)
      } else {
        world.log?.add(operation: number, instance, on: index)
      }
    }
  }

  private func logReduction(_ started: StartedWork, stage: Int) {
    let instance = Instance(stage: stage, microbatch: -1, pass: .backwardWeight)
    let number = Int(started.index)
    if started.isTransfer {
      let transfer = world.input.stages[stage].reduce.transfers[number]
      world.log?.add(transfer, number, instance, on: index)
    } else {
      world.log?.add(operation: number, instance, on: index)
    }
  }
}

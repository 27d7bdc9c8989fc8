import Programs
import Schedules

/// What a rank waits for since equal devices do not take equal times.
extension RankBackend {
  /// What the ranks that meet in an action wait for the slowest of them, behind all that they do in it.
  mutating func wait(for record: ActionRecord, meets: Bool) -> Int64 {
    guard let waits = world.waits else { return 0 }
    rank.variance += waits.variance(busy: record.busy, meets: meets)
    let wait = waits.wait(busy: record.busy, meets: meets)
    let plan = world.input.plan
    switch meets {
    case true where waits.copiesMeet: rank.data.waiting += wait
    case true where plan.expertParallel > 1: rank.expert.waiting += wait
    case true where plan.tensorParallel > 1: rank.tensor.waiting += wait
    case true where plan.contextParallel > 1: rank.context.waiting += wait
    case true, false: rank.data.waiting += wait
    }
    return wait
  }

  /// What the groups of a position wait for each other where they meet, by what was done since they met before.
  func waitForGroups(_ waits: ExpectedWaits) -> Int64 {
    waits.waitForGroups(
      busy: rank.busy - rank.met.busy, variance: rank.variance - rank.met.variance)
  }

  /// The same behind a forward of the last stage, where they average its loss.
  mutating func waitForAverage(_ item: Item) -> Int64 {
    guard let waits = world.waits, world.input.plan.lossAverage == .microbatch,
      let stage = forwardStage(of: item), stage == world.input.stages.count - 1
    else { return 0 }
    let wait = waitForGroups(waits)
    rank.met = (rank.busy, rank.variance)
    rank.data.waiting += wait
    return wait
  }

  private func forwardStage(of item: Item) -> Int? {
    switch item {
    case .run(let action): action.pass == .forward ? action.stage : nil
    case .overlapped(let forward, _): forward.stage
    default: nil
    }
  }
}

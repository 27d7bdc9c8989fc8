import Programs
import Schedules

extension Schedule {
  /// The forwards of a schedule alone, in its order.
  public var forwardOnly: Schedule {
    var forward = self
    forward.ranks = ranks.map { cells in
      cells.flatMap(\.actions).filter { $0.pass == .forward }.map { .run($0) }
    }
    return forward
  }
}

extension RankProgram {
  /// What a rank does in a step that runs forward alone.
  ///
  /// - Parameter schedule: forwards with their sends and receives.
  public init(forwardOf schedule: Schedule, rank: Int) {
    self.init(schedule: schedule, rank: rank, reductions: .behindAll)
    items = items.filter(\.isPipelineWork)
  }
}

extension Item {
  /// Belongs to the pipeline, not to the optimizer.
  public var isPipelineWork: Bool {
    switch self {
    case .run, .overlapped, .start, .wait, .handOver: true
    case .lane, .gather, .reduce, .norm, .agree, .update, .settle: false
    }
  }
}

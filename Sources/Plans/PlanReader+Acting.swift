import Documents
import Schedules

extension PlanReader {
  /// Refuses what the file says and the rest of the plan leaves without effect.
  func checkThatKeysAct() throws(ConfigurationError) {
    if plan.passTimes != nil, let order = fixedOrder {
      let planned = ScheduleName.allCases.filter(\.isPlanned).map(\.rawValue)
      throw table.error(
        "\(order) is the same whatever passes take; planned with them are "
          + "\(planned.joined(separator: ", ")), and pass-times: null leaves them out",
        at: keys.passTimes)
    }
    if plan.scattersPipelineSends, plan.pipelineParallel == 1 {
      throw table.error(
        "pipeline-parallel is 1: nothing is sent", at: keys.scattersPipelineSends)
    }
    let sumsAlone: [Plan.CollectiveAlgorithm: String] = [.tree: "tree", .inSwitch: "switch"]
    if let algorithm = plan.collectiveAlgorithm, let what = sumsAlone[algorithm],
      plan.zeroStage != .nothing, plan.replicas > 1
    {
      throw table.error(
        "zero-stage \(plan.zeroStage.rawValue) reduces to shards and gathers them, which no "
          + "\(what) does: ring or hierarchical", at: keys.collectiveAlgorithm)
    }
  }

  /// The schedule, where times of passes do not change it.
  private var fixedOrder: String? {
    switch plan.schedule {
    case .file: "the order of schedule-file"
    case .named(let name):
      ScheduleName(rawValue: name)?.isPlanned == true ? nil : "the order of \(name)"
    }
  }
}

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
    if let rule = plan.ruleAgainstShardingGroup {
      throw table.error(rule, at: keys.shardingGroup)
    }
    if plan.reshardAfterForward != nil, let rule = ruleAgainstResharding {
      throw table.error(rule, at: keys.reshardAfterForward)
    }
    if plan.gradientBucket != nil, let rule = ruleAgainstBuckets {
      throw table.error(rule, at: keys.gradientBucket)
    }
  }

  /// Why parameters are not gathered so many units ahead; nil where they are.
  func ruleAgainstPrefetch(_ units: Int) -> String? {
    if plan.zeroStage != .parameters || plan.replicas == 1 {
      return "only zero-stage 3 over more than one copy gathers units as they are computed"
    }
    let said = plan.overlap.parameterGather
    if units == 0, said == true { return "overlap.parameter-gather is true, which gathers ahead" }
    return units > 0 && said == false
      ? "overlap.parameter-gather is false: every gather is waited for at once" : nil
  }

  /// Why gathered parameters are not kept behind a forward; nil where they may be.
  private var ruleAgainstResharding: String? {
    if plan.zeroStage != .parameters || plan.replicas == 1 {
      return "only zero-stage 3 over more than one copy gathers parameters in a forward"
    }
    return plan.reshardAfterForward == false && plan.pipelineParallel > 1
      ? "pipeline-parallel is \(plan.pipelineParallel): parameters that stay gathered over several "
        + "forwards are those of zero-stage 2" : nil
  }

  /// Why gradients are not reduced in buckets; nil where they are.
  private var ruleAgainstBuckets: String? {
    if plan.replicas == 1 { return "there are no copies to reduce over" }
    if plan.zeroStage.rawValue >= 2, !plan.gathersAheadOfForward {
      return "zero-stage \(plan.zeroStage.rawValue) reduces a layer at a time"
    }
    return plan.bucketElements == nil
      ? "overlap.gradient-reduction is false: a stage's gradients are reduced at once" : nil
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

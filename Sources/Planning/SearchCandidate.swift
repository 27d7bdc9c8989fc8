import Plans
import Schedules

/// The settings of a plan that decide the kernels of its units.
package struct KernelSetting: Hashable, Sendable {
  /// The base, by its number.
  package var base: Int
  package var tensor = 1
  package var context = 1
  package var expert = 1
  package var expertTensor = 1
  package var microbatch = 1
  package var sequenceParallel = false
  package var recomputation = Recomputation.none
  package var dispatcher: Plan.Dispatcher?
  package var communicationSMs: Int?
  package var overlapsTensorExchange: Bool?

  /// Writes the settings into a plan.
  package func apply(to plan: inout Plan) {
    plan.tensorParallel = tensor
    plan.contextParallel = context
    plan.expertParallel = expert
    plan.expertTensorParallel = expertTensor
    plan.microbatchSize = microbatch
    plan.sequenceParallel = sequenceParallel
    plan.recomputation = recomputation
    if let dispatcher { plan.dispatcher = dispatcher }
    if let communicationSMs { plan.communicationSMs = communicationSMs }
    if let overlapsTensorExchange {
      plan.overlap.tensorExchange = overlapsTensorExchange ? .yes : .no
    }
  }
}

/// A plan of a search space, in few words.
package struct Candidate: Hashable, Sendable {
  package var kernels: KernelSetting
  package var data: Int
  package var pipeline: Int
  package var schedule: Plan.ScheduleSource
  package var stagesPerRank: Int
  package var zero: Plan.ZeROStage
  package var layout: Plan.Layout

  /// The plan, its layout as it stands.
  package func plan(in space: SearchSpace) -> Plan {
    var plan = space.bases[kernels.base]
    kernels.apply(to: &plan)
    plan.dataParallel = data
    plan.pipelineParallel = pipeline
    plan.schedule = schedule
    plan.stagesPerRank = stagesPerRank
    plan.zeroStage = zero
    plan.layout = layout
    return plan
  }
}

/// Plans that share their degrees: what the search takes apart step by step.
package struct SearchShape: Hashable, Sendable {
  /// The settings that all plans share, others at their first alternative.
  package var kernels: KernelSetting
  package var data: Int
  package var pipeline: Int
}

/// Plans of one shape that share their kernels, too, and whether forwards and backwards run as pairs.
package struct SearchGroup: Hashable, Sendable {
  package var shape: SearchShape
  package var kernels: KernelSetting
  package var hasPairs: Bool

  package init(shape: SearchShape, kernels: KernelSetting, hasPairs: Bool) {
    (self.shape, self.kernels, self.hasPairs) = (shape, kernels, hasPairs)
  }
}

/// What distinguishes the plans of a group.
package struct SearchMember: Hashable, Sendable {
  package var schedule: Plan.ScheduleSource
  package var stagesPerRank: Int
  package var zero: Plan.ZeROStage
  package var layout: Plan.Layout
}

extension SearchGroup {
  package func candidate(_ member: SearchMember) -> Candidate {
    Candidate(
      kernels: kernels, data: shape.data, pipeline: shape.pipeline, schedule: member.schedule,
      stagesPerRank: member.stagesPerRank, zero: member.zero, layout: member.layout)
  }
}

// MARK: - Enumeration

extension SearchSpace {
  /// Every combination of degrees, batch and base, valid or not.
  package var shapes: [SearchShape] {
    var shapes: [SearchShape] = []
    for base in bases.indices {
      for tensor in tensorParallel {
        for context in contextParallel {
          for pipeline in pipelineParallel {
            for expert in expertParallel {
              for expertTensor in expertTensor(beside: tensor) {
                for microbatch in microbatchSizes {
                  let (data, rest) = devices.quotientAndRemainder(
                    dividingBy: tensor * context * pipeline)
                  guard rest == 0, data > 0, dataParallel?.contains(data) ?? true else { continue }
                  shapes.append(
                    SearchShape(
                      kernels: KernelSetting(
                        base: base, tensor: tensor, context: context, expert: expert,
                        expertTensor: expertTensor, microbatch: microbatch),
                      data: data, pipeline: pipeline))
                }
              }
            }
          }
        }
      }
    }
    return shapes
  }

  /// Expert-tensor degrees beside a tensor degree; without experts they cannot act.
  private func expertTensor(beside tensor: Int) -> [Int] {
    guard expertParallel != [1] else { return [tensor] }
    return expertTensorParallel ?? distinct([1, tensor])
  }

  /// All ways to set the rest of what decides kernels.
  package func kernelSettings(of shape: SearchShape) -> [KernelSetting] {
    var settings: [KernelSetting] = []
    let isSplit = shape.kernels.tensor > 1
    for sequence in isSplit ? sequenceParallel : [false] {
      for overlap in isSplit ? tensorExchangeOverlaps.map(Optional.init) : [nil] {
        for recomputation in recomputations {
          for (dispatcher, count) in exchanges(of: shape) {
            var setting = shape.kernels
            setting.sequenceParallel = sequence
            setting.overlapsTensorExchange = overlap
            setting.recomputation = recomputation
            setting.dispatcher = dispatcher
            setting.communicationSMs = count
            settings.append(setting)
          }
        }
      }
    }
    return settings
  }

  /// Dispatchers with their multiprocessors; none where nothing is exchanged.
  private func exchanges(of shape: SearchShape) -> [(Plan.Dispatcher?, Int?)] {
    guard shape.kernels.expert > 1 else { return [(nil, nil)] }
    return dispatchers.flatMap { dispatcher in
      dispatcher == .deepEP
        ? communicationSMs.map { (dispatcher, $0) } : [(dispatcher, nil)]
    }
  }

  /// With one pipeline rank nothing is pipelined: of schedules only those of whole stages are left, where the
  /// grid has them.
  private func schedules(onRanks ranks: Int) -> [Plan.ScheduleSource] {
    guard ranks == 1 else { return schedules }
    let plain = schedules.filter { $0 == .named("gpipe") || $0 == .named("1f1b") }
    return plain.isEmpty ? schedules : plain
  }

  /// All plans of a shape that share their kernels.
  package func members(of shape: SearchShape, hasPairs: Bool) -> [SearchMember] {
    var members: [SearchMember] = []
    for schedule in schedules(onRanks: shape.pipeline) where schedule.hasPairs == hasPairs {
      let copies =
        shape.data * shape.kernels.context * (schedule == .named("dualpipe") ? 2 : 1)
      let ranks = shape.kernels.tensor * copies
      let expertCopies = ranks / (shape.kernels.expert * shape.kernels.expertTensor)
      // Without copies nothing is divided among them.
      let zeros = copies > 1 || expertCopies > 1 ? zeroStages : Array(zeroStages.prefix(1))
      for stages in stagesPerRank ?? schedule.usualStages {
        for zero in zeros {
          for layout in layouts {
            members.append(
              SearchMember(
                schedule: schedule, stagesPerRank: stages, zero: zero, layout: layout))
          }
        }
      }
    }
    return members
  }
}

extension Plan.ScheduleSource {
  /// Whether forwards and backwards may run as overlapped pairs.
  package var hasPairs: Bool {
    switch self {
    case .named(let name): name == "dualpipe" || name == "dualpipev"
    case .file: true
    }
  }

  /// The numbers of stages that a rank has where the grid does not say.
  fileprivate var usualStages: [Int] {
    guard case .named(let name) = self, let known = ScheduleName(rawValue: name) else { return [1] }
    switch known {
    case .dualPipe: return [1]
    case .interleavedOneForwardOneBackward, .loopedBreadthFirst, .interleavedZeroBubble:
      return SearchSpace.loopedStages
    default: return [known.defaultStagesPerRank]
    }
  }
}

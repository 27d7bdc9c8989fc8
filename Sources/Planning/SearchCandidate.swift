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
  package var tensorExchange: Plan.Overlap.TensorExchange?

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
    if let tensorExchange { plan.overlap.tensorExchange = tensorExchange }
  }
}

extension KernelSetting {
  /// The same with other parts that are recomputed.
  func recomputing(_ extent: Recomputation) -> KernelSetting {
    var setting = self
    setting.recomputation = extent
    return setting
  }

  /// The same with exchanges on so many multiprocessors.
  func communicating(on count: Int?) -> KernelSetting {
    var setting = self
    setting.communicationSMs = count
    return setting
  }
}

/// A plan of a search space, in few words.
package struct Candidate: Hashable, Sendable {
  package var kernels: KernelSetting
  package var data: Int
  package var pipeline: Int
  package var member: SearchMember

  /// The plan, its layout as it stands.
  package func plan(in space: SearchSpace) -> Plan {
    var plan = space.bases[kernels.base]
    kernels.apply(to: &plan)
    plan.dataParallel = data
    plan.pipelineParallel = pipeline
    plan.schedule = member.schedule
    plan.stagesPerRank = member.stagesPerRank
    plan.zeroStage = member.zero
    plan.shardingGroup = member.shardingGroup
    plan.layout = member.layout
    if let isMerged = member.mergesPairs { plan.overlap.expertExchange = isMerged }
    if member.firstLayers > 0 { plan.recomputation = .firstLayers(member.firstLayers) }
    return plan
  }
}

/// What is divided among ranks that hold copies, and among how many of them; nil for all.
struct SearchSharding: Hashable, Sendable {
  var zero = Plan.ZeROStage.nothing
  var group: Int?
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
  /// Whether forwards and backwards go as one; nil for what is usual under the schedule.
  package var mergesPairs: Bool?
  package var stagesPerRank: Int
  package var zero: Plan.ZeROStage
  package var shardingGroup: Int?
  package var layout: Plan.Layout
  /// Of every stage, layers that are computed again as a whole beside what the kernels' setting says.
  package var firstLayers = 0

  /// Whether forwards and backwards may run as overlapped pairs.
  package var hasPairs: Bool { schedule.hasPairs(mergesPairs) }
}

extension SearchMember {
  /// The same with other things divided among copies.
  func dividing(_ sharding: SearchSharding) -> SearchMember {
    var member = self
    (member.zero, member.shardingGroup) = (sharding.zero, sharding.group)
    return member
  }
}

extension SearchGroup {
  package func candidate(_ member: SearchMember) -> Candidate {
    Candidate(
      kernels: kernels, data: shape.data, pipeline: shape.pipeline, member: member)
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
    guard expertParallel != [1] || expertTensorParallel != nil else { return [tensor] }
    return expertTensorParallel ?? distinct([1, tensor])
  }

  /// Whether stages of which some layers are computed again are looked at without being listed.
  var mixesLayers: Bool {
    recomputedLayers == nil && recomputations.contains(.none) && recomputations.contains(.full)
  }

  /// What may be recomputed in all layers; layers of two kinds are members of the group that recomputes
  /// nothing.
  var extents: [Recomputation] {
    distinct(recomputations + ((recomputedLayers ?? []).isEmpty ? [] : [.none]))
  }

  /// Those of them that hold one with no other one between: from nothing on each of them is met once.
  package func extents(behind extent: Recomputation) -> [Recomputation] {
    extents.filter { other in
      guard other.holds(extent) else { return false }
      let between = extents.filter { other.holds($0) && $0 != .none }
      // Of several that one holds and of which none holds the others the first counts.
      let nearest = between.filter { near in !between.contains { $0.holds(near) } }.first
      return (nearest ?? .none) == extent
    }
  }

  /// All ways to set the rest of what decides kernels.
  package func kernelSettings(of shape: SearchShape) -> [KernelSetting] {
    kernelFamilies(of: shape).flatMap { kernels, extents in
      extents.map { kernels.recomputing($0) }
    }
  }

  /// The same but for what is recomputed, with what may be.
  func kernelFamilies(of shape: SearchShape) -> [(KernelSetting, [Recomputation])] {
    var families: [(KernelSetting, [Recomputation])] = []
    let isSplit = shape.kernels.tensor > 1
    let extents = extents
    for sequence in isSplit ? sequenceParallel : [false] {
      for exchange in tensorExchanges(isSplit: isSplit, isSequence: sequence) {
        for (dispatcher, count) in exchanges(of: shape) {
          var setting = shape.kernels
          setting.sequenceParallel = sequence
          setting.tensorExchange = exchange
          setting.recomputation = .none
          setting.dispatcher = dispatcher
          setting.communicationSMs = count
          families.append((setting, extents))
        }
      }
    }
    return families
  }

  /// Whether a shape's tensor ranks may divide sequences among themselves, as the grid has it and as sequences
  /// allow.
  func dividesSequences(_ shape: SearchShape) -> Bool {
    let kernels = shape.kernels
    return kernels.tensor > 1 && sequenceParallel.contains(true)
      && bases[kernels.base].sequenceLength / kernels.context % kernels.tensor == 0
  }

  /// Ways of a tensor group's exchanges; without sequence parallelism there is nothing to cut.
  func tensorExchanges(
    isSplit: Bool, isSequence: Bool
  ) -> [Plan.Overlap.TensorExchange?] {
    guard isSplit else { return [nil] }
    guard !isSequence else { return tensorExchanges }
    let whole = tensorExchanges.filter { $0 != .chunked }
    return whole.isEmpty ? tensorExchanges : whole
  }

  /// Dispatchers with their multiprocessors; none where nothing is exchanged.
  private func exchanges(of shape: SearchShape) -> [(Plan.Dispatcher?, Int?)] {
    guard shape.kernels.expert > 1 else { return [(nil, nil)] }
    return dispatchers.flatMap { dispatcher in
      dispatcher == .deepEP
        ? communicationSMs.map { (dispatcher, $0) } : [(dispatcher, nil)]
    }
  }

  /// With one pipeline rank nothing is pipelined: of schedules that nobody named only those of whole stages are
  /// left, where the grid has them.
  func schedules(onRanks ranks: Int) -> [Plan.ScheduleSource] {
    guard ranks == 1, !namesSchedules else { return schedules }
    let plain = schedules.filter { $0 == .named("gpipe") || $0 == .named("1f1b") }
    return plain.isEmpty ? schedules : plain
  }

  /// Whether forwards and backwards are merged under a schedule: where experts are exchanged and it has a
  /// choice.
  private func pairings(_ schedule: Plan.ScheduleSource, _ shape: SearchShape) -> [Bool?] {
    guard shape.kernels.expert > 1, let known = schedule.known, known.canMergePairs else {
      return [nil]
    }
    let isUsual = known.usualPairs == .merged
    // What a schedule has of itself is no alternative of its own.
    let listed = expertExchanges ?? (isUsual ? [nil] : [nil, true])
    let pairings = listed.filter { !excludedExchanges.contains($0 ?? isUsual) }
    return listed.contains(nil) ? pairings.filter { $0 != isUsual } : pairings
  }

  /// Plans that differ in what is divided among copies, in their layout and in layers that are computed
  /// again.
  private struct Family {
    var schedule: Plan.ScheduleSource
    var mergesPairs: Bool?
    var stages: Int
    var sharding: [SearchSharding]
  }

  private func families(of shape: SearchShape, hasPairs: Bool) -> [Family] {
    var families: [Family] = []
    for schedule in schedules(onRanks: shape.pipeline) {
      for pairing in pairings(schedule, shape) where schedule.hasPairs(pairing) == hasPairs {
        let sharding = sharding(of: shape, isTwice: schedule.isBidirectional)
        for stages in stagesPerRank ?? schedule.usualStages {
          families.append(
            Family(
              schedule: schedule, mergesPairs: pairing, stages: stages, sharding: sharding))
        }
      }
    }
    return families
  }

  /// What is divided among how many copies; without copies nothing is, and DualPipe's lie on two positions.
  func sharding(of shape: SearchShape, isTwice: Bool) -> [SearchSharding] {
    let replicas = shape.data * shape.kernels.context
    let copies = replicas * (isTwice ? 2 : 1)
    let ranks = shape.kernels.tensor * copies
    let expertCopies = ranks / (shape.kernels.expert * shape.kernels.expertTensor)
    guard copies > 1 || expertCopies > 1 else {
      return zeroStages.prefix(1).map { SearchSharding(zero: $0) }
    }
    // A group of all copies is no group; one that is listed and that a plan cannot have refuses the plan.
    let isListed = shardingGroups != nil
    let groups = distinct(
      (shardingGroups ?? [nil, nodeDevices / shape.kernels.tensor]).map { size -> Int? in
        guard let size, size != replicas else { return nil }
        let isPossible = !isTwice && size > 1 && size < replicas && replicas % size == 0
        return isPossible || isListed ? size : nil
      })
    return zeroStages.flatMap { zero in
      zero == .nothing ? [SearchSharding()] : groups.map { SearchSharding(zero: zero, group: $0) }
    }
  }

  /// First layers of stages that are computed again, where everything else of a layer is kept.
  private func firstLayers(of kernels: KernelSetting, stages: Int) -> [Int] {
    guard kernels.recomputation == .none else { return [0] }
    let plain = recomputations.contains(.none) ? [0] : []
    if let recomputedLayers { return plain + recomputedLayers }
    guard mixesLayers else { return plain }
    let most = (layerCount + stages - 1) / stages
    return distinct(plain + [most / 4, most / 2, 3 * most / 4].filter { $0 > 0 && $0 < most })
  }

  /// How many plans a shape stands for.
  package func size(of shape: SearchShape, hasPairs: Bool, _ kernels: KernelSetting) -> Int {
    families(of: shape, hasPairs: hasPairs).reduce(0) { sum, family in
      sum + family.sharding.count * layouts.count
        * firstLayers(of: kernels, stages: shape.pipeline * family.stages).count
    }
  }

  /// All plans of a shape that share their kernels.
  package func members(of group: SearchGroup) -> [SearchMember] {
    kinds(of: group).flatMap { kind in kind.sharding.map { kind.member.dividing($0) } }
  }

  /// The same by what they have but for what is divided among copies, with all that may be.
  func kinds(of group: SearchGroup) -> [(member: SearchMember, sharding: [SearchSharding])] {
    var kinds: [(SearchMember, [SearchSharding])] = []
    for family in families(of: group.shape, hasPairs: group.hasPairs) {
      let layers = firstLayers(
        of: group.kernels, stages: group.shape.pipeline * family.stages)
      for layout in layouts {
        for count in layers {
          let member = SearchMember(
            schedule: family.schedule, mergesPairs: family.mergesPairs,
            stagesPerRank: family.stages, zero: .nothing, layout: layout, firstLayers: count)
          kinds.append((member, family.sharding))
        }
      }
    }
    return kinds
  }
}

extension Plan.ScheduleSource {
  /// The schedule that ships under the name.
  var known: ScheduleName? {
    if case .named(let name) = self { ScheduleName(rawValue: name) } else { nil }
  }

  /// Whether forwards and backwards may run as overlapped pairs, where they are merged, kept apart, or as is
  /// usual.
  package func hasPairs(_ mergesPairs: Bool?) -> Bool {
    guard let known else { return mergesPairs ?? true }
    return mergesPairs ?? (known.usualPairs == .merged)
  }

  /// The numbers of stages that a rank has where the grid does not say.
  fileprivate var usualStages: [Int] {
    guard let known else { return [1] }
    switch known {
    case .dualPipe: return [1]
    case .interleavedOneForwardOneBackward, .loopedBreadthFirst, .interleavedZeroBubble:
      return SearchSpace.loopedStages
    default: return [known.defaultStagesPerRank]
    }
  }
}

extension Recomputation {
  /// Whether it recomputes all that another one does, and more.
  func holds(_ other: Recomputation) -> Bool {
    switch (self, other) {
    case (.none, _): false
    case (_, .none): true
    case (.full, .modules): true
    case (.modules(let own), .modules(let others)):
      own.count > others.count && others.allSatisfy(own.contains)
    default: false
    }
  }
}

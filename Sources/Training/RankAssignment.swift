import Models
import Plans
import Programs
import Schedules

/// One use of a tensor on one rank: a pipeline rank's copy of a stage.
struct Holder: Hashable {
  /// The rank's number in the world.
  var rank: Int
  var stage: Int
}

/// Which gradients are added up for a segment, and by whom.
struct SegmentGroup {
  /// All copies, in the order of shards: by data rank, then direction, then stage.
  var holders: [Holder]
  /// For each use of the tensor, its gradients' holders in the order of lanes; one use unless shared.
  var uses: [Use]

  struct Use {
    var stage: Int
    /// Index into the stage's parameters; −1 stands for the whole segment.
    var parameter: Int
    var lanes: [Holder]
  }
}

/// What one rank holds and with whom it shares it.
final class RankAssignment {
  let architecture: Architecture
  let plan: Plan
  let mesh: Mesh
  let layout: StageLayout
  let schedule: Schedule
  let rank: Int
  let place: Mesh.Coordinates
  /// The programs of all stages; a rank walks those of `localStages`.
  let programs: [StageProgram]
  let purpose: Purpose
  let localStages: [Int]
  let items: RankProgram
  let lanes: GradientLanes
  let blocks: BlockTable
  /// By stage and segment: who holds copies, and which of them this rank is; empty for stages elsewhere.
  private(set) var groups: [[SegmentGroup]] = []
  private(set) var ownShare: [[Int]] = []
  /// The segment that each operation of a stage's norm program measures.
  private(set) var segmentOfNorm: [[Int]] = []
  /// Bytes at the end of each message between stages that are no rows.
  let carriedBytes: Int

  /// Lays a model out under a plan for one rank; `schedule` has its sends and receives.
  init(
    _ architecture: Architecture, _ plan: Plan, _ layout: StageLayout, _ schedule: Schedule,
    rank: Int, purpose: Purpose = .training, objective: Objective = .crossEntropy
  ) {
    self.architecture = architecture
    self.plan = plan
    self.layout = layout
    self.schedule = schedule
    self.rank = rank
    mesh = plan.mesh
    place = mesh.coordinates(of: rank)
    self.purpose = purpose
    var setting = LoweringSetting(plan, layout, of: architecture, target: .cpuRank)
    (setting.purpose, setting.objective) = (purpose, objective)
    carriedBytes = purpose == .training ? setting.carriedBytes : 0
    programs = layout.stages.map { StageProgram(units: $0, of: architecture, setting) }
    lanes = GradientLanes(plan, target: .cpuRank)
    var items = RankProgram(
      schedule: schedule, rank: place.pipeline,
      reductions: purpose == .training ? plan.reductionStart : .behindAll,
      overlapsSends: purpose == .training ? plan.overlaps(.pipelineSends) : nil)
    items.pairOrder = plan.pairOrder
    if purpose == .training { items.insert(lanes, of: programs) }
    if purpose == .training, plan.gathersAheadOfForward { items.gatherAheadOfForwards() }
    self.items = items
    localStages = items.stages
    blocks = BlockTable(
      programs, expertParallel: plan.expertParallel,
      expertCoordinate: mesh.expertCoordinate(of: rank))
    for (stage, program) in programs.enumerated() {
      let made =
        localStages.contains(stage) ? program.segments.map { group(of: $0, stage: stage) } : []
      groups.append(made)
      var segment = -1
      segmentOfNorm.append(
        program.norm.operations.map {
          if case .squareSum = $0.kernel { segment += 1 }
          return segment
        })
      let me = Holder(rank: rank, stage: stage)
      ownShare.append(made.map { $0.holders.firstIndex(of: me) ?? -1 })
    }
  }

  /// The most routed experts of a layer.
  var expertCount: Int {
    architecture.feedForwards.compactMap { $0.mixture?.routedExperts }.max() ?? 0
  }

  /// The number of a unit among layers and prediction modules.
  func layer(of unit: Unit) -> Int { architecture.layerNumber(of: unit) ?? -1 }

  var directions: Int { plan.isBidirectional ? 2 : 1 }

  /// The number of a microbatch in the whole step.
  func globalMicrobatch(_ microbatch: Int) -> Int {
    place.data * plan.microbatchCount + microbatch
  }

  /// The routed experts of a mixture that this rank holds.
  func localExperts(of mixture: Mixture) -> Range<Int> {
    mesh.experts(ofRank: rank, of: mixture.routedExperts)
  }

  /// The ranks of the expert group, in order.
  var expertRanks: [Int] { mesh.group(.expert, of: rank) }

  private func holder(_ stage: Int, data: Int, direction: Int) -> Holder {
    let first = schedule.placement.rank(
      ofStage: stage, microbatch: direction == 0 ? 0 : schedule.microbatchCount - 1,
      microbatchCount: schedule.microbatchCount)
    return Holder(
      rank: mesh.rank(at: Mesh.Coordinates(data: data, pipeline: first)), stage: stage)
  }

  /// Who holds copies of a stage's segment.
  func group(of segment: GradientSegment, stage: Int) -> SegmentGroup {
    let isExpert = segment.group == .expertGradient
    let coordinate = mesh.expertCoordinate(of: rank)
    let data = (0..<plan.dataParallel).filter {
      !isExpert || $0 % plan.expertParallel == coordinate
    }
    let lanes = { (stage: Int) in
      data.flatMap { data in
        (0..<self.directions).map { self.holder(stage, data: data, direction: $0) }
      }
    }
    guard segment.isShared else {
      let holders = lanes(stage)
      return SegmentGroup(
        holders: holders, uses: [.init(stage: stage, parameter: -1, lanes: holders)])
    }
    var uses: [SegmentGroup.Use] = []
    for (stage, program) in programs.enumerated() {
      for (index, parameter) in program.parameters.enumerated()
      where parameter.isTrained && parameter.gradientGroup == segment.group {
        uses.append(.init(stage: stage, parameter: index, lanes: lanes(stage)))
      }
    }
    var holders: [Holder] = []
    let stages = uses.map(\.stage)
    for data in data {
      for direction in 0..<directions {
        for stage in stages {
          let holder = holder(stage, data: data, direction: direction)
          if !holders.contains(holder) { holders.append(holder) }
        }
      }
    }
    return SegmentGroup(holders: holders, uses: uses)
  }
}

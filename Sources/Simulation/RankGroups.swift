import Plans
import Programs
import Schedules

/// The ranks of the world that take part in a rank's transfers.
struct RankGroups {
  private let input: StepInput
  private let mesh: Mesh
  private let rank: Int
  var groups: StepGroups
  /// By kind of group, and by stage where it matters.
  private var known: [[Int]: (number: Int, members: [Int])] = [:]

  init(_ input: StepInput, rank: Int, groups: StepGroups) {
    self.input = input
    self.rank = rank
    self.groups = groups
    mesh = input.plan.mesh
  }

  /// The group of a rank's transfer of a stage, or nil where nobody else takes part.
  mutating func group(
    _ kind: TransferKind.Group, stage: Int
  ) -> (number: Int, members: [Int])? {
    let key = [Int(kind.rawValue), stage]
    if let known = known[key] { return known.members.count > 1 ? known : nil }
    return add(Self.members(kind, stage: stage, rank, input), at: key)
  }

  /// The ranks over which the experts are spread.
  mutating func experts() -> (number: Int, members: [Int])? {
    if let known = known[[-1]] { return known.members.count > 1 ? known : nil }
    return add(mesh.group(.expert, of: rank), at: [-1])
  }

  private mutating func add(
    _ members: [Int], at key: [Int]
  ) -> (number: Int, members: [Int])? {
    let number = members.count > 1 ? groups.number(of: members) : 0
    known[key] = (number, members)
    return members.count > 1 ? (number, members) : nil
  }

  /// The members of a group in the order of their parts.
  private static func members(
    _ kind: TransferKind.Group, stage: Int, _ rank: Int, _ input: StepInput
  ) -> [Int] {
    let (plan, mesh) = (input.plan, input.plan.mesh)
    func copies(ofStages stages: [Int]) -> [Int] {
      mesh.gradientGroup(ofStages: stages, placement: input.placement, rank: rank)
    }
    func experts() -> [Int] {
      mesh.expertGradientGroup(ofStage: stage, placement: input.placement, rank: rank)
    }
    func own(_ groups: [[Int]]) -> [Int] { groups.first { $0.contains(rank) } ?? [rank] }
    switch kind {
    case .tensor: return mesh.group(.tensor, of: rank)
    case .context: return mesh.group(.context, of: rank)
    case .expertTensor: return mesh.group(.expertTensor, of: rank)
    case .gradient: return copies(ofStages: [stage])
    case .expertGradient: return experts()
    case .sharedEmbedding, .sharedHead:
      return copies(
        ofStages: input.stages.indices.filter { number in
          input.stages[number].parameters.contains { $0.isTrained && $0.gradientGroup == kind }
        })
    case .position:
      let ranks = plan.worldSize / plan.pipelineParallel
      let first = mesh.coordinates(of: rank).pipeline * ranks
      return Array(first..<first + ranks)
    case .world: return Array(0..<plan.worldSize)
    case .keyValue:
      let own = mesh.group(.tensor, of: rank)
      let size = input.keyValueReplicas
      let place = (own.firstIndex(of: rank) ?? 0) / size * size
      return Array(own[place..<min(own.count, place + size)])
    case .gradientShards:
      return own(plan.shardingGroups(of: copies(ofStages: [stage]), ofExperts: false).dividing)
    case .gradientReplicas:
      return own(plan.shardingGroups(of: copies(ofStages: [stage]), ofExperts: false).equal)
    case .expertShards: return own(plan.shardingGroups(of: experts(), ofExperts: true).dividing)
    case .expertReplicas: return own(plan.shardingGroups(of: experts(), ofExperts: true).equal)
    }
  }
}

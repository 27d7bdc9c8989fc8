import Plans
import Schedules
import Testing

@Suite("Ranks, coordinates, groups")
struct MeshTests {
  /// Meshes with degrees 1, 2, 3 and every admitted grid of experts over them.
  static let meshes: [Mesh] = {
    var meshes: [Mesh] = []
    for tensor in 1...3 {
      for context in 1...2 {
        for data in [1, 2, 3, 4] {
          let position = tensor * context * data
          for expert in 1...position {
            for slices in 1...position where position % (expert * slices) == 0 {
              meshes.append(
                Mesh(
                  tensorParallel: tensor, contextParallel: context, dataParallel: data,
                  pipelineParallel: 2, expertParallel: expert, expertTensorParallel: slices))
            }
          }
        }
      }
    }
    return meshes
  }()

  @Test func ranksAndCoordinatesAreABijection() {
    for mesh in Self.meshes {
      let places = (0..<mesh.worldSize).map { mesh.coordinates(of: $0) }
      #expect(Set(places).count == mesh.worldSize)
      #expect(places.map { mesh.rank(at: $0) } == Array(0..<mesh.worldSize))
    }
  }

  @Test func tensorIsFastestThenContextThenDataThenPipeline() {
    let mesh = Mesh(tensorParallel: 2, contextParallel: 3, dataParallel: 5, pipelineParallel: 7)
    #expect(mesh.rank(at: .init(tensor: 1)) == 1)
    #expect(mesh.rank(at: .init(context: 1)) == 2)
    #expect(mesh.rank(at: .init(data: 1)) == 6)
    #expect(mesh.rank(at: .init(pipeline: 1)) == 30)
  }

  @Test(arguments: Mesh.Group.allCases)
  func groupsPartitionTheWorld(kind: Mesh.Group) {
    for mesh in Self.meshes {
      let groups = mesh.groups(kind)
      #expect(groups.flatMap { $0 }.sorted() == Array(0..<mesh.worldSize))
      for group in groups {
        for rank in group { #expect(mesh.group(kind, of: rank) == group) }
      }
    }
  }

  @Test func expertGroupsAreConsecutiveDataRanks() {
    let mesh = Mesh(dataParallel: 4, pipelineParallel: 2, expertParallel: 2)
    #expect(mesh.groups(.expert) == [[0, 1], [2, 3], [4, 5], [6, 7]])
    #expect(mesh.groups(.expertData) == [[0, 2], [1, 3], [4, 6], [5, 7]])
    #expect(mesh.experts(ofRank: 2, of: 8) == 0..<4 && mesh.experts(ofRank: 5, of: 8) == 4..<8)
  }

  /// arXiv 2412.19437: PP16 x DP128; each stage on two positions, so shared tensors have 256
  /// copies and each expert 4.
  @Test func gradientGroupsOfDeepSeekV3() throws {
    let mesh = try Plan.named("deepseek-v3").mesh
    #expect(mesh.worldSize == 2048)
    let placement = Placement.bidirectional(ranks: 16)
    for rank in [0, 5, 130, 1023, 2047] {
      for stage in placement.stages(ofRank: mesh.coordinates(of: rank).pipeline) {
        let shared = mesh.gradientGroup(ofStages: [stage], placement: placement, rank: rank)
        #expect(shared.count == 256 && Set(shared).count == 256 && shared.contains(rank))
        let expert = mesh.expertGradientGroup(ofStage: stage, placement: placement, rank: rank)
        #expect(expert.count == 4 && Set(expert).count == 4 && expert.contains(rank))
        #expect(expert.allSatisfy { mesh.expertCoordinate(of: $0) == rank % 64 })
      }
    }
    #expect(
      mesh.expertGradientGroup(ofStage: 0, placement: placement, rank: 3)
        == [3, 3 + 15 * 128, 67, 67 + 15 * 128])
  }

  /// Every rank that holds a tensor sees the same group, and groups are disjoint.
  @Test func gradientGroupsAgree() {
    for mesh in Self.meshes {
      var placements = [Placement.fixed(Array(0..<mesh.pipelineParallel))]
      if mesh.pipelineParallel % 2 == 0 {
        placements.append(.bidirectional(ranks: mesh.pipelineParallel))
      }
      for placement in placements {
        for stage in 0..<mesh.pipelineParallel {
          let positions = mesh.positions(ofStages: [stage], placement: placement)
          let holders = (0..<mesh.worldSize).filter {
            positions.contains(mesh.coordinates(of: $0).pipeline)
          }
          check(holders) {
            mesh.gradientGroup(ofStages: [stage], placement: placement, rank: $0)
          }
          check(holders) {
            mesh.expertGradientGroup(ofStage: stage, placement: placement, rank: $0)
          }
        }
      }
    }
  }

  private func check(_ holders: [Int], _ group: (Int) -> [Int]) {
    let groups = Set(holders.map(group))
    #expect(groups.flatMap { $0 }.sorted() == holders)
  }

  @Test func sharedTensorsOfTwoStagesCountEachRankOnce() {
    let mesh = Mesh(dataParallel: 2, pipelineParallel: 4)
    let fixed = Placement.fixed([0, 1, 2, 3])
    #expect(mesh.gradientGroup(ofStages: [0, 3], placement: fixed, rank: 0) == [0, 6, 1, 7])
    let dual = Placement.bidirectional(ranks: 4)
    #expect(mesh.positions(ofStages: [0, 3], placement: dual) == [0, 3])
    #expect(mesh.gradientGroup(ofStages: [1], placement: dual, rank: 2) == [2, 4, 3, 5])
  }
}

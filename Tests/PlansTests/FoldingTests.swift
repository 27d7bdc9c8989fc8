import Plans
import Testing

/// The experts' own mesh over the ranks of a pipeline position (arXiv 2504.14960), by counting.
@Suite struct FoldingTests {
  /// Places of all ranks in the experts' mesh, by counting up: expert-tensor fastest, then expert, expert
  /// data and pipeline.
  private func places(_ mesh: Mesh) -> [Mesh.ExpertCoordinates] {
    let apart = mesh.expertTensorParallel * mesh.expertParallel
    let copies = mesh.tensorParallel * mesh.contextParallel * mesh.dataParallel / apart
    var places: [Mesh.ExpertCoordinates] = []
    for pipeline in 0..<mesh.pipelineParallel {
      for data in 0..<copies {
        for expert in 0..<mesh.expertParallel {
          for tensor in 0..<mesh.expertTensorParallel {
            places.append(.init(tensor: tensor, expert: expert, data: data, pipeline: pipeline))
          }
        }
      }
    }
    return places
  }

  @Test func bothMeshesCoverTheSameRanks() {
    for mesh in MeshTests.meshes {
      let places = places(mesh)
      #expect(places.count == mesh.worldSize)
      for (rank, place) in places.enumerated() {
        #expect(mesh.expertCoordinates(of: rank) == place)
        #expect(mesh.rank(atExpert: place) == rank)
        #expect(mesh.coordinates(of: rank).pipeline == place.pipeline)
      }
      #expect(
        mesh.expertTensorParallel * mesh.expertParallel * mesh.expertDataParallel
          == mesh.tensorParallel * mesh.contextParallel * mesh.dataParallel)
    }
  }

  /// A group holds exactly the ranks that differ from each other in its own coordinate alone.
  @Test func groupsDifferInOneCoordinate() {
    for mesh in MeshTests.meshes {
      let places = places(mesh)
      for (rank, own) in places.enumerated() {
        func members(_ isAlike: (Mesh.ExpertCoordinates) -> Bool) -> [Int] {
          places.indices.filter { isAlike(places[$0]) && places[$0].pipeline == own.pipeline }
        }
        #expect(
          mesh.group(.expertTensor, of: rank)
            == members { $0.expert == own.expert && $0.data == own.data })
        #expect(
          mesh.group(.expert, of: rank)
            == members { $0.tensor == own.tensor && $0.data == own.data })
        #expect(
          mesh.group(.expertData, of: rank)
            == members { $0.tensor == own.tensor && $0.expert == own.expert })
      }
    }
  }

  /// What an expert needs of ranks lies side by side: slices first, then the experts of a layer.
  @Test func slicesAreNeighbours() {
    let mesh = Mesh(
      tensorParallel: 4, dataParallel: 4, expertParallel: 4, expertTensorParallel: 2)
    #expect(mesh.group(.expertTensor, of: 5) == [4, 5])
    #expect(mesh.group(.expert, of: 1) == [1, 3, 5, 7])
    #expect(mesh.group(.expertData, of: 3) == [3, 11])
    #expect(mesh.experts(ofRank: 6, of: 8) == 6..<8)
  }

  /// With slices over the whole tensor group and no context ranks, expert groups are consecutive data ranks,
  /// as they were before experts had a mesh of their own.
  @Test func withoutFoldingExpertsLieOnDataRanks() {
    let mesh = Mesh(
      tensorParallel: 2, dataParallel: 8, pipelineParallel: 2, expertParallel: 4,
      expertTensorParallel: 2)
    for rank in 0..<mesh.worldSize {
      let own = mesh.coordinates(of: rank)
      let group = (0..<4).map { index in
        var place = own
        place.data = own.data / 4 * 4 + index
        return mesh.rank(at: place)
      }
      #expect(mesh.group(.expert, of: rank) == group)
      #expect(mesh.group(.expertTensor, of: rank) == mesh.group(.tensor, of: rank))
    }
  }

  /// The smallest blocks of consecutive ranks that cut no group whose ranks meet within an action.
  @Test func ranksThatMeetInAnAction() {
    let kinds: [Mesh.Group] = [.tensor, .context, .expertTensor, .expert]
    for mesh in MeshTests.meshes where mesh.dataParallel == 4 {
      let position = mesh.worldSize / mesh.pipelineParallel
      let smallest = (1...position).first { size in
        position % size == 0
          && (0..<position).allSatisfy { rank in
            kinds.allSatisfy { kind in
              mesh.group(kind, of: rank).allSatisfy { $0 / size == rank / size }
            }
          }
      }
      #expect(mesh.ranksPerAction == smallest)
    }
  }
}

import Clusters
import Documents
import Models
import Plans
import Testing

import Planning

@Suite struct SearchSpaceTests {
  @Test(arguments: [
    ("1,2,4", ["1", "2", "4"]), ("none", ["none"]),
    ("[rms-norm, swiglu],full", ["[rms-norm, swiglu]", "full"]),
    ("100,200 GB/s", ["100 GB/s", "200 GB/s"]), ("{a: 1, b: 2}, 3", ["{a: 1, b: 2}", "3"]),
    ("\"a,b\",c", ["\"a,b\"", "c"]), ("1,,2", ["1", "", "2"]),
  ])
  func alternatives(text: String, parts: [String]) {
    #expect(Alternatives.split(text) == parts)
  }

  private func space(
    _ listed: [String], excluded: [String] = [], model: String = "llama-3.1-8b",
    framework: SearchFramework = .any
  ) throws -> SearchSpace {
    var settings = SearchSettings()
    settings.globalBatch = 256
    settings.sequenceLength = 8192
    settings.listed = listed
    settings.excluded = excluded
    settings.framework = framework
    return try SearchSpace(
      settings, devices: 64, for: .named(model), on: .named("h100-2048"))
  }

  @Test func listsAndTakesOut() throws {
    let space = try space(
      ["tensor-parallel=2,4", "recompute=[swiglu],full", "dropout=true,false"],
      excluded: ["schedule=gpipe,zb-1p", "zero-stage=0"])
    #expect(space.tensorParallel == [2, 4])
    #expect(space.recomputations == [.modules([.swiGLU]), .full])
    #expect(space.bases.map(\.dropout) == [true, false])
    #expect(!space.schedules.contains(.named("gpipe")) && space.schedules.count == 12)
    #expect(space.zeroStages == [.optimizer, .gradients, .parameters])
  }

  @Test func frameworksHaveWhatTheyHave() throws {
    let megatron = try space([], framework: .megatron)
    #expect(megatron.schedules == [.named("1f1b"), .named("interleaved-1f1b")])
    #expect(megatron.zeroStages == [.nothing, .optimizer])
    let titan = try space([], framework: .torchtitan)
    #expect(titan.recomputations == [.none, .full] && titan.schedules.contains(.named("zbv")))
  }

  @Test(arguments: [
    (["tensor-paralel=2"], [], "tensor-paralel"), (["zero-stage=7"], [], "zero-stage"),
    (["schedule=1f1b,,gpipe"], [], "empty"), (["=2"], [], "expected"),
    ([], ["recompte=full"], "no such dimension"), ([], ["zero-stage=0,1,2,3"], "no alternative"),
    ([], ["tensor-parallel=3"], "does not have"), (["global-batch=2"], [], "too"),
    (["schedule=foo"], [], "--set: schedule"), ([], ["schedule=foo"], "--exclude: schedule"),
  ])
  func refusesWhatItCannotRead(listed: [String], excluded: [String], part: String) throws {
    let error = #expect(throws: ConfigurationError.self) {
      _ = try space(listed, excluded: excluded)
    }
    #expect("\(try #require(error))".contains(part), "\(String(describing: error))")
  }

  /// Parts that hold other parts are recomputed without these, and no word for the same norm is a second
  /// part.
  @Test(arguments: ["llama-3.1-8b", "deepseek-v3"]) func partsAreAdmissible(model: String) throws {
    let architecture = try Architecture.named(model)
    let space = try space([], model: model)
    #expect(space.recomputations.count > 4)
    for recomputation in space.recomputations {
      var plan = space.bases[0]
      plan.recomputation = recomputation
      #expect(throws: Never.self) { try plan.checkSettings(for: architecture) }
      #expect(!recomputation.modules.contains(.norm))
    }
  }

  /// From nothing on every extent of recomputation is met once, behind one that it holds.
  @Test(arguments: [
    [], ["recompute=full,[swiglu],[rms-norm],[swiglu, rms-norm],selective"], ["recompute=[swiglu]"],
    ["recompute=none"],
  ]) func extentsFollowOneAnother(listed: [String]) throws {
    let space = try space(listed)
    var met: [Recomputation] = []
    func meet(_ extent: Recomputation) {
      met.append(extent)
      for next in space.extents(behind: extent) {
        #expect(Set(extent.modules).isSubset(of: next.modules) || next == .full)
        meet(next)
      }
    }
    meet(.none)
    met.removeAll { $0 == .none }
    let expected = space.recomputations.filter { $0 != .none }
    #expect(met.count == expected.count && Set(met) == Set(expected))
    // Parts together hold each of them.
    guard listed.first?.contains("selective") == true else { return }
    #expect(space.extents(behind: .modules([.rmsNorm, .swiGLU])) == [.full])
  }

  /// Listing one of the two keys of recomputation leaves the other without alternatives.
  @Test func layersOrExtents() throws {
    let layers = try space(["recompute-layers=2,4"])
    #expect(layers.recomputations.isEmpty && layers.recomputedLayers == [2, 4])
    let extents = try space(["recompute=none,full"])
    #expect(extents.recomputedLayers == [] && extents.recomputations == [.none, .full])
    let both = try space(["recompute-layers=2", "recompute=none"])
    #expect(both.recomputedLayers == [2] && both.recomputations == [.none])
  }

  /// The size of a space is the number of its plans.
  @Test func sizesAreCounts() throws {
    let space = try space([
      "tensor-parallel=1,2", "context-parallel=1", "microbatch-size=1", "pipeline-parallel=1,4",
      "schedule=1f1b,interleaved-1f1b,dualpipe",
    ])
    for shape in space.shapes {
      for kernels in space.kernelSettings(of: shape) {
        for hasPairs in [false, true] {
          let group = SearchGroup(shape: shape, kernels: kernels, hasPairs: hasPairs)
          let members = space.members(of: group)
          #expect(members.count == space.size(of: shape, hasPairs: hasPairs, kernels))
          #expect(Set(members).count == members.count)
        }
      }
    }
  }

  /// Groups of shards are those of a node by default, and of the listed ranks where there are some.
  @Test func groupsOfShards() throws {
    func groups(_ listed: [String], tensor: Int) throws -> Set<Int?> {
      let space = try space(
        ["tensor-parallel=\(tensor)", "pipeline-parallel=1", "zero-stage=3"] + listed)
      var found: Set<Int?> = []
      for shape in space.shapes where shape.kernels.context == 1 {
        for kernels in space.kernelSettings(of: shape) {
          let group = SearchGroup(shape: shape, kernels: kernels, hasPairs: false)
          found.formUnion(space.members(of: group).map(\.shardingGroup))
        }
      }
      return found
    }
    #expect(try groups([], tensor: 1) == [nil, 8])
    #expect(try groups([], tensor: 4) == [nil, 2])
    #expect(try groups([], tensor: 8) == [nil])
    #expect(try groups(["sharding-group=4,16"], tensor: 1) == [4, 16])
  }

  /// The published plan of DeepSeek-V3 is a point of the grid of its cluster.
  @Test func thePublishedPlanIsInTheSpace() throws {
    let architecture = try Architecture.named("deepseek-v3")
    let cluster = try Cluster.named("h800-2048")
    var settings = SearchSettings()
    settings.globalBatch = 15_360
    settings.sequenceLength = 4096
    settings.listed = [
      "nodes-per-token=4", "library=fp8-2025-02", "computation-sms=112", "send-mode=batched",
    ]
    var space = try SearchSpace(
      settings, devices: cluster.rankCount, for: architecture, on: cluster)
    let published = try Plan.named("deepseek-v3", world: .devices(cluster.rankCount))
    space.include(published)
    #expect(space.recomputations.contains(published.recomputation))
    var hits = 0
    for shape in space.shapes where shape.pipeline == 16 && shape.kernels.expert == 64 {
      for kernels in space.kernelSettings(of: shape) {
        let group = SearchGroup(shape: shape, kernels: kernels, hasPairs: true)
        for member in space.members(of: group) {
          var plan = group.candidate(member).plan(in: space)
          (plan.name, plan.source) = (published.name, published.source)
          if plan == published { hits += 1 }
        }
      }
    }
    #expect(hits == 1)
  }
}

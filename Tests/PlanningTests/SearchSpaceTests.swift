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
  ])
  func refusesWhatItCannotRead(listed: [String], excluded: [String], part: String) throws {
    let error = #expect(throws: ConfigurationError.self) {
      _ = try space(listed, excluded: excluded)
    }
    #expect("\(try #require(error))".contains(part), "\(String(describing: error))")
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
        for member in space.members(of: shape, hasPairs: true) {
          var plan = group.candidate(member).plan(in: space)
          (plan.name, plan.source) = (published.name, published.source)
          if plan == published { hits += 1 }
        }
      }
    }
    #expect(hits == 1)
  }
}

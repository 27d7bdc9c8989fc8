import Clusters
import Documents
import Models
import Plans
import Testing

import Planning

/// What people list and take out of a grid is what is searched.
@Suite struct SearchGivenTests {
  private static let model = Architecture.gpt(
    name: "small", hidden: 1024, layers: 6, heads: 16, vocabulary: 4096, positions: 8192)

  private static func settings(_ sequence: Int, _ listed: [String]) -> SearchSettings {
    var settings = SearchSettings()
    (settings.globalBatch, settings.sequenceLength) = (48, sequence)
    settings.listed = ["context-parallel=1", "microbatch-size=1", "layers-per-stage=even"] + listed
    return settings
  }

  private static func outcome(
    _ settings: SearchSettings, devices: Int, of model: Architecture = model
  ) throws -> SearchOutcome {
    let cluster = try Cluster.named("h100-2048")
    var request = PlanSearch.Request()
    request.count = 100
    let space = try SearchSpace(settings, devices: devices, for: model, on: cluster)
    return try PlanSearch(space, for: model, on: cluster, request: request).run()
  }

  /// A length that tensor ranks cannot divide refuses their plans, cut into chunks or not, and no others.
  @Test(arguments: ["true", "false", "true,false"])
  func lengthsThatDoNotDivide(sequences: String) throws {
    let outcome = try Self.outcome(
      Self.settings(
        4097,
        [
          "tensor-parallel=1,2", "pipeline-parallel=1", "recompute=none", "zero-stage=1",
          "overlap.tensor-exchange=false,chunked", "sequence-parallel=\(sequences)",
        ]), devices: 8)
    let degrees = Set(outcome.plans.map(\.plan.tensorParallel))
    #expect(degrees == (sequences == "true" ? [1] : [1, 2]))
    #expect(outcome.plans.allSatisfy { !$0.plan.sequenceParallel })
    #expect((outcome.counts.refused > 0) == (sequences != "false"))
  }

  /// A sharding group that is listed and that no plan can have is refused, not left out.
  @Test func groupsThatDoNotDivide() throws {
    func outcome(_ groups: String) throws -> SearchOutcome {
      try Self.outcome(
        Self.settings(
          1024,
          [
            "tensor-parallel=1", "pipeline-parallel=1", "recompute=none", "zero-stage=1",
            "sharding-group=\(groups)",
          ]), devices: 24)
    }
    let none = try outcome("5")
    #expect(none.plans.isEmpty && none.counts.refused == none.counts.size)
    #expect(none.counts.reasons.contains { $0.rule.contains("sharding-group") })
    #expect(Set(try outcome("5,8,24").plans.map(\.plan.shardingGroup)) == [8, nil])
  }

  /// `recompute: full` beside layers is those layers', as in plan files.
  @Test func layersSayOfHowManyFullIs() throws {
    let listed = ["tensor-parallel=1", "pipeline-parallel=2", "schedule=1f1b", "zero-stage=1"]
    let outcome = try Self.outcome(
      Self.settings(1024, listed + ["recompute=full", "recompute-layers=2"]), devices: 8)
    #expect(Set(outcome.plans.map(\.plan.recomputation)) == [.firstLayers(2)])
  }

  /// Keys that act only beside copies, or where these divide parameters, can be listed by themselves.
  @Test(arguments: [
    ("gradient-bucket=100000000", 1), ("reshard-after-forward=true,false", 3),
    ("overlap.prefetch=0,1,2", 3),
  ])
  func keysThatNeedCopies(listed: String, zero: Int) throws {
    let settings = Self.settings(
      1024,
      [
        "tensor-parallel=1", "pipeline-parallel=1", "recompute=none", "zero-stage=\(zero)", listed,
      ])
    let outcome = try Self.outcome(settings, devices: 8)
    #expect(outcome.counts.size >= listed.split(separator: ",").count)
    #expect(outcome.counts.refused == 0 && outcome.plans.count == outcome.counts.size)
  }

  /// What a key by itself breaks stays its message.
  @Test func whatNothingHelpsIsRefused() {
    #expect(throws: ConfigurationError.self) {
      try Self.outcome(Self.settings(1024, ["gradient-bucket=-1"]), devices: 8)
    }
    let error = #expect(throws: ConfigurationError.self) {
      try Self.outcome(
        Self.settings(1024, ["zero-stage=3", "gradient-bucket=100000000"]), devices: 8)
    }
    #expect(error?.rule == "zero-stage 3 reduces a layer at a time")
  }

  /// Schedules that are named are looked at on one pipeline rank, too, whatever others are.
  @Test func namedSchedulesOnOneRank() throws {
    let cluster = try Cluster.named("h100-2048")
    func members(_ schedules: String) throws -> Set<String> {
      let space = try SearchSpace(
        Self.settings(
          1024,
          ["tensor-parallel=1", "pipeline-parallel=1", "recompute=none", "zero-stage=1", schedules]
        ), devices: 4, for: Self.model, on: cluster)
      let shape = try #require(space.shapes.first)
      let kernels = try #require(space.kernelSettings(of: shape).first)
      let groups = [false, true].map { SearchGroup(shape: shape, kernels: kernels, hasPairs: $0) }
      return Set(groups.flatMap { space.members(of: $0) }.map(\.schedule.text))
    }
    #expect(try members("schedule=interleaved-1f1b") == ["interleaved-1f1b"])
    #expect(try members("schedule=interleaved-1f1b,1f1b") == ["interleaved-1f1b", "1f1b"])
    #expect(try members("zero-stage=1") == ["1f1b", "gpipe"])
  }

  /// To take merged pairs out leaves no schedule that merges them, and makes none of what was not there.
  @Test func pairsThatAreTakenOut() throws {
    let cluster = try Cluster.named("h100-2048")
    let mixtral = try Architecture.named("mixtral-8x7b")
    func pairs(_ listed: [String], excluded: [String]) throws -> Set<String> {
      var settings = Self.settings(
        4096,
        [
          "tensor-parallel=1", "pipeline-parallel=4", "expert-parallel=8", "recompute=none",
          "zero-stage=1", "schedule=1f1b,dualpipev,gpipe", "dispatcher=all-to-all",
        ] + listed)
      settings.excluded = excluded
      let space = try SearchSpace(settings, devices: 32, for: mixtral, on: cluster)
      let shape = try #require(space.shapes.first)
      let kernels = try #require(space.kernelSettings(of: shape).first)
      let groups = [false, true].map { SearchGroup(shape: shape, kernels: kernels, hasPairs: $0) }
      return Set(
        groups.flatMap { space.members(of: $0) }.map { member in
          "\(member.schedule.text) \(member.mergesPairs.map { "\($0)" } ?? "usual")"
        })
    }
    let all = try pairs([], excluded: [])
    #expect(all == ["1f1b usual", "1f1b true", "dualpipev usual", "gpipe usual"])
    let apart = try pairs([], excluded: ["overlap.expert-exchange=true"])
    #expect(apart == ["1f1b usual", "gpipe usual"])
    let key = "overlap.expert-exchange="
    #expect(try pairs([key + "null"], excluded: []) == all.subtracting(["1f1b true"]))
    #expect(try pairs([key + "null,true"], excluded: []) == all)
  }
}

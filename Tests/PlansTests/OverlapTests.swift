import Models
import Plans
import Schedules
import Testing

/// Overlap: what a plan does where it does not say, and what it may say.
@Suite struct OverlapTests {
  private func validated(_ lines: String...) throws -> PlacedPlan {
    let said = lines.joined(separator: "\n")
    let text = ["data-parallel: 4", "pipeline-parallel: 2", "expert-parallel: 2"].filter { line in
      !said.contains(line.prefix { $0 != ":" } + ":")
    }
    let read = try plan((text + [said]).joined(separator: "\n"))
    return try read.validated(for: Architecture.named(fixture("tiny-deepseek-v3.json")))
  }

  private func kinds(_ plan: Plan) -> [Plan.Overlap.Kind] {
    Plan.Overlap.Kind.allCases.filter { plan.overlaps($0) }
  }

  @Test func whatIsNotSaidIsWhatTheScheduleDoes() throws {
    #expect(kinds(try validated().plan) == [.pipelineSends, .gradientReduction])
    #expect(kinds(try validated("data-parallel: 1", "expert-parallel: 1").plan) == [.pipelineSends])
    #expect(
      kinds(try validated("schedule: dualpipe").plan) == [.expertExchange, .gradientReduction])
    #expect(
      kinds(try validated("schedule: interleaved-1f1b", "stages-per-rank: 2").plan)
        == [.pipelineSends, .gradientReduction])
    #expect(
      kinds(try validated("zero-stage: 3", "send-mode: batched").plan)
        == [.gradientReduction, .parameterGather])
  }

  /// Saying what is done anyway changes nothing; a plan that says so reads back.
  @Test(arguments: ["1f1b", "dualpipe", "zb-h1"], 0...3)
  func whatIsDoneMayBeSaid(schedule: String, zero: Int) throws {
    let silent = try validated("schedule: \(schedule)", "zero-stage: \(zero)").plan
    let said = Plan.Overlap.Kind.allCases.map { "  \($0.rawValue): \(silent.overlaps($0))" }
    let spoken = try validated(
      "schedule: \(schedule)", "zero-stage: \(zero)", "overlap:\n" + said.joined(separator: "\n"))
    #expect(kinds(spoken.plan) == kinds(silent))
    #expect(try Plan.read(.init(text: spoken.plan.yaml, name: "printed"), name: "x") == spoken.plan)
  }

  /// Groups of sends, and whether they are waited for, are two things.
  @Test(arguments: ["1f1b", "dualpipe"], Plan.SendMode.allCases)
  func sendsAreGroupedAndWaitedForApart(schedule: String, mode: Plan.SendMode) throws {
    for overlaps in [nil, true, false] {
      let said = overlaps.map { ["overlap: {pipeline-sends: \($0)}"] } ?? []
      let lines = ["schedule: \(schedule)", "send-mode: \(mode.rawValue)"] + said
      let placed = try validated(lines.joined(separator: "\n"))
      #expect(placed.plan.sends == mode)
      let isBeside = overlaps ?? (mode == .eager)
      #expect(placed.plan.overlapsSends(of: placed.schedule) == isBeside)
      #expect(
        placed.plan.transferStyle == (mode == .batched ? .batched : isBeside ? .eager : .waited))
    }
  }

  /// Exchanges that are to be overlapped merge forwards with backwards, and take them apart where not.
  @Test func exchangesAreOverlappedInPairs() throws {
    for lines in ["schedule: 1f1b", "schedule: interleaved-1f1b\nstages-per-rank: 2"] {
      #expect(try !validated(lines).schedule.hasPairs)
      let placed = try validated(lines, "overlap: {expert-exchange: true}")
      #expect(placed.schedule.hasPairs && placed.plan.overlaps(.expertExchange))
    }
    for name in ["dualpipe", "dualpipev"] {
      #expect(try validated("schedule: \(name)").schedule.hasPairs)
      let placed = try validated("schedule: \(name)", "overlap: {expert-exchange: false}")
      #expect(!placed.schedule.hasPairs && !placed.plan.overlaps(.expertExchange))
    }
  }

  static let refused: [(String, String)] = [
    ("schedule: gpipe\noverlap: {expert-exchange: true}", "gpipe has no phase of whole forwards"),
    ("schedule: zb-h1\noverlap: {expert-exchange: true}", "zb-h1 has no phase of whole forwards"),
    (
      "data-parallel: 1\nexpert-parallel: 1\noverlap: {gradient-reduction: true}",
      "no copies to reduce over"
    ),
    ("zero-stage: 0\noverlap: {parameter-gather: true}", "zero-stage 0 gathers nothing"),
    (
      "zero-stage: 1\noverlap: {parameter-gather: true, gradient-reduction: false}",
      "without overlap.gradient-reduction there is one bucket"
    ),
    (
      "zero-stage: 2\noverlap: {parameter-gather: true, gradient-reduction: false}",
      "without overlap.gradient-reduction there is one bucket"
    ),
    (
      "data-parallel: 1\nexpert-parallel: 1\nzero-stage: 1\noverlap: {parameter-gather: true}",
      "no copies to gather from"
    ),
    ("overlap: {tensor-exchange: true}", "tensor-parallel is 1"),
  ]

  /// Pairs need two microbatches and something to hide, waits something to wait for.
  @Test func whatHasNothingToHideIsRefused() throws {
    func refusal(_ line: String, _ change: (inout Plan) -> Void) throws -> String {
      var read = try plan("data-parallel: 4", "pipeline-parallel: 2", "expert-parallel: 2", line)
      change(&read)
      let architecture = try Architecture.named(fixture("tiny-deepseek-v3.json"))
      let error = try #require(throws: PlanError.self) {
        _ = try read.validated(for: architecture)
      }
      return "\(error)"
    }
    let pairs = "overlap: {expert-exchange: true}"
    let alone = try refusal(pairs) { $0.globalBatch = 4 }
    #expect(alone.hasPrefix("overlap.expert-exchange") && alone.contains("with one microbatch"))
    let whole = try refusal(pairs) { $0.expertParallel = 1 }
    #expect(whole.contains("expert-parallel is 1: nothing is exchanged"))
    let short = try refusal("overlap: {pipeline-sends: false}") { $0.pipelineParallel = 1 }
    #expect(short.contains("no pipeline to send along"))
  }

  /// Key, value and rule in one line.
  @Test(arguments: refused) func whatIsNotDoneIsRefused(lines: String, words: String) throws {
    let error = try #require(throws: PlanError.self) { _ = try validated(lines) }
    let text = "\(error)"
    #expect(text.hasPrefix("overlap.") && text.contains(words), "\(text)")
    #expect(!text.contains("\n"))
  }

  /// Megatron-Core's rule where the plan does not say, and no buckets where nothing is reduced in them.
  @Test func bucketsFollowTheDataRanks() throws {
    #expect(try validated().plan.bucketElements == 40_000_000)
    #expect(try validated("gradient-bucket: 1000").plan.bucketElements == 1000)
    var plan = try validated().plan
    plan.dataParallel = 128
    #expect(plan.bucketElements == 128_000_000)
    plan.overlap.gradientReduction = false
    #expect(plan.bucketElements == nil)
    plan.overlap.gradientReduction = nil
    plan.zeroStage = .gradients
    #expect(plan.bucketElements == nil)
    plan.overlap.parameterGather = true
    #expect(plan.bucketElements == 128_000_000 && plan.gathersAheadOfForward)
  }

  /// ZeRO stages 1 and 2 gather ahead of the next forward where the plan says so; stage 3 ahead of each unit
  /// where it does not say otherwise.
  @Test(arguments: 0...3, [nil, true, false]) func gathersGoAheadOfForwards(zero: Int, said: Bool?)
    throws
  {
    if zero == 0, said == true { return }
    let lines = said.map { ["overlap: {parameter-gather: \($0)}"] } ?? []
    let plan = try validated((["zero-stage: \(zero)"] + lines).joined(separator: "\n")).plan
    #expect(plan.gathersAheadOfForward == (said == true && zero < 3))
    #expect(plan.prefetchedUnits == (zero == 3 && said != false ? 1 : 0))
  }

  @Test(arguments: [
    ("zero-stage: 2", "a layer at a time"),
    ("overlap: {gradient-reduction: false}", "at once"),
    ("data-parallel: 1\nexpert-parallel: 1", "no copies"),
  ])
  func bucketsThatNothingFillsAreRefused(lines: String, words: String) throws {
    let error = try #require(throws: (any Error).self) {
      _ = try validated(lines + "\ngradient-bucket: 1000")
    }
    #expect("\(error)".contains(words) && "\(error)".contains("gradient-bucket"), "\(error)")
  }
}

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

  @Test func sendsFollowTheOverlapThatIsWanted() throws {
    #expect(try validated("overlap: {pipeline-sends: false}").plan.sends == .batched)
    let dual = try validated("schedule: dualpipe", "overlap: {pipeline-sends: true}")
    #expect(dual.plan.sends == .eager)
  }

  static let refused: [(String, String)] = [
    ("overlap: {expert-exchange: true}", "has no overlapped pairs"),
    ("schedule: dualpipe\noverlap: {expert-exchange: false}", "beside computation"),
    ("send-mode: batched\noverlap: {pipeline-sends: true}", "send-mode batched"),
    ("send-mode: eager\noverlap: {pipeline-sends: false}", "send-mode eager"),
    (
      "data-parallel: 1\nexpert-parallel: 1\noverlap: {gradient-reduction: true}",
      "no copies to reduce over"
    ),
    ("zero-stage: 1\noverlap: {parameter-gather: true}", "only zero-stage 3"),
    ("overlap: {tensor-exchange: true}", "tensor-parallel is 1"),
  ]

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

import Documents
import Models
import Plans
import Testing

/// The order of merged pairs: what a plan may say of it, and what it may not.
@Suite struct PairOrderTests {
  private func validated(_ lines: String...) throws -> PlacedPlan {
    let read = try plan(
      (["data-parallel: 4", "pipeline-parallel: 2", "expert-parallel: 2"] + lines)
        .joined(separator: "\n"))
    return try read.validated(for: Architecture.named(fixture("tiny-deepseek-v3.json")))
  }

  private static let published = PairOrder.segments(PairOrder.publishedSegments)

  @Test func anOrderReadsBack() throws {
    #expect(try validated("schedule: dualpipe").plan.pairOrder == .published)
    #expect(
      try validated("schedule: dualpipe", "pair-order: published").plan.pairOrder == .published)
    let plan = try validated("schedule: dualpipe", "pair-order: \(Self.published)").plan
    #expect(plan.pairOrder == Self.published)
    #expect(try Plan.read(.init(text: plan.yaml, name: "printed"), name: "x") == plan)
  }

  /// Segments that stand the wrong way round are both named.
  @Test(arguments: [
    ("[f:attention, f:experts, f:dispatch, b:combine]", "f:experts comes before f:dispatch"),
    ("[f:dispatch, f:attention, b:combine]", "f:dispatch comes before f:attention"),
    ("[f:attention, f:combine, b:experts, b:attention]", "b:experts comes before b:attention"),
    (
      "[b:attention, b:combine, b:dispatch, b:experts, f:attention]",
      "b:dispatch comes before b:experts"
    ),
    ("[w:experts, b:experts, f:experts]", "w:experts comes before b:experts"),
    ("[b:experts, f:experts, w:attention]", "w:attention comes before b:attention"),
    ("[b:attention, w:attention, w:attention, f:experts]", "w:attention comes before b:attention"),
    ("[f:attention, f:dispatch, f:dispatch, b:combine]", "f:dispatch comes before f:attention,"),
    ("[f:dispatch, f:experts, f:dispatch, b:combine]", "ends behind f:dispatch, before f:experts"),
    ("[b:combine, b:experts]", "names no segment of the forward"),
    ("[f:attention, f:dispatch]", "names no segment of the backward"),
    ("[f:attention, b:combines]", "did you mean b:combine?"),
    ("[f:attention]", "2 to 4096 items"),
    ("publish", "did you mean published?"),
  ])
  func whatIsNoOrderIsRefused(order: String, words: String) throws {
    let error = try #require(throws: ConfigurationError.self) {
      _ = try validated("schedule: dualpipe", "pair-order: \(order)")
    }
    let text = "\(error)"
    #expect(text.contains("pair-order") && text.contains(words), "\(text)")
    #expect(!text.contains("\n"))
  }

  /// An order of a layer is one, and so is one of two layers with the pieces at the ends.
  @Test func whatIsAnOrderIsTaken() {
    let layer = PairOrder.publishedSegments
    #expect(PairOrder.rule(against: layer) == nil)
    #expect(PairOrder.rule(against: layer + layer) == nil)
    #expect(
      PairOrder.rule(against: layer + layer + [.backwardAttention, .forwardAttention]) == nil)
    #expect(PairOrder.rule(against: [.forwardExperts, .backwardExperts]) == nil)
  }

  @Test(arguments: [
    (["schedule: 1f1b"], "the schedule has no overlapped pairs"),
    (["schedule: dualpipe", "zero-stage: 2"], "zero-stage 2 reduces a layer's gradients"),
  ])
  func whatHasNothingToOrderIsRefused(lines: [String], words: String) throws {
    let error = try #require(throws: PlanError.self) {
      _ = try validated((lines + ["pair-order: \(Self.published)"]).joined(separator: "\n"))
    }
    #expect("\(error)".hasPrefix("pair-order: ") && "\(error)".contains(words), "\(error)")
  }

  /// Without weight halves an order may stand beside reductions inside of backwards.
  @Test func weightsInPlaceSuitEveryStage() throws {
    let order = PairOrder.segments(PairOrder.publishedSegments.filter { $0.half != .weight })
    let plan = try validated("schedule: dualpipe", "zero-stage: 2", "pair-order: \(order)").plan
    #expect(plan.pairOrder == order && !order.movesWeights)
  }
}

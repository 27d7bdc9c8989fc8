import Calibration
import Clusters
import Costs
import Testing

/// Collectives of a start and a rate without noise: they are found again whatever sizes were measured.
@Suite struct CollectiveRecoveryTests {
  /// A kind over some ranks on nodes of a base, microseconds of a start and GB/s on the bus.
  struct Line: Sendable {
    var base: String
    var kind: CollectiveCell.Kind
    var nodes: Int
    var start: Double
    var bus: Double
  }

  private static let lines = [
    Line(base: "h100-2048", kind: .allReduce, nodes: 1, start: 20, bus: 400),
    Line(base: "h100-2048", kind: .allGather, nodes: 1, start: 20, bus: 330),
    Line(base: "h100-2048", kind: .reduceScatter, nodes: 1, start: 30, bus: 300),
    Line(base: "a100-dgx-160", kind: .allReduce, nodes: 1, start: 20, bus: 230),
    Line(base: "h100-2048", kind: .allReduce, nodes: 4, start: 90, bus: 350),
    Line(base: "a100-dgx-160", kind: .allReduce, nodes: 4, start: 90, bus: 170),
  ]
  private static let ranges = [3...33, 10...27, 18...30, 20...30, 20...33, 25...33]

  private func fit(_ line: Line, _ range: ClosedRange<Int>) throws -> Calibrator.Outcome {
    let ranks = 8 * line.nodes
    let share = Double(ranks - 1) / Double(ranks) * (line.kind == .allReduce ? 2 : 1)
    var measured = Measurements()
    measured.collectives = range.map { exponent in
      let bytes = Double(1 << exponent)
      return MeasuredCollective(
        kind: line.kind, ranks: ranks, nodes: line.nodes, bytes: bytes,
        seconds: line.start * 1e-6 + bytes * share / (line.bus * 1e9),
        place: MeasuredPlace(file: "nccl.txt", line: exponent))
    }
    return try Calibrator(
      base: Cluster.shipped(line.base), named: line.base, facts: MeasurementFacts()
    ).fit(measured, name: "mine", file: "mine.yaml")
  }

  @Test(arguments: lines, ranges) func linesAreFoundAgain(line: Line, range: ClosedRange<Int>)
    throws
  {
    let points = try #require(fit(line, range).parts.first).points
    let (mean, worst) = FittedPart.residual(points)
    #expect(mean < 0.01, "\(line) 2^\(range): \(mean), at worst \(worst)")
  }

  /// What a link reached is what some row got of it, or the base's: a rate that is fitted is one of messages
  /// without an end.
  @Test(arguments: lines, ranges) func linksReachWhatRowsGot(line: Line, range: ClosedRange<Int>)
    throws
  {
    let base = try Cluster.shipped(line.base)
    let outcome = try fit(line, range)
    let bytes = Double(1 << range.upperBound)
    let ranks = Double(8 * line.nodes)
    let share = (ranks - 1) / ranks * (line.kind == .allReduce ? 2 : 1)
    let bus = bytes * share / (line.start * 1e-6 + bytes * share / (line.bus * 1e9))
    let link = outcome.cluster.node.link.rate.reached.value.value
    #expect(link <= max(base.node.link.rate.reached.value.value, bus * 1.0002))
    let reached = base.node.adapters?.rate.reached.value.value ?? 0
    let adapter = outcome.cluster.node.adapters?.rate.reached.value.value ?? 0
    #expect(adapter <= max(reached, line.nodes > 1 ? bus / 8 * 1.0002 : 0))
  }
}

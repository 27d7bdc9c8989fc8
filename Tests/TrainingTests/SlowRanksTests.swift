import Testing
import Training

/// Which ranks are called slow.
@Suite struct SlowRanksTests {
  /// The findings after each of some steps, in which every rank does as much unless `work` says otherwise.
  private func findings(
    _ positions: [Int], _ steps: [[Double]], work: [Double]? = nil
  ) -> [[SlowRanks.Finding]] {
    var ranks = SlowRanks(positions: positions)
    return steps.map { ranks.add(seconds: $0, operations: work ?? positions.map { _ in 1e9 }) }
  }

  private func steps(_ count: Int, _ seconds: [Double]) -> [[Double]] {
    Array(repeating: seconds, count: count)
  }

  /// A rank that takes twice as long is named when the window is full, and no more when it is behind it.
  @Test func aSlowReplicaIsNamed() throws {
    let found = findings(
      [0, 0, 0], steps(7, [0.1, 0.2, 0.1]) + steps(5, [0.1, 0.1, 0.1]))
    #expect(found[..<4].allSatisfy { $0.isEmpty })
    #expect(found[4].map(\.rank) == [1] && abs(found[4][0].factor - 2) < 1e-9)
    #expect(found[6].map(\.rank) == [1])
    // Three slow steps of five are 1.6 times as long, two 1.4.
    #expect(found[8].map(\.rank) == [1] && found[9].isEmpty && found[11].isEmpty)
  }

  /// Of two replicas the slower one, though the median of two would lie between them.
  @Test func oneOfTwoIsNamed() {
    #expect(findings([0, 0], steps(5, [0.3, 0.1])).last?.map(\.rank) == [0])
  }

  /// A stage that has more to do, and one whose layers take longer a FLOP, are not slow.
  @Test func otherWorkIsNotSlowness() {
    let twice = findings([0, 0, 1, 1], steps(9, [0.1, 0.1, 0.4, 0.4]))
    #expect(twice.allSatisfy { $0.isEmpty })
    let more = findings([0, 0], steps(9, [0.1, 0.3]), work: [1e9, 3e9])
    #expect(more.allSatisfy { $0.isEmpty })
  }

  /// Less than 10 ms a step is no reason, however many times as long it is.
  @Test func schedulingIsNotSlowness() {
    #expect(findings([0, 0, 0], steps(9, [0.001, 0.01, 0.001])).allSatisfy { $0.isEmpty })
  }

  /// One rank a position: it is compared with itself before, unless all have become slower.
  @Test func pipelinesAreComparedWithThemselves() {
    let calm = steps(8, [0.1, 0.2, 0.1])
    let one = findings([0, 1, 2], calm + steps(5, [0.1, 0.2, 0.3]))
    #expect(one[..<9].allSatisfy { $0.isEmpty } && one[12].map(\.rank) == [2])
    let all = findings([0, 1, 2], calm + steps(5, [0.3, 0.6, 0.3]))
    #expect(all.allSatisfy { $0.isEmpty })
  }
}

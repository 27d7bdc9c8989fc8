import Forecasts
import Testing

/// What is known exactly of runs that fail, held against published figures.
@Suite struct ClosedFormTests {
  /// Mean times between failures, in hours, as publications print them: rates a thousand node-days.
  ///
  /// RSC-1 and RSC-2: arXiv 2410.21680; 32K GPUs: arXiv 2602.00277. The last digit printed is held.
  static let between: [(name: String, rate: Double, nodes: Int, hours: Double, digit: Double)] = [
    ("RSC-1, 16,384 GPUs", 6.5, 2048, 1.803, 0.001),
    ("RSC-1, 131,072 GPUs", 6.5, 16384, 0.23, 0.01),
    ("RSC-2, 8,192 GPUs", 2.34, 1024, 10.0, 0.1), ("32,768 GPUs", 2.3, 4096, 2.55, 0.01),
  ]

  @Test(arguments: between.indices) func timesBetweenFailures(index: Int) {
    let row = Self.between[index]
    let hours = ClosedForms.timeBetweenFailures(rate: row.rate, elements: row.nodes) / 3600
    #expect(abs(hours - row.hours) <= row.digit / 2 + 1e-9, "\(row.name): \(hours)")
  }

  /// Checkpoints every five minutes on 16,384 GPUs at RSC-1's rate: 0.93.
  @Test func fiveMinuteCheckpoints() {
    let between = ClosedForms.timeBetweenFailures(rate: 6.5, elements: 2048)
    let ratio = ClosedForms.effectiveTrainingRatio(interval: 300, restart: 300, between: between)
    #expect(abs(ratio - 0.931) < 0.0005)
  }

  /// RSC-1's runs of 2,048 and 4,096 GPUs at an hour's interval and 5 to 20 minutes of restart: over 0.9.
  @Test func hourlyCheckpoints() {
    for (nodes, restart, published) in [
      (256, 300.0, 0.96), (256, 1200, 0.94), (512, 300, 0.92), (512, 1200, 0.88),
    ] {
      let ratio = ClosedForms.effectiveTrainingRatio(
        interval: 3600, restart: restart,
        between: ClosedForms.timeBetweenFailures(rate: 6.5, elements: nodes))
      #expect(abs(ratio - published) < 0.005, "\(nodes) nodes, \(restart) s: \(ratio)")
    }
  }

  /// 98,304 GPUs that fail every 18 minutes: 44 % with restarts of ten, 83 % before degraded width where a
  /// replica is out for three (arXiv 2602.00277).
  @Test func restartsOf98ThousandGPUs() {
    for (minutes, published) in [(10.0, 0.444), (3, 0.833)] {
      let ratio = ClosedForms.effectiveTrainingRatio(
        interval: 1e-9, restart: minutes * 60, between: 18 * 60)
      #expect(abs(ratio - published) < 0.0005)
    }
  }

  /// The rate at RSC-2 that 100,000 GPUs need their two minutes for: to first order 0.94 at two minutes each,
  /// 0.90 at three and a third.
  @Test func oneHundredThousandGPUs() {
    let between = ClosedForms.timeBetweenFailures(rate: 2.34, elements: 12_500)
    func ratio(_ seconds: Double) -> Double {
      ClosedForms.effectiveTrainingRatio(interval: seconds, restart: seconds, between: between)
    }
    #expect(abs(ratio(120) - 0.94) < 0.005 && abs(ratio(200) - 0.90) < 0.005)
  }

  /// No interval near the best one has a shorter expectation; Young's and Daly's lie where they should.
  @Test(arguments: [0.001, 0.01, 0.1, 0.5, 1, 2]) func theBestInterval(share: Double) {
    func expected(_ interval: Double) -> Double {
      ClosedForms.expectedWall(
        work: 1e6, interval: interval, checkpoint: share * 1000, restart: 50, between: 1000)
    }
    let best = ClosedForms.bestInterval(checkpoint: share * 1000, between: 1000)
    for factor in [0.5, 0.9, 0.99, 1.01, 1.1, 2] {
      #expect(expected(best) < expected(best * factor), "\(factor)")
    }
    let young = ClosedForms.youngsInterval(checkpoint: share * 1000, between: 1000)
    let daly = ClosedForms.dalysInterval(checkpoint: share * 1000, between: 1000)
    #expect(young > best && best < 1000)
    if share <= 0.1 { #expect(abs(daly / best - 1) < 0.001, "\(daly) for \(best)") }
    if share >= 2 { #expect(daly == 1000) }
  }

  /// Without failures nothing is lost but checkpoints.
  @Test func withoutFailures() {
    let wall = ClosedForms.expectedWall(
      work: 1000, interval: 10, checkpoint: 1, restart: 5, between: .infinity)
    #expect(wall == 1100)
    #expect(ClosedForms.bestInterval(checkpoint: 1, between: .infinity) == .infinity)
  }
}

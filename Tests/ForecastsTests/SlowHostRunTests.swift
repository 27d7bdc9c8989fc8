import Clusters
import Forecasts
import Foundation
import Runs
import Simulation
import TestSupport
import Testing

/// Which nodes are slow is drawn for every run, so that runs differ where nothing fails.
@Suite struct SlowHostRunTests {
  private let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  /// Replicas of a node each: one slow node makes all of them wait.
  private static let run = """
    model: llama-3.1-8b
    data: {training: none.bin, type: uint32, tokenizer: bytes}
    plan:
      {data-parallel: 8, tensor-parallel: 8, global-batch: 8, sequence-length: 1024, precision: bf16}
    steps: 1000
    learning-rate: 1e-4
    checkpoints: {folder: none, every: 100}
    """
  private static let steady = ["device.jitter=null", "failures.causes=null"]
  private static let (share, speed) = (0.1, 0.5)

  private func planned(_ cluster: [String], stepSeconds: Double? = nil) throws -> PlannedRun {
    let path = try scratch.write(Self.run, to: "run.yaml")
    return try PlannedRun(
      RunFile.readPhases(path: path), on: .shipped("h800-2048", overrides: Self.steady + cluster),
      stepSeconds: stepSeconds, threads: 2)
  }

  private static func slow(share: Double = share, seed: Int = 0) -> [String] {
    ["slow-hosts={share: \(share), speed: \(speed), seed: \(seed)}"]
  }

  @Test func meanAndSpreadAreThoseOfTheDraws() throws {
    let (plain, drawn) = (try planned([]), try planned(Self.slow()))
    let whole = plain.parts[0].stepSeconds
    let draws = drawn.parts[0].draws
    let slowest = try #require(draws.max())
    #expect(plain.parts[0].draws.isEmpty && draws.count == PlannedRun.hostDraws)
    // No node is slow, or some are, and then it does not matter how many.
    #expect(draws.allSatisfy { $0 == whole || $0 == slowest })
    #expect(slowest > whole && slowest <= whole / Self.speed)
    // One slow node is waited for as if all were slow.
    let all = try planned(Self.slow(share: 1)).parts[0].stepSeconds
    #expect(abs(all / slowest - 1) < 1e-9, "\(all), \(slowest)")
    // Of 8 nodes none is slow with a probability of 0.9 to the 8th.
    let isSlow = 1 - pow(1 - Self.share, 8)
    let count = Double(draws.count)
    let found = Double(draws.count { $0 == slowest })
    #expect(abs(found - count * isSlow) < 3 * (count * isSlow * (1 - isSlow)).squareRoot())
    let mean = whole + (slowest - whole) * found / count
    #expect(abs(drawn.parts[0].stepSeconds / mean - 1) < 1e-12)

    let forecast = Forecast(drawn.model, runs: 4 * draws.count, seed: 3, threads: 2)
    #expect(abs(forecast.productiveSeconds / (1000 * mean) - 1) < 1e-12)
    let others = forecast.lost.total
    #expect(abs(forecast.wall.mean / (1000 * mean + others) - 1) < 1e-9)
    #expect(abs((forecast.wall.p95 - forecast.wall.p5) / (1000 * (slowest - whole)) - 1) < 1e-9)
    #expect(drawn.assumptions.contains { $0.hasPrefix("slow nodes drawn anew") })
  }

  /// Seeds give the same draws a place further, and threads the same bits.
  @Test func drawsAreThoseOfSeeds() throws {
    let (first, second) = (try planned(Self.slow()), try planned(Self.slow(seed: 1)))
    #expect(first.parts[0].draws.dropFirst() == second.parts[0].draws.dropLast())
    let forecast = Forecast(first.model, runs: 50, seed: 3, threads: 1)
    #expect(forecast == Forecast(first.model, runs: 50, seed: 3, threads: 2))
    #expect(forecast.wallSeconds.count == 50 && Set(forecast.wallSeconds).count == 2)
  }

  /// Where all nodes are slow, or none, nothing is drawn; nor where steps were measured.
  @Test func nothingElseIsDrawn() throws {
    for share in [0.0, 1] {
      #expect(try planned(Self.slow(share: share)).parts[0].draws.isEmpty)
    }
    #expect(try planned(Self.slow(), stepSeconds: 1).parts[0].draws.isEmpty)
  }

  /// Faster steps are faster with every draw.
  @Test func sensitivitiesScaleDraws() {
    let model = RunModel(
      stretches: [.init(steps: 100, draws: [1, 3])], checkpoints: .init(cadence: .phases, stall: 0))
    let forecast = Forecast(model, runs: 10, seed: 1, threads: 1)
    #expect(forecast.wall.mean == 200 && forecast.wall.p5 == 100 && forecast.wall.p95 == 300)
    let saved = model.sensitivities(of: forecast, runs: 10, threads: 1)
      .first { $0.change == "steps 1 % faster" }
    #expect(abs((saved?.savedSeconds ?? 0) - 2) < 1e-9)
  }
}

import Calibration
import Clusters
import Costs
import Documents
import Foundation
import TestSupport
import Testing

/// Constants from made-up measurements: they are found again, through noise, and what cannot be found is said.
@Suite struct CalibratorTests {
  /// Noise of a few per cent, the same every time.
  private static func noise(_ random: inout TestSupport.SplitMix64, _ share: Double) -> Double {
    1 + share * (Double.random(in: -1...1, using: &random))
  }

  private static func calibrator(_ base: Cluster, _ name: String) -> Calibrator {
    Calibrator(base: base, named: name, facts: MeasurementFacts())
  }

  /// What collectives of a truth take, as a benchmark would tell.
  private static func collectives(
    _ truth: CollectiveConstants, _ kind: CollectiveCell.Kind, nodes: Int, ranks: Int,
    noise share: Double
  ) -> [MeasuredCollective] {
    var random = TestSupport.SplitMix64(state: 7)
    return (10...32).map { exponent in
      let cell = CollectiveCell(
        kind: kind, nodes: nodes, ranks: ranks, bytes: Double(1 << exponent), measuredSeconds: 1)
      return MeasuredCollective(
        kind: kind, ranks: ranks, nodes: nodes, bytes: cell.bytes,
        seconds: cell.predictedSeconds(truth) * noise(&random, share),
        place: MeasuredPlace(file: "nccl.txt", line: exponent))
    }
  }

  /// Rates of links come back within noise, and every second size is predicted as well as the fitted ones.
  @Test(arguments: [
    (CollectiveCell.Kind.allGather, 1, 8), (.allReduce, 1, 4), (.allReduce, 8, 64), (.send, 2, 2),
    (.allToAll, 1, 8), (.allToAll, 2, 16),
  ])
  func collectivesAreFoundAgain(kind: CollectiveCell.Kind, nodes: Int, ranks: Int) throws {
    let base = try Cluster.shipped("h100-2048")
    var truth = try CollectiveConstants(base)
    (truth.linkReached, truth.networkReached) = (truth.linkBandwidth, truth.networkBandwidth)
    if nodes == 1 { truth.simple.linkShare *= 0.7 }
    truth.trees.networkShare *= 0.6
    truth.rings.networkShare *= 0.6
    truth.inSwitch?.linkShareAcross *= 0.5
    truth.direct.networkShare *= 0.8
    truth.direct.networkStart *= 2
    truth.exchange.linkShare *= 0.75
    truth.exchange.networkShare *= 0.7
    truth.exchange.networkStart = 60e-6
    truth.trees.level *= 1.5
    var measured = Measurements()
    measured.collectives = Self.collectives(
      truth, kind, nodes: nodes, ranks: ranks, noise: 0.02)
    let outcome = try Self.calibrator(base, "h100-2048").fit(
      measured, name: "mine", file: "mine.yaml")
    let part = try #require(outcome.parts.first)
    #expect(FittedPart.residual(part.held).mean < 0.03, "\(FittedPart.residual(part.held))")
    #expect(part.held.count >= 10 && !part.constants.isEmpty)
    // What the written file says of a size that nobody measured is what the truth says.
    let read = try CollectiveConstants(outcome.cluster)
    let between = CollectiveCell(
      kind: kind, nodes: nodes, ranks: ranks, bytes: 3e8, measuredSeconds: 1)
    #expect(abs(between.predictedSeconds(read) / between.predictedSeconds(truth) - 1) < 0.05)
    for constant in part.constants {
      #expect(constant.source.contains("nccl.txt") && constant.source.contains(" % "))
    }
  }

  /// Products of a slower library: the written file predicts shapes that nobody measured.
  @Test func productsAreFoundAgain() throws {
    let base = try Cluster.shipped("h100-2048")
    let device = try DeviceModel(base.device)
    var truth = device
    truth.matmuls[.bf16]?.stepOverhead *= 1.6
    truth.matmuls[.bf16]?.start *= 3
    let cost = try #require(MatmulCost(truth, library: .bf16))
    var random = TestSupport.SplitMix64(state: 3)
    var measured = Measurements()
    for m in [256, 1024, 2048, 4096] {
      for n in [1024, 3072, 4096] {
        for k in [512, 1024, 4096] {
          let shape = MatmulShape(m: m, n: n, k: k)
          measured.products.append(
            MeasuredProduct(
              library: .bf16, shape: shape,
              seconds: cost.cost(shape, clock: .boost).seconds * Self.noise(&random, 0.02),
              place: MeasuredPlace(file: "sweep.csv", line: measured.products.count + 2)))
        }
      }
    }
    let outcome = try Self.calibrator(base, "h100-2048").fit(
      measured, name: "mine", file: "mine.yaml")
    #expect(FittedPart.residual(try #require(outcome.parts.first).held).mean < 0.03)
    let found = try #require(MatmulCost(try DeviceModel(outcome.cluster.device), library: .bf16))
    let other = MatmulShape(m: 3072, n: 2048, k: 2048)
    let ratio =
      found.cost(other, clock: .boost).seconds / cost.cost(other, clock: .boost).seconds
    #expect(abs(ratio - 1) < 0.04, "\(ratio)")
  }

  /// A streaming rate comes back whatever memory reaches, through the scale that files have.
  @Test func streamsAreFoundAgain() throws {
    let base = try Cluster.shipped("h200-256")
    var measured = Measurements()
    for (line, bytes) in [1e7, 3e7, 1e8, 3e8, 1e9].enumerated() {
      measured.streams.append(
        MeasuredStream(
          kernel: .elementwise, bytes: bytes, seconds: 4e-6 + bytes / 3.5e12,
          place: MeasuredPlace(file: "probe.csv", line: line)))
    }
    measured.values = [
      MeasuredValue(path: "device.memory.reached", text: "4 TB/s", source: "copies: probe.csv")
    ]
    let outcome = try Self.calibrator(base, "h200-256").fit(
      measured, name: "mine", file: "mine.yaml")
    let cost = StreamingCost(try DeviceModel(outcome.cluster.device))
    #expect(abs(cost.cost(.elementwise, bytes: 7e8).seconds / (4e-6 + 2e-4) - 1) < 0.01)
    #expect(outcome.cluster.device.memory.reached.value.value == 4e12)
  }

  /// DeepEP's own table on H800s: dispatch in FP8 and combine, one fitted, one predicted.
  @Test func exchanges() throws {
    let base = try Cluster.shipped("h100-2048")
    let text = """
      [config] num_tokens=4096, hidden=7168, num_topk=8
      [tuning] Best dispatch (FP8): SMs 24, NVL chunk 30, 153.43 GB/s (NVL)
      [tuning] Best dispatch (BF16): SMs 24, NVL chunk 30, 154.10 GB/s (NVL)
      [tuning] Best combine: SMs 24, NVL chunk 8: 156.20 GB/s (NVL)

      """
    var facts = MeasurementFacts()
    facts.ranks = 8
    let measured = try BenchmarkFormat.read(text: text, file: "deepep.txt", facts).measurements
    let outcome = try Self.calibrator(base, "h100-2048").fit(
      measured, name: "mine", file: "mine.yaml")
    let part = try #require(outcome.parts.first)
    #expect(part.held.count == 1 && FittedPart.residual(part.held).mean < 0.05)
    let rate = try ExchangeConstants(outcome.cluster).insideRate
    #expect(abs(rate.stated / (154.8e9 / 24) - 1) < 0.02 && rate.low == rate.stated)
  }

  /// What an adapter reached, and a latency with those over more switches moved as far.
  @Test func messages() throws {
    let base = try Cluster.shipped("h100-2048")
    var measured = Measurements()
    for (line, bytes) in [4096.0, 65536.0, 1_048_576.0, 8_388_608.0].enumerated() {
      measured.messages.append(
        MeasuredMessage(
          quantity: .bandwidth, way: .adapter, bytes: bytes,
          value: bytes / pow(pow(1e-7, 4) + pow(bytes / 45e9, 4), 0.25),
          place: MeasuredPlace(file: "bw.txt", line: line)))
      measured.messages.append(
        MeasuredMessage(
          quantity: .latency, way: .adapter, bytes: bytes, value: 2e-6 + bytes / 45e9,
          place: MeasuredPlace(file: "lat.txt", line: line)))
    }
    var calibrator = Self.calibrator(base, "h100-2048")
    calibrator.facts.switchLayers = 1
    let outcome = try calibrator.fit(measured, name: "mine", file: "mine.yaml")
    let adapters = try #require(outcome.cluster.node.adapters)
    #expect(abs(adapters.rate.reached.value.value / 45e9 - 1) < 0.001)
    let latency = try #require(outcome.cluster.network?.latency)
    #expect(abs(latency.sameLeaf.value.value - 2e-6) < 1e-9)
    #expect(abs((latency.crossLeaf?.value.value ?? 0) - 2.9e-6) < 1e-9)
    calibrator.facts.switchLayers = nil
    let unsaid = try calibrator.fit(measured, name: "mine", file: "mine.yaml")
    #expect(unsaid.refused.contains { $0.reason.contains("--through leaf") })
  }

  /// Products without a writing that can be seen: its rate stays one that a cluster may have.
  @Test func aTermThatVanishesIsWritten() throws {
    let base = try Cluster.shipped("h800-2048")
    var truth = try DeviceModel(base.device)
    truth.matmuls[.fp8February2025]?.outputRate *= 1e9
    let cost = try #require(MatmulCost(truth, library: .fp8February2025))
    var measured = Measurements()
    for (index, rows) in [64, 128, 512, 1024, 2048, 4096, 8192, 16_384].enumerated() {
      let shape = MatmulShape(m: rows, n: 4096, k: 512)
      measured.products.append(
        MeasuredProduct(
          library: .fp8February2025, shape: shape, seconds: cost.cost(shape, clock: .boost).seconds,
          place: MeasuredPlace(file: "products.csv", line: index + 2)))
    }
    let outcome = try Self.calibrator(base, "h800-2048").fit(
      measured, name: "mine", file: "mine.yaml")
    #expect(FittedPart.residual(outcome.parts.first?.held ?? []).mean < 0.1)
  }

  // MARK: What cannot be fitted

  @Test func tooFewRowsAreRefused() throws {
    let base = try Cluster.shipped("h100-2048")
    func rule(_ text: String, _ facts: MeasurementFacts = .init()) -> String {
      let error = #expect(throws: ConfigurationError.self) {
        let (format, measured) = try BenchmarkFormat.read(text: text, file: "few.txt", facts)
        _ = try Self.calibrator(base, "h100-2048").fit(
          measured, [("few.txt", format)], name: "mine", file: "mine.yaml")
      }
      return error?.description ?? ""
    }
    #expect(
      rule("** Dtype: torch.bfloat16\nThe best outcome was 792.1TFLOPS @ 2048x2048x13312 (MxNxK)\n")
        .contains("the terminal's output has every shape"))
    let nccl = BenchmarkFileTests.whole.split(separator: "\n").filter {
      !$0.contains(" 134217728 ")
    }
    .joined(separator: "\n")
    #expect(rule(nccl + "\n").contains("2 sizes; at least 3"))
    #expect(
      rule(BenchmarkFileTests.perftest("Gb/sec", " 2048 5000 0.00 380.0 23.19336\n"))
        .contains("no message of 64 KiB"))
    #expect(
      rule(BenchmarkFileTests.perftest("Gb/sec", " 65536 5000 0.00 788.0 1.502991\n"))
        .contains("more than the adapter of h100-2048 has"))
  }

  @Test func nodesAreAskedFor() throws {
    let base = try Cluster.shipped("h100-2048")
    var measured = Measurements()
    measured.collectives = Self.collectives(
      try CollectiveConstants(base), .allReduce, nodes: 1, ranks: 8, noise: 0
    ).map {
      var one = $0
      one.nodes = nil
      return one
    }
    let error = #expect(throws: ConfigurationError.self) {
      try Self.calibrator(base, "h100-2048").fit(measured, name: "mine", file: "mine.yaml")
    }
    #expect(error?.description.contains("--nodes N") == true)
  }

  /// A data sheet's device with another one's kernels: what is measured is its own, the rest scales.
  @Test func aDataSheetIsCalibrated() throws {
    let borrowed = ["device.kernels=a100-pcie", "device.kernels-scaled=true"]
    let base = try Cluster.shipped("l40s-64", overrides: borrowed)
    let cost = try #require(MatmulCost(try DeviceModel(base.device), library: .bf16))
    var measured = Measurements()
    for m in [512, 1024, 2048, 4096, 8192] {
      for k in [1024, 4096] {
        let shape = MatmulShape(m: m, n: 4096, k: k)
        measured.products.append(
          MeasuredProduct(
            library: .bf16, shape: shape,
            seconds: 1.3 * cost.cost(shape, clock: .boost).seconds,
            place: MeasuredPlace(file: "sweep.csv", line: measured.products.count + 2)))
      }
    }
    var calibrator = Self.calibrator(base, "l40s-64")
    calibrator.kernels = "a100-pcie"
    let outcome = try calibrator.fit(measured, name: "mine", file: "mine.yaml")
    #expect(FittedPart.residual(try #require(outcome.parts.first).held).mean < 0.08)
    #expect(outcome.text.contains("kernels-scaled: true"))
    #expect(outcome.cluster.device.kernelsAreScaled)
  }
}

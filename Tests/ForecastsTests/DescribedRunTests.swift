import Clusters
import Documents
import Forecasts
import Foundation
import Plans
import Runs
import TestSupport
import Testing

/// Runs as their files describe them.
@Suite struct DescribedRunTests {
  private let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private static let run = """
    model: llama-3.1-8b
    data: {training: none.bin, type: uint32, tokenizer: bytes}
    plan: {data-parallel: 256, tensor-parallel: 8, global-batch: 512, sequence-length: 4096}
    steps: 40000
    learning-rate: 1e-4
    checkpoints: {folder: none, every: 50}
    """

  private func planned(
    _ text: String, cluster: [String] = [], overrides: [String] = [], stepSeconds: Double? = 10
  ) throws -> PlannedRun {
    let path = try scratch.write(text, to: "run.yaml")
    return try PlannedRun(
      RunFile.readPhases(path: path, overrides: overrides),
      on: .shipped("h800-2048", overrides: cluster), stepSeconds: stepSeconds)
  }

  // MARK: DeepSeek-V3

  private static let example = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../examples/deepseek-v3-run.yaml").standardizedFileURL.path

  /// The published lengths: 14.8 trillion tokens, of them 469 billion while the batch grows from 3,072 to
  /// 15,360, and 1,000 steps of 62.9 million tokens at either length (arXiv 2412.19437 sections 4.2 and 4.3).
  @Test(.enabled(if: FileManager.default.fileExists(atPath: example))) func theRunOfDeepSeekV3()
    throws
  {
    let run = try PlannedRun(
      RunFile.readPhases(path: Self.example), on: .shipped("h800-2048"), stepSeconds: 20)
    #expect(run.ranks == 2048 && run.phases.count == 5)
    func tokens(_ parts: [PlannedRun.Part]) -> Double {
      parts.reduce(0) {
        $0 + Double($1.steps) * Double($1.globalBatch) * Double($1.sequenceLength)
      }
    }
    let training = run.parts.filter { $0.phase < 2 }
    #expect(abs(tokens(training) / 14.8e12 - 1) < 1e-4)
    #expect(training.map(\.globalBatch) == Array(stride(from: 3072, through: 15360, by: 1024)))
    #expect(abs(tokens(training.filter { $0.globalBatch < 15360 }) / 469e9 - 1) < 1e-3)
    let extensions = run.parts.filter { [2, 3].contains($0.phase) }
    #expect(extensions.map(\.steps) == [1000, 1000])
    #expect(extensions.map(\.globalBatch) == [1920, 480])
    #expect(extensions.allSatisfy { $0.globalBatch * $0.sequenceLength == 62_914_560 })
    // 685 billion parameters of 4 bytes and two moments of 2.
    #expect(abs(run.checkpointBytes / (8 * 682.5e9) - 1) < 0.01, "\(run.checkpointBytes)")
  }

  /// Steps of every batch of a ramp are counted as training counts them.
  @Test func rampsAreCounted() throws {
    let text = Self.run.replacing(
      "steps: 40000",
      with: "steps: 30\nbatch-ramp: {from: 256, increment: 128, over: 4000 sequences}")
    let run = try planned(text)
    let ramp = BatchRamp(first: 256, increment: 128, final: 512, sequences: 4000)
    var seen = 0
    var batches: [Int] = []
    for _ in 0..<30 {
      batches.append(ramp.batch(after: seen))
      seen += batches[batches.count - 1]
    }
    #expect(run.parts.flatMap { Array(repeating: $0.globalBatch, count: $0.steps) } == batches)
    #expect(run.parts.count == 3)
  }

  // MARK: What files say

  /// Rates become those of the job, of its own devices, nodes and switches.
  @Test func ratesAreTheJobs() throws {
    let causes =
      "failures.causes=[{name: a, of: device, rate: 1}, {name: b, of: node, rate: 1}, "
      + "{name: c, of: switch, rate: 1}, {name: d, of: job, rate: 1}]"
    let half = ["plan.data-parallel=128"]
    let whole = try planned(Self.run, cluster: [causes]).model.processes
    let small = try planned(Self.run, cluster: [causes], overrides: half).model.processes
    let perSecond = 1 / 86_400_000.0
    // 2,048 devices in 256 nodes under 96 switches of 8 planes.
    for (process, count) in zip(whole, [2048.0, 256, 96, 1]) {
      #expect(abs(process.rate / (count * perSecond) - 1) < 1e-12, "\(process.name)")
    }
    for (process, count) in zip(small, [1024.0, 128, 48, 1]) {
      #expect(abs(process.rate / (count * perSecond) - 1) < 1e-12, "\(process.name)")
    }
    #expect(whole.map { $0.repair != nil } == [true, true, false, false])
  }

  /// Llama 3's 419 interruptions of 54 days on 16,384 H100s come out of the shipped rates again.
  @Test func shippedRatesGiveBackTheirSource() throws {
    let cluster = try Cluster.shipped("h100-2048")
    let failures = try #require(cluster.failures)
    let elements: [Failures.Element: Double] = [.device: 16_384, .node: 2048, .job: 1]
    let count: Double = failures.causes.reduce(0) { sum, cause in
      sum + cause.rate.value * (elements[cause.element] ?? 0) * 54 / 1000
    }
    #expect(abs(count - 419) < 0.5, "\(count)")
    // 50 s and 9 ms a rank: about 200 s, 640 s and 935 s for 16,384, 65,536 and 98,304.
    for (ranks, seconds) in [(16_384.0, 197.0), (65_536, 640), (98_304, 935)] {
      let start = failures.start.value.value + failures.startPerRank.value.value * ranks
      #expect(abs(start - seconds) < 1)
    }
  }

  /// Bytes over bandwidths: 8.03 billion parameters of 12 bytes from 256 nodes.
  @Test func checkpointsTakeTheirBytes() throws {
    let blocking = try planned(Self.run, overrides: ["plan.precision=bf16"])
    let bytes = blocking.checkpointBytes
    #expect(abs(bytes / (8.03e9 * 12) - 1) < 0.001)
    let node = Double(10 << 30)
    #expect(abs(blocking.model.checkpoints.stall - bytes / (256 * node)) < 1e-9)
    #expect(blocking.model.checkpoints.writing == 0)
    #expect(abs(blocking.model.recovery.load - bytes / (6.6 * 0x1p40)) < 1e-9)
    let behind = try planned(
      Self.run, overrides: ["plan.precision=bf16", "recovery.checkpoints=asynchronous"])
    #expect(abs(behind.model.checkpoints.stall - bytes / 2048 / 53.1e9) < 1e-9)
    #expect(behind.model.checkpoints.writing == blocking.model.checkpoints.stall)
    let memory = try planned(
      Self.run,
      overrides: ["plan.precision=bf16", "recovery={checkpoints: memory, copies: 3}"])
    let adapters = try #require(try Cluster.shipped("h800-2048").node.adapters)
    let rate = Double(adapters.count.value) * adapters.rate.reached.value.value
    #expect(abs(memory.model.checkpoints.writing - 2 * bytes / 256 / rate) < 1e-9)
    #expect(memory.model.recovery.otherCopies == 2 && memory.model.recovery.otherNodes == 255)
  }

  /// No value of `recovery` is without effect on a forecast, or it is refused.
  ///
  /// Something fails every 35 minutes. With repairs of four hours seven nodes are away in the mean, of which a run
  /// that does without may be short; one that needs them all would never have them.
  @Test(arguments: [
    ("{checkpoints: blocking, cadence: 20 min, spares: 1}", "10 min"),
    ("{checkpoints: memory, copies: 2, stored-every: 20, spares: 0}", "10 min"),
    ("{elastic: resume, pause: 30 s, minimum-replicas: 252, spares: 0}", "4 h"),
    (
      "{elastic: restart, minimum-replicas: 254, take-back-after: 2, warm-steps: 9, warm-ratio: 2, "
        + "ending: 90 s, widths: [{replicas: 255, step-ratio: 1.5, start: 9 min}]}", "10 min"
    ),
  ])
  func everyKeyActs(recovery: String, repair: String) throws {
    let text = Self.run + "\nrecovery: \(recovery)\n"
    let path = try scratch.write(text, to: "run.yaml")
    // So many failures that second ones during a restart take copies away.
    let cluster = try Cluster.shipped(
      "h800-2048",
      overrides: [
        "nodes=257",
        // Processes of their own take a replica along where replicas are taken back.
        "failures.causes=[{name: a, of: device, rate: 20}"
          + (recovery.contains("take-back") ? ", {name: b, of: job, rate: 40000}]" : "]"),
        "failures.repair=\(repair)",
      ])
    let entries = Dictionary(
      RunFile.keyReference.leaves.map { ($0.path, $0.entry) }, uniquingKeysWith: { $1 })
    var trial = try Trial<Double>([
      { change in
        do {
          let phases = try RunFile.readPhases(path: path, overrides: change.map { [$0] } ?? [])
          let run = try PlannedRun(phases, on: cluster, stepSeconds: 10)
          return .figures(Forecast(run.model, runs: 40, seed: 1, threads: 2).wall.mean)
        } catch let error as ConfigurationError {
          return .refused(error.description)
        }
      }
    ])
    let leaves = try Leaf.all(in: Document(text: text, name: "run.yaml"))
    for leaf in leaves where leaf.path.hasPrefix("recovery.") {
      let form = try #require(entries[leaf.described]?.form, "\(leaf.path)")
      let changes = leaf.changes(form) + (leaf.path == "recovery.cadence" ? ["1 h"] : [])
      let verdict = try trial.verdict(leaf, among: changes)
      var isRefused = false
      if case .isRefused = verdict { isRefused = true }
      #expect(verdict == .acts || isRefused, "\(leaf.path): \(verdict)")
    }
  }

  /// The optimal cadence is that of the least expectation; without failures that of the file.
  @Test func optimalCadence() throws {
    let optimal = ["recovery.cadence=optimal"]
    let run = try planned(Self.run, overrides: optimal)
    let best = try #require(run.model.bestCadenceSeconds)
    #expect(run.cadenceSeconds == (best / 10).rounded() * 10)
    let calm = try planned(Self.run, cluster: ["failures=null"], overrides: optimal)
    #expect(calm.cadenceSeconds == 500 && calm.assumptions.count == 2)
    let forecast = Forecast(calm.model, runs: 1, seed: 1, threads: 1)
    #expect(forecast.lost.total == forecast.lost.checkpoint)
  }

  /// Left out, checkpoints are forecast as training takes them.
  @Test func asynchronousCheckpointsAreForecastSo() throws {
    let asynchronous = "checkpoints.asynchronous=true"
    let said = try planned(Self.run, overrides: ["recovery.checkpoints=asynchronous"]).model
    let taken = try planned(Self.run, overrides: [asynchronous]).model
    #expect(taken == said && taken.checkpoints.writing > 0)
    // Beside other keys of recovery too.
    let beside = try planned(Self.run, overrides: [asynchronous, "recovery.spares=2"]).model
    #expect(beside.checkpoints == said.checkpoints)
    let blocking = try planned(Self.run).model
    #expect(blocking.checkpoints.stall == said.checkpoints.writing)
    // Hosts' copies may go to other nodes instead.
    let memory = try planned(
      Self.run, overrides: [asynchronous, "recovery.checkpoints=memory"]
    ).model
    #expect(memory.recovery.memoryLoad != nil)
  }

  /// Cold starts at scale (arXiv 2602.00277, figure 2, read off by others): 50 s and 9 ms a GPU are within 16 % of them.
  @Test(arguments: [(16_384, 200.0), (22_528, 300), (65_536, 600), (98_304, 900)])
  func startsGrowWithRanks(devices: Int, published: Double) throws {
    let nodes = devices / 8
    let start = try planned(
      Self.run,
      cluster: [
        "nodes=\(nodes)", "network.layers[0].radix=256", "network.layers[1].radix=256",
        "failures.start=50 s", "failures.start-per-rank=9 ms",
      ], overrides: ["plan.data-parallel=\(nodes)", "plan.global-batch=\(nodes)"]
    ).model.recovery.start
    #expect(abs(start - (50 + 0.009 * Double(devices))) < 1e-9)
    #expect(abs(start / published - 1) < 0.16)
  }

  /// A run that writes no checkpoints has no time between them, and what fails loses all.
  @Test func withoutCheckpoints() throws {
    let run = try planned(Self.run, overrides: ["checkpoints=null"])
    #expect(run.cadenceSeconds == nil && run.model.bestCadenceSeconds == nil)
    #expect(run.model.meanTimeBetweenFailures.isFinite)
  }

  /// A job without elastic stops on purpose for slow nodes alone.
  @Test func endingsInFrontOfSlowNodesLeaving() throws {
    let slow = [
      "failures.causes=[{name: a, of: job, rate: 2000, effect: slow, speed: 0.5, detection: 1 h}]"
    ]
    let plain = try planned(Self.run, cluster: slow).model
    let ending = try planned(Self.run, cluster: slow, overrides: ["recovery.ending=1 h"]).model
    func seconds(_ model: RunModel) -> Double {
      Forecast(model, runs: 20, seed: 1, threads: 1).wall.mean
    }
    // Some nine stops of 4.6 days, an hour longer each.
    #expect(seconds(ending) > seconds(plain) + 4 * 3600)
  }

  /// Evaluations are read, and it is said that they are not in the time.
  @Test func evaluationsAreNotInIt() throws {
    let words = "evaluations take no time"
    #expect(try !planned(Self.run).assumptions.contains(words))
    let run = try planned(Self.run, overrides: ["evaluation={every: 100}", "data.hold-out=0.1"])
    #expect(run.assumptions.contains(words))
    #expect(try run.model == planned(Self.run).model)
  }

  // MARK: What cannot be

  static let refused: [(run: [String], cluster: [String], rule: String)] = [
    (["recovery.cadence=often"], [], "recovery.cadence: \"often\": expected optimal, or a time"),
    (["recovery.cadence=0 s"], [], "must be more than 0 s"),
    (["recovery.copies=3"], [], "has no effect without checkpoints memory"),
    (
      ["plan.data-parallel=2", "recovery={checkpoints: memory, copies: 3}"], [],
      "exceeds the 2 nodes of the job"
    ),
    (
      ["checkpoints.asynchronous=true", "recovery.checkpoints=blocking"], [],
      "contradicts checkpoints.asynchronous"
    ),
    (
      ["recovery={elastic: resume, pause: 3 s, cadence: optimal}"], [],
      "optimal is not known with elastic resume"
    ),
    (["recovery.elastic=resume"], [], "recovery.pause: required with elastic resume"),
    (["recovery.pause=3 s"], [], "has no effect without elastic resume"),
    (["recovery.minimum-replicas=3"], [], "has no effect without elastic"),
    (
      ["recovery={elastic: restart, minimum-replicas: 300}"], [],
      "exceeds the 256 replicas of the plan"
    ),
    (["checkpoints=null", "recovery.cadence=optimal"], [], "the run writes no checkpoints"),
    (["recovery.widths=[{replicas: 3}]"], [], "widths: has no effect without elastic"),
    (
      ["recovery={elastic: restart, widths: [{replicas: 3}, {replicas: 3, start: 1 s}]}"], [],
      "3 is listed before"
    ),
    (
      ["recovery={elastic: restart, widths: [{replicas: 300}]}"], [],
      "recovery.widths[0].replicas: \"300\": exceeds the 256 replicas of the plan"
    ),
    (
      ["recovery={elastic: restart, widths: [{replicas: 256, step-ratio: 2}]}"], [],
      "must be 1 with all replicas"
    ),
    (
      ["recovery={elastic: resume, pause: 3 s, widths: [{replicas: 3, start: 1 s}]}"], [],
      "has no effect with elastic resume, which starts nothing"
    ),
    (["recovery.take-back-after=1"], [], "has no effect without elastic restart"),
    (
      ["recovery.ending=5 min"], [],
      "ending: \"5.00 min\": has no effect without elastic or a cause"
    ),
    (["recovery.warm-steps=3"], [], "warm-ratio: required with warm-steps"),
    (["recovery.warm-ratio=3"], [], "has no effect without warm-steps"),
    (["recovery.elastik=none"], [], "unknown key; did you mean elastic?"),
    ([], ["storage=null"], "storage: is missing, and checkpoints are written to it"),
    (["recovery.checkpoints=memory"], ["device.host-link=null"], "device.host-link: is missing"),
    ([], ["failures.at=[3 s]"], "excludes causes, which are drawn"),
    (
      [], ["failures.causes=null", "failures.at=[3 s]"],
      "has no effect: failures at given times lose no node"
    ),
    (
      [], ["failures.causes=[{name: a, of: job, rate: 1, effect: slow}]"],
      "required for effect slow"
    ),
    (
      [], ["failures.causes=[{name: a, of: job, rate: 1, repair: 1 h}]"],
      "has no effect: no node is lost with a job"
    ),
    (
      [], ["failures.causes=[{name: a, of: node, rate: 1, follow-up: 0.5}]"],
      "needs follow-up-within"
    ),
    (
      [], ["failures.causes=[{name: a, of: rack, rate: 1}]"],
      "expected one of device, node, switch, job"
    ),
  ]

  @Test(arguments: refused.indices) func oneLineSaysWhatIsWrong(index: Int) throws {
    let (run, cluster, rule) = Self.refused[index]
    let error = #expect(throws: ConfigurationError.self) {
      try planned(Self.run, cluster: cluster, overrides: run)
    }
    let text = error?.description ?? ""
    #expect(text.contains(rule) && !text.contains("\n"), "\(text)")
  }

  /// A batch at which the schedule cannot run is named with its phase.
  @Test func aBatchTooSmallForTheSchedule() throws {
    let text = """
      model: deepseek-v3
      data: {training: none.bin, type: uint32, tokenizer: bytes}
      plan: deepseek-v3
      batch-ramp: {from: 3072, increment: 12288, over: 4000000 sequences}
      steps: 10000
      learning-rate: 1e-4
      """
    let error = #expect(throws: ConfigurationError.self) {
      try planned(text, stepSeconds: nil)
    }
    #expect(
      error?.description.contains("at a global batch of 3072") == true,
      "\(error?.description ?? "")")
  }
}

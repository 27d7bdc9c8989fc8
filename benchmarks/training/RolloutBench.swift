import Foundation
import Kernels
import MessagePassing
import Models
import Plans
import Training

/// Times rollouts of a model with random weights: many prompts, completions of equal length.
///
/// Against three things in one run. Their limit (`RolloutLimit`), measured in every round. One rank, where
/// there are several. And `generate` of transformers at the same batch, where a Python with torch is named.
///
/// Times are the clock's and, for what others leave of a machine, the processor's; the limit is in processor time.
struct RolloutBench: Sendable {
  var model: BenchModel
  var options: Options
  var isSmoke: Bool

  private var batch: Int { isSmoke ? 40 : options.batch(usual: 128) }
  private var prompt: Int { isSmoke ? 3 : options.prompt }
  private var tokens: Int { isSmoke ? 4 : options.tokens }
  private var rounds: Int { isSmoke ? 1 : options.steps }

  /// What a rank has measured.
  private struct Measured: Sendable {
    /// Of a whole rollout, by round.
    var seconds: [Double] = []
    /// Of this process, by round.
    var processorSeconds: [Double] = []
    var forwards = 0
    /// Of a rank, and the rows of each.
    var (blocks, rows) = (1, 0)
    /// By round; none where not asked.
    var limits: [RolloutLimit] = []
    var checksum: UInt64 = 0

    var median: Double { middle(seconds) }
  }

  /// Runs on every rank; rank 0 prints.
  func run(_ world: any Communicator) throws {
    let plan = options.plan(for: model)
    var alone: Measured?
    if world.size > 1 {
      if world.rank == 0 {
        var single = Plan()
        single.precision = .float32
        alone = try withRanksAsThreads(1) { [single] in try measure($0, single, limit: true) }[0]
      }
      try world.barrier()
    }
    let all = try measure(world, plan, limit: world.size == 1)
    guard world.rank == 0 else { return }
    display(all, alone, plan)
    if let python = options.python { try compare(all, python, threads: world.size) }
  }

  private func measure(
    _ world: any Communicator, _ plan: Plan, limit: Bool
  ) throws -> Measured {
    var plan = plan
    (plan.globalBatch, plan.microbatchSize) = (plan.dataParallel, 1)
    let generator = try RolloutGenerator(
      model.architecture, plan, world, layout: nil, positions: prompt + tokens, wanted: batch,
      ends: [], rowsOfABlock: options.rows)
    generator.rank.initialize(seed: 1)
    let requests = (0..<batch).map { number in
      RolloutGenerator.Request(
        prompt: (0..<prompt).map {
          Int32((number * 31 + $0 * $0 * 7) % min(97, model.architecture.vocabularySize))
        }, counters: [number])
    }
    let sampling = Sampling(temperature: 1, topShare: 1)
    func rollout() throws -> [RolloutGenerator.Made] {
      try generator.complete(requests, maximum: tokens, sampling, seed: 1)
    }
    var measured = Measured()
    // The first one warms caches up, and tells the products.
    generator.rank.recording = Recording(products: limit)
    var made = try rollout()
    let products = generator.rank.ledger.products.filter { $0.size.m > 1 }
    let replay = limit ? Replay(products, rows: Self.rows) : nil
    replay?.runApart()
    generator.rank.recording = Recording()
    measured.blocks = generator.rank.plan.microbatchCount
    measured.rows = generator.rank.plan.microbatchSize
    // The last forward's caches are full, those of the mean half.
    let attention = Double(generator.rank.ledger.attentionFLOPs) / 2
    let bound = bound(
      flops: Double(products.reduce(0) { $0 + $1.size.flops }) + attention,
      rows: generator.rows / plan.dataParallel)
    for _ in 0..<rounds {
      let before = generator.forwards
      let (start, processor) = (ContinuousClock.now, processorSeconds())
      made = try rollout()
      measured.seconds.append((ContinuousClock.now - start) / .seconds(1))
      measured.processorSeconds.append(processorSeconds() - processor)
      measured.forwards = generator.forwards - before
      if let replay {
        measured.limits.append(bound)
        measured.limits[measured.limits.count - 1].measure(replay)
      }
    }
    measured.checksum = made.reduce(0xCBF2_9CE4_8422_2325) { sum, made in
      zip(made.tokens, made.logProbabilities).reduce(sum) {
        (($0 ^ UInt64(bitPattern: Int64($1.0))) &* 0x100_0000_01B3 ^ UInt64($1.1.bitPattern))
          &* 0x100_0000_01B3
      }
    }
    return measured
  }

  /// Rows of a forward for which weights are read once, in the limit, and of the products that give its
  /// rate: however few a generator takes.
  private static let rows = 32

  /// What a forward of so many rows reads and computes, nothing of it measured yet.
  private func bound(flops: Double, rows: Int) -> RolloutLimit {
    let (rows, architecture) = (Double(rows), model.architecture)
    let weights = Double(4 * architecture.parameterCounts.total) * rows / Double(Self.rows)
    let (whole, positions) = (Double(prompt + tokens), Double(prompt + tokens) / 2)
    // Behind every token but those of the prompt in front of its last one the next is sampled.
    let sampled = Double(architecture.vocabularySize * tokens) / (whole - 1)
    return RolloutLimit(
      bytes: weights + rows * positions * Double(architecture.cachedBytesPerPosition),
      flops: flops, exponentials: rows * (architecture.exponentials(keys: positions) + sampled))
  }

  private func display(_ all: Measured, _ alone: Measured?, _ plan: Plan) {
    func text(_ value: Double, _ digits: Int = 1) -> String {
      String(format: "%.\(digits)f", value)
    }
    let made = Double(batch * tokens)
    print(
      "\(model.name) rollout: \(plan.worldSize) ranks, dp \(plan.dataParallel), "
        + "pp \(plan.pipelineParallel); \(batch) prompts of \(prompt) tokens, \(tokens) sampled "
        + "behind each; \(all.blocks) blocks of \(all.rows) rows a rank, "
        + "\(all.forwards) forwards; \(rounds) rounds, medians")
    print(
      "  rollout              \(text(all.median * 1e3)) ms, \(text(made / all.median, 0)) tokens/s; "
        + "\(text(middle(all.processorSeconds) * 1e3)) ms of processor time on rank 0")
    if let limited = [all, alone].compactMap({ $0 }).first(where: { !$0.limits.isEmpty }) {
      display(limited)
    }
    if let alone {
      print(
        "  one rank             \(text(alone.median * 1e3)) ms; \(plan.worldSize) ranks are "
          + "\(text(alone.median / all.median, 2)) times as fast")
    }
    print("  checksum             \(String(all.checksum, radix: 16))")
  }

  private func display(_ limited: Measured) {
    /// The median of a rollout's forwards at a limit, in ms, and of the share that rollouts reach.
    func reached(_ limit: (RolloutLimit) -> Double) -> (Double, Double) {
      let seconds = limited.limits.map { limit($0) * Double(limited.forwards) }
      return (
        1e3 * middle(seconds), 100 * middle(zip(seconds, limited.processorSeconds).map { $0 / $1 })
      )
    }
    // The round of the middle.
    let round = limited.limits.sorted { $0.seconds < $1.seconds }[limited.limits.count / 2]
    let (seconds, share) = reached(\.seconds)
    let (former, formerShare) = reached(\.secondsOfProductsOnce)
    print(
      String(
        format: "  limit, one rank      %.1f ms by %@ (%.1f GB/s of %.1f MB; %.1f GFLOP/s by %@ of "
          + "%.2f MFLOP and %.2f ns for each of %.1f thousand exponentials); rollouts reach %.1f %%",
        seconds, round.isByBytes ? "bytes" : "kernels", round.bandwidth / 1e9, round.bytes / 1e6,
        round.rate / 1e9, round.isOwnFaster ? "own kernels" : "OpenBLAS", round.flops / 1e6,
        1e9 / round.exponentialRate, round.exponentials / 1e3, share))
    print(
      String(
        format: "    products made once, without exponentials %.1f ms: %.1f %% of it", former,
        formerShare))
  }

  /// The same work by transformers, in a process of its own.
  private func compare(_ own: Measured, _ python: String, threads: Int) throws {
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "generate.py")
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments =
      [python, script.path, "\(batch)", "\(prompt)", "\(tokens)", "\(rounds)", "\(threads)"]
    process.environment = ProcessInfo.processInfo.environment.merging([
      "OMP_NUM_THREADS": "\(threads)", "OPENBLAS_NUM_THREADS": "\(threads)",
    ]) { $1 }
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    input.fileHandleForWriting.write(Data(model.architecture.configJSON().utf8))
    try input.fileHandleForWriting.close()
    let answer = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let words = String(decoding: answer, as: UTF8.self).split(separator: " ")
    guard process.terminationStatus == 0, words.count == 4, let seconds = Double(words[0]),
      let processor = Double(words[1])
    else {
      throw UsageError("\(python): generate.py gave no time")
    }
    let version = "\(words[3])".trimmingCharacters(in: .newlines)
    let made = Double(threads) * middle(own.processorSeconds)
    print(
      String(
        format: "  transformers         %.1f ms (%@, torch %@, %d threads): %.2f times as long; "
          + "%.1f ms of processor time: %.2f times as much",
        seconds * 1e3, "\(words[2])", version, threads, seconds / own.median,
        processor * 1e3, processor / made))
  }
}

/// The median.
private func middle(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  let middle = sorted.count / 2
  return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

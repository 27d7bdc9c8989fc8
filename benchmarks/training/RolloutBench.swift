import Foundation
import Kernels
import MessagePassing
import Models
import Plans
import Training

/// Times rollouts of a model with random weights: many prompts, completions of equal length.
///
/// Against three things in one run. Their limit: of every forward the longer of its bytes (weights once a
/// block, and the caches of its rows) over the rate at which as many bytes are read again and again, and
/// of its FLOPs over the rate of its products by themselves, by OpenBLAS or by the kernels of rollouts,
/// whichever are faster; both measured here. One rank, where there are several. And `generate` of
/// transformers at the same batch, where a Python with torch is named.
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
    var blocks = 1
    /// Seconds that the forwards of a rollout take at their limit, by round; 0 where not asked.
    var limits: [Double] = []
    var isLimitedByBytes = false
    var bandwidth = 0.0
    var rate = 0.0
    /// Bytes of a forward: weights and caches.
    var bytes = 0.0
    var isOwnFaster = false
    var checksum: UInt64 = 0

    /// FLOPs of attention in a forward whose caches are half full.
    var attentionFLOPs = 0.0

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
      end: nil)
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
    let replay = limit ? Replay(generator.rank.ledger.products.filter { $0.size.m > 1 }) : nil
    replay?.runApart()
    generator.rank.recording = Recording()
    // The last forward's caches are full.
    measured.attentionFLOPs = Double(generator.rank.ledger.attentionFLOPs) / 2
    measured.blocks = generator.rows / plan.dataParallel / RolloutGenerator.rowsOfABlock
    for _ in 0..<rounds {
      let before = generator.forwards
      let (start, processor) = (ContinuousClock.now, processorSeconds())
      made = try rollout()
      measured.seconds.append((ContinuousClock.now - start) / .seconds(1))
      measured.processorSeconds.append(processorSeconds() - processor)
      measured.forwards = generator.forwards - before
      if let replay { addLimit(replay, to: &measured) }
    }
    measured.checksum = made.reduce(0xCBF2_9CE4_8422_2325) { sum, made in
      zip(made.tokens, made.logProbabilities).reduce(sum) {
        (($0 ^ UInt64(bitPattern: Int64($1.0))) &* 0x100_0000_01B3 ^ UInt64($1.1.bitPattern))
          &* 0x100_0000_01B3
      }
    }
    return measured
  }

  /// The least time of a rollout's forwards, by what this round's memory and products give.
  private func addLimit(_ replay: Replay, to measured: inout Measured) {
    let byLibrary = processorTime { replay.run() }
    let byOwn = processorTime { replay.runApart() }
    let rate = Double(replay.flops) / min(byLibrary, byOwn)
    let products = (Double(replay.flops) + measured.attentionFLOPs) / rate
    let rows = Double(measured.blocks * RolloutGenerator.rowsOfABlock)
    let weights = Double(4 * model.architecture.parameterCounts.total * measured.blocks)
    // A cache holds half of its positions in the mean.
    let positions = Double(prompt + tokens) / 2
    let caches = rows * positions * Double(model.architecture.cachedBytesPerPosition)
    measured.bytes = weights + caches
    measured.bandwidth = Self.bandwidth(bytes: measured.bytes)
    let byBytes = measured.bytes / measured.bandwidth
    measured.isLimitedByBytes = byBytes > products
    measured.limits.append(Double(measured.forwards) * max(byBytes, products))
    measured.isOwnFaster = byOwn < byLibrary
    measured.rate = rate
  }

  /// Bytes a second of a stream that reads so many bytes again and again: the products of two arrays.
  private static func bandwidth(bytes: Double) -> Double {
    let count = Int(bytes / 8)
    let memory = UnsafeMutablePointer<Float>.allocate(capacity: 2 * count)
    defer { memory.deallocate() }
    memory.initialize(repeating: 0.5, count: 2 * count)
    var best = Double.infinity
    var sum: Float = 0
    for _ in 0..<max(3, (1 << 25) / count) {
      best = min(best, processorTime { sum += dot(memory, memory + count, count: count) })
    }
    precondition(sum > 0)
    return Double(8 * count) / best
  }

  private func display(_ all: Measured, _ alone: Measured?, _ plan: Plan) {
    func text(_ value: Double, _ digits: Int = 1) -> String {
      String(format: "%.\(digits)f", value)
    }
    let made = Double(batch * tokens)
    print(
      "\(model.name) rollout: \(plan.worldSize) ranks, dp \(plan.dataParallel), "
        + "pp \(plan.pipelineParallel); \(batch) prompts of \(prompt) tokens, \(tokens) sampled "
        + "behind each; \(all.blocks) blocks of \(RolloutGenerator.rowsOfABlock) rows a rank, "
        + "\(all.forwards) forwards; \(rounds) rounds, medians")
    print(
      "  rollout              \(text(all.median * 1e3)) ms, \(text(made / all.median, 0)) tokens/s; "
        + "\(text(middle(all.processorSeconds) * 1e3)) ms of processor time on rank 0")
    if let limited = [all, alone].compactMap({ $0 }).first(where: { !$0.limits.isEmpty }) {
      let share = middle(zip(limited.limits, limited.processorSeconds).map { $0 / $1 })
      print(
        "  limit, one rank      \(text(middle(limited.limits) * 1e3)) ms by "
          + (limited.isLimitedByBytes ? "bytes" : "products")
          + " (\(text(limited.bandwidth / 1e9)) GB/s of \(text(limited.bytes / 1e6)) MB, "
          + "\(text(limited.rate / 1e9)) GFLOP/s "
          + (limited.isOwnFaster ? "by own kernels); " : "by OpenBLAS); ")
          + "rollouts reach \(text(100 * share)) % of it")
    }
    if let alone {
      print(
        "  one rank             \(text(alone.median * 1e3)) ms; \(plan.worldSize) ranks are "
          + "\(text(alone.median / all.median, 2)) times as fast")
    }
    print("  checksum             \(String(all.checksum, radix: 16))")
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

/// Seconds that a piece takes of this thread's processor time.
private func processorTime(_ body: () -> Void) -> Double {
  let start = processorSeconds(CLOCK_THREAD_CPUTIME_ID)
  body()
  return processorSeconds(CLOCK_THREAD_CPUTIME_ID) - start
}

/// Seconds of processor time so far, of this process or this thread.
private func processorSeconds(_ clock: clockid_t = CLOCK_PROCESS_CPUTIME_ID) -> Double {
  var time = timespec()
  clock_gettime(clock, &time)
  return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
}

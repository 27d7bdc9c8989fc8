import Clusters
import Documents
import Models
import Plans
import Simulation
import TestSupport
import Testing

@Suite struct LengthDistributionTests {
  /// The lengths that stand for a distribution have its mean, whatever is cut.
  @Test(arguments: [(1_000.0, 4_096, 0.7), (3_000, 4_096, 0.7), (200, 32_768, 1.5), (512, 512, 0)])
  func meanBehindTheCut(mean: Double, longest: Int, spread: Double) throws {
    let distribution = try #require(
      LengthDistribution(mean: mean, longest: longest, spread: spread))
    let lengths = distribution.lengths(4_096, seed: 1)
    let found = Double(lengths.reduce(0, +)) / 4_096
    #expect(abs(found / mean - 1) < 0.01)
    #expect(lengths.allSatisfy { (1...longest).contains($0) })
    let cut = Double(lengths.count { $0 == longest }) / 4_096
    #expect(abs(cut - distribution.shareCut) < 0.002)
  }

  @Test func impossibleMeans() {
    #expect(LengthDistribution(mean: 600, longest: 512, spread: 0.5) == nil)
    #expect(LengthDistribution(mean: 512, longest: 512, spread: 0.5) == nil)
    #expect(LengthDistribution(mean: 0.5, longest: 512, spread: 0.5) == nil)
    #expect(LengthDistribution(mean: .nan, longest: 512, spread: 0.5) == nil)
  }

  /// The same seed gives the same order, another one another.
  @Test func order() throws {
    let distribution = try #require(LengthDistribution(mean: 100, longest: 1_000, spread: 1))
    let first = distribution.lengths(64, seed: 1)
    #expect(first == distribution.lengths(64, seed: 1))
    #expect(first != distribution.lengths(64, seed: 2))
    #expect(first.sorted() == distribution.lengths(64, seed: 2).sorted())
  }
}

/// The draining batch against a walk step by step.
@Suite struct RolloutWalkTests {
  private struct Slow {
    var seconds = 0.0
    var steps = 0
    var tokens = 0
  }

  /// Every step by itself, every sequence by itself.
  private func walked(
    _ lengths: [Int], places: Int, prompt: Int, admission: Double,
    seconds: (Int, Double) -> Double
  ) -> Slow {
    var slow = Slow()
    var waiting = lengths[...]
    var active: [(left: Int, positions: Int)] = []
    while !waiting.isEmpty || !active.isEmpty {
      while let next = waiting.first, active.count < places {
        waiting.removeFirst()
        active.append((next, prompt + 1))
        slow.seconds += admission
      }
      let positions = Double(active.reduce(0) { $0 + $1.positions }) / Double(active.count)
      slow.seconds += seconds(active.count, positions)
      slow.steps += 1
      slow.tokens += active.count
      active = active.map { ($0.left - 1, $0.positions + 1) }.filter { $0.0 > 0 }
    }
    return slow
  }

  @Test(arguments: [1, 3, 8, 64], [0.0, 0.25]) func bruteForce(places: Int, admission: Double) {
    var random = SplitMix64(state: UInt64(places))
    let lengths = (0..<40).map { _ in 1 + Int(random.next() % 700) }
    func seconds(_ active: Int, _ positions: Double) -> Double {
      0.01 + 0.002 * Double(active) + 1e-6 * Double(active) * positions
    }
    let fast = RolloutWalk(places: places, prompt: 17, admission: admission)
      .run(lengths, seconds: seconds)
    let slow = walked(
      lengths, places: places, prompt: 17, admission: admission, seconds: seconds)
    #expect(fast.steps == slow.steps)
    #expect(abs(fast.seconds / slow.seconds - 1) < 1e-9)
    #expect(fast.tokens == slow.tokens && fast.tokens == lengths.reduce(0, +))
    // Moments are in order, differ from their neighbours, and begin full.
    #expect(fast.moments.first?.active == min(places, 40))
    #expect(
      zip(fast.moments, fast.moments.dropFirst()).allSatisfy {
        $0.seconds < $1.seconds && $0.active != $1.active
      })
  }

  /// One after the other without a second place, side by side with a place for each.
  @Test func ends() {
    let lengths = [5, 1, 9, 3]
    let one = RolloutWalk(places: 1, prompt: 1).run(lengths) { _, _ in 1 }
    #expect(one.seconds == 18 && one.meanActive == 1)
    let all = RolloutWalk(places: 4, prompt: 1).run(lengths) { _, _ in 1 }
    #expect(all.seconds == 9 && all.meanActive == 2)
    // From the sixth step on one of four is left.
    #expect(all.drained == 4)
    let drafted = RolloutWalk(places: 4, prompt: 1, tokensPerStep: 2).run(lengths) { _, _ in 1 }
    #expect(drafted.seconds == 5 && drafted.tokens == 18)
    // One ends after the first step, one after the third, one after the fifth.
    #expect(all.moments.map(\.seconds) == [0, 1, 3, 5] && one.moments.count == 1)
    #expect(all.moments.map(\.active) == [4, 3, 2, 1])
  }

  /// Refilled places are never slower than waves of the same answers.
  @Test func refillingBeatsWaves() {
    var random = SplitMix64(state: 9)
    let lengths = (0..<64).map { _ in 1 + Int(random.next() % 300) }
    let walk = RolloutWalk(places: 16, prompt: 4)
    func seconds(_ active: Int, _ positions: Double) -> Double { 1 + 0.1 * Double(active) }
    let refilled = walk.run(lengths, seconds: seconds).seconds
    let waves = stride(from: 0, to: 64, by: 16).reduce(0.0) {
      $0 + walk.run(Array(lengths[$1..<$1 + 16]), seconds: seconds).seconds
    }
    #expect(refilled < waves)
  }
}

@Suite struct PackingTests {
  /// First fit, place by place.
  @Test func againstPlainFirstFit() {
    var random = SplitMix64(state: 4)
    for _ in 0..<40 {
      let lengths = (0..<Int(random.next() % 60)).map { _ in Int(random.next() % 101) }
      var bins: [Int] = []
      for length in lengths.sorted(by: >) {
        if let place = bins.firstIndex(where: { $0 + length <= 100 }) {
          bins[place] += length
        } else {
          bins.append(length)
        }
      }
      #expect(packedSequences(lengths, into: 100) == bins.count)
    }
  }
}

/// A step of reinforcement learning as a whole.
@Suite struct PlannedRolloutTests {
  private static func planned(
    _ training: [String] = [], model: String = "llama-3.1-8b",
    generator: String = "precision: bf16\n", cluster: [String] = []
  ) throws -> PlannedRollout {
    let plan = """
      data-parallel: 8
      zero-stage: 3
      global-batch: 8
      sequence-length: 2048
      precision: bf16
      recompute: full
      """
    let generator = try Document(text: generator, name: "generator.yaml")
    return try PlannedRollout(
      architecture: .named(model, overrides: ["num_hidden_layers=4"]),
      cluster: .shipped("h100-2048", overrides: cluster),
      training: .read(
        Document(text: plan, name: "plan.yaml"), name: "plan", overrides: training,
        world: .unknown),
      generator: .read(generator, name: "generator", world: .unknown, serves: true))
  }

  private static func description(
    spread: Double = 0.7, _ placement: RolloutDescription.Placement = .colocated
  ) throws -> RolloutDescription {
    let lengths = try #require(LengthDistribution(mean: 500, longest: 1_900, spread: spread))
    return RolloutDescription(
      questions: 16, answers: 8, prompt: 100, lengths: lengths, placement: placement)
  }

  /// On the same devices parts follow one another; side by side the slower counts.
  @Test func placements() throws {
    let planned = try Self.planned()
    let here = try planned.report(Self.description())
    let parts = here.parts
    let sum =
      parts.generation + parts.policyScores + parts.referenceScores + parts.training
      + parts.weights + parts.offload
    #expect(abs(here.seconds - sum) < 1e-9)
    #expect(here.devices == 8 && here.generators == 8 && parts.offload > 0)
    #expect(parts.policyScores < parts.referenceScores && parts.policyScores < parts.training)
    var apart = try Self.description(.separate(devices: 8))
    let waiting = try planned.report(apart)
    #expect(waiting.devices == 16 && waiting.parts.offload == 0)
    apart.stepsBehind = 1
    let behind = try planned.report(apart)
    #expect(behind.seconds < waiting.seconds)
    #expect(
      behind.seconds == max(behind.parts.generation, behind.parts.learning)
        + behind.parts.weights)
    #expect(try planned.seconds(of: apart) == behind.seconds)
    // Nine devices hold as many generators of one; of two each, four, and the last one has nothing to do.
    let pairs = try Self.planned(generator: "tensor-parallel: 2\nprecision: bf16\n")
    let odd = try pairs.report(Self.description(.separate(devices: 9)))
    #expect(odd.generators == 4)
    #expect(odd.assumptions.contains { $0 == "1 of 9 devices make no generator" })
  }

  /// Where nothing leads to the host training's state stays, and caches have less room.
  @Test func stateThatStays() throws {
    var description = try Self.description()
    description.memoryShare = 0.06
    #expect(try Self.planned().report(description).places > 0)
    let stays = try Self.planned(cluster: ["device.host-link=null"])
    let error = #expect(throws: PlanError.self) { try stays.report(description) }
    #expect(error.map { "\($0)".contains("positions of caches") } == true)
    description.memoryShare = 0.9
    let report = try stays.report(description)
    #expect(report.parts.offload == 0)
    #expect(report.assumptions.contains { $0.hasPrefix("training's state stays on the devices") })
  }

  /// What was decided is said, and so is a training step that does not fit.
  @Test func whatIsSaid() throws {
    let report = try Self.planned().report(Self.description(spread: 0))
    let said = report.assumptions.joined(separator: "; ")
    // 43 sequences on eight data ranks.
    #expect(said.contains("48 sequences in an update, whatever global-batch says (8)"))
    #expect(said.contains("5 of them empty"))
    #expect(said.contains("81 prompts read at once"))
    var idle = try Self.description(.separate(devices: 8))
    (idle.places, idle.stepsBehind) = (99, 2)
    let phrases = try Self.planned().report(idle).assumptions.joined(separator: "; ")
    #expect(phrases.contains("places 99 never act: a data rank has 16 answers in all"))
    #expect(phrases.contains("2 steps behind take what one takes"))
    #expect(report.trainingFits)
    let large = try Self.planned(["microbatch-size=128", "global-batch=1024"])
    #expect(try !large.report(Self.description()).trainingFits)
  }

  /// Prompts of an odd length are read by tensor ranks that divide the rows of both parts.
  @Test func chunksOfPrompts() throws {
    let plan =
      "data-parallel: 2\ntensor-parallel: 2\nexpert-tensor-parallel: 1\n"
      + "expert-parallel: 4\nprecision: bf16\n"
    let planned = try Self.planned(model: "qwen3-30b-a3b", generator: plan)
    var description = try Self.description()
    description.prompt = 91
    let report = try planned.report(description)
    // 90 prompts make a chunk, in two parts of 45 × 91 rows, which two ranks do not divide: 88 do.
    #expect(report.assumptions.contains { $0.hasPrefix("88 prompts read at once") })
  }

  /// All tokens of all answers are there, and the tail costs time and nothing else.
  @Test func tails() throws {
    let planned = try Self.planned()
    let alike = try planned.report(Self.description(spread: 0))
    let spread = try planned.report(Self.description(spread: 0.7))
    #expect(alike.tokens == 128 * 600)
    #expect(abs(Double(spread.tokens) / Double(alike.tokens) - 1) < 0.01)
    #expect(spread.parts.generation > 1.3 * alike.parts.generation)
    #expect(alike.drainedShare == 0 && spread.drainedShare > 0.2)
    #expect(alike.packed == 43)
  }

  /// Without a reference nobody scores twice; more updates of fewer answers take no less.
  @Test func whatIsAsked() throws {
    let planned = try Self.planned()
    var description = try Self.description()
    let usual = try planned.report(description)
    description.hasReference = false
    description.rewardSeconds = 3
    let bare = try planned.report(description)
    #expect(bare.parts.referenceScores == 0)
    #expect(
      abs(usual.seconds - bare.seconds - usual.parts.referenceScores + 3) < 1e-9)
    description.updates = 4
    #expect(try planned.report(description).parts.training >= bare.parts.training)
    description.places = 4
    let few = try planned.report(description)
    #expect(few.places == 4 && few.parts.generation > bare.parts.generation)
  }

  /// The reference's weights change places with the policy's and back over the host's link, or stay on the devices.
  @Test func theReferenceComesFromTheHost() throws {
    let description = try Self.description()
    let report = try Self.planned(cluster: ["device.host-link.reached=50 GB/s"]).report(description)
    let way = report.parts.referenceScores - report.parts.policyScores
    #expect(abs(way / (3 * Double(report.training.parameters) / 50e9) - 1) < 1e-9)
    let planned = try Self.planned(cluster: ["device.host-link=null"])
    let stays = try planned.report(description)
    #expect(stays.parts.referenceScores == stays.parts.policyScores)
    #expect(stays.training.parameters == 2 * report.training.parameters)
    #expect(stays.training.peak == report.training.peak + report.training.parameters)
    var without = description
    without.hasReference = false
    #expect(try planned.report(without).training.parameters == report.training.parameters)
  }

  /// Generators return the probabilities of what they draw: two softmaxes of 14 bytes a score of every token, and of every
  /// question's first.
  @Test func generatorsReturnProbabilities() throws {
    func generation(_ rate: Int) throws -> RolloutReport {
      try Self.planned(cluster: [
        "device.kernels.operators.operator-of-softmax=\(rate) GB/s",
        "device.kernels.streaming.shortest=0 us",
      ]).report(Self.description(spread: 0))
    }
    let (fast, slow) = (try generation(3_000), try generation(1_500))
    // 16 answers of 500 tokens on each generator, all at once; a question's prompt is read for 8.
    #expect(fast.places == 16)
    let scores = (500.0 * 16 + 16 / 8) * 128_256
    let bytes = (slow.parts.generation - fast.parts.generation) * 3e12
    #expect(abs(bytes / (14 * scores) - 1) < 1e-6, "\(bytes / scores)")
  }

  @Test func refusals() throws {
    func rule(_ body: () throws -> Void) -> String {
      do { try body() } catch { return "\(error)" }
      return ""
    }
    let planned = try Self.planned()
    var description = try Self.description()
    description.prompt = 1_000
    #expect(
      rule { _ = try planned.report(description) }
        .contains("sequence-length 2048 takes no answer of"))
    description = try Self.description(.separate(devices: 4_096))
    #expect(rule { _ = try planned.report(description) }.contains("8 to train and 4096"))
    description = try Self.description()
    description.memoryShare = 0.01
    #expect(rule { _ = try planned.report(description) }.contains("positions of caches"))
    description = try Self.description()
    description.updates = 1_000
    #expect(
      rule { _ = try planned.report(description) }.contains("updates 1000 are more than the"))
  }
}

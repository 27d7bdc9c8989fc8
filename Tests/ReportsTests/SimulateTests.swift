import Foundation
import Testing

/// The page and the JSON of a simulated step.
@Suite struct SimulateTests {
  let step: [String: Any]

  /// Simulated once for all tests.
  private static let simulated = Result { try Command.run("simulate --json --tokens 14.8T") }

  init() throws { step = try CommandTests.json(Self.simulated.get()) }

  @Test func everyKeyOfTheIssueIsThere() throws {
    for key in [
      "step_seconds", "tokens_per_day", "tokens_per_second_per_gpu",
      "gpu_hours_per_trillion_tokens", "tokens_per_second", "us_dollars_per_trillion_tokens",
    ] { #expect(try #require(step[key] as? Double, "\(key)") > 0) }
    let parts: [(String, [String])] = [
      (
        "split_seconds",
        [
          "forward", "bubble", "backward", "backward_input", "backward_weight", "overlapped",
          "optimizer",
        ]
      ),
      ("tflops_per_gpu", ["causal", "non_causal"]), ("mfu", ["causal", "non_causal"]),
      ("communication_seconds", ["expert", "pipeline", "data", "tensor", "context"]),
      (
        "memory_bytes",
        [
          "peak", "limit", "parameters", "gradients", "optimizer", "activations", "communication",
        ]
      ),
    ]
    for (key, names) in parts {
      let table = try #require(step[key] as? [String: Any], "\(key)")
      for name in names { #expect(table[name] != nil, "\(key).\(name)") }
    }
    let communication = try #require(step["communication_seconds"] as? [String: [String: Any]])
    for (kind, times) in communication {
      for name in ["total", "exposed", "waiting"] {
        #expect(times[name] is Double, "\(kind).\(name)")
      }
    }
    #expect(step["fits"] is Bool)
    #expect((step["stages"] as? [Any])?.count == 16)
    #expect((step["split_seconds_by_position"] as? [Any])?.count == 16)
    #expect((step["degrees"] as? [String: Int])?["dp"] == 128)
  }

  @Test func everySplitAddsUpToTheStep() throws {
    let seconds = try #require(step["step_seconds"] as? Double)
    var splits = try #require(step["split_seconds_by_position"] as? [[String: Double]])
    splits.append(try #require(step["split_seconds"] as? [String: Double]))
    splits.append(try #require(step["split_seconds_mean"] as? [String: Double]))
    for split in splits {
      #expect((split.values.reduce(0, +) - seconds).magnitude < 1e-9)
    }
  }

  /// Means over seeds, and how far steps lie apart; the split adds up to the mean.
  @Test func severalSeeds() throws {
    #expect(step["seeds"] as? Int == 1 && step["step_seconds_deviation"] as? Double == 0)
    let seeded = try CommandTests.json("simulate --json --seeds 3")
    #expect(seeded["seeds"] as? Int == 3)
    #expect(try #require(seeded["step_seconds_deviation"] as? Double) > 0)
    let mean = try #require(seeded["step_seconds"] as? Double)
    let steps = try (1...3).map { seed in
      let one = try CommandTests.json("simulate --json --set plan.expert-load.seed=\(seed)")
      return try #require(one["step_seconds"] as? Double)
    }
    #expect(abs(steps.reduce(0, +) / 3 - mean) < 1e-9)
    let split = try #require(seeded["split_seconds"] as? [String: Double])
    #expect(abs(split.values.reduce(0, +) - mean) < 1e-9)
  }

  /// Under 1F1B a backward is whole: what stood beside "backward for input" was both halves.
  @Test func joinedBackwardsAreNoInputHalves() throws {
    let place = "--model megatron-22b --plan megatron-22b-full --cluster a100-selene"
    let joined = try CommandTests.json("simulate --json \(place)")
    let apart = try CommandTests.json("simulate --json --set plan.schedule=zb-h1 \(place)")
    let splits = try [joined, apart].map {
      try #require($0["split_seconds"] as? [String: Double])
    }
    #expect(try #require(splits[0]["backward"]) > 0)
    #expect(splits[0]["backward_input"] == 0 && splits[0]["backward_weight"] == 0)
    #expect(splits[1]["backward"] == 0)
    #expect(try #require(splits[1]["backward_input"]) > 0)
    #expect(try #require(splits[1]["backward_weight"]) > 0)
    let page = try Command.run("simulate \(place)").output
    #expect(page.contains("\n  backward  ") && !page.contains("backward for input"), "\(page)")
  }

  /// Recomputation stands apart, and each kind of kernel where it belongs.
  @Test func kernelsAddUpToTheBusyTime() throws {
    let kernels = try #require(step["seconds_by_kernel"] as? [String: [String: Double]])
    let busy = try #require(step["busy_seconds"] as? Double)
    #expect((kernels.values.flatMap(\.values).reduce(0, +) - busy).magnitude < 1e-9)
    #expect(busy > 0 && busy < (step["step_seconds"] as? Double ?? 0))
    for name in ["matmul", "grouped_matmul", "attention", "norm", "quantize", "permute"] {
      let row = try #require(kernels[name], "\(name)")
      #expect(
        Set(row.keys) == [
          "forward", "recomputed_forward", "backward_input", "backward_weight", "optimizer",
        ])
      #expect(try #require(row["forward"]) > 0, "\(name)")
    }
    #expect(try #require(kernels["norm"]?["recomputed_forward"]) > 0)
    #expect(kernels["grouped_matmul"]?["recomputed_forward"] == 0)
    #expect(try #require(kernels["matmul"]?["backward_weight"]) > 0)
    #expect(try #require(kernels["optimizer"]?["optimizer"]) > 0)
  }

  /// What a kind of communication hides and exposes is all of it; waiting for a peer stands apart.
  @Test func communicationAddsUp() throws {
    let kinds = try #require(step["communication_seconds"] as? [String: [String: Double]])
    for (kind, times) in kinds {
      let (total, hidden) = (times["total"] ?? -1, times["hidden"] ?? -1)
      #expect((total - hidden - (times["exposed"] ?? -1)).magnitude < 1e-9, "\(kind)")
      #expect(hidden >= 0 && times["waiting"] ?? -1 >= 0, "\(kind)")
    }
    // Messages of a pair move beside the next pair.
    #expect(try #require(kinds["pipeline"]?["hidden"]) > 0)
  }

  /// Where the rate of an exchange's multiprocessors decides, step and exchange are told at both of its ends.
  @Test func whatAMultiprocessorMovesIsToldWhereItDecides() throws {
    #expect(step["exchange_range"] == nil)
    let few = try CommandTests.json(
      "simulate --json --set plan.communication-sms=6 --set plan.global-batch=4096")
    let range = try #require(few["exchange_range"] as? [String: Any])
    for key in ["exchange_seconds", "step_seconds"] {
      let ends = try #require(range[key] as? [String: Double])
      let seconds = try ["low", "stated", "high"].map { try #require(ends[$0]) }
      #expect(seconds[0] > seconds[1] && seconds[1] > seconds[2], "\(key): \(seconds)")
    }
    let steps = try #require(range["step_seconds"] as? [String: Double])
    #expect(steps["stated"] == few["step_seconds"] as? Double)
    let said = try #require(few["assumptions"] as? [String]).filter { $0.contains("plausible") }
    #expect(said.count == 1 && said[0].hasPrefix("exchanges by 6 SMs of 5.86 GB/s"), "\(said)")
  }

  @Test func memoryIsTheSumOfItsParts() throws {
    var memory = try #require(step["memory_bytes"] as? [String: Int])
    let peak = memory.removeValue(forKey: "peak")
    for bound in ["limit", "reserve", "reserved"] { memory.removeValue(forKey: bound) }
    #expect(memory.values.reduce(0, +) == peak)
  }

  @Test func theSameBytesTwice() throws {
    let arguments = ["simulate", "--json"]
    #expect(try Command.run(arguments).output == Command.run(arguments).output)
  }

  @Test(arguments: [
    "simulate", "simulate --tokens 14.8T --price 3.5",
    "simulate --model megatron-1t --plan megatron-sc21-1t --cluster a100-selene",
    "simulate --model megatron-22b --plan megatron-22b-full --cluster a100-selene",
  ])
  func thePageIsSmall(_ arguments: String) throws {
    let result = try Command.run(arguments.split(separator: " ").map(String.init))
    #expect(result.status == 0, "\(result.errors)")
    let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count <= 41)
    for line in lines { #expect(line.count <= 100, "\(line)") }
  }

  /// All ranks one by one come to the step of one rank for all that do the same; a slow device does not.
  @Test func everyRankByItself() throws {
    let place =
      "simulate --json --model megatron-7.5b --plan megatron-sc21-7.5b --cluster a100-selene"
    let folded = try CommandTests.json(place)
    let all = try CommandTests.json(place + " --all-ranks")
    let slow = try CommandTests.json(
      place + " --set cluster.degraded=[{\"what\":\"device\",\"rank\":17,\"share\":0.5}]")
    #expect(folded["simulated_ranks"] as? Int == 1 && all["simulated_ranks"] as? Int == 128)
    // The slow rank's tensor group, and one for all others.
    #expect(slow["simulated_ranks"] as? Int == 8)
    for key in ["step_seconds", "hfu", "split_seconds_by_position", "stages", "operations"] {
      #expect((folded[key] as? NSObject) == (all[key] as? NSObject), "\(key)")
    }
    let times = try [folded, slow].map { try #require($0["step_seconds"] as? Double) }
    #expect(times[1] > 1.2 * times[0])
  }

  /// Counts of tokens by expert are read from metrics and from a table; what is wrong is named by line.
  @Test func countsOfExperts() throws {
    let scratch = try Scratch()
    func simulate(_ text: String, _ name: String) throws -> Command {
      try Command.run([
        "simulate", "--json", "--model", "mixtral-8x7b", "--plan", scratch.file("plan.yaml"),
        "--set", "plan.expert-load={counts: \(try scratch.write(text, name))}",
      ])
    }
    _ = try scratch.write(
      "pipeline-parallel: 2\ndata-parallel: 4\nexpert-parallel: 4\nglobal-batch: 16\n"
        + "sequence-length: 1024\ncommunication-sms: 20\n", "plan.yaml")
    let loads = (0..<32).map { "{\"layer\": \($0), \"counts\": [9, 7, 5, 3, 3, 2, 2, 1]}" }
    let metrics = try simulate(
      "{\"step\": 1, \"expert_load\": [\(loads.joined(separator: ", "))]}\n", "load.jsonl")
    #expect(metrics.status == 0, "\(metrics.errors)")
    #expect(metrics.output.contains("\"expert load from "))
    #expect(metrics.output.contains("\"simulated_ranks\" : 8"))
    let wrong = try simulate("layer,expert,tokens\n1,8,3\n", "wrong.csv")
    #expect(wrong.status == 1)
    #expect(
      wrong.errors.hasSuffix("wrong.csv:2: expert: \"8\": layer 1 has experts 0 to 7\n"),
      "\(wrong.errors)")
  }

  @Test func comparisonsSayWhatDiffers() throws {
    let scratch = try Scratch()
    let plan = try Command.run(["plan", "deepseek-v3", "--print"]).output
    let path = try scratch.write(
      plan.replacingOccurrences(of: "send-mode: batched", with: "send-mode: eager")
        .replacingOccurrences(of: "name: deepseek-v3", with: "name: eager"), "eager.yaml")
    let result = try Command.run(["compare", "deepseek-v3", path])
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.contains("send-mode"))
    #expect(result.output.contains("\neager: step "))
    for line in result.output.split(separator: "\n") { #expect(line.count <= 100) }
  }
}

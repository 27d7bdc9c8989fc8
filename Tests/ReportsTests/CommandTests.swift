import Foundation
import Testing

/// The commands as people type them.
@Suite struct CommandTests {
  static let commands = [
    "model", "cluster", "plan", "schedule", "cost", "cost matmul", "cost grouped-matmul",
    "cost attention", "cost dispatch", "cost combine", "cost all-reduce", "cost all-gather",
    "cost reduce-scatter", "cost all-to-all", "simulate", "compare",
  ]

  @Test(arguments: commands) func helpHasAnExample(_ command: String) throws {
    let result = try Command.run(command.split(separator: " ").map(String.init) + ["--help"])
    #expect(result.status == 0)
    #expect(result.output.contains("Example:\n  sluice \(command)"), "\(result.output)")
    let long = result.output.split(separator: "\n").filter { $0.contains("  sluice ") }
    #expect(long.allSatisfy { $0.count <= 80 }, "an example is broken by the help's width")
  }

  @Test(arguments: [
    "model deepseek-v3", "model gpt-3-175b --sequence 2048", "cluster h800-2048 --path 0 2047",
    "plan deepseek-v3", "schedule zbv --ranks 2 --microbatches 3",
    "schedule dualpipe --ranks 4 --microbatches 8 --lowered --format csv",
  ])
  func texts(_ arguments: String) throws {
    let result = try Command.run(arguments.split(separator: " ").map(String.init))
    #expect(result.status == 0)
    #expect(result.errors.isEmpty)
    let name = arguments.split(whereSeparator: { " /-".contains($0) }).joined(separator: "-")
    try Snapshots.expect(result.output, equals: "\(name).txt")
  }

  @Test func modelCounts() throws {
    let model = try Self.json("model deepseek-v3 --json")
    let parameters = try #require(model["parameters"] as? [String: Any])
    #expect(parameters["total"] as? Int == 671_026_404_352)
    #expect(model["kv_bytes_per_token"] as? Int == 70_272)
    let flops = try #require(model["training_flops_per_token"] as? [String: Any])
    let causal = try #require(flops["causal"] as? [String: Any])
    let full = try #require(flops["non_causal"] as? [String: Any])
    let totals = [causal["total"], full["total"]].compactMap { $0 as? Double }
    #expect(totals.map { ($0 / 1e7).rounded() / 100 } == [249.81, 280.51])
  }

  @Test func whatShipsCanBePrintedAndReadBack() throws {
    let scratch = try Scratch()
    for (command, name, file) in [
      ("model", "deepseek-v2", "m.json"), ("cluster", "h800-2048-mrft", "c.yaml"),
      ("plan", "deepseek-v3", "p.yaml"),
    ] {
      let printed = try Command.run([command, name, "--print"])
      #expect(printed.status == 0)
      let path = try scratch.write(printed.output, file)
      #expect(try Command.run([command, path]).status == 0)
    }
    #expect(try Command.run(["plan", "--list"]).output.hasPrefix("deepseek-v3\n"))
  }

  @Test(arguments: [
    ("cost matmul --m 4096 --n 4096 --k 7168 --precision fp8 --sms 112", "tflops"),
    ("cost grouped-matmul --groups 4 --m 8192 --n 4096 --k 7168 --precision fp8", "tflops"),
    ("cost attention", "tflops"),
    ("cost dispatch --ranks 64 --hidden 7168", "gigabytes_per_second"),
    ("cost combine --ranks 64", "gigabytes_per_second"),
    ("cost all-reduce --bytes 1GiB --ranks 2048", "gigabytes_per_second"),
    ("cost all-gather --bytes 1GiB --ranks 256", "gigabytes_per_second"),
    ("cost reduce-scatter --bytes 1GiB --ranks 8", "gigabytes_per_second"),
    ("cost all-to-all --bytes 256MiB --ranks 64", "gigabytes_per_second"),
  ])
  func costs(_ arguments: String, _ rate: String) throws {
    let cost = try Self.json(arguments + " --json")
    #expect(try #require(cost["seconds"] as? Double) > 0)
    #expect(try #require(cost[rate] as? Double) > 0)
    #expect(cost["limited_by"] is String)
  }

  /// Both commands multiply by the newest library, say so, and take another one on request.
  @Test func oneLibraryForCostAndSimulate() throws {
    let product = "cost matmul --m 4096 --n 4096 --k 7168 --precision fp8 --json"
    func library(_ arguments: String) throws -> (name: String?, isAssumed: Bool, seconds: Double) {
      let json = try Self.json(arguments)
      let details = json["details"] as? [[String: String]] ?? []
      let name = details.first { $0["name"] == "library" }?["value"]
      let assumptions = try #require(json["assumptions"] as? [String])
      return (
        name ?? json["library"] as? String, assumptions.contains { $0.contains("fp8-2025-04") },
        try #require((json["seconds"] ?? json["step_seconds"]) as? Double)
      )
    }
    let newest = try library(product)
    let february = try library(product + " --library fp8-2025-02")
    #expect(newest.name == "fp8-2025-04" && newest.isAssumed)
    #expect(february.name == "fp8-2025-02" && !february.isAssumed)
    #expect(february.seconds > newest.seconds)
    let simulate = "simulate --json --set plan.global-batch=4096"
    let published = try library(simulate)
    let unnamed = try library(simulate + " --set plan.library=null")
    #expect(published.name == "fp8-2025-02" && !published.isAssumed)
    #expect(unnamed.name == "fp8-2025-04" && unnamed.isAssumed)
    #expect(published.seconds > unnamed.seconds)
  }

  /// Constants that were measured elsewhere, and those of a slower chip, stand among the assumptions of
  /// every command that computes with them.
  @Test func whatWasBorrowedIsSaid() throws {
    func assumptions(_ arguments: [String]) throws -> [String] {
      let result = try Command.run(arguments + ["--json"])
      #expect(result.status == 0, "\(result.errors)")
      let json = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
      return try #require((json as? [String: Any])?["assumptions"] as? [String])
    }
    let simulate = ["simulate", "--set", "plan.global-batch=4096"]
    #expect(try !assumptions(simulate).contains { $0.hasPrefix("constants borrowed") })
    let borrowed =
      "constants borrowed from h800-2048 (device.kernels.matmul.fp8-2025-02, "
      + "device.kernels.matmul.fp8-2025-04, node.exchange)"
    #expect(try assumptions(simulate + ["--cluster", "h100-2048"]).contains(borrowed))
    let product = ["cost", "matmul", "--m", "512", "--n", "512", "--k", "512"]
    #expect(
      try assumptions(product + ["--cluster", "a100-selene"]).contains(
        "constants borrowed from a100-pcie (device.kernels) and h800-2048 (device.kernels.streaming)"
      ))
    #expect(
      try assumptions(["cost", "dispatch", "--ranks", "8", "--cluster", "h100-2048"]) == [
        "constants borrowed from h800-2048 (node.exchange)"
      ])
    #expect(
      try assumptions([
        "cost", "all-reduce", "--bytes", "1GiB", "--ranks", "8", "--cluster", "a100-roce",
      ]) == ["constants borrowed from a100-selene (node.collectives)"])
    #expect(
      try assumptions(product + ["--set", "cluster.device.peak.bf16=2 PFLOPS"]).contains(
        "bf16 products at up to 989 TFLOPS of the device's 2 PFLOPS"))
  }

  @Test func completionScriptsAreMade() throws {
    let result = try Command.run(["--generate-completion-script", "bash"])
    #expect(result.status == 0)
    #expect(result.output.contains("simulate"))
  }

  /// What a command prints, as a JSON object.
  static func json(_ arguments: String) throws -> [String: Any] {
    try json(Command.run(arguments))
  }

  /// The object that a command has printed.
  static func json(_ result: Command) throws -> [String: Any] {
    #expect(result.status == 0, "\(result.errors)")
    let object = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
    return try #require(object as? [String: Any])
  }
}

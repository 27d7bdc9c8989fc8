import Documents
import Foundation
import Testing

/// What outputs say of what they were computed from.
@Suite struct InputsTests {
  private static let changed =
    "--set plan.global-batch=7680 --set cluster.node.link.latency=4us --set model.rope_theta=20000"
  private static let degraded =
    "--set cluster.degraded=[{\"what\":\"device\",\"rank\":3,\"share\":0.8}]"

  private static func inputs(_ command: String) throws -> [String: Any] {
    let value = try CommandTests.json(command)
    return try #require(value["inputs"] as? [String: Any])
  }

  private static func file(_ inputs: [String: Any], _ noun: String) throws -> [String: Any] {
    try #require(inputs[noun] as? [String: Any], "\(noun)")
  }

  /// Model, cluster and plan with every override; the version; the seed.
  @Test(arguments: ["simulate", "plan"]) func allThreeFiles(_ command: String) throws {
    let inputs = try Self.inputs("\(command) --json \(Self.changed)")
    #expect(inputs["version"] as? String == Version.current)
    #expect(inputs["seed"] as? Int == 1)
    let expected = [
      ("plan", "deepseek-v3", "global-batch=7680"),
      ("cluster", "h800-2048", "node.link.latency=4us"),
      ("model", "deepseek-v3", "rope_theta=20000"),
    ]
    for (noun, name, override) in expected {
      let file = try Self.file(inputs, noun)
      #expect(file["name"] as? String == name && file["given"] as? String == name)
      #expect(file["overrides"] as? [String] == [override])
    }
    let settings = try #require(Self.file(inputs, "plan")["settings"] as? [String: Any])
    #expect(settings["global-batch"] as? Int == 7680 && settings["data-parallel"] as? Int == 128)
    #expect(settings["precision"] as? String == "fp8-deepseek")
  }

  /// A degree that follows from the others is there, and the settings are a plan that gives the same step.
  @Test func settingsReadBackAsThePlan() throws {
    let step = try CommandTests.json("simulate --json --set plan.expert-load=balanced")
    let plan = try Self.file(try #require(step["inputs"] as? [String: Any]), "plan")
    let settings = try #require(plan["settings"] as? [String: Any])
    let scratch = try Scratch()
    let data = try JSONSerialization.data(withJSONObject: settings)
    let path = try scratch.write(String(decoding: data, as: UTF8.self), "plan.yaml")
    let again = try CommandTests.json("simulate --json --plan \(path)")
    #expect(again["step_seconds"] as? Double == step["step_seconds"] as? Double)
    let read = try Self.file(try #require(again["inputs"] as? [String: Any]), "plan")
    #expect(read["given"] as? String == path)
    #expect((read["settings"] as? NSDictionary) == (settings as NSDictionary))
  }

  @Test func degradations() throws {
    let inputs = try Self.inputs("cluster h800-2048 --json \(Self.degraded)")
    let sentences = try #require(Self.file(inputs, "cluster")["degradations"] as? [String])
    #expect(sentences.count == 1 && sentences[0].contains("rank 3"), "\(sentences)")
    #expect(inputs["seed"] == nil && inputs["plan"] == nil)
    // Of a plan of eight ranks rank 500 is none.
    let step = try Self.inputs(
      "simulate --json --model llama-3.1-8b --cluster h800-2048 --set plan.data-parallel=8 "
        + "--plan torchtitan-llama-3.1-8b "
        + "--set cluster.degraded=[{\"what\":\"device\",\"rank\":500,\"share\":0.5}]")
    let far = try #require(Self.file(step, "cluster")["degradations"] as? [String])
    #expect(far == ["device of rank 500 at 0.500, not among the plan's 8 ranks"])
  }

  @Test func otherCommands() throws {
    let model = try Self.inputs("model deepseek-v2 --json --set num_hidden_layers=20")
    #expect(try Self.file(model, "model")["overrides"] as? [String] == ["num_hidden_layers=20"])
    let cost = try Self.inputs("cost attention --json --set cluster.nodes=16")
    #expect(try Self.file(cost, "cluster")["overrides"] as? [String] == ["nodes=16"])
    let export = try Self.inputs(
      "export megatron-sc21-7.5b --model megatron-7.5b --cluster a100-selene --to megatron --json "
        + "--set plan.zero-stage=1")
    #expect(export["version"] as? String == Version.current && export["model"] != nil)
    #expect(try Self.file(export, "plan")["overrides"] as? [String] == ["zero-stage=1"])
    #expect(try Self.file(export, "plan")["settings"] is [String: Any])
    let text = try Command.run("compare deepseek-v3 deepseek-v3 --json").output
    let list = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]]
    #expect(list?.count == 2 && list?.allSatisfy { $0["inputs"] is [String: Any] } == true)
  }

  /// A schedule is made from its name and sizes, or read from a file; times are there where they are given.
  @Test func schedules() throws {
    let line = "schedule --ranks 4 --microbatches 8 --format json"
    let plain = try Self.inputs("\(line) zbv")
    #expect(plain["version"] as? String == Version.current)
    #expect(plain["schedule"] as? String == "zbv" && plain["file"] == nil)
    let sizes = ["ranks", "stages_per_rank", "microbatches"].map { plain[$0] as? Int }
    #expect(sizes == [4, 2, 8])
    #expect(plain["times"] == nil && plain["sends"] == nil)
    let timed = try Self.inputs("\(line) dualpipe --lowered --overlapped 5")
    #expect(timed["sends"] as? String == "batched")
    let times = try Self.file(timed, "times")
    #expect(times["overlapped"] as? Double == 5 && times["forward"] as? Double == 1)
    let scratch = try Scratch()
    let path = try scratch.write(
      "0F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n", "mine.csv")
    let read = try Self.inputs("schedule --check \(path) --format json --ends rendezvous")
    #expect(read["file"] as? String == path && read["ends"] as? String == "rendezvous")
    #expect(read["schedule"] == nil && read["ranks"] == nil)
  }

  /// Pages show what was changed and what is degraded.
  @Test func pages() throws {
    let page = try Command.run("simulate \(Self.changed)").output
    #expect(
      page.contains(
        "\nSet: plan.global-batch=7680; cluster.node.link.latency=4us; model.rope_theta=20000.\n"))
    for command in [
      "simulate --model megatron-7.5b --plan megatron-sc21-7.5b --cluster a100-selene",
      "cluster h800-2048", "cost attention", "cluster h800-2048 --path 0 1",
    ] {
      let page = try Command.run("\(command) \(Self.degraded)").output
      #expect(page.contains("\nSet: cluster.degraded=") || page.hasPrefix("Set: "), "\(page)")
      #expect(page.contains("Degraded: ") && page.contains("rank 3"), "\(page)")
      for line in page.split(separator: "\n") { #expect(line.count <= 100, "\(line)") }
    }
    let model = try Command.run("model deepseek-v2 --set num_hidden_layers=20").output
    #expect(model.contains("\nSet: model.num_hidden_layers=20.\n"), "\(model)")
    let plan = try Command.run("plan --set plan.global-batch=7680").output
    #expect(plan.contains("\nSet: plan.global-batch=7680.\n"), "\(plan)")
    #expect(!(try Command.run("plan").output.contains("Set: ")))
  }

  /// A trace carries the same as metadata.
  @Test func traces() throws {
    let scratch = try Scratch()
    let path = scratch.file("step.json")
    let arguments = "simulate --json --set plan.global-batch=7680 --trace-positions 0 --trace"
    let printed = try Self.inputs("\(arguments) \(path)")
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    let trace = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let other = try #require(trace["otherData"] as? [String: Any])
    #expect((other["inputs"] as? NSDictionary) == (printed as NSDictionary))
  }
}

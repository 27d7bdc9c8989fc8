import Foundation
import Testing

/// The command that searches: what it prints, writes and refuses.
@Suite struct SearchTests {
  private static let place =
    "search --model llama-3.1-8b --cluster h100-2048 --gpus 16 --global-batch 64 --sequence 4096"
  private static let narrow =
    "\(place) --set plan.schedule=1f1b,zb-h1 --set plan.microbatch-size=1 "
    + "--set plan.recompute=none,full"

  private func object(_ text: String) throws -> [String: Any] {
    let list = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]]
    return try #require(list?.first)
  }

  /// The best plan is written, and `simulate` gives the same step for the file.
  @Test func whatIsWrittenSimulatesToTheSame() throws {
    let scratch = try Scratch()
    let path = scratch.file("best.yaml")
    let found = try Command.run("\(Self.narrow) --json --write \(path)")
    #expect(found.status == 0, "\(found.errors)")
    let object = try object(found.output)
    let plans = try #require(object["plans"] as? [[String: Any]])
    let steps = plans.compactMap { $0["step_seconds"] as? Double }
    #expect(steps.count == 10 && steps == steps.sorted())
    let simulated = try Command.run(
      "simulate --model llama-3.1-8b --cluster h100-2048 --plan \(path) --json")
    let figures = try #require(
      try JSONSerialization.jsonObject(with: Data(simulated.output.utf8)) as? [String: Any])
    #expect(figures["step_seconds"] as? Double == steps[0])
    let memory = try #require(figures["memory_bytes"] as? [String: Int])
    #expect(memory == plans[0]["memory_bytes"] as? [String: Int])
    let space = try #require(object["space"] as? [String: Any])
    func count(_ key: String) -> Int { space[key] as? Int ?? -1 }
    #expect(
      count("size") == count("refused") + count("out_of_memory") + count("bounded")
        + count("simulated"))
  }

  @Test func thePage() throws {
    let page = try Command.run("\(Self.narrow) --count 3").output
    for line in page.split(separator: "\n") where !line.contains("|") {
      #expect(line.count <= 100, "\(line)")
    }
    for part in [
      "What plan 1 still loses: ", "Plan 2 takes ", "Space: ", "Grid: ", "Same for all: ",
    ] {
      #expect(page.contains(part), "\(page)")
    }
  }

  /// The output does not depend on the number of threads, but for what says how long it took.
  @Test func threadsDoNotShow() throws {
    func plain(_ threads: Int) throws -> String {
      try Command.run("\(Self.narrow) --threads \(threads)").output
        .replacing(/; [0-9.]+ s on\s+[0-9]+ threads?/, with: "")
    }
    #expect(try plain(1) == plain(2))
  }

  @Test func severalNumbersOfGPUs() throws {
    let page = try Command.run(Self.narrow.replacing("--gpus 16", with: "--gpus 8,16")).output
    #expect(page.contains("on 8 GPUs") && page.contains("on 16 GPUs"))
  }

  @Test(arguments: [
    ("--gpus 0", "--gpus 0: expected"), ("--gpus 8,x", "--gpus 8,x: expected"),
    ("--gpus 8 --margin 5", "--margin 5: "), ("--gpus 8 --margin 90GiB", "--margin 90GiB: leaves"),
    ("--gpus 8 --set plan.tensor-paralel=2", "--set: tensor-paralel: unknown key"),
    ("--gpus 8 --exclude plan.schedule=none", "--set: schedule"),
    ("--gpus 8 --count 0", "--count 0"), ("--gpus 8 --framework jax", "--framework"),
  ])
  func refusals(options: String, message: String) throws {
    let result = try Command.run(
      "search --model llama-3.1-8b --cluster h100-2048 --global-batch 8 --sequence 4096 \(options)")
    #expect(result.status == 1 && result.output.isEmpty)
    #expect(result.errors.contains(message), "\(result.errors)")
    #expect(result.errors.split(separator: "\n").count == 1)
  }

  @Test func needsABatch() throws {
    let result = try Command.run("search --sequence 4096 --gpus 8")
    #expect(result.status == 1)
    #expect(result.errors == "sluice: search: needs --global-batch, or --set plan.global-batch\n")
  }

  @Test func nothingAdmissible() throws {
    let result = try Command.run(
      "search --model llama-3.1-405b --cluster h100-2048 --gpus 8 --global-batch 8 --sequence 4096")
    #expect(result.status == 9)
    #expect(result.errors.hasPrefix("sluice: no plan of llama-3.1-405b on 8 GPUs"))
    #expect(result.errors.contains("GiB more than"), "\(result.errors)")
  }
}

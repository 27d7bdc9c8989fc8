import Foundation
import TestSupport
import Testing

/// Nodes with slow links on this machine: laid, measured, trained on, and taken down.
@Suite(
  .serialized,
  .enabled(
    if: Program.canTrain && TwoHosts.areAvailable, "needs root, mpirun, and `ip netns`: skipped"))
struct LabTests {
  private static func namespaces() throws -> [Substring] {
    try Launch.run(["ip", "netns", "list"]).output.split(separator: "\n")
      .filter { $0.hasPrefix("sluice-lab-") }
  }

  /// Halves of a mixture on two nodes: what is measured there predicts the step, and the trace has both.
  @Test func measuredAndTrained() throws {
    let scene = try Scene(
      "deepseek-v3-tiny", plan: "data-parallel: 2, expert-parallel: 2", steps: 3)
    let (lab, figures) = (scene.path("lab.yaml"), scene.path("figures.json"))
    let outcome = try Program.sluice(
      "lab", scene.run, "--nodes", "2", "--ranks-per-node", "1", "--bandwidth", "80Mb/s",
      "--quick", "-o", lab, "--prediction-json", figures)
    #expect(outcome.status == 0, "\(outcome.output)")
    #expect(outcome.output.contains("Where they part"), "\(outcome.output)")
    let text = try String(contentsOfFile: lab, encoding: .utf8)
    #expect(text.contains("nodes-on-machine: 2") && text.contains("shaped link"))
    let facts = try Program.sluice("cluster", lab)
    #expect(facts.status == 0, "\(facts.output)")
    // A link carries 10 MB/s, and what is fitted no more than twice that: relative errors of few sizes weigh the
    // small ones, some of whose bytes buckets hold. A link that nothing shapes carries a hundred times as much.
    let rates = text.matches(of: /bandwidth: \{value: ([0-9.e+]+) MB\/s/)
    let reached = try #require(rates.last.flatMap { Double($0.1) })
    #expect(reached > 1 && reached < 20, "\(reached) MB/s")
    let json = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: figures)))
    #expect((json as? [String: Any])?["predicted_seconds"] is Double)
    #expect(try Self.namespaces().isEmpty)
  }

  @Test(arguments: [
    (["--nodes", "1"], "--nodes 1: must be from 2 to 16"),
    (["--bandwidth", "400"], "--bandwidth 400: "),
    (["--bandwidth", "1b/s"], "--bandwidth 1b/s: "),
    (["--ranks-per-node", "3"], "--ranks says 6"),
    (["--cluster", "h800-2048", "--ranks-per-node", "1"], "no cluster of CPU ranks"),
    (["--cluster", "here.yaml", "--quick"], "--quick"),
  ])
  func badInputIsRefusedFirst(arguments: [String], words: String) throws {
    let scene = try Scene("gpt2-tiny", plan: "data-parallel: 2", steps: 2)
    let outcome = try Launch.run([Program.path, "lab", scene.run] + arguments)
    #expect(outcome.status == 1 && outcome.output.contains(words), "\(outcome.output)")
    #expect(outcome.output.split(separator: "\n").count == 1, "\(outcome.output)")
    #expect(try Self.namespaces().isEmpty && scene.checkpoints().isEmpty)
  }

  /// Ctrl-C in the middle takes the network down.
  @Test func interrupted() throws {
    let scene = try Scene(
      "gpt2-tiny", plan: "data-parallel: 2", steps: 100_000, checkpointEvery: 1000)
    let outcome = try Program.sluice(
      "lab", scene.run, "--ranks-per-node", "1", "--quick"
    ) { running in
      try #require(running.waitFor("training on 2 nodes"))
      try #require(Launch.wait { scene.steps() > 2 })
      // What started it may pass over Ctrl-C, as it was told to.
      kill(try #require(Program.processes(with: "lab").last), SIGINT)
    }
    #expect(outcome.status == 6, "\(outcome.output)")
    #expect(try Self.namespaces().isEmpty)
  }
}

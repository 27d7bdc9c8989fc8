import Foundation
import Testing

/// Steps and best plans over values of the files.
@Suite struct SweepTests {
  private func object(_ text: String) throws -> [String: Any] {
    try #require(
      try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  /// Every place is what `simulate` gives with its values.
  @Test func placesAreSteps() throws {
    let result = try Command.run(
      "sweep --json --set plan.expert-load.deviation=0.05,0.15 --set plan.expert-load.seed=1,2")
    #expect(result.status == 0, "\(result.errors)")
    let points = try #require(try object(result.output)["points"] as? [[String: Any]])
    #expect(
      points.compactMap { $0["values"] as? [String] } == [
        ["0.05", "1"], ["0.05", "2"], ["0.15", "1"], ["0.15", "2"],
      ])
    let simulated = try Command.run(
      "simulate --json --set plan.expert-load.deviation=0.15 --set plan.expert-load.seed=2")
    let step = try #require(try object(simulated.output)["step_seconds"] as? Double)
    #expect(points[3]["step_seconds"] as? Double == step)
  }

  /// What a link reaches goes with its bandwidth, and more of it is no slower.
  @Test func bandwidths() throws {
    let scratch = try Scratch()
    let chart = scratch.file("chart.svg")
    let result = try Command.run([
      "sweep", "--csv", "--chart", chart, "--set",
      "cluster.node.link.bandwidth=200,300,450 GB/s",
    ])
    #expect(result.status == 0, "\(result.errors)")
    let lines = result.output.split(separator: "\n").map { $0.split(separator: ",") }
    #expect(lines.count == 4 && lines[1][0] == "200 GB/s")
    let steps = lines.dropFirst().compactMap { Double($0[1]) }
    #expect(steps.count == 3 && steps[1] < steps[0] && steps[2] < steps[1])
    let plain = try Command.run("simulate --json")
    #expect(try object(plain.output)["step_seconds"] as? Double == steps[0])
    let faster = try Command.run([
      "simulate", "--json", "--set", "cluster.node.link.bandwidth=450 GB/s",
    ])
    #expect(try object(faster.output)["step_seconds"] as? Double == steps[2])
    #expect(faster.output.contains("node.link.reached=360 GB/s, the same 80 % of"))
    let svg = try String(contentsOfFile: chart, encoding: .utf8)
    #expect(svg.hasPrefix("<svg ") && svg.contains("450 GB/s") && svg.hasSuffix("</svg>\n"))
    let page = try Command.run([
      "sweep", "--set", "cluster.node.link.bandwidth=200,450 GB/s",
    ]).output.replacing("\n", with: " ")
    #expect(page.contains("cluster.node.link.reached goes with"))
    #expect(page.contains("times the tokens of one at 200 GB/s"), "\(page)")
  }

  /// A price that is swept moves no tokens: what they are worth is said by the prices of the places.
  @Test func prices() throws {
    let alone = try Command.run("sweep --set cluster.price=1,3")
    #expect(alone.status == 0 && !alone.output.contains("as cheap a token"), "\(alone)")
    let figures = try object(try Command.run("sweep --json --set cluster.price=1,3").output)
    let points = try #require(figures["points"] as? [[String: Any]])
    let dollars = points.compactMap { $0["us_dollars_per_trillion_tokens"] as? Double }
    #expect(dollars.count == 2 && abs(dollars[1] / dollars[0] - 3) < 1e-9)
    #expect(figures["us_dollars_per_gpu_hour"] == nil)
    let both = try Command.run([
      "sweep", "--set", "cluster.node.link.bandwidth=200,450 GB/s", "--set", "cluster.price=1,3",
    ]).output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(both.contains("an hour as there at US$ 1.00.") && both.contains("at US$ 3.00."))
  }

  /// The best plan is searched at every place.
  @Test func searches() throws {
    let result = try Command.run([
      "sweep", "--search", "--model", "llama-3.1-8b", "--cluster", "h100-2048", "--gpus", "8",
      "--global-batch", "32", "--sequence", "4096", "--set", "plan.schedule=1f1b",
      "--set", "plan.microbatch-size=1", "--set", "plan.recompute=none,full", "--json",
      "--set", "cluster.node.link.bandwidth=100,450 GB/s",
    ])
    #expect(result.status == 0, "\(result.errors)")
    let points = try #require(try object(result.output)["points"] as? [[String: Any]])
    #expect(points.count == 2)
    let steps = points.compactMap { $0["step_seconds"] as? Double }
    #expect(steps.count == 2 && steps[1] <= steps[0])
    #expect(points.allSatisfy { $0["plan"] is [String: Any] })
  }

  /// A place that is no plan says why, beside those that are.
  @Test func placesWithoutSteps() throws {
    let result = try Command.run("sweep --json --set plan.expert-parallel=64,63")
    #expect(result.status == 0, "\(result.errors)")
    let points = try #require(try object(result.output)["points"] as? [[String: Any]])
    #expect(points[0]["step_seconds"] is Double && points[0]["reason"] == nil)
    #expect(try #require(points[1]["reason"] as? String).contains("63"))
  }

  @Test(arguments: [
    ("", "nothing is swept"), ("--set plan.seed=1", "nothing is swept"),
    ("--set plan.a=1,2 --set plan.b=1,2 --set plan.c=1,2", "3 keys have several values"),
    ("--set plan.zero-stage=0,1 --gpus 8", "--gpus has no effect without --search"),
    ("--set plan.zero-stage=0,1 --json --csv", "exclude each other"),
    ("--price 2 --set cluster.price=1,3", "--price replaces cluster.price, which is swept"),
    ("--set plan.zero-stag=0,1", "zero-stag: unknown key"),
  ])
  func refusals(options: String, message: String) throws {
    let result = try Command.run("sweep \(options)")
    #expect(result.status == 1 && result.errors.contains(message), "\(result.errors)")
    #expect(result.errors.split(separator: "\n").count == 1)
  }
}

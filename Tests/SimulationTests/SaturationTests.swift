import Clusters
import Documents
import Models
import Plans
import Simulation
import Testing

/// Multiprocessors of exchanges beyond those that fill a link: nothing is faster, and the page says so.
@Suite struct SaturationTests {
  private static func step(_ lines: [String]) throws -> PlannedStep {
    let text =
      (lines + [
        "data-parallel: 16", "expert-parallel: 16", "global-batch: 64", "sequence-length: 1024",
      ]).joined(separator: "\n")
    return try PlannedStep(
      architecture: .named("qwen3-235b-a22b", overrides: ["num_hidden_layers=2"]),
      cluster: .named("h800-2048"), plan: .read(Document(text: text, name: "plan"), name: "plan"))
  }

  private static func saturation(_ step: PlannedStep) -> Int? {
    step.assumptions.lazy.compactMap { phrase in
      phrase.firstMatch(of: /communication-sms \d+: on more than (\d+) exchanges/).flatMap {
        Int($0.output.1)
      }
    }.first
  }

  /// One fewer than what is named is slower, all beyond it take the same.
  @Test(arguments: ["deepep", "all-to-all", "all-gather"])
  func whatIsNamedIsTheLeast(_ dispatcher: String) throws {
    let many = try Self.step(["dispatcher: \(dispatcher)", "communication-sms: 96"])
    let least = try #require(Self.saturation(many))
    func seconds(_ count: Int) throws -> Double {
      let step = try Self.step(["dispatcher: \(dispatcher)", "communication-sms: \(count)"])
      if count <= least { #expect(Self.saturation(step) == nil) }
      return step.report().stepSeconds
    }
    let whole = many.report().stepSeconds
    #expect(try seconds(least) == whole)
    #expect(try seconds(least - 1) > whole)
  }

  /// Pairs compute on what exchanges leave: more of these than fill the links make a step slower.
  @Test func pairsComputeOnFewer() throws {
    let pairs = ["dispatcher: all-to-all", "overlap: {expert-exchange: true}"]
    let usual = try Self.step(pairs)
    let count = try #require(usual.placed.plan.communicationSMs)
    let many = try Self.step(pairs + ["communication-sms: \(4 * count)"])
    #expect(Self.saturation(many) == count)
    #expect(many.report().stepSeconds > usual.report().stepSeconds)
    #expect(many.assumptions.contains { $0.hasSuffix("and pairs compute on fewer") })
  }
}

import Foundation
import Testing

/// `sluice search --against`: a plan of one's own beside those that a search finds.
@Suite struct SearchAgainstTests {
  private static let place =
    "search --model llama-3.1-8b --cluster h100-2048 --gpus 16 --global-batch 64 --sequence 4096 "
    + "--set plan.schedule=1f1b --set plan.recompute=none,full --set plan.microbatch-size=1 "
    + "--set plan.overlap.tensor-exchange=false --no-doubt"
  private static let plan = [
    "tensor-parallel: 4", "data-parallel: 4", "global-batch: 64", "sequence-length: 4096",
    "zero-stage: 1", "sequence-parallel: true", "microbatch-size: 1",
  ]

  private func searched(_ lines: [String], _ options: String = "") throws -> Command {
    let scratch = try Scratch()
    let path = scratch.file("mine.yaml")
    try lines.joined(separator: "\n").appending("\n").write(
      toFile: path, atomically: true, encoding: .utf8)
    return try Command.run("\(Self.place) --against \(path) \(options)")
  }

  /// Steps of another batch, length or number of ranks are no measure of these.
  @Test(arguments: [
    (
      "global-batch: 64", "global-batch: 32",
      "has global-batch 32 where the plans of this search have 64"
    ),
    ("sequence-length: 4096", "sequence-length: 2048", "has sequence-length 2048 where"),
    ("data-parallel: 4", "data-parallel: 2", "has ranks 8 where the plans of this search have 16"),
  ])
  func otherWorkIsRefused(_ line: String, _ other: String, _ message: String) throws {
    let result = try searched(Self.plan.map { $0 == line ? other : $0 })
    #expect(result.status != 0 && result.output.isEmpty)
    #expect(result.errors.contains(message), "\(result.errors)")
    #expect(result.errors.contains("mine.yaml"), "\(result.errors)")
  }

  /// What the plan has otherwise than all of the search's is named, and nothing else is.
  @Test func conditionsOfItsOwnAreNamed() throws {
    for (lines, own) in [([], []), (["precision: fp8-tensor"], ["precision: fp8-tensor"])] {
      let result = try searched(Self.plan + lines, "--json --count 1")
      #expect(result.status == 0, "\(result.errors)")
      let object = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
      let against = try #require((object as? [String: Any])?["against"] as? [String: Any])
      #expect(against["other_conditions"] as? [String] == own)
    }
  }
}

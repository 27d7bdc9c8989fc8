import Foundation
import Testing

/// A step without a plan of a model that the usual plan is not for.
@Suite struct ShortSearchTests {
  private func object(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  /// What is simulated is the best of a short grid, and the command that is named finds it.
  @Test func theNamedSearchFindsThePlan() throws {
    let result = try Command.run("simulate --model gpt2 --cluster h100-2048 --json")
    #expect(result.status == 0, "\(result.errors)")
    let figures = try object(result.output)
    let assumptions = try #require(figures["assumptions"] as? [String])
    #expect(assumptions[0].hasPrefix("no plan is given, and deepseek-v3 is for another model"))
    let inputs = try #require(figures["inputs"] as? [String: Any])
    let plan = try #require(inputs["plan"] as? [String: Any])
    let command = try #require(plan["given"] as? String)
    #expect(assumptions[0].contains(command) && command.hasPrefix("sluice search --model gpt2"))
    let found = try Command.run(
      String(command.dropFirst("sluice ".count)) + " --count 1 --no-doubt --json")
    #expect(found.status == 0, "\(found.errors)")
    let plans = try #require(try object(found.output)["plans"] as? [[String: Any]])
    #expect(plans[0]["step_seconds"] as? Double == figures["step_seconds"] as? Double)
  }

  /// What the command line says of the plan holds.
  @Test func whatIsSaidHolds() throws {
    let result = try Command.run(
      "simulate --model gpt2 --cluster h100-2048 --set plan.recompute=full "
        + "--set plan.global-batch=8 --json")
    #expect(result.status == 0, "\(result.errors)")
    let inputs = try #require(try object(result.output)["inputs"] as? [String: Any])
    let plan = try #require(inputs["plan"] as? [String: Any])
    let settings = try #require(plan["settings"] as? [String: Any])
    #expect(settings["recompute"] as? String == "full")
    #expect(settings["global-batch"] as? Int == 8)
  }

  /// The usual plan stays that of its model.
  @Test func theUsualModelHasItsPlan() throws {
    let result = try Command.run("simulate --json")
    let inputs = try #require(try object(result.output)["inputs"] as? [String: Any])
    #expect((inputs["plan"] as? [String: Any])?["given"] as? String == "deepseek-v3")
  }
}

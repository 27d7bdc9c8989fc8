import Documents
import Testing
import sluice

/// What errors say, on ranks as elsewhere.
@Suite struct MessageTests {
  private struct Mistake: Error {}

  @Test func everyErrorHasTheOneStyle() {
    let bad = ConfigurationError(file: "run.yaml", line: 3, keyPath: "steps", rule: "is missing")
    #expect(message(of: bad) == "run.yaml:3: steps: is missing")
    #expect(message(of: Mistake()) == "internal fault: Mistake()")
  }
}

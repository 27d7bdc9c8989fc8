import Documents
import Models
import Plans
import TestSupport
import Testing

@Suite("Damaged plan files")
struct PlanFuzzTests {
  /// A damaged file is refused in one line, or gives a plan that is placed or refused in one line.
  @Test(arguments: Plan.shippedNames)
  func damagedFilesNeverEndTheProgram(name: String) throws {
    let text = try #require(Plan.shippedText(named: name))
    let model = try Architecture.named("deepseek-v3")
    var random = SplitMix64(state: UInt64(name.utf8.reduce(17) { $0 * 31 % 65_521 + Int($1) }))
    var refused = 0
    for _ in 0..<60 {
      let bytes = mutated(text, using: &random)
      do {
        let plan = try Plan.read(
          Document(bytes: bytes, name: "p.yaml"), name: "p", world: .devices(4096))
        #expect(try Plan.read(Document(text: plan.yaml, name: "q"), name: "q") == plan)
        // Long schedules are made elsewhere; here the rules matter.
        if plan.microbatchCount > 1000 { continue }
        _ = try plan.validated(for: model, on: .devices(4096))
      } catch let error as ConfigurationError {
        refused += 1
        #expect(!error.description.contains("\n") && !error.rule.isEmpty)
      } catch let error as PlanError {
        refused += 1
        #expect(!error.description.contains("\n"))
      }
    }
    #expect(refused > 15)
  }
}

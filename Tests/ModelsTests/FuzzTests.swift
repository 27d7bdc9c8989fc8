import Documents
import Models
import TestSupport
import Testing

@Suite("Damaged config.json files")
struct FuzzTests {
  /// A damaged file is refused in one line or describes a model whose sums are finite.
  @Test(arguments: Architecture.shippedNames)
  func damagedFilesNeverEndTheProgram(name: String) throws {
    let text = try #require(Architecture.shippedText(named: name))
    var random = SplitMix64(state: UInt64(name.utf8.reduce(17) { $0 * 31 % 65_521 + Int($1) }))
    var refused = 0
    for _ in 0..<60 {
      let bytes = mutated(text, using: &random)
      do {
        let model = try Architecture.read(Document(bytes: bytes, name: "c.json"), name: "m")
        #expect(model.parameterCounts.total > 0)
        #expect(model.trainingFlops(sequence: 1 << 24, causal: false).total > 0)
        #expect(model.cachedBytesPerToken() >= 0)
      } catch {
        refused += 1
        #expect(!error.description.contains("\n") && !error.rule.isEmpty)
      }
    }
    #expect(refused > 10)
  }

  /// The same of one file of every family.
  @Test(arguments: familyNames) func damagedFilesOfFamilies(name: String) throws {
    let text = try String(contentsOfFile: fixture("families/\(name).json"), encoding: .utf8)
    var random = SplitMix64(state: UInt64(name.utf8.reduce(5) { $0 * 31 % 65_521 + Int($1) }))
    for _ in 0..<40 {
      let bytes = mutated(text, using: &random)
      do {
        let model = try Architecture.read(Document(bytes: bytes, name: "c.json"), name: "m")
        #expect(model.parameterCounts.total > 0)
      } catch {
        #expect(!error.description.contains("\n") && !error.rule.isEmpty)
      }
    }
  }
}

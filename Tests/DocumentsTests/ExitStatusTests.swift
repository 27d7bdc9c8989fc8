import Documents
import Testing

/// The one table of exit statuses.
@Suite struct ExitStatusTests {
  /// 64, which swift-argument-parser would use, is none of them.
  @Test func statusesAreTheDigits() {
    #expect(ExitStatus.allCases.map(\.rawValue) == Array(0...9))
    #expect(Set(ExitStatus.allCases.map(\.meaning)).count == 10)
  }

  @Test func inputIsBadUnlessTheSystemRefuses() {
    #expect(ConfigurationError(file: "a", rule: "b").status == .badInput)
    #expect(ConfigurationError(file: "a", rule: "b", status: .storage).status == .storage)
  }
}

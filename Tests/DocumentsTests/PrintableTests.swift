import Documents
import Testing

/// Names from outside, in messages of one line.
@Suite struct PrintableTests {
  @Test func controlCharactersAreNumbers() {
    #expect(printable("a\nb\u{1B}[1m\u{2028}\u{200B}é") == "a\\u{a}b\\u{1b}[1m\\u{2028}\\u{200b}é")
    #expect(printable("abc", atMost: 3) == "abc")
    #expect(printable("abcd", atMost: 3) == "abc…")
  }

  /// Whatever part of a message the name stands in.
  @Test func errorsHaveOneLine() {
    let name = "two\nlines"
    let error = ConfigurationError(
      file: name, line: 3, keyPath: name, value: name, rule: "differs from \(name)",
      suggestion: name)
    let shown = "two\\u{a}lines"
    #expect(
      error.description
        == "\(shown):3: \(shown): \"\(shown)\": differs from \(shown); did you mean \(shown)?")
  }
}

import Documents
import Testing

@Suite struct WrappedTextTests {
  @Test func wordsStayWholeWhereTheyFit() {
    #expect(wrapped("a step of three words", width: 9) == ["a step of", "three", "words"])
    #expect(wrapped("", width: 9).isEmpty)
    #expect(wrapped("it loses 8.5 % here", width: 12) == ["it loses", "8.5 % here"])
  }

  /// Behind a mark, and nothing is lost; without a mark a word stays whole.
  @Test func longWordsBreakBehindAMark() {
    #expect(
      wrapped("see owner/name@8efcd7f now", width: 10) == ["see owner/", "name@", "8efcd7f", "now"])
    #expect(wrapped("indivisible word", width: 5) == ["indivisible", "word"])
  }
}

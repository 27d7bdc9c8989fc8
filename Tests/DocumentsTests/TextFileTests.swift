import Documents
import TestSupport
import Testing

/// Texts that are read whole: what cannot be says the system's own reason.
@Suite struct TextFileTests {
  private func refusal(_ path: String) -> String {
    do throws(ConfigurationError) {
      _ = try textFile(path)
      return "nothing"
    } catch { return error.rule }
  }

  @Test func theReasonIsTheSystems() throws {
    let folder = try ScratchFolder()
    #expect(try textFile(folder.write("ä\n", to: "text")) == "ä\n")
    #expect(try textFile(folder.write("", to: "empty")) == "")
    #expect(refusal(folder.file("none")) == "cannot be opened: No such file or directory")
    #expect(refusal(folder.file("text/none")) == "cannot be opened: Not a directory")
    #expect(refusal(folder.path) == "is not a file")
    #expect(refusal("/dev/null") == "is not a file")
    #expect(refusal("") == "is not a path")
    #expect(try refusal(folder.write([0xff, 0xfe], to: "binary")) == "is not UTF-8 text")
  }
}

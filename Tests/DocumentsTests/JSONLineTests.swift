import Documents
import Foundation
import TestSupport
import Testing

/// Lines of JSON with what is wrong in them.
@Suite struct JSONLineTests {
  @Test func bytesThatAreNoTextAreNamedByTheirLine() throws {
    let folder = try ScratchFolder()
    let good = Array("{\"a\": \"ä\"}\n".utf8)
    let path = try folder.write(good + [0x7B, 0x22, 0xFF, 0x22, 0x7D, 0x0A] + good, to: "l.jsonl")
    let error = #expect(throws: ConfigurationError.self) { try JSONLines.read(path) }
    #expect("\(try #require(error))".hasSuffix("l.jsonl:2: is not UTF-8 text"))
    #expect(try JSONLines.read(folder.write(good + good, to: "l.jsonl")).count == 2)
  }
}

import Foundation
import TestSupport
import Testing

/// Where SwiftPM puts the tools of plugins.
private let tool = ["embed-files-tool", "embed-files"].map {
  Bundle.module.bundleURL.deletingLastPathComponent().appending(path: $0).path
}.first { FileManager.default.isExecutableFile(atPath: $0) }

/// What `embed-files` makes of files: a literal with their very bytes, or a refusal.
@Suite(.enabled(if: tool != nil, "the build tool lies beside the tests"))
struct EmbeddedFileTests {
  private func embedded(_ files: (name: String, bytes: [UInt8])...) throws -> (Command, String) {
    let folder = try ScratchFolder()
    let place = folder.path + "/out.swift"
    var paths: [String] = []
    for file in files {
      let path = folder.path + "/" + file.name
      try Data(file.bytes).write(to: URL(filePath: path))
      paths.append(path)
    }
    let run = try Command.run([place] + paths, of: try #require(tool))
    return (run, (try? String(contentsOfFile: place, encoding: .utf8)) ?? "")
  }

  /// Ends of lines, quotes, backslashes, interpolations and a byte order mark are escaped, and none is lost.
  @Test func bytesAreKept() throws {
    let (run, source) = try embedded(
      ("1 a-b.csv", [0xEF, 0xBB, 0xBF] + Array("é\r\n\"\\(x)\"\t\u{0}\n".utf8)))
    #expect(run.status == 0, "\(run.errors)")
    let literal = #""\u{feff}é\u{d}\n\"\\(x)\"\u{9}\u{0}\n""#
    #expect(
      source
        == "enum PackageResources {\n  static var _1_a_b_csv: [UInt8] { Array(\(literal).utf8) }\n}\n"
    )
  }

  @Test func whatIsNoTextIsRefused() throws {
    let (run, source) = try embedded(("a.bin", [0x61, 0xFF]))
    #expect(run.status == 1 && run.errors.contains("a.bin: error: an embedded file is text"))
    #expect(source.isEmpty)
  }

  /// Two files with one member are told by their names, not by the compiler.
  @Test func membersMustDiffer() throws {
    let (run, source) = try embedded(("a-b.csv", [0x61]), ("a.b.csv", [0x61]))
    #expect(run.status == 1 && run.errors.contains("its member a_b_csv is that of"))
    #expect(source.isEmpty)
  }
}

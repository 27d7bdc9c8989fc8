import Documents
import Foundation
import Runs
import Testing

/// The reference of a run file's keys, and its page under docs/.
@Suite struct RunKeyTests {
  let reference = RunFile.keyReference

  /// `RECORD_SNAPSHOTS=1` writes the page anew.
  @Test func page() throws {
    let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../docs/keys-run.md").standardizedFileURL
    if ProcessInfo.processInfo.environment["RECORD_SNAPSHOTS"] == "1" {
      try reference.markdown.write(to: page, atomically: true, encoding: .utf8)
    }
    #expect(try String(contentsOf: page, encoding: .utf8) == reference.markdown, "\(page.path)")
  }

  @Test func itFitsATerminal() {
    for line in reference.text.split(separator: "\n") { #expect(line.count <= 100, "\(line)") }
    for (path, entry) in reference.leaves {
      #expect(entry.meaning.hasSuffix("."), "\(path)")
      #expect(entry.fallback?.isEmpty != true, "\(path)")
    }
  }
}

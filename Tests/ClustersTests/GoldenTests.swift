import Clusters
import Foundation
import Testing

/// What is printed equals what was recorded; `RECORD_SNAPSHOTS=1` records anew.
@Suite struct GoldenTests {
  @Test(arguments: Cluster.shippedNames)
  func description(_ name: String) throws {
    try compare(try Cluster.shipped(name).description, with: "\(name).txt")
  }

  @Test func paths() throws {
    let cluster = try Cluster.shipped(
      "h800-2048", overrides: ["degraded=[{what: adapter, node: 1, index: 5, share: 0}]"])
    let selene = try Cluster.shipped("a100-selene")
    let text =
      [(0, 0), (0, 7), (0, 8), (0, 2047), (0, 2040), (5, 13)]
      .map { cluster.path(from: $0.0, to: $0.1).description }.joined()
      + selene.path(from: 0, to: 3071).description
    try compare(text, with: "paths.txt")
  }

  private func compare(_ text: String, with file: String) throws {
    if ProcessInfo.processInfo.environment["RECORD_SNAPSHOTS"] == "1" {
      let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      try text.write(
        to: folder.appendingPathComponent("Fixtures/\(file)"), atomically: true, encoding: .utf8)
      return
    }
    let fixtures = try #require(Bundle.module.url(forResource: "Fixtures", withExtension: nil))
    let recorded = try String(
      contentsOf: fixtures.appendingPathComponent(file), encoding: .utf8)
    #expect(text == recorded)
  }
}

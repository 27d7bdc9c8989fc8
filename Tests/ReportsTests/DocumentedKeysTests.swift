import Foundation
import Testing

/// The page of JSON keys names every key that is printed.
@Suite struct DocumentedKeysTests {
  private static let page: String? = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    return try? String(
      contentsOf: root.appending(path: "docs/json-and-statuses.md"), encoding: .utf8)
  }()

  /// Keys of all objects inside a value; below `skipping` there are names that files have.
  private func keys(of value: Any, skipping: Set<String>) -> Set<String> {
    switch value {
    case let object as [String: Any]:
      object.reduce(into: Set(object.keys)) { all, entry in
        if !skipping.contains(entry.key) {
          all.formUnion(keys(of: entry.value, skipping: skipping))
        }
      }
    case let list as [Any]:
      list.reduce(into: []) { $0.formUnion(keys(of: $1, skipping: skipping)) }
    default: []
    }
  }

  @Test(
    .enabled(if: page != nil, "the sources have moved"),
    arguments: [
      "simulate --tokens 1T", "plan", "cluster h800-2048 --path 0 2047", "cost attention",
      "cost dispatch --ranks 64", "model deepseek-v3",
    ])
  func everyKeyIsOnThePage(_ command: String) throws {
    let page = try #require(Self.page)
    let value = try CommandTests.json("\(command) --json")
    let parts: Set = ["settings", "parameters", "activated_parameters", "bill", "groups"]
    let found = keys(
      of: value,
      skipping: parts.union(["multi_token_prediction_parameters", "training_flops_per_token"]))
    #expect(found.count > 10)
    for key in found.sorted() { #expect(page.contains("`\(key)`"), "\(key)") }
  }
}

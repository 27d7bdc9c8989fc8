import Clusters
import Foundation
import Models
import Planning
import Testing

/// Errors that the search states are those of the page of validation.
@Suite struct StatedErrorTests {
  private static let page = page("validation")

  private static func page(_ name: String) -> String? {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    return try? String(contentsOf: root.appending(path: "docs/\(name).md"), encoding: .utf8)
  }

  /// What the page of the search says of them.
  @Test(.enabled(if: page != nil, "the sources have moved"), arguments: StatedError.all)
  func isThatOfTheSearch(_ error: StatedError) throws {
    let page = try #require(Self.page("search"))
    let sentence = try #require(page.range(of: "(recorded from [validation]"))
    let told = page[sentence.lowerBound...].prefix(220)
    #expect(told.contains(String(format: "%.1f %% ", error.share * 100)), "\(error.table)")
  }

  /// A line of the page: title | source | rows | kind | mean | mean without signs | worst | trend.
  @Test(.enabled(if: page != nil, "the sources have moved"), arguments: StatedError.all)
  func isThatOfThePage(_ error: StatedError) throws {
    let lines = try #require(Self.page).split(separator: "\n")
    let line = try #require(lines.first { $0.hasPrefix("| \(error.table) |") })
    let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
    #expect(cells[2].prefix { $0 != " " } == "\(error.rows)")
    let percent = try #require(Double(cells[5].prefix { $0 != " " }))
    #expect(abs(percent / 100 - error.share) < 1e-9, "\(error.table): \(percent) %")
  }

  @Test func kinds() throws {
    func table(_ model: String, _ cluster: String) throws -> String {
      StatedError(of: try .named(model), on: try .named(cluster)).table
    }
    #expect(try table("deepseek-v3", "h800-2048").hasPrefix("DeepSeek-V3"))
    #expect(try table("mixtral-8x7b", "h100-2048").hasPrefix("Five layouts"))
    #expect(try table("llama-3.1-8b", "a100-selene").hasPrefix("Megatron-DeepSpeed"))
    #expect(try table("llama-3.1-8b", "h100-2048").hasPrefix("Steps of NVIDIA"))
  }
}

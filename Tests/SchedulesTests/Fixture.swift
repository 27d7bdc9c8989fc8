import Foundation
import Testing

/// Reads what lies in the folder Fixtures.
enum Fixture {
  static func text(_ path: String) throws -> String {
    let folder = try #require(Bundle.module.resourceURL).appending(path: "Fixtures")
    return try String(contentsOf: folder.appending(path: path), encoding: .utf8)
  }

  static func files(_ path: String) throws -> [String] {
    let folder = try #require(Bundle.module.resourceURL).appending(path: "Fixtures/\(path)")
    return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
  }

  static func json<Value: Decodable>(_ path: String, as type: Value.Type) throws -> Value {
    try JSONDecoder().decode(type, from: Data(text(path).utf8))
  }

  /// Rows of a CSV file with a header, as dictionaries.
  static func table(_ path: String) throws -> [[String: String]] {
    let lines = try text(path).split(whereSeparator: \.isNewline).map(String.init)
    let header = lines[0].split(separator: ",").map(String.init)
    return lines.dropFirst().map { line in
      Dictionary(
        uniqueKeysWithValues: zip(
          header, line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)))
    }
  }
}

import Documents
import Foundation
import Testing

/// What is printed equals what was recorded; `RECORD_SNAPSHOTS=1` records anew.
enum Snapshots {
  static func expect(
    _ text: String, equals file: String, at location: SourceLocation = #_sourceLocation
  ) throws {
    if ProcessInfo.processInfo.environment["RECORD_SNAPSHOTS"] == "1" {
      let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      try text.write(
        to: folder.appendingPathComponent("Fixtures/\(file)"), atomically: true, encoding: .utf8)
      return
    }
    let fixtures = try #require(Bundle.module.url(forResource: "Fixtures", withExtension: nil))
    let recorded = try String(
      contentsOf: fixtures.appendingPathComponent(file), encoding: .utf8)
    #expect(text == recorded, "differs from \(file)", sourceLocation: location)
  }
}

/// A folder that is removed with everything in it when the test is over.
final class Scratch {
  let path: String

  init() throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("sluice-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    path = folder.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The path of a file in the folder, which may not exist yet.
  func file(_ name: String) -> String { "\(path)/\(name)" }

  /// The same as a place that may be written.
  func output(_ name: String) throws -> OutputPath { try OutputPath(file(name), besides: []) }

  /// Writes a file and returns its path.
  func write(_ bytes: [UInt8], _ name: String) throws -> String {
    try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
    return file(name)
  }

  func write(_ text: String, _ name: String) throws -> String {
    try write(Array(text.utf8), name)
  }

  /// The names of all files, in order.
  var names: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
  }
}

import Foundation

/// The path of a fixture; tokenizers lie with the tests of their own room.
func fixture(_ name: String) -> String {
  guard name.hasPrefix("tokenizers/") else { return Bundle.module.bundlePath + "/Fixtures/" + name }
  return URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../TokensTests/Fixtures/\(name)").standardizedFileURL.path
}

import Documents
import Foundation
import TestSupport
import Testing

/// Each fault of a file is one clear line, found within a second.
@Suite struct BrokenFileTests {
  @Test(arguments: [
    ("", "f: is empty"),
    ("\n\n", "f: is empty"),
    ("# only a comment\n", "f: is empty"),
    ("~", "f: is empty"),
    ("---\n", "f: is empty"),
    ("a: 1\nb: \u{0}\n", "f:2: holds a control character: not a text file"),
    ("a: 1\na: 2\n", "f:2: a: key is written twice in one table"),
    ("b: 3\na: 1\na: 2\na: 2\n", "f:3: a: key is written twice in one table"),
    ("{\"b\": 0,\n \"a\": 1,\n \"a\": 2}", "f:3: a: key is written twice in one table"),
    ("x:\n  - {a: ü, b: 1,\n     c: 1,\n     'b': 2}\ny: {b: 1}\n", "f:4: b: key is written twice"),
    ("a: 1\r\nb: 2\r\na: 2\r\n", "f:3: a: key is written twice in one table"),
    ("{\"a\": 1, \"a\": 2}", "f:1: a: key is written twice in one table"),
    ("- {a: 1,\n  a: 2}\n- {a: 1,\n  a: 2}\n", "f:2: a: key is written twice in one table"),
    ("x:\n  - a: &one 1\n    b: *one\n", "f:2: anchors and aliases"),
    ("x:\n  - a: 1\n  - ? [a]\n    : 1\n", "f:3: x[1]: a key must be a single name"),
    ("&one a: 1\n", "f:1: anchors and aliases"),
    ("a: *one\n", "f:1: is not valid YAML or JSON"),
    ("a: !t &one 1\n", "f:1: a: anchors and aliases"),
    ("a: 1\n---\nb: 2\n", "but found another document"),
    ("? [a, b]\n: 1\n", "f:1: a key must be a single name"),
    ("a: [1, 2\n", "is not valid YAML or JSON"),
    ("{\"a\": {\"b\": 1", "is not valid YAML or JSON"),
    ("a: \"open\n", "is not valid YAML or JSON"),
    ("a: b: c\n", "is not valid YAML or JSON"),
    ("a:\n\t- 1\n", "is not valid YAML or JSON"),
    ("a: %\n", "f:1: is not valid YAML or JSON"),
    ("\u{FEFF}a: 1\n", ""),
    ("a: 1\r\nb: 2\r\n", ""),
  ])
  func text(_ text: String, message: String) {
    let found: String
    do throws(ConfigurationError) {
      _ = try Document(text: text, name: "f")
      found = ""
    } catch { found = error.description }
    #expect(message.isEmpty ? found.isEmpty : found.contains(message), "\(found)")
    #expect(!found.contains("\n"))
  }

  @Test func nesting() {
    for text in [
      String(repeating: "[", count: 100_000),
      String(repeating: "{a: ", count: 100_000),
      String(repeating: "- ", count: 100_000),
      String(repeating: "? ", count: 100_000),
      (0..<200).map { String(repeating: " ", count: $0) + "a:\n" }.joined(),
      String(repeating: "[", count: 500) + String(repeating: "]", count: 500),
    ] {
      expectRefusal("is nested deeper than 64 levels") { try Document(text: text, name: "f") }
    }
  }

  /// Nine lines that would stand for a billion items, also as keys, whose hashes would be computed.
  @Test func anchorBombs() {
    var text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for (name, last) in zip("bcdefghij", "abcdefghi") {
      let items = Array(repeating: "*\(last)", count: 10).joined(separator: ", ")
      text += "\(name): &\(name) [\(items)]\n"
    }
    expectRefusal("anchors and aliases") { try Document(text: text, name: "f") }
    expectRefusal("anchors and aliases") { try Document(text: text + "? *j\n: 1\n", name: "f") }
  }

  @Test func sizes() {
    let large = [UInt8](repeating: UInt8(ascii: "a"), count: 17 << 20)
    expectRefusal("is larger than 512 KiB") { try Document(bytes: large, name: "f") }
    let items = "[" + String(repeating: "a,", count: 200_000) + "a]"
    expectSecond { _ = try? Document(text: items, name: "f") }
    let keys = (0..<40_000).map { "key\($0): 1\n" }.joined()
    expectSecond { _ = try? Document(text: keys, name: "f") }
    let long = String(repeating: "x", count: 1 << 17)
    expectSecond { _ = try? Document(text: "a: \(long)\nb: '\(long)'\n", name: "f") }
    expectRefusal("is not valid YAML") { try Document(text: "\(long): 1\n", name: "f") }
    expectRefusal("a key is longer than 256 bytes") {
      try Document(text: "\(String(repeating: "k", count: 300)): 1\n", name: "f")
    }
  }

  @Test func invalidText() {
    let bytes: [UInt8] = Array("a: 1\nb: ".utf8) + [0xFF, 0xFE, 0x0A]
    expectRefusal("f:2: is not valid UTF-8") { try Document(bytes: bytes, name: "f") }
    expectRefusal("control character") { try Document(bytes: [0x7F, 0x45, 0x4C], name: "f") }
  }

  @Test func paths() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let good = folder.appendingPathComponent("good.json")
    try Data("{\"a\": 1}".utf8).write(to: good)
    #expect(try Document(file: good.path).table().required("a", .integer()) == 1)
    let pipe = folder.appendingPathComponent("pipe").path
    #expect(mkfifo(pipe, 0o600) == 0)
    expectRefusal("is not a file") { try Document(file: pipe) }
    expectRefusal("is not a file") { try Document(file: folder.path) }
    expectRefusal("is not a file") { try Document(file: "/dev/zero") }
    expectRefusal("cannot be opened: No such file") { try Document(file: folder.path + "/no") }
    expectRefusal("is not a path") { try Document(file: "") }
    expectRefusal("is not a path") { try Document(file: "a\u{0}b") }
  }

  private func expectRefusal(_ message: String, _ body: () throws -> Document) {
    expectSecond {
      let error = #expect(throws: ConfigurationError.self) { try body() }
      #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
    }
  }

  private func expectSecond(_ body: () -> Void) {
    #expect(processorSeconds(body) < 1)
  }
}

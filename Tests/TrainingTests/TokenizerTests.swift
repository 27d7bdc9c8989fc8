import Documents
import Foundation
import TestSupport
import Testing
import Training

@Suite struct TokenizerTests {
  private struct Expected: Decodable {
    var texts: [String]
    var gpt2: [[Int]]
    var llama: [[Int]]
    var deepseek: [[Int]]
  }

  private func expected() throws -> Expected {
    let url = URL(fileURLWithPath: fixture("tokenizers/expected.json"))
    return try JSONDecoder().decode(Expected.self, from: Data(contentsOf: url))
  }

  private func tokenizer(_ name: String) throws -> Tokenizer {
    try Tokenizer.named(fixture("tokenizers/\(name).json"))
  }

  /// The same tokens as the package that the files come from, for every text, and back.
  @Test(arguments: ["gpt2", "llama", "deepseek"])
  func agreesWithThePackage(name: String) throws {
    let expected = try expected()
    let lists = ["gpt2": expected.gpt2, "llama": expected.llama, "deepseek": expected.deepseek]
    let tokenizer = try tokenizer(name)
    for (text, tokens) in zip(expected.texts, try #require(lists[name])) {
      #expect(
        try tokenizer.encode(Array(text.utf8)) == tokens, "\(name) of \(text.debugDescription)")
      #expect(tokenizer.decode(tokens) == Array(text.utf8))
    }
  }

  /// Sums over the tokens of a long text, from the same package (tokenizers 0.23.3).
  @Test(
    .enabled(if: FileManager.default.fileExists(atPath: "/usr/share/common-licenses/GPL-3")),
    arguments: [("gpt2", 18176, 992_795), ("llama", 17513, 975_776), ("deepseek", 17461, 117_369)])
  func agreesOnALicence(name: String, count: Int, sum: Int) throws {
    let text = try contents(of: "/usr/share/common-licenses/GPL-3")
    guard text.count == 35149 else { return }
    let tokens = try tokenizer(name).encode(text)
    #expect(tokens.count == count)
    #expect(tokens.enumerated().reduce(0) { $0 + $1.offset * $1.element } % 1_000_003 == sum)
    #expect(try tokenizer(name).decode(tokens) == text)
  }

  @Test func randomTextsComeBack() throws {
    var generator = SeededGenerator(seed: 5)
    let scalars = Array("ab '1é你\n\r\t .<|>_\u{301}👩\u{200D}".unicodeScalars)
    for name in ["gpt2", "llama", "deepseek"] {
      let tokenizer = try tokenizer(name)
      for _ in 0..<300 {
        var text = ""
        for _ in 0..<Int.random(in: 0...30, using: &generator) {
          text.unicodeScalars.append(scalars[Int.random(in: 0..<scalars.count, using: &generator)])
        }
        let tokens = try tokenizer.encode(Array(text.utf8))
        #expect(tokenizer.decode(tokens) == Array(text.utf8))
        #expect(tokens.allSatisfy { 0..<tokenizer.vocabularySize ~= $0 })
      }
    }
  }

  @Test func bytesAreTokens() throws {
    let all = (0...255).map { UInt8($0) }
    #expect(try Tokenizer.bytes.encode(all) == Array(0...255))
    #expect(Tokenizer.bytes.decode(0...255) == all)
    #expect(Tokenizer.bytes.decode([-1, 256, 65]) == [65])
    #expect(Tokenizer.bytes.vocabularySize == 256)
  }

  @Test func aLongWordTakesNoTime() throws {
    let tokenizer = try tokenizer("gpt2")
    let text = [UInt8](repeating: UInt8(ascii: "a"), count: 200_000)
    var tokens: [Int] = []
    let time = try processorSeconds { tokens = try tokenizer.encode(text) }
    #expect(tokenizer.decode(tokens) == text)
    #expect(time < 5)
  }

  @Test func invalidTextIsRefusedWithItsLine() throws {
    let error = #expect(throws: ConfigurationError.self) {
      try tokenizer("gpt2").encode([0x61, 0x0A, 0x62, 0xFF], file: "a.txt")
    }
    #expect(error?.file == "a.txt" && error?.line == 2)
  }

  @Test(arguments: [
    ("\"type\":\"ByteLevel\"", "\"type\":\"Metaspace\"", "pre_tokenizer"),
    ("\"byte_fallback\":false", "\"byte_fallback\":true", "model.byte_fallback"),
    ("\"type\":\"BPE\"", "\"type\":\"Unigram\"", "model.type"),
    ("\"lstrip\":false", "\"lstrip\":true", "added_tokens[0].lstrip"),
    ("\"normalizer\":null", "\"normalizer\":{\"type\":\"Lowercase\"}", "normalizer"),
    ("\"dropout\":null", "\"dropout\":0.1", "model.dropout"),
    ("\"end_of_word_suffix\":null", "\"end_of_word_suffix\":\"</w>\"", "model.end_of_word_suffix"),
    ("[\"Ġ\",\"t\"]", "[\"Ġ\",\"tttt\"]", "model.merges[0]"),
  ])
  func whatIsNotSupportedIsRefusedByName(found: String, other: String, key: String) throws {
    let folder = try ScratchFolder()
    let text = String(decoding: try contents(of: fixture("tokenizers/gpt2.json")), as: UTF8.self)
    try #require(text.contains(found))
    let path = try folder.write(
      text.replacingOccurrences(of: found, with: other), to: "tokenizer.json")
    let error = #expect(throws: ConfigurationError.self) { try Tokenizer.named(path) }
    #expect(error?.keyPath == key)
  }

  @Test func damagedFilesNeverCrash() throws {
    let folder = try ScratchFolder()
    let whole = try contents(of: fixture("tokenizers/deepseek.json"))
    var generator = SeededGenerator(seed: 8)
    for round in 0..<150 {
      var bytes = whole
      if round % 2 == 0 {
        bytes.removeLast(Int.random(in: 1...bytes.count, using: &generator))
      } else {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        bytes[place] = UInt8.random(in: 32...126, using: &generator)
      }
      let path = try folder.write(bytes, to: "tokenizer.json")
      guard let tokenizer = try? Tokenizer.named(path) else { continue }
      _ = try? tokenizer.encode(Array("Some text 123, 你好".utf8))
    }
  }
}

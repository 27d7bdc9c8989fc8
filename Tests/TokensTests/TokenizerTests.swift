import Documents
import Foundation
import Quantities
import TestSupport
import Testing
import Tokens

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
    try NamedTokenizer(named: fixture("tokenizers/\(name).json")).tokenizer
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

  private static let licence = "/usr/share/common-licenses/GPL-3"
  static let hasLicence = (try? contents(of: licence).count) == 35149

  /// Sums over the tokens of a long text, from the same package (tokenizers 0.23.3).
  @Test(
    .enabled(if: TokenizerTests.hasLicence, "Debian's copy of the GPL is not there: skipped"),
    arguments: [("gpt2", 18176, 992_795), ("llama", 17513, 975_776), ("deepseek", 17461, 117_369)])
  func agreesOnALicence(name: String, count: Int, sum: Int) throws {
    let text = try contents(of: Self.licence)
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

  private struct Decoded: Decodable {
    var text: String
    var tokens: [Int]
    var decoded: String
  }

  /// A vocabulary of characters with tokens for single bytes: the package's tokens, and its text back.
  @Test func charactersWithBytesToFallBackOn() throws {
    let url = URL(fileURLWithPath: fixture("tokenizers/prepend-and-byte-fallback-expected.json"))
    let cases = try JSONDecoder().decode([Decoded].self, from: Data(contentsOf: url))
    #expect(cases.count == 16)
    let tokenizer = try tokenizer("prepend-and-byte-fallback")
    for item in cases {
      #expect(try tokenizer.encode(Array(item.text.utf8)) == item.tokens, "\(item.text)")
      #expect(tokenizer.decode(item.tokens) == Array(item.decoded.utf8), "\(item.text)")
    }
    // What is generated behind a text keeps its space.
    #expect(tokenizer.decode([267]) == Array("the".utf8))
    #expect(tokenizer.bytes(of: 267) == Array(" the".utf8))
    #expect(tokenizer.bytes(of: 13) == [10])
  }

  /// Everything but the marks themselves and added tokens comes back.
  @Test func randomCharactersComeBack() throws {
    let tokenizer = try tokenizer("prepend-and-byte-fallback")
    var generator = SeededGenerator(seed: 6)
    let scalars = Array("the  l\n\té你\u{301}👩\u{200D}\0".unicodeScalars)
    for _ in 0..<300 {
      var text = ""
      for _ in 0..<Int.random(in: 0...40, using: &generator) {
        text.unicodeScalars.append(scalars[Int.random(in: 0..<scalars.count, using: &generator)])
      }
      #expect(tokenizer.decode(try tokenizer.encode(Array(text.utf8))) == Array(text.utf8))
    }
  }

  /// The file that stands for bytes in checkpoints is one of Hugging Face's, and is known again.
  @Test func bytesHaveAFileOfTheirOwn() throws {
    let folder = try ScratchFolder()
    let path = try folder.write(NamedTokenizer.bytes.json, to: "tokenizer.json")
    let read = try NamedTokenizer(named: path)
    #expect(read.name == "bytes" && read.isEqual(to: .bytes))
    #expect(try NamedTokenizer(inFolder: folder.path)?.name == "bytes")
    // With one merge it is another tokenizer.
    let text = String(decoding: NamedTokenizer.bytes.json, as: UTF8.self)
      .replacingOccurrences(of: "\"vocab\": {", with: "\"vocab\": {\"th\": 256, ")
      .replacingOccurrences(of: "\"merges\": []", with: "\"merges\": [[\"t\", \"h\"]]")
    let merged = try NamedTokenizer(Array(text.utf8), name: "merged")
    #expect(merged.name == "merged" && !merged.isEqual(to: .bytes))
    #expect(try merged.tokenizer.encode(Array("the".utf8)) == [256, 101])
  }

  /// Two files of one tokenizer are equal however they are written; another merge makes another one.
  @Test func tokenizersAreComparedByWhatTheyDo() throws {
    let bytes = try contents(of: fixture("tokenizers/gpt2.json"))
    let own = try NamedTokenizer(bytes, name: "a")
    let text = String(decoding: bytes, as: UTF8.self)
    let spaced = text.replacingOccurrences(of: "\"merges\":[", with: "\"merges\" : [ ")
    #expect(spaced != text)
    #expect(try own.isEqual(to: NamedTokenizer(Array(spaced.utf8), name: "b")))
    let without = text.replacingOccurrences(of: "[\"Ġ\",\"t\"],", with: "")
    #expect(without != text)
    #expect(try !own.isEqual(to: NamedTokenizer(Array(without.utf8), name: "c")))
    #expect(try !own.isEqual(to: NamedTokenizer(named: fixture("tokenizers/llama.json"))))
    #expect(!own.isEqual(to: .bytes))
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
    ("\"type\":\"ByteLevel\"", "\"type\":\"Metaspace\"", "pre_tokenizer.replacement"),
    ("\"type\":\"ByteLevel\"", "\"type\":\"Punctuation\"", "pre_tokenizer"),
    ("\"type\":\"BPE\"", "\"type\":\"WordPiece\"", "model.type"),
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
    let error = #expect(throws: ConfigurationError.self) { try NamedTokenizer(named: path) }
    #expect(error?.keyPath == key)
  }

  @Test(arguments: [
    ("\"decoder\": {\"type\": \"Sequence\"", "\"decoder\": {\"type\": \"WordPiece\"", "decoder"),
    (
      "\"decoder\": {\"type\": \"Sequence\"", "\"decoder\": {\"type\": \"Metaspace\"",
      "decoder.replacement"
    ),
    ("{\"type\": \"ByteFallback\"}", "{\"type\": \"CTC\"}", "decoder"),
    ("\"stop\": 0", "\"stop\": 1", "decoder.stop"),
    ("{\"String\": \" \"}", "{\"Regex\": \"(\"}", "normalizer.pattern"),
    ("\"unk_token\": \"<unk>\"", "\"unk_token\": \"<none>\"", "model.unk_token"),
  ])
  func whatCharactersDoNotHaveIsRefused(found: String, other: String, key: String) throws {
    let path = fixture("tokenizers/prepend-and-byte-fallback.json")
    let text = String(decoding: try contents(of: path), as: UTF8.self)
    try #require(text.contains(found))
    let changed = text.replacingOccurrences(of: found, with: other)
    let error = #expect(throws: ConfigurationError.self) {
      try NamedTokenizer(Array(changed.utf8), name: "changed")
    }
    #expect(error?.keyPath == key)
  }

  @Test(arguments: ["deepseek", "prepend-and-byte-fallback"])
  func damagedFilesNeverCrash(name: String) throws {
    let folder = try ScratchFolder()
    let whole = try contents(of: fixture("tokenizers/\(name).json"))
    var generator = SeededGenerator(seed: 8)
    var refused = 0
    for round in 0..<150 {
      var bytes = whole
      if round % 2 == 0 {
        bytes.removeLast(Int.random(in: 1...bytes.count, using: &generator))
      } else {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        bytes[place] = UInt8.random(in: 32...126, using: &generator)
      }
      let path = try folder.write(bytes, to: "tokenizer.json")
      do throws(ConfigurationError) {
        let ids = try NamedTokenizer(named: path).tokenizer.encode(Array("Some text 123, 你好".utf8))
        #expect(!ids.isEmpty)
      } catch {
        refused += 1
        #expect(!error.description.contains("\n") && !error.rule.isEmpty)
      }
    }
    // Every cut is found; a changed letter may be one of a token that is not needed.
    #expect(refused >= 75 && refused < 150)
  }
}

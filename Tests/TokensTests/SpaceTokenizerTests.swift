import Documents
import Foundation
import TestSupport
import Testing
import Tokens

/// Tokenizers of SentencePiece's kind: marks for spaces, tokens for single bytes, pairs or scores.
@Suite struct SpaceTokenizerTests {
  static let names = [
    "first-unsplit", "always-split", "never-digits", "unigram-bytes", "unigram-unknown",
  ]

  /// A text of `spaces-expected.json` with what the package tokenizers gives for it.
  struct Case: Sendable {
    var text: String
    var tokens: [Int]
    var decoded: String
  }

  private func table() throws -> [String: Any] {
    let url = URL(fileURLWithPath: fixture("tokenizers/spaces-expected.json"))
    let value = try JSONSerialization.jsonObject(with: Data(contentsOf: url))
    return try #require(value as? [String: Any])
  }

  private func cases(_ name: String) throws -> [Case] {
    try #require(table()["texts"] as? [[String: Any]]).map { item in
      let own = try #require(item[name] as? [String: Any])
      return Case(
        text: try #require(item["text"] as? String), tokens: try #require(own["tokens"] as? [Int]),
        decoded: try #require(own["decoded"] as? String))
    }
  }

  private func tokenizer(_ name: String) throws -> Tokenizer {
    try NamedTokenizer(named: fixture("tokenizers/spaces-\(name).json")).tokenizer
  }

  @Test(arguments: names)
  func agreesWithThePackage(name: String) throws {
    let tokenizer = try tokenizer(name)
    let cases = try cases(name)
    #expect(cases.count == 87)
    for item in cases {
      let what = "\(name) of \(item.text.debugDescription)"
      #expect(try tokenizer.encode(Array(item.text.utf8)) == item.tokens, "\(what)")
      #expect(tokenizer.decode(item.tokens) == Array(item.decoded.utf8), "\(what)")
    }
  }

  @Test(
    .enabled(if: TokenizerTests.hasLicence, "Debian's copy of the GPL is not there: skipped"),
    arguments: names)
  func agreesOnALicence(name: String) throws {
    let sums = try #require(table()["licence"] as? [String: [Int]])
    let text = try contents(of: "/usr/share/common-licenses/GPL-3")
    let tokens = try tokenizer(name).encode(Array(text))
    let sum = tokens.enumerated().reduce(0) { $0 + $1.offset * $1.element } % 1_000_003
    #expect([tokens.count, sum] == sums[name])
  }

  /// Equal sums, unknown characters and their neighbours: the best of all ways to cut, by trying them.
  @Test func unigramsAreTheBestOfAllCuts() throws {
    let tokens: [(String, Double)] = [
      ("<unk>", 0), ("a", -2), ("b", -2.5), ("ab", -4), ("ba", -4.25), ("aba", -5.5), ("é", -3),
      ("éa", -4.5), ("bb", -4.75),
    ]
    let list = tokens.map { "[\"\($0.0)\", \($0.1)]" }.joined(separator: ",")
    let json = """
      {"model": {"type": "Unigram", "unk_id": 0, "vocab": [\(list)]},
       "decoder": {"type": "Fuse"}}
      """
    let tokenizer = try NamedTokenizer(Array(json.utf8), name: "small").tokenizer
    let known = Dictionary(uniqueKeysWithValues: tokens.dropFirst().map { ($0.0, $0.1) })
    func best(_ text: Substring) -> Double {
      guard !text.isEmpty else { return 0 }
      var result = -Double.infinity
      for end in text.indices.map(text.index(after:)) {
        let head = String(text[..<end])
        let unknown = head.count == 1 && known[head] == nil ? -15.5 : nil
        if let score = known[head] ?? unknown { result = max(result, score + best(text[end...])) }
      }
      return result
    }
    var generator = SplitMix64(state: 4)
    for _ in 0..<200 {
      let text = String(
        (0..<Int.random(in: 0...9, using: &generator)).map { _ in
          ["a", "b", "é", "x"].randomElement(using: &generator) ?? "a"
        }.joined())
      let found = try tokenizer.encode(Array(text.utf8))
      let runs = text.split { $0 != "x" }
      let unknowns = text.count { $0 == "x" }
      // A run of unknown characters is one token; each was scored.
      #expect(found.count { $0 == 0 } == runs.count, "\(text)")
      let scores: [Double] = found.map { $0 == 0 ? 0 : tokens[$0].1 }
      let sum = scores.reduce(0, +) - 15.5 * Double(unknowns)
      #expect(sum == best(text[...]), "\(text)")
    }
  }

  @Test(arguments: [
    ("\"prepend_scheme\":\"first\"", "\"prepend_scheme\":\"last\"", "pre_tokenizer.prepend_scheme"),
    (
      "\"prepend_scheme\":\"first\",\"split\":false",
      "\"prepend_scheme\":\"first\",\"add_prefix_space\":false", "pre_tokenizer.prepend_scheme"
    ),
    ("\"replacement\":\"▁\"", "\"replacement\":\"__\"", "pre_tokenizer.replacement"),
    ("\"unk_id\":0", "\"unk_id\":4000", "model.unk_id"),
    ("[\"<s>\",0.0]", "[\"<s>\"]", "model.vocab[1]"),
  ])
  func whatIsNotSupportedIsRefusedByName(found: String, other: String, key: String) throws {
    let path = fixture("tokenizers/spaces-unigram-unknown.json")
    let text = String(decoding: try contents(of: path), as: UTF8.self)
    try #require(text.contains(found))
    let changed = text.replacingOccurrences(of: found, with: other)
    let error = #expect(throws: ConfigurationError.self) {
      try NamedTokenizer(Array(changed.utf8), name: "changed")
    }
    #expect(error?.keyPath == key)
  }

  /// Older files say by a flag what three schemes say today.
  @Test func aFlagIsAnOlderScheme() throws {
    let path = fixture("tokenizers/spaces-never-digits.json")
    let text = String(decoding: try contents(of: path), as: UTF8.self)
    let old = text.replacingOccurrences(
      of: "\"prepend_scheme\":\"never\",\"split\":true", with: "\"add_prefix_space\":false")
    #expect(old != text)
    let (own, older) = (
      try tokenizer("never-digits"), try NamedTokenizer(Array(old.utf8), name: "old").tokenizer
    )
    for item in try cases("never-digits") {
      #expect(try older.encode(Array(item.text.utf8)) == own.encode(Array(item.text.utf8)))
    }
  }

  /// Scores decide, so files with other scores are other tokenizers.
  @Test func scoresAreCompared() throws {
    let path = fixture("tokenizers/spaces-unigram-unknown.json")
    let bytes = try contents(of: path)
    let text = String(decoding: bytes, as: UTF8.self)
    let own = try NamedTokenizer(bytes, name: "a")
    let changed = text.replacingOccurrences(of: "[\"</s>\",0.0]", with: "[\"</s>\",-1.0]")
    #expect(changed != text)
    #expect(try !own.isEqual(to: NamedTokenizer(Array(changed.utf8), name: "b")))
    #expect(try own.isEqual(to: NamedTokenizer(Array((text + " ").utf8), name: "c")))
  }
}

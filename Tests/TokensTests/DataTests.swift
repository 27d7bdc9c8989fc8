import Documents
import Foundation
import TestSupport
import Testing
import Tokens

@Suite struct DataTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  private func stream(_ count: Int) -> TokenData {
    .stream(TokenStream(tokens: (0..<Int32(count)).map { $0 }, name: "numbers"))
  }

  /// Every token but the first is predicted exactly once an epoch, each label follows its input.
  @Test(arguments: [(101, 10), (105, 10), (11, 10), (12, 11), (1000, 1)])
  func anEpochPredictsEveryTokenOnce(tokens: Int, length: Int) throws {
    let source = try TokenSource(stream(tokens), sequenceLength: length, seed: 3)
    #expect(source.sequencesPerEpoch == (tokens - 1) / length)
    for epoch in 0..<3 {
      var labels: [Int32] = []
      for place in 0..<source.sequencesPerEpoch {
        let batch = try source.sequence(epoch * source.sequencesPerEpoch + place)
        #expect(batch.inputs.count == length)
        #expect(zip(batch.inputs, batch.labels).allSatisfy { $0 + 1 == $1 })
        labels += batch.labels
      }
      #expect(labels.sorted() == (1...Int32(source.sequencesPerEpoch * length)).map { $0 })
    }
  }

  @Test func orderFollowsFromTheSeedAlone() throws {
    func order(_ seed: UInt64, from start: Int) throws -> [Int32] {
      let source = try TokenSource(stream(1001), sequenceLength: 10, seed: seed)
      return try (start..<start + 100).map { try source.sequence($0).inputs[0] }
    }
    #expect(try order(1, from: 0) == order(1, from: 0))
    #expect(try order(1, from: 0) != order(2, from: 0))
    // The second epoch has an order of its own.
    #expect(try order(1, from: 0) != order(1, from: 100))
    #expect(try order(1, from: 0) != (0..<100).map { 10 * $0 })
    // Resuming at any place goes on as if nothing had happened.
    let whole = try order(1, from: 0) + order(1, from: 100)
    for place in [1, 37, 99] {
      #expect(try order(1, from: place) == Array(whole[place..<place + 100]))
    }
  }

  /// Steps of any batch, cut into microbatches of any size, use the same sequences.
  @Test(arguments: [1, 2, 4, 8])
  func microbatchesCutTheSameSequence(size: Int) throws {
    let source = try TokenSource(stream(301), sequenceLength: 5, seed: 9)
    let whole = try source.microbatch(0, size: 16, position: 16)
    var parts = TokenBatch(row: [0])
    for index in 0..<16 / size {
      parts = parts + (try source.microbatch(index, size: size, position: 16))
    }
    #expect(parts == whole)
  }

  @Test func textIsUsedAtOnce() throws {
    let path = try folder.write("hello, world", to: "a.txt")
    let source = try TokenSource(TokenData.open([path]), sequenceLength: 11, seed: 0)
    #expect(try source.sequence(0).inputs.map { UInt8($0) } == Array("hello, worl".utf8))
    #expect(try source.sequence(5).labels.map { UInt8($0) } == Array("ello, world".utf8))
  }

  @Test func tokenFilesHoldWhatTextsGive() throws {
    let text = try folder.write("a small text", to: "a.txt")
    let other = try folder.write("and another", to: "b.txt")
    let bytes = folder.file("bytes.bin")
    let file = try TokenFile.write(
      texts: [text, other], to: bytes, tokenizer: .bytes)
    #expect(file.width == .unsigned16 && file.count == 23)
    #expect(try contents(of: bytes).count == 46)
    #expect(try contents(of: bytes).prefix(4) == [0x61, 0, 0x20, 0])
    #expect(
      try TokenFile(path: bytes).tokens(in: 0..<23)
        == "a small textand another".utf8.map { Int32($0) })
    // Texts end with the tokenizer's own mark.
    let named = try NamedTokenizer(named: fixture("tokenizers/gpt2.json"))
    let tokenizer = named.tokenizer
    let pairs = try TokenFile.write(
      texts: [text, other], to: folder.file("pairs.bin"), tokenizer: named)
    let tokens = try pairs.tokens(in: 0..<pairs.count)
    #expect(tokens.filter { $0 == 0 }.count == 2 && tokens.last == 0)
    #expect(
      tokenizer.decode(tokens.map { Int($0) })
        == Array("a small text<|endoftext|>and another<|endoftext|>".utf8))
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(Set(names).count == 6, "\(names)")
  }

  /// A token file says its tokenizer wherever it is moved, together with its description.
  @Test func tokenFilesKeepTheirTokenizer() throws {
    let text = try folder.write("a small text", to: "a.txt")
    let tokenizer = try folder.write(
      contents(of: fixture("tokenizers/llama.json")), to: "tokenizer.json")
    let named = try NamedTokenizer(named: tokenizer)
    try TokenFile.write(texts: [text], to: folder.file("a.bin"), tokenizer: named)
    for (old, new) in [("a.bin", "b.bin"), ("a.bin.json", "b.bin.json")] {
      try FileManager.default.moveItem(atPath: folder.file(old), toPath: folder.file(new))
    }
    try FileManager.default.removeItem(atPath: tokenizer)
    let file = try TokenFile(path: folder.file("b.bin"))
    let own = try #require(try file.tokenizer)
    #expect(own.name == tokenizer && own.json == named.json && own.isEqual(to: named))
    let tokens = try file.tokens(in: 0..<file.count).map { Int($0) }
    #expect(String(decoding: own.tokenizer.decode(tokens), as: UTF8.self).hasPrefix("a small text"))
    try TokenFile.write(texts: [text], to: folder.file("c.bin"), tokenizer: .bytes)
    #expect(try TokenFile(path: folder.file("c.bin")).tokenizer?.name == "bytes")
    #expect(try TokenFile(path: folder.write([1, 0], to: "d.bin")).tokenizer == nil)
  }

  /// A description of another file, or one that is damaged, is named.
  @Test func descriptionsMustBelongToTheirFile() throws {
    let text = try folder.write("a small text", to: "a.txt")
    let path = folder.file("a.bin")
    try TokenFile.write(texts: [text], to: path, tokenizer: .bytes)
    _ = try folder.write(contents(of: path) + [1, 0], to: "a.bin")
    let other = #expect(throws: ConfigurationError.self) { try TokenFile(path: path) }
    #expect(other?.rule.contains("speaks of 12") == true)
    _ = try folder.write("{\"type\": \"uint16\", \"tokenizer\"", to: "a.bin.json")
    let damaged = #expect(throws: ConfigurationError.self) { try TokenFile(path: path) }
    #expect(damaged?.file == "\(path).json")
    _ = try folder.write(
      "{\"type\": \"uint16\", \"tokenizer\": \"x\", \"tokenizer_json\": \"{}\"}",
      to: "a.bin.json")
    let broken = #expect(throws: ConfigurationError.self) { try TokenFile(path: path).tokenizer }
    #expect(broken?.file == "\(path).json")
  }

  /// Neither a text that is read, nor what lies under the description's name by chance.
  @Test func whatIsThereIsNotReplaced() throws {
    let text = try folder.write("a small text", to: "a.txt")
    for output in [text, folder.file("./a.txt")] {
      #expect(throws: ConfigurationError.self) {
        try TokenFile.write(texts: [text], to: output, tokenizer: .bytes)
      }
    }
    #expect(try contents(of: text) == Array("a small text".utf8))
    let notes = try folder.write("my notes", to: "b.bin.json")
    let error = #expect(throws: ConfigurationError.self) {
      try TokenFile.write(texts: [text], to: folder.file("b.bin"), tokenizer: .bytes)
    }
    #expect(error?.file == notes)
    #expect(try contents(of: notes) == Array("my notes".utf8))
    #expect(!FileManager.default.fileExists(atPath: folder.file("b.bin")))
    // A text that is the description's namesake.
    let rows = try folder.write("{\"type\": \"uint16\"}", to: "c.bin.json")
    #expect(throws: ConfigurationError.self) {
      try TokenFile.write(texts: [rows], to: folder.file("c.bin"), tokenizer: .bytes)
    }
    #expect(try contents(of: rows) == Array("{\"type\": \"uint16\"}".utf8))
  }

  /// Tokens of other programs, and whatever else lies there, with or without a width beside it; sluice's own
  /// make room.
  @Test func whatSluiceDidNotWriteIsNotReplaced() throws {
    let text = try folder.write("a small text", to: "a.txt")
    let output = try folder.write([1, 0, 2, 0], to: "b.bin")
    for description in [nil, "{\"type\": \"uint16\"}"] {
      if let description { _ = try folder.write(description, to: "b.bin.json") }
      let error = #expect(throws: ConfigurationError.self) {
        try TokenFile.write(texts: [text], to: output, tokenizer: .bytes)
      }
      #expect(error?.file == output && error?.rule.contains("b.bin.json") == true)
      #expect(try contents(of: output) == [1, 0, 2, 0])
    }
    let empty = try folder.write([], to: "c.bin")
    try TokenFile.write(texts: [text], to: empty, tokenizer: .bytes)
    let other = try folder.write("another", to: "d.txt")
    try TokenFile.write(texts: [other], to: empty, tokenizer: .bytes)
    #expect(try TokenFile(path: empty).count == 7)
  }

  /// A tokenizer is a file that is read, whatever it is called and whatever it says.
  @Test func tokenizersAreNotReplaced() throws {
    let text = try folder.write("a small text", to: "a.txt")
    let path = try folder.write(NamedTokenizer.bytes.json, to: "tokenizer.json")
    let link = folder.file("link.bin")
    try FileManager.default.linkItem(atPath: path, toPath: link)
    for (named, output) in [(path, path), (folder.path, path), (path, link)] {
      let tokenizer = try NamedTokenizer(named: named)
      #expect(tokenizer.name == "bytes")
      let error = #expect(throws: ConfigurationError.self) {
        try TokenFile.write(texts: [text], to: output, tokenizer: tokenizer)
      }
      #expect(error?.rule.contains("is read or written by the same command") == true)
    }
    #expect(try contents(of: path) == NamedTokenizer.bytes.json)
  }

  @Test func widthsAreKept() throws {
    let wide = try folder.write([1, 0, 0, 0, 255, 255, 255, 255], to: "wide.bin")
    #expect(try TokenFile(path: wide, width: .unsigned32).tokens(in: 0..<2) == [1, .max])
    #expect(try TokenFile(path: wide).tokens(in: 0..<4) == [1, 0, 65535, 65535])
    _ = try folder.write("{\"type\": \"uint32\"}", to: "wide.bin.json")
    #expect(try TokenFile(path: wide).count == 2)
    #expect(throws: ConfigurationError.self) {
      try TokenData.open([wide]).check(vocabulary: 1000)
    }
    let odd = try folder.write([1, 2, 3], to: "odd.bin")
    #expect(throws: ConfigurationError.self) { try TokenFile(path: odd) }
    #expect(TokenFile.Width(vocabulary: 65536) == .unsigned16)
    #expect(TokenFile.Width(vocabulary: 65537) == .unsigned32)
  }

  @Test func rowsComeInTheirOrder() throws {
    let path = try folder.write("[[1, 2, 3], [4, 5, 6]]", to: "rows.json")
    let source = try TokenSource(TokenData.open([path]), sequenceLength: 2, seed: 1)
    let batch = try source.microbatch(0, size: 3, position: 0)
    #expect(batch.inputs == [1, 2, 4, 5, 1, 2])
    #expect(batch.labels == [2, 3, 5, 6, 2, 3])
    let mixed = try folder.write("[[1, 2], [4, 5, 6]]", to: "mixed.json")
    let sequences = try EvaluationSequences(TokenData.open([mixed]), sequenceLength: 9)
    #expect(sequences.count == 2)
    #expect(try sequences.sequence(1).labels == [5, 6])
    #expect(throws: ConfigurationError.self) {
      try TokenSource(TokenData.open([mixed]), sequenceLength: 1, seed: 1)
    }
  }

  @Test(arguments: [(2, 1), (9, 4), (10, 4), (11, 4), (12, 4), (13, 4)])
  func evaluationPredictsEveryTokenOnce(tokens: Int, length: Int) throws {
    let sequences = try EvaluationSequences(stream(tokens), sequenceLength: length)
    var labels: [Int32] = []
    for index in 0..<sequences.count { labels += try sequences.sequence(index).labels }
    #expect(labels == (1..<Int32(tokens)).map { $0 })
  }

  @Test(arguments: [
    ("empty.txt", ""), ("short.txt", "abc"), ("rows.json", "[]"), ("rows.json", "{}"),
    ("rows.json", "[[1]]"), ("rows.json", "[[1, -1, 2, 3]]"), ("rows.json", "[[1, 2.5, 3, 4]]"),
    ("rows.json", "[[1, 99999999999, 3, 4]]"), ("rows.json", "[[1, 2"),
    ("rows.json", "[[1,2],[3]]"),
    ("tokens.bin", ""), ("tokens.bin", "a"), ("tokens.bin", "ab"),
  ])
  func unusableDataIsRefused(name: String, text: String) throws {
    let path = try folder.write(text, to: name)
    let error = #expect(throws: ConfigurationError.self) {
      try TokenSource(TokenData.open([path]), sequenceLength: 3, seed: 0)
    }
    #expect(error?.file == path)
  }

  @Test func absentDataIsRefused() throws {
    for path in [folder.file("none.txt"), folder.path, folder.file("none.bin")] {
      #expect(throws: ConfigurationError.self) { try TokenData.open([path]) }
    }
  }

  @Test func tokensBeyondTheVocabularyAreNamed() throws {
    let path = try folder.write("[[1, 2], [3, 97]]", to: "rows.json")
    try TokenData.open([path]).check(vocabulary: 98)
    let error = #expect(throws: ConfigurationError.self) {
      try TokenData.open([path]).check(vocabulary: 97)
    }
    #expect(error?.keyPath == "[1][1]" && error?.value == "97")
  }

  /// Longer, shorter, or written over: the run ends, and it is no fault of what people wrote.
  @Test(arguments: [
    [UInt8](repeating: 0, count: 402), [UInt8](repeating: 0, count: 40),
    [UInt8](repeating: 255, count: 400),
  ])
  func aTokenFileThatChangesIsSaid(other: [UInt8]) throws {
    let path = try folder.write([UInt8](repeating: 0, count: 400), to: "tokens.bin")
    let file = try TokenFile(path: path)
    #expect(try file.tokens(in: 0..<10).count == 10)
    // In place, as a program that writes the file anew would do it.
    let handle = try #require(FileHandle(forWritingAtPath: path))
    try handle.truncate(atOffset: UInt64(other.count))
    try handle.write(contentsOf: other)
    try handle.close()
    let error = #expect(throws: ConfigurationError.self) { try file.tokens(in: 0..<10) }
    #expect(error?.status == .storage && error?.file == path)
    #expect(error?.rule == "was changed while it was in use")
  }

  /// Who opened a file that another one took the place of still has the old one.
  @Test func aReplacedTokenFileIsStillThere() throws {
    let path = try folder.write([UInt8](repeating: 1, count: 400), to: "tokens.bin")
    let file = try TokenFile(path: path)
    let next = try folder.write([UInt8](repeating: 2, count: 40), to: "next.bin")
    try #require(rename(next, path) == 0)
    #expect(try file.tokens(in: 0..<1) == [257])
  }

  @Test func heldOutTokensAreApart() throws {
    let whole = TokenStream(tokens: (0..<100).map { $0 }, name: "numbers")
    let (rest, held) = whole.holdingOut(0.1)
    #expect(try rest.tokens(in: 0..<rest.count) == (0..<90).map { $0 })
    #expect(try held.tokens(in: 0..<held.count) == (90..<100).map { $0 })
  }

  @Test func identityTellsDataApart() throws {
    func identity(_ tokens: [Int32]) throws -> String {
      try TokenSource(
        .stream(TokenStream(tokens: tokens, name: "x")), sequenceLength: 1, seed: 0
      ).identity
    }
    #expect(try identity([1, 2, 3]) == identity([1, 2, 3]))
    #expect(try identity([1, 2, 3]) != identity([1, 2, 4]))
    #expect(try identity([1, 2, 3]) != identity([1, 2, 3, 3]))
  }
}

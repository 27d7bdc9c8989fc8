import Documents
import Foundation

/// Byte-pair encoding as a Hugging Face `tokenizer.json` describes it.
///
/// Read are: as normalisation NFC, `Prepend`, `Replace` of texts and sequences of them; pre-tokenisation
/// by `ByteLevel`, `Split` (isolated matches), `Digits` and sequences of them, or none; a `BPE` model
/// over bytes, or over characters with or without tokens for single bytes; added tokens. What else a
/// file asks for is refused by name. Tokens that a post-processor would add around a text are not.
public struct BytePairTokenizer: Sendable {
  /// A token that is recognised in the text before anything else.
  struct Added: Hashable, Sendable {
    var content: [UInt8]
    var number: Int
    /// What is looked for: the content, normalised where the text is before the search.
    var pattern: [UInt8]
    /// The token is looked for behind normalisation, not before.
    var isNormalized: Bool
  }

  /// One more than the largest token number.
  public let vocabularySize: Int
  let preTokenizer: PreTokenizer
  let normalizer: TextNormalizer
  let ignoresMerges: Bool
  /// The longest first, so that a token wins over one that it begins with.
  let added: [Added]
  let pairs: BytePairs
  let alphabet: TokenAlphabet
  private let numberOfToken: [[UInt8]: Int]
  private let bytesOfNumber: [[UInt8]?]

  /// Reads a `tokenizer.json`; messages speak of it as `path`.
  init(_ json: [UInt8], path: String) throws(ConfigurationError) {
    let value: JSONValue
    do throws(CheckpointError) {
      value = try JSONValue(json, of: path)
    } catch {
      throw ConfigurationError(file: path, rule: error.rule)
    }
    let reading = TokenizerReading(path: path, value: value)
    normalizer = try reading.normalizer()
    let cuts = try reading.preTokenizer()
    ignoresMerges = try reading.checkModel(isByteLevel: cuts.isByteLevel)
    let alphabet = try reading.alphabet(isByteLevel: cuts.isByteLevel)
    let vocabulary = try reading.vocabulary(alphabet)
    added = try reading.added(normalizer)
    numberOfToken = vocabulary
    self.alphabet = try reading.completed(alphabet, vocabulary)
    pairs = BytePairs(merges: try reading.merges(vocabulary, alphabet))
    preTokenizer =
      ignoresMerges
      ? cuts.preTokenizer : cuts.preTokenizer.cutting(at: normalizer.marker, of: vocabulary)
    let largest = max(vocabulary.values.max() ?? 0, added.map(\.number).max() ?? 0)
    var bytes = [[UInt8]?](repeating: nil, count: largest + 1)
    for (token, number) in vocabulary { bytes[number] = self.alphabet.text(of: token) }
    for token in added { bytes[token.number] = self.alphabet.text(of: token.content) }
    bytesOfNumber = bytes
    vocabularySize = largest + 1
  }

  /// The bytes that a token stands for within a text; none for a number that is not a token's.
  public func bytes(of token: Int) -> [UInt8] {
    bytesOfNumber.indices.contains(token) ? bytesOfNumber[token] ?? [] : []
  }

  /// The text that tokens stand for, from its beginning on.
  func decode(_ tokens: some Sequence<Int>) -> [UInt8] {
    alphabet.withoutPrefix(tokens.flatMap { bytes(of: $0) })
  }

  /// The token that ends a text, by the names that GPT-2, Llama 3 and DeepSeek have for it.
  public var endOfText: Int? {
    for name in ["<|endoftext|>", "<|end_of_text|>", "<｜end▁of▁sentence｜>", "</s>"] {
      if let token = added.first(where: { $0.content == Array(name.utf8) }) { return token.number }
    }
    return nil
  }

  /// Every byte is its own token, and there are no others.
  var isBytes: Bool {
    guard alphabet == .bytes, pairs.isEmpty, added.isEmpty, normalizer.isNothing,
      !preTokenizer.addsSpace, vocabularySize == 256
    else { return false }
    return (0...UInt8.max).allSatisfy { numberOfToken[[$0]] == Int($0) }
  }

  /// A checksum of everything that decides which tokens a text has.
  var fingerprint: String {
    var sum = Checksum()
    func add(_ text: String) { sum.add(Array((text + "\n").utf8)) }
    add("\(normalizer) \(preTokenizer.description) \(alphabet) \(ignoresMerges)")
    for (number, bytes) in bytesOfNumber.enumerated() {
      guard let bytes else { continue }
      add("\(number) \(bytes.count)")
      sum.add(bytes)
    }
    for token in added {
      add("\(token.number) \(token.isNormalized)")
      sum.add(token.content)
    }
    pairs.add(to: &sum)
    return sum.text
  }
}

extension BytePairTokenizer {
  /// The tokens of a text, added tokens in it included.
  ///
  /// - Throws: `ConfigurationError` for a byte or character that the vocabulary has no token for.
  public func encode(_ text: String) throws(ConfigurationError) -> [Int] {
    var tokens: [Int] = []
    var known: [[UInt8]: [Int]] = [:]
    for piece in pieces(of: Array(text.utf8)[...]) {
      guard case .text(let bytes) = piece else {
        if case .added(let number) = piece { tokens.append(number) }
        continue
      }
      for word in preTokenizer.words(of: String(decoding: bytes, as: UTF8.self)) {
        if let found = known[word] {
          tokens += found
        } else {
          let found = try encode(word: word)
          // Texts repeat few words often; the bound keeps memory within some 100 MB.
          if known.count < 1 << 18, word.count < 64 { known[word] = found }
          tokens += found
        }
      }
    }
    return tokens
  }

  private func encode(word: [UInt8]) throws(ConfigurationError) -> [Int] {
    if ignoresMerges, let whole = numberOfToken[word] { return [whole] }
    return pairs.merge(try alphabet.symbols(of: word, numberOfToken))
  }

  private enum Piece {
    case text(ArraySlice<UInt8>)
    case added(Int)
  }

  /// Cuts a text at the added tokens that it holds; what lies between is normalised.
  private func pieces(of text: ArraySlice<UInt8>) -> [Piece] {
    cut(text, at: added.filter { !$0.isNormalized }).flatMap { piece -> [Piece] in
      guard case .text(let bytes) = piece else { return [piece] }
      let ready = normalizer.normalize(bytes)
      return cut(ready[...], at: added.filter(\.isNormalized))
    }
  }

  private func cut(_ text: ArraySlice<UInt8>, at added: [Added]) -> [Piece] {
    guard !added.isEmpty else { return text.isEmpty ? [] : [.text(text)] }
    var byFirst: [[Added]] = Array(repeating: [], count: 256)
    for token in added { byFirst[Int(token.pattern[0])].append(token) }
    var pieces: [Piece] = []
    var start = text.startIndex
    var position = start
    while position < text.endIndex {
      let candidates = byFirst[Int(text[position])]
      let rest = text[position...]
      guard let found = candidates.first(where: { rest.starts(with: $0.pattern) }) else {
        position += 1
        continue
      }
      if start < position { pieces.append(.text(text[start..<position])) }
      pieces.append(.added(found.number))
      position += found.pattern.count
      start = position
    }
    if start < text.endIndex { pieces.append(.text(text[start...])) }
    return pieces
  }
}

import Documents
import Foundation

/// Byte pairs, or tokens by their scores, as a Hugging Face `tokenizer.json` describes them.
///
/// Read are: as normalisation Unicode's forms, `Prepend`, `Replace` and sequences of them;
/// pre-tokenisation by `ByteLevel` or `Metaspace`, `Split` (isolated matches), `Digits` and sequences of
/// them, or none; a `BPE` model over bytes, a `BPE` or `Unigram` model over characters with or without
/// tokens for single bytes; added tokens. What else a
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

  /// How a word becomes tokens.
  enum Model: Sendable {
    case pairs(BytePairs)
    case scores(Unigram)
  }

  /// One more than the largest token number.
  public let vocabularySize: Int
  let preTokenizer: PreTokenizer
  let normalizer: TextNormalizer
  let ignoresMerges: Bool
  /// The longest first, so that a token wins over one that it begins with.
  let added: [Added]
  let model: Model
  let alphabet: TokenAlphabet
  /// How conversations are shown to its models, where something beside it says that; an error where that
  /// is not known, which matters only where there are conversations.
  var chat: Result<ChatTemplate, ConfigurationError>?
  /// By name, the special tokens that `tokenizer_config.json` beside it names: `eos_token`.
  var specialTokens: [String: String] = [:]
  private let numberOfToken: [[UInt8]: Int]
  private let bytesOfNumber: [[UInt8]?]
  /// What tokens stand for at the beginning of a text, where that is something else; else empty.
  private let firstBytesOfNumber: [[UInt8]?]

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
    let isByteLevel = cuts.isByteLevel
    let isUnigram = try reading.isUnigram(isByteLevel: isByteLevel)
    let scored = isUnigram ? try reading.scoredTokens() : []
    ignoresMerges = isUnigram ? false : try reading.checkMerging(isByteLevel: isByteLevel)
    let plain = try reading.alphabet(isByteLevel: isByteLevel)
    let vocabulary =
      isUnigram
      ? Dictionary(scored.enumerated().map { ($1.bytes, $0) }) { $1 }
      : try reading.vocabulary(plain)
    added = try reading.added(normalizer)
    numberOfToken = vocabulary
    let alphabet = try reading.completed(plain, vocabulary)
    self.alphabet = alphabet
    if isUnigram {
      model = .scores(Unigram(scored, unknown: reading.value["model"]?["unk_id"]?.number))
    } else {
      model = .pairs(BytePairs(merges: try reading.merges(vocabulary, plain)))
    }
    preTokenizer =
      ignoresMerges || isUnigram
      ? cuts.preTokenizer : cuts.preTokenizer.cutting(at: normalizer.marker, of: vocabulary)
    let largest = max(vocabulary.values.max() ?? 0, added.map(\.number).max() ?? 0)
    let tokens = vocabulary.map { ($0.key, $0.value) } + added.map { ($0.content, $0.number) }
    func table(_ text: ([UInt8]) -> [UInt8]) -> [[UInt8]?] {
      var bytes = [[UInt8]?](repeating: nil, count: largest + 1)
      for (token, number) in tokens { bytes[number] = text(token) }
      return bytes
    }
    bytesOfNumber = table(alphabet.text)
    firstBytesOfNumber = alphabet.losesMarkAtStart ? table(alphabet.textAtStart) : []
    vocabularySize = largest + 1
  }

  /// The bytes that a token stands for within a text; none for a number that is not a token's.
  public func bytes(of token: Int) -> [UInt8] {
    bytesOfNumber.indices.contains(token) ? bytesOfNumber[token] ?? [] : []
  }

  /// The text that tokens stand for, from its beginning on.
  func decode(_ tokens: some Sequence<Int>) -> [UInt8] {
    var isFirst = true
    let text = tokens.flatMap { token -> [UInt8] in
      defer { isFirst = false }
      guard isFirst, firstBytesOfNumber.indices.contains(token) else { return bytes(of: token) }
      return firstBytesOfNumber[token] ?? []
    }
    return alphabet.withoutPrefix(text)
  }

  /// The token that ends a text, by the names that GPT-2, Llama 3 and DeepSeek have for it; where it has
  /// none of them, the one that `tokenizer_config.json` beside it names.
  public var endOfText: Int? {
    let known = ["<|endoftext|>", "<|end_of_text|>", "<｜end▁of▁sentence｜>", "</s>"]
    return known.lazy.compactMap(number(ofAdded:)).first ?? declaredEnd
  }

  /// The token that `eos_token` of `tokenizer_config.json` beside it names.
  var declaredEnd: Int? { specialTokens["eos_token"].flatMap(number(ofAdded:)) }

  /// The number of an added token.
  private func number(ofAdded name: String) -> Int? {
    added.first { $0.content == Array(name.utf8) }?.number
  }

  /// Every byte is its own token, and there are no others.
  var isBytes: Bool {
    guard alphabet == .bytes, case .pairs(let pairs) = model, pairs.isEmpty, added.isEmpty,
      normalizer.isNothing,
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
    switch model {
    case .pairs(let pairs): pairs.add(to: &sum)
    case .scores(let unigram): add("\(unigram.scores) \(unigram.unknown ?? -1)")
    }
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
    for (index, piece) in pieces(of: Array(text.utf8)[...]).enumerated() {
      guard case .text(let bytes) = piece else {
        if case .added(let number) = piece { tokens.append(number) }
        continue
      }
      let string = String(decoding: bytes, as: UTF8.self)
      for word in preTokenizer.words(of: string, isFirst: index == 0) {
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
    switch model {
    case .scores(let unigram):
      var tokens: [Int] = []
      for piece in try unigram.pieces(of: word) {
        tokens += try alphabet.tokens(of: piece, numberOfToken)
      }
      return tokens
    case .pairs(let pairs):
      if ignoresMerges, let whole = numberOfToken[word] { return [whole] }
      return pairs.merge(try alphabet.symbols(of: word, numberOfToken))
    }
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

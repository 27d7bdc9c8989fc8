import Documents

extension TokenizerReading {
  /// What tokens are made of, as far as model and decoder say it.
  func alphabet(isByteLevel: Bool) throws(ConfigurationError) -> TokenAlphabet {
    if isByteLevel { return .bytes }
    var characters = TokenAlphabet.Characters()
    characters.fusesUnknown = value["model"]?["fuse_unk"]?.flag ?? false
    try readDecoder(value["decoder"] ?? .null, &characters)
    return .characters(characters)
  }

  private func readDecoder(
    _ part: JSONValue, _ characters: inout TokenAlphabet.Characters
  ) throws(ConfigurationError) {
    switch part["type"]?.text {
    case "Sequence":
      for part in part["decoders"]?.items ?? [] { try readDecoder(part, &characters) }
    case "Replace": characters.replacements.append(try replacement(part, "decoder"))
    case "Metaspace":
      let spaces = try metaspace(part, "decoder")
      characters.replacements.append(.init(found: spaces.mark, other: [UInt8(ascii: " ")]))
      if spaces.prepending != .never { characters.markLostAtStart = spaces.mark }
    case "ByteFallback": characters.decodesBytes = true
    case "Fuse": break
    case "Strip":
      guard let content = part["content"]?.text, let start = part["start"]?.number,
        part["stop"]?.number ?? 0 == 0, 0...1000 ~= start
      else { throw failure("decoder.stop", "only a strip at the start is supported") }
      characters.prefix = Array(content.utf8)
      characters.prefixCount = start
    case let type:
      throw failure(
        "decoder",
        "only Metaspace, Replace, ByteFallback, Fuse, Strip and sequences of them are supported "
          + "without a byte-level pre-tokenizer", value: type ?? "")
    }
  }

  /// The alphabet with the numbers of its tokens for unknown characters and single bytes.
  func completed(
    _ alphabet: TokenAlphabet, _ vocabulary: [[UInt8]: Int]
  ) throws(ConfigurationError) -> TokenAlphabet {
    guard case .characters(var characters) = alphabet else { return alphabet }
    if let name = value["model"]?["unk_token"]?.text {
      guard let number = vocabulary[Array(name.utf8)] else {
        throw failure("model.unk_token", "is not in the vocabulary", value: name)
      }
      characters.unknown = number
    }
    if let number = value["model"]?["unk_id"]?.number { characters.unknown = number }
    if value["model"]?["byte_fallback"]?.flag == true {
      characters.byteTokens = (0...UInt8.max).map { vocabulary[TokenAlphabet.written($0)] }
    }
    return .characters(characters)
  }

  /// The numbers of tokens by their bytes.
  func vocabulary(_ alphabet: TokenAlphabet) throws(ConfigurationError) -> [[UInt8]: Int] {
    guard let entries = value["model"]?["vocab"]?.entries, !entries.isEmpty else {
      throw failure("model.vocab", "is missing")
    }
    let addedNames = Set((value["added_tokens"]?.items ?? []).compactMap { $0["content"]?.text })
    var vocabulary: [[UInt8]: Int] = [:]
    for entry in entries {
      guard let number = entry.value.number, 0...Self.largestNumber ~= number else {
        throw failure("model.vocab", "a token's number is not one", value: entry.key)
      }
      guard let bytes = alphabet.bytes(ofWritten: entry.key) else {
        // Added tokens may be listed here too, in plain text.
        if addedNames.contains(entry.key) { continue }
        throw failure(
          "model.vocab", "a token holds a character that stands for no byte", value: entry.key)
      }
      vocabulary[bytes] = number
    }
    return vocabulary
  }

  /// The tokens of a unigram model with their scores, by number.
  func scoredTokens() throws(ConfigurationError) -> [(bytes: [UInt8], score: Double)] {
    guard let items = value["model"]?["vocab"]?.items, !items.isEmpty,
      items.count <= Self.largestNumber
    else { throw failure("model.vocab", "expected a list of tokens with their scores") }
    var tokens: [(bytes: [UInt8], score: Double)] = []
    for (number, item) in items.enumerated() {
      let parts = item.items ?? []
      guard parts.count == 2, let text = parts[0].text, let score = parts[1].real, score.isFinite
      else { throw failure("model.vocab[\(number)]", "expected a token with its score") }
      tokens.append((Array(text.utf8), score))
    }
    if let unknown = value["model"]?["unk_id"], unknown != .null {
      guard let number = unknown.number, tokens.indices.contains(number) else {
        throw failure("model.unk_id", "is not in the vocabulary")
      }
    }
    return tokens
  }

  /// The merges in order, as pairs of token numbers.
  func merges(
    _ vocabulary: [[UInt8]: Int], _ alphabet: TokenAlphabet
  ) throws(ConfigurationError) -> [BytePairs.Pair: BytePairs.Merge] {
    guard let items = value["model"]?["merges"]?.items else {
      throw failure("model.merges", "is missing")
    }
    var merges: [BytePairs.Pair: BytePairs.Merge] = [:]
    for (rank, item) in items.enumerated() {
      let sides =
        item.items?.compactMap(\.text)
        ?? (item.text ?? "").split(separator: " ", maxSplits: 1).map(String.init)
      guard sides.count == 2, let left = alphabet.bytes(ofWritten: sides[0]),
        let right = alphabet.bytes(ofWritten: sides[1]), let a = vocabulary[left],
        let b = vocabulary[right], let result = vocabulary[left + right]
      else {
        throw failure("model.merges[\(rank)]", "does not join two tokens to a third")
      }
      let pair = BytePairs.Pair(left: a, right: b)
      if merges[pair] == nil { merges[pair] = .init(rank: rank, result: result) }
    }
    return merges
  }

  /// The added tokens, the longest first.
  func added(
    _ normalizer: TextNormalizer
  ) throws(ConfigurationError) -> [BytePairTokenizer.Added] {
    var added: [BytePairTokenizer.Added] = []
    for (index, item) in (value["added_tokens"]?.items ?? []).enumerated() {
      let key = "added_tokens[\(index)]"
      guard let content = item["content"]?.text, !content.isEmpty,
        let number = item["id"]?.number, 0...Self.largestNumber ~= number
      else { throw failure(key, "has no content or no id") }
      for flag in ["single_word", "lstrip", "rstrip"] where item[flag]?.flag == true {
        throw failure("\(key).\(flag)", "is not supported", value: "true")
      }
      let bytes = Array(content.utf8)
      let isNormalized = item["normalized"]?.flag ?? false
      let pattern = isNormalized ? normalizer.normalize(bytes[...]) : bytes
      guard !pattern.isEmpty else { throw failure(key, "is nothing behind normalisation") }
      added.append(
        .init(content: bytes, number: number, pattern: pattern, isNormalized: isNormalized))
    }
    return added.sorted { ($1.pattern.count, $0.number) < ($0.pattern.count, $1.number) }
  }
}

extension JSONValue {
  /// An integer or a decimal.
  fileprivate var real: Double? {
    switch self {
    case .integer(let number): Double(number)
    case .decimal(let number): number
    default: nil
    }
  }
}

import Documents

/// What the tokens of a vocabulary are made of, and how they become text again.
enum TokenAlphabet: Hashable, Sendable {
  /// Bytes, each written as a character that stands for it.
  case bytes
  /// Characters as they are.
  case characters(Characters)

  struct Characters: Hashable, Sendable {
    /// The tokens of single bytes, for characters that the vocabulary lacks; none without fallback.
    var byteTokens: [Int?] = []
    /// The token of a character that has no other; nil where there is none.
    var unknown: Int?
    /// Several unknown characters in a row are one token.
    var fusesUnknown = false
    /// What decoding puts in place of parts of a token, one after the other.
    var replacements: [Replacement] = []
    /// Tokens such as `<0x0A>` become the byte.
    var decodesBytes = false
    /// The mark that the first token of a text loses in decoding, wherever it has it.
    var markLostAtStart: [UInt8]?
    /// What is taken away in front of a decoded text, and how often at most.
    var prefix: [UInt8] = []
    var prefixCount = 0
  }

  struct Replacement: Hashable, Sendable {
    var found: [UInt8]
    var other: [UInt8]
  }

  /// The bytes of a token as the vocabulary writes it; nil if a character stands for none.
  func bytes(ofWritten token: String) -> [UInt8]? {
    switch self {
    case .bytes: ByteAlphabet.bytes(of: token)
    case .characters: Array(token.utf8)
    }
  }

  /// The text that a token stands for within others.
  func text(of token: [UInt8]) -> [UInt8] {
    guard case .characters(let characters) = self else { return token }
    if characters.decodesBytes, let byte = Self.byte(of: token) { return [byte] }
    return characters.replacements.reduce(token) { $0.replacing($1.found, by: $1.other) }
  }

  /// Whether a token stands for another text at the beginning of others.
  var losesMarkAtStart: Bool {
    if case .characters(let characters) = self { characters.markLostAtStart != nil } else { false }
  }

  /// The text that a token stands for at the beginning of others.
  func textAtStart(of token: [UInt8]) -> [UInt8] {
    guard case .characters(let characters) = self, let mark = characters.markLostAtStart else {
      return text(of: token)
    }
    return text(of: token.replacing(mark, by: []))
  }

  /// A decoded text without what decoding takes away in front.
  func withoutPrefix(_ text: [UInt8]) -> [UInt8] {
    guard case .characters(let characters) = self, !characters.prefix.isEmpty else { return text }
    var rest = text[...]
    for _ in 0..<characters.prefixCount where rest.starts(with: characters.prefix) {
      rest = rest.dropFirst(characters.prefix.count)
    }
    return Array(rest)
  }

  /// The tokens of a word before any are merged.
  func symbols(
    of word: [UInt8], _ numberOfToken: [[UInt8]: Int]
  ) throws(ConfigurationError) -> [Int] {
    var symbols: [Int] = []
    symbols.reserveCapacity(word.count)
    guard case .characters(let characters) = self else {
      for byte in word {
        guard let number = numberOfToken[[byte]] else { throw Self.missing("byte \(byte)") }
        symbols.append(number)
      }
      return symbols
    }
    var isBehindUnknown = false
    for scalar in String(decoding: word, as: UTF8.self).unicodeScalars {
      let bytes = Array(String(scalar).utf8)
      let single = bytes.compactMap { byte in
        characters.byteTokens.isEmpty ? nil : characters.byteTokens[Int(byte)]
      }
      let number = numberOfToken[bytes]
      if let number {
        symbols.append(number)
      } else if single.count == bytes.count {
        symbols += single
      } else if let unknown = characters.unknown {
        if !(isBehindUnknown && characters.fusesUnknown) { symbols.append(unknown) }
      } else {
        throw Self.missing("character \(String(scalar).debugDescription)")
      }
      isBehindUnknown = number == nil && single.count != bytes.count
    }
    return symbols
  }

  /// The token of a piece of text that was chosen whole, or what stands for an unknown one.
  func tokens(
    of piece: ArraySlice<UInt8>, _ numberOfToken: [[UInt8]: Int]
  ) throws(ConfigurationError) -> [Int] {
    if let number = numberOfToken[Array(piece)] { return [number] }
    guard case .characters(let characters) = self else { throw Self.missing("text") }
    if !characters.byteTokens.isEmpty {
      let single = piece.compactMap { characters.byteTokens[Int($0)] }
      if single.count == piece.count { return single }
    }
    if let unknown = characters.unknown { return [unknown] }
    throw Self.missing("text \(String(decoding: piece, as: UTF8.self).debugDescription)")
  }

  static func missing(_ what: String) -> ConfigurationError {
    ConfigurationError(
      file: "tokenizer", rule: "has no token for the \(what), which the text holds")
  }

  /// The byte that a token such as `<0x0A>` stands for.
  static func byte(of token: [UInt8]) -> UInt8? {
    guard token.count == 6, token.starts(with: Array("<0x".utf8)), token[5] == UInt8(ascii: ">")
    else { return nil }
    return UInt8(String(decoding: token[3..<5], as: UTF8.self), radix: 16)
  }

  /// How the token of a byte is written.
  static func written(_ byte: UInt8) -> [UInt8] {
    let digits = String(byte, radix: 16, uppercase: true)
    return Array("<0x\(digits.count == 1 ? "0" : "")\(digits)>".utf8)
  }
}

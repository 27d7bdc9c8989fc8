import Documents
import Foundation

/// Reads the parts of a `tokenizer.json`, and refuses by name what is not supported.
struct TokenizerReading {
  let path: String
  let value: JSONValue

  private func failure(_ key: String, _ rule: String, value: String? = nil) -> ConfigurationError {
    ConfigurationError(file: path, keyPath: key, value: value, rule: rule)
  }

  /// Whether text is brought into Unicode's form NFC.
  func normalizes() throws(ConfigurationError) -> Bool {
    try normalizes(value["normalizer"] ?? .null)
  }

  private func normalizes(_ part: JSONValue) throws(ConfigurationError) -> Bool {
    guard part != .null else { return false }
    switch part["type"]?.text {
    case "NFC": return true
    case "Sequence":
      var result = false
      for part in part["normalizers"]?.items ?? [] {
        let own = try normalizes(part)
        result = result || own
      }
      return result
    case let type:
      throw failure("normalizer", "only NFC is supported", value: type ?? "")
    }
  }

  /// How text is cut before byte pairs are merged.
  func preTokenizer() throws(ConfigurationError) -> PreTokenizer {
    var cuts: [PreTokenizer.Cut] = []
    var addsSpace = false
    var isByteLevel = false
    let part = value["pre_tokenizer"] ?? .null
    let parts = part["type"]?.text == "Sequence" ? part["pretokenizers"]?.items ?? [] : [part]
    for part in parts {
      switch part["type"]?.text {
      case "ByteLevel":
        isByteLevel = true
        addsSpace = addsSpace || part["add_prefix_space"]?.flag ?? true
        if part["use_regex"]?.flag ?? true {
          cuts.append(try cut(PreTokenizer.byteLevelPattern))
        }
      case "Digits":
        let single = part["individual_digits"]?.flag ?? false
        cuts.append(try cut(single ? #"\p{N}"# : #"\p{N}+"#))
      case "Split": cuts.append(try split(part))
      case let type:
        throw failure(
          "pre_tokenizer", "only ByteLevel, Split, Digits and sequences of them are supported",
          value: type ?? "")
      }
    }
    guard isByteLevel else { throw failure("pre_tokenizer", "only byte-level ones are supported") }
    return PreTokenizer(cuts: cuts, addsSpace: addsSpace)
  }

  private func split(_ part: JSONValue) throws(ConfigurationError) -> PreTokenizer.Cut {
    guard part["behavior"]?.text == "Isolated", part["invert"]?.flag != true else {
      throw failure(
        "pre_tokenizer.behavior", "only Isolated without invert is supported",
        value: part["behavior"]?.text)
    }
    if let text = part["pattern"]?["String"]?.text {
      return try cut(NSRegularExpression.escapedPattern(for: text))
    }
    guard let pattern = part["pattern"]?["Regex"]?.text else {
      throw failure("pre_tokenizer.pattern", "expected a String or a Regex")
    }
    return try cut(pattern)
  }

  private func cut(_ pattern: String) throws(ConfigurationError) -> PreTokenizer.Cut {
    guard let cut = PreTokenizer.Cut(pattern: pattern) else {
      throw failure("pre_tokenizer.pattern", "cannot be read as a pattern", value: pattern)
    }
    return cut
  }

  /// Refuses models of other kinds; whether words that are tokens are taken whole.
  func checkModel() throws(ConfigurationError) -> Bool {
    guard let model = value["model"], model["type"]?.text ?? "BPE" == "BPE" else {
      throw failure("model.type", "only BPE is supported", value: value["model"]?["type"]?.text)
    }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
      guard model[key]?.text ?? "" == "" else { throw failure("model.\(key)", "is not supported") }
    }
    guard model["byte_fallback"]?.flag != true else {
      throw failure("model.byte_fallback", "is not supported", value: "true")
    }
    if let dropout = model["dropout"], dropout != .null, dropout != .decimal(0) {
      throw failure("model.dropout", "is not supported")
    }
    return model["ignore_merges"]?.flag ?? false
  }

  /// Largest token number that is accepted, far above any vocabulary.
  static let largestNumber = 1 << 24

  /// The numbers of tokens by their bytes.
  func vocabulary() throws(ConfigurationError) -> [[UInt8]: Int] {
    guard let entries = value["model"]?["vocab"]?.entries, !entries.isEmpty else {
      throw failure("model.vocab", "is missing")
    }
    let addedNames = Set((value["added_tokens"]?.items ?? []).compactMap { $0["content"]?.text })
    var vocabulary: [[UInt8]: Int] = [:]
    for entry in entries {
      guard let number = entry.value.number, 0...Self.largestNumber ~= number else {
        throw failure("model.vocab", "a token's number is not one", value: entry.key)
      }
      guard let bytes = ByteAlphabet.bytes(of: entry.key) else {
        // Added tokens may be listed here too, in plain text.
        if addedNames.contains(entry.key) { continue }
        throw failure(
          "model.vocab", "a token holds a character that stands for no byte", value: entry.key)
      }
      vocabulary[bytes] = number
    }
    return vocabulary
  }

  /// The merges in order, as pairs of token numbers.
  func merges(
    _ vocabulary: [[UInt8]: Int]
  ) throws(ConfigurationError) -> [BytePairs.Pair: BytePairs.Merge] {
    guard let items = value["model"]?["merges"]?.items else {
      throw failure("model.merges", "is missing")
    }
    var merges: [BytePairs.Pair: BytePairs.Merge] = [:]
    for (rank, item) in items.enumerated() {
      let sides =
        item.items?.compactMap(\.text)
        ?? (item.text ?? "").split(separator: " ", maxSplits: 1).map(String.init)
      guard sides.count == 2, let left = ByteAlphabet.bytes(of: sides[0]),
        let right = ByteAlphabet.bytes(of: sides[1]), let a = vocabulary[left],
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
  func added() throws(ConfigurationError) -> [BytePairTokenizer.Added] {
    var added: [BytePairTokenizer.Added] = []
    for (index, item) in (value["added_tokens"]?.items ?? []).enumerated() {
      let key = "added_tokens[\(index)]"
      guard let content = item["content"]?.text, !content.isEmpty,
        let number = item["id"]?.number, 0...Self.largestNumber ~= number
      else { throw failure(key, "has no content or no id") }
      for flag in ["single_word", "lstrip", "rstrip"] where item[flag]?.flag == true {
        throw failure("\(key).\(flag)", "is not supported", value: "true")
      }
      added.append(.init(content: Array(content.utf8), number: number))
    }
    return added.sorted { ($1.content.count, $0.number) < ($0.content.count, $1.number) }
  }
}

/// The characters by which byte-level vocabularies write bytes down.
///
/// Printable characters of Latin-1 stand for themselves; the other 68 bytes, in order, for the
/// characters from U+0100 on (GPT-2's `bytes_to_unicode`).
enum ByteAlphabet {
  private static let byteOfScalar: [UInt32: UInt8] = {
    var result: [UInt32: UInt8] = [:]
    var next: UInt32 = 256
    for byte in 0...UInt8.max {
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: result[UInt32(byte)] = byte
      default:
        result[next] = byte
        next += 1
      }
    }
    return result
  }()

  /// The bytes that a token's characters stand for; nil if one stands for none.
  static func bytes(of token: String) -> [UInt8]? {
    var bytes: [UInt8] = []
    for scalar in token.unicodeScalars {
      guard let byte = byteOfScalar[scalar.value] else { return nil }
      bytes.append(byte)
    }
    return bytes
  }
}

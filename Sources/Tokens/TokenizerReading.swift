import Documents
import Foundation

/// Reads the parts of a `tokenizer.json`, and refuses by name what is not supported.
struct TokenizerReading {
  let path: String
  let value: JSONValue

  func failure(_ key: String, _ rule: String, value: String? = nil) -> ConfigurationError {
    ConfigurationError(file: path, keyPath: key, value: value, rule: rule)
  }

  /// What is done to a text before it is cut.
  func normalizer() throws(ConfigurationError) -> TextNormalizer {
    TextNormalizer(steps: try steps(value["normalizer"] ?? .null))
  }

  private func steps(_ part: JSONValue) throws(ConfigurationError) -> [TextNormalizer.Step] {
    guard part != .null else { return [] }
    switch part["type"]?.text {
    case "NFC": return [.composed]
    case "NFD": return [.decomposed]
    case "NFKC": return [.compatible]
    case "NFKD": return [.compatibleDecomposed]
    case "Prepend":
      guard let text = part["prepend"]?.text else {
        throw failure("normalizer.prepend", "is missing")
      }
      return [.prepend(Array(text.utf8))]
    case "Replace":
      if let pattern = part["pattern"]?["Regex"]?.text, let other = part["content"]?.text {
        return [.replaceMatches(try cut(pattern, "normalizer.pattern"), by: other)]
      }
      let change = try replacement(part, "normalizer")
      return [.replace(change.found, by: change.other)]
    case "Sequence":
      var result: [TextNormalizer.Step] = []
      for part in part["normalizers"]?.items ?? [] { result += try steps(part) }
      return result
    case let type:
      throw failure(
        "normalizer",
        "only NFC, NFD, NFKC, NFKD, Prepend, Replace and sequences of them are supported",
        value: type ?? "")
    }
  }

  /// A part that replaces one text by another; patterns are refused.
  func replacement(
    _ part: JSONValue, _ key: String
  ) throws(ConfigurationError) -> TokenAlphabet.Replacement {
    guard let found = part["pattern"]?["String"]?.text, !found.isEmpty,
      let other = part["content"]?.text
    else { throw failure("\(key).pattern", "only a String with its content is supported") }
    return .init(found: Array(found.utf8), other: Array(other.utf8))
  }

  /// How text is cut before pairs are merged, and whether the vocabulary writes bytes as characters.
  func preTokenizer() throws(ConfigurationError) -> (
    preTokenizer: PreTokenizer, isByteLevel: Bool
  ) {
    var steps: [PreTokenizer.Step] = []
    var addsSpace = false
    var isByteLevel = false
    let part = value["pre_tokenizer"] ?? .null
    guard part != .null else { return (PreTokenizer(steps: [], addsSpace: false), false) }
    let parts = part["type"]?.text == "Sequence" ? part["pretokenizers"]?.items ?? [] : [part]
    for part in parts {
      switch part["type"]?.text {
      case "ByteLevel":
        isByteLevel = true
        addsSpace = addsSpace || part["add_prefix_space"]?.flag ?? true
        if part["use_regex"]?.flag ?? true {
          steps.append(.cut(try cut(PreTokenizer.byteLevelPattern)))
        }
      case "Digits":
        let single = part["individual_digits"]?.flag ?? false
        steps.append(.cut(try cut(single ? #"\p{N}"# : #"\p{N}+"#)))
      case "Split": steps.append(.cut(try split(part)))
      case "Metaspace": steps.append(.spaces(try metaspace(part, "pre_tokenizer")))
      case let type:
        throw failure(
          "pre_tokenizer",
          "only ByteLevel, Metaspace, Split, Digits and sequences of them are supported",
          value: type ?? "")
      }
    }
    let made = PreTokenizer(steps: steps, addsSpace: addsSpace)
    guard isByteLevel != made.marksSpaces else {
      throw failure("pre_tokenizer", "one of ByteLevel and Metaspace is supported, and not both")
    }
    return (made, isByteLevel)
  }

  /// A part that puts marks in place of spaces, or takes them away.
  func metaspace(_ part: JSONValue, _ key: String) throws(ConfigurationError) -> Metaspace {
    guard let mark = part["replacement"]?.text, mark.unicodeScalars.count == 1 else {
      throw failure("\(key).replacement", "expected one character")
    }
    // Older files have a flag in place of three schemes.
    let isNever = part["add_prefix_space"]?.flag == false
    let name = part["prepend_scheme"]?.text ?? (isNever ? "never" : "always")
    guard let scheme = Metaspace.Prepending(rawValue: name), !isNever || scheme == .never else {
      throw failure(
        "\(key).prepend_scheme",
        isNever
          ? "add_prefix_space false says never" : "expected always, first or never", value: name)
    }
    return Metaspace(
      mark: Array(mark.utf8), prepending: scheme, splits: part["split"]?.flag ?? true)
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

  private func cut(
    _ pattern: String, _ key: String = "pre_tokenizer.pattern"
  ) throws(ConfigurationError) -> PreTokenizer.Cut {
    guard let cut = PreTokenizer.Cut(pattern: pattern) else {
      throw failure(key, "cannot be read as a pattern", value: pattern)
    }
    return cut
  }

  /// Whether the model chooses by scores, in place of merging pairs; refuses models of other kinds.
  func isUnigram(isByteLevel: Bool) throws(ConfigurationError) -> Bool {
    switch value["model"]?["type"]?.text {
    case "Unigram":
      guard !isByteLevel else {
        throw failure("model.type", "is not supported with a byte-level pre-tokenizer")
      }
      return true
    case "BPE": return false
    case nil where value["model"] != nil: return false
    case let type: throw failure("model.type", "only BPE and Unigram are supported", value: type)
    }
  }

  /// Refuses what is asked of merges beyond them; whether words that are tokens are taken whole.
  func checkMerging(isByteLevel: Bool) throws(ConfigurationError) -> Bool {
    let model = value["model"] ?? .null
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
      guard model[key]?.text ?? "" == "" else { throw failure("model.\(key)", "is not supported") }
    }
    guard !isByteLevel || model["byte_fallback"]?.flag != true else {
      throw failure(
        "model.byte_fallback", "is not supported with a byte-level pre-tokenizer", value: "true")
    }
    if let dropout = model["dropout"], dropout != .null, dropout != .decimal(0) {
      throw failure("model.dropout", "is not supported")
    }
    return model["ignore_merges"]?.flag ?? false
  }

  /// Largest token number that is accepted, far above any vocabulary.
  static let largestNumber = 1 << 24
}

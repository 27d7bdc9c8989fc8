import Documents
import Foundation

/// Turns text into token numbers and back.
public enum Tokenizer: Sendable {
  /// One token for each byte, numbered by its value.
  case bytes
  /// Merged byte pairs, as a Hugging Face `tokenizer.json` describes them.
  case bytePairs(BytePairTokenizer)

  /// One more than the largest token number.
  public var vocabularySize: Int {
    switch self {
    case .bytes: 256
    case .bytePairs(let tokenizer): tokenizer.vocabularySize
    }
  }

  /// The tokens of a text.
  ///
  /// - Parameter file: the name under which messages speak of the text.
  /// - Throws: `ConfigurationError` where the tokenizer needs UTF-8 and the text is none.
  public func encode(_ text: [UInt8], file: String = "text") throws(ConfigurationError) -> [Int] {
    switch self {
    case .bytes: return text.map(Int.init)
    case .bytePairs(let tokenizer):
      guard let string = String(validating: text, as: UTF8.self) else {
        let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let line = lines.firstIndex { String(validating: $0, as: UTF8.self) == nil }
        throw ConfigurationError(
          file: file, line: line.map { $0 + 1 },
          rule: "is not valid UTF-8, which this tokenizer needs (the tokenizer `bytes` does not)")
      }
      return try tokenizer.encode(string)
    }
  }

  /// The text that tokens stand for, from its beginning on; unknown numbers stand for nothing.
  public func decode(_ tokens: some Sequence<Int>) -> [UInt8] {
    switch self {
    case .bytes: tokens.compactMap { UInt8(exactly: $0) }
    case .bytePairs(let tokenizer): tokenizer.decode(tokens)
    }
  }

  /// What a token adds to a text that has begun.
  public func bytes(of token: Int) -> [UInt8] {
    switch self {
    case .bytes: UInt8(exactly: token).map { [$0] } ?? []
    case .bytePairs(let tokenizer): tokenizer.bytes(of: token)
    }
  }

  /// The token that stands for characters without one of their own; nil where every character has one, or none
  /// is read that has not.
  package var unknown: Int32? {
    guard case .bytePairs(let tokenizer) = self,
      case .characters(let characters) = tokenizer.alphabet
    else { return nil }
    return characters.unknown.map { Int32($0) }
  }

  /// The token that ends a text, if the tokenizer has one by a usual name.
  public var endOfText: Int? {
    switch self {
    case .bytes: nil
    case .bytePairs(let tokenizer): tokenizer.endOfText
    }
  }
}

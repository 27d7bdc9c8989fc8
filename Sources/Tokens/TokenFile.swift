import Documents
import Foundation

/// A file of token numbers, one behind the other without a header, little endian: the layout that
/// nanoGPT uses.
///
/// Windows are read where they lie, through the operating system's page cache, so a file may be
/// larger than memory. Beside a file that sluice wrote lies `NAME.json` with the width of a number and
/// the tokenizer that made them; a file without it has 16 bits each, made by nobody knows what.
public struct TokenFile: Sendable {
  /// The width of a number.
  public enum Width: String, Hashable, Sendable, CaseIterable {
    case unsigned16 = "uint16"
    case unsigned32 = "uint32"

    /// Bytes of a number.
    public var size: Int { self == .unsigned16 ? 2 : 4 }

    /// The narrowest width for a vocabulary.
    public init(vocabulary: Int) { self = vocabulary <= 1 << 16 ? .unsigned16 : .unsigned32 }
  }

  public let width: Width
  /// Numbers in the file.
  public let count: Int
  /// The tokenizer that the file was made by; nil where nothing says it.
  public var tokenizer: NamedTokenizer? {
    get throws(ConfigurationError) { try Self.tokenizer(of: path) }
  }

  private let file: InputFile

  /// The path that the file was opened by.
  public var path: String { file.path }

  /// Opens a file; a width that is given wins over the one written beside the file.
  public init(path: String, width: Width? = nil) throws(ConfigurationError) {
    let described: Int?
    do throws(CheckpointError) {
      file = try InputFile(path: path)
      let description = try TokenFileDescription.beside(path)
      self.width = width ?? description?.width ?? .unsigned16
      described = self.width == description?.width ? description?.tokens : nil
    } catch {
      throw ConfigurationError(file: error.file, rule: error.rule)
    }
    count = file.count / self.width.size
    guard file.count % self.width.size == 0 else {
      throw ConfigurationError(
        file: path,
        rule: "has \(file.count) bytes, which is not a whole number of \(self.width.rawValue)")
    }
    if let tokens = described, tokens != count {
      throw ConfigurationError(
        file: path,
        rule: "has \(count) tokens, and \(TokenFileDescription.path(beside: path)) speaks of "
          + "\(tokens): they do not belong together")
    }
  }

  /// A range of numbers.
  ///
  /// - Throws: `ConfigurationError`, of the status `.storage`, if the file was changed since it was
  ///   opened, or cannot be read any more.
  public func tokens(in range: Range<Int>) throws(ConfigurationError) -> [Int32] {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    let bytes: [UInt8]
    do throws(CheckpointError) {
      try file.checkUnchanged()
      bytes = try file.bytes(at: range.lowerBound * width.size, count: range.count * width.size)
    } catch {
      throw ConfigurationError(file: path, rule: error.rule, status: .storage)
    }
    let size = width.size
    return bytes.withUnsafeBytes { buffer in
      range.indices.map { index in
        let offset = (index - range.lowerBound) * size
        if size == 2 {
          return Int32(
            UInt16(littleEndian: buffer.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
        }
        // A number beyond 31 bits is no token of any vocabulary; it stays recognisable as such.
        return Int32(
          clamping: UInt32(
            littleEndian: buffer.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
      }
    }
  }
}

/// What is written beside a token file.
package struct TokenFileDescription: Hashable, Sendable {
  var width: TokenFile.Width
  /// How many the file has; nil where the description does not say it.
  var tokens: Int?
  /// One more than the largest number that the tokenizer gives.
  var vocabulary: Int?
  /// What the tokenizer was called; nil where the description does not say it.
  var tokenizer: String?
  /// The tokenizer itself, as its `tokenizer.json`; nil for `bytes`.
  var tokenizerText: String?

  /// Whether it says all that sluice writes down, and not the width alone, as people do by hand.
  var isComplete: Bool { tokens != nil && vocabulary != nil && tokenizer != nil }

  package static func path(beside file: String) -> String { file + ".json" }

  /// The description of a file of so many tokens by a tokenizer.
  init(width: TokenFile.Width, tokens: Int, _ named: NamedTokenizer) {
    self.width = width
    self.tokens = tokens
    vocabulary = named.tokenizer.vocabularySize
    tokenizer = named.name
    if case .bytePairs = named.tokenizer {
      tokenizerText = String(decoding: named.json, as: UTF8.self)
    }
  }

  private init(_ value: JSONValue, file: String) throws(CheckpointError) {
    guard let width = value["type"]?.text.flatMap({ TokenFile.Width(rawValue: $0) }) else {
      throw CheckpointError(.damaged, file: file, rule: "its type is neither uint16 nor uint32")
    }
    self.width = width
    (tokens, vocabulary) = (value["tokens"]?.number, value["vocabulary"]?.number)
    (tokenizer, tokenizerText) = (value["tokenizer"]?.text, value["tokenizer_json"]?.text)
  }

  var text: String {
    var lines = ["\"type\": \"\(width.rawValue)\""]
    if let tokens { lines.append("\"tokens\": \(tokens)") }
    if let vocabulary { lines.append("\"vocabulary\": \(vocabulary)") }
    if let tokenizer { lines.append("\"tokenizer\": \(JSONValue.quoted(tokenizer))") }
    if let tokenizerText {
      lines.append("\"tokenizer_json\": \(JSONValue.quoted(tokenizerText))")
    }
    return "{\n  \(lines.joined(separator: ",\n  "))\n}\n"
  }

  /// The description beside a token file; nil if there is none.
  static func beside(_ file: String) throws(CheckpointError) -> TokenFileDescription? {
    let path = path(beside: file)
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let bytes = try InputFile(path: path).allBytes(limit: 2 * NamedTokenizer.largestText)
    return try TokenFileDescription(JSONValue(bytes, of: path), file: path)
  }
}

extension TokenFile {
  /// The tokenizer that a token file was made by; nil where nothing beside it says so.
  static func tokenizer(of path: String) throws(ConfigurationError) -> NamedTokenizer? {
    let beside = TokenFileDescription.path(beside: path)
    let description: TokenFileDescription?
    do throws(CheckpointError) {
      description = try TokenFileDescription.beside(path)
    } catch {
      throw ConfigurationError(file: error.file, rule: error.rule)
    }
    guard let name = description?.tokenizer else { return nil }
    if name == NamedTokenizer.bytes.name { return .bytes }
    guard let text = description?.tokenizerText else { return nil }
    do throws(ConfigurationError) {
      return try NamedTokenizer(Array(text.utf8), name: name)
    } catch {
      throw ConfigurationError(file: beside, keyPath: "tokenizer_json", rule: error.rule)
    }
  }
}

import Documents
import Foundation

/// A file of token numbers, one behind the other without a header, little endian: the layout that
/// nanoGPT uses.
///
/// Windows are read where they lie, through the operating system's page cache, so a file may be
/// larger than memory. Beside a file that sluice wrote lies `NAME.json` with the width of a number;
/// a file without it has 16 bits each.
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
  private let file: InputFile

  /// The path that the file was opened by.
  public var path: String { file.path }

  /// Opens a file; a width that is given wins over the one written beside the file.
  public init(path: String, width: Width? = nil) throws(ConfigurationError) {
    do throws(CheckpointError) {
      file = try InputFile(path: path)
      let description = try TokenFileDescription.beside(path)
      self.width = width ?? description?.width ?? .unsigned16
    } catch {
      throw ConfigurationError(file: error.file, rule: error.rule)
    }
    count = file.count / self.width.size
    guard file.count % self.width.size == 0 else {
      throw ConfigurationError(
        file: path,
        rule: "has \(file.count) bytes, which is not a whole number of \(self.width.rawValue)")
    }
  }

  /// A range of numbers.
  ///
  /// - Throws: `ConfigurationError` if the file has become shorter, or cannot be read any more.
  public func tokens(in range: Range<Int>) throws(ConfigurationError) -> [Int32] {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    let bytes: [UInt8]
    do throws(CheckpointError) {
      bytes = try file.bytes(at: range.lowerBound * width.size, count: range.count * width.size)
    } catch {
      throw ConfigurationError(file: path, rule: error.rule)
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
struct TokenFileDescription: Hashable, Sendable {
  var width: TokenFile.Width
  var tokens: Int
  var vocabulary: Int
  var tokenizer: String

  static func path(beside file: String) -> String { file + ".json" }

  var text: String {
    """
    {
      "type": "\(width.rawValue)",
      "tokens": \(tokens),
      "vocabulary": \(vocabulary),
      "tokenizer": \(JSONValue.quoted(tokenizer))
    }

    """
  }

  /// The description beside a token file; nil if there is none.
  static func beside(_ file: String) throws(CheckpointError) -> TokenFileDescription? {
    let path = path(beside: file)
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let value = try JSONValue(InputFile(path: path).allBytes(limit: 1 << 20), of: path)
    guard let width = value["type"]?.text.flatMap({ TokenFile.Width(rawValue: $0) }) else {
      throw CheckpointError(
        .damaged, file: path, rule: "its type is neither uint16 nor uint32")
    }
    return TokenFileDescription(
      width: width, tokens: value["tokens"]?.number ?? 0,
      vocabulary: value["vocabulary"]?.number ?? 0, tokenizer: value["tokenizer"]?.text ?? "")
  }
}

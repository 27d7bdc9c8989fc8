import Documents
import Foundation

/// Token numbers to train or evaluate on: a stream that is cut into windows, or rows as they are.
public enum TokenData: Sendable {
  case stream(TokenStream)
  /// Sequences of their own, each of at least two tokens.
  case rows([[Int32]], file: String)

  /// How a file is read.
  public enum Form: String, Hashable, Sendable, CaseIterable {
    /// By its name: `.bin` holds tokens, `.json` rows of tokens, anything else is text.
    case automatic = "auto"
    case text, tokens, rows

    /// The form of a file, by its name where it is left open.
    package func resolved(for path: String) -> Form {
      guard self == .automatic else { return self }
      return path.hasSuffix(".bin") ? .tokens : path.hasSuffix(".json") ? .rows : .text
    }
  }

  /// Opens a file, or several texts one behind the other.
  ///
  /// - Parameters:
  ///   - tokenizer: for text.
  ///   - width: of a number in a token file; nil for what is written beside it.
  /// - Throws: `ConfigurationError` for a file that is missing, empty or of another form.
  public static func open(
    _ paths: [String], form: Form = .automatic, tokenizer: Tokenizer = .bytes,
    width: TokenFile.Width? = nil
  ) throws(ConfigurationError) -> TokenData {
    precondition(!paths.isEmpty)
    let path = paths[0]
    let form = form.resolved(for: path)
    if form != .text, paths.count > 1 {
      throw ConfigurationError(file: paths[1], rule: "only texts can be joined to one stream")
    }
    switch form {
    case .tokens:
      let file = try TokenFile(path: path, width: width)
      guard file.count > 0 else { throw ConfigurationError(file: path, rule: "is empty") }
      return .stream(TokenStream(.file(file), range: 0..<file.count, path: path))
    case .rows: return .rows(try rows(path), file: path)
    case .text, .automatic:
      var tokens: [Int32] = []
      for path in paths {
        let bytes = try text(path)
        guard !bytes.isEmpty else { throw ConfigurationError(file: path, rule: "is empty") }
        tokens += try tokenizer.encode(bytes, file: path).map { Int32($0) }
        if paths.count > 1, let end = tokenizer.endOfText { tokens.append(Int32(end)) }
      }
      return .stream(TokenStream(.memory(tokens), range: 0..<tokens.count, path: path))
    }
  }

  /// The largest text that is read at once.
  static let largestText = 1 << 32

  package static func text(_ path: String) throws(ConfigurationError) -> [UInt8] {
    do throws(CheckpointError) {
      return try InputFile(path: path).allBytes(limit: largestText)
    } catch {
      throw ConfigurationError(file: path, rule: error.rule)
    }
  }

  /// A JSON list of lists of token numbers.
  private static func rows(_ path: String) throws(ConfigurationError) -> [[Int32]] {
    func failure(_ place: String, _ rule: String) -> ConfigurationError {
      ConfigurationError(file: path, keyPath: place, rule: rule)
    }
    let bytes = try text(path)
    let value: JSONValue
    do throws(JSONValue.Failure) {
      value = try JSONValue(bytes)
    } catch {
      throw failure("", "\(error.rule), at byte \(error.offset)")
    }
    guard let items = value.items, !items.isEmpty else {
      throw failure("", "expected a list of rows of token numbers")
    }
    var rows: [[Int32]] = []
    for (index, item) in items.enumerated() {
      guard let numbers = item.items, numbers.count >= 2 else {
        throw failure("[\(index)]", "expected a list of at least two token numbers")
      }
      var row: [Int32] = []
      for (place, number) in numbers.enumerated() {
        guard let token = number.number.flatMap({ Int32(exactly: $0) }), token >= 0 else {
          throw failure("[\(index)][\(place)]", "expected a token number")
        }
        row.append(token)
      }
      rows.append(row)
    }
    return rows
  }

  /// Refuses tokens that a vocabulary does not have.
  ///
  /// Reads all of a stream, some 1 GB/s.
  public func check(vocabulary: Int) throws(ConfigurationError) {
    func failure(_ token: Int32, _ place: String) -> ConfigurationError {
      ConfigurationError(
        file: file, keyPath: place, value: String(token),
        rule: "is not a token of the model, whose vocabulary has \(vocabulary)")
    }
    switch self {
    case .rows(let rows, _):
      for (index, row) in rows.enumerated() {
        if let place = row.firstIndex(where: { $0 >= vocabulary }) {
          throw failure(row[place], "[\(index)][\(place)]")
        }
      }
    case .stream(let stream):
      var start = 0
      while start < stream.count {
        let end = min(stream.count, start + 1 << 20)
        let tokens = try stream.tokens(in: start..<end)
        if let place = tokens.firstIndex(where: { $0 >= vocabulary }) {
          throw failure(tokens[place], "token \(start + place)")
        }
        start = end
      }
    }
  }

  /// The file, for messages.
  public var file: String {
    switch self {
    case .stream(let stream): stream.path
    case .rows(_, let file): file
    }
  }
}

/// Consecutive tokens, in memory or in a file.
public struct TokenStream: Sendable {
  enum Storage: Sendable {
    case memory([Int32])
    case file(TokenFile)
  }

  private let storage: Storage
  private let range: Range<Int>
  /// The file that the tokens are from, for messages.
  public let path: String

  init(_ storage: Storage, range: Range<Int>, path: String) {
    self.storage = storage
    self.range = range
    self.path = path
  }

  /// Tokens in memory.
  public init(tokens: [Int32], name: String) {
    self.init(.memory(tokens), range: 0..<tokens.count, path: name)
  }

  /// Tokens in the stream.
  public var count: Int { range.count }

  /// A range of tokens.
  public func tokens(in part: Range<Int>) throws(ConfigurationError) -> [Int32] {
    precondition(part.lowerBound >= 0 && part.upperBound <= count)
    let moved = part.lowerBound + range.lowerBound..<part.upperBound + range.lowerBound
    switch storage {
    case .memory(let tokens): return Array(tokens[moved])
    case .file(let file): return try file.tokens(in: moved)
    }
  }

  /// The stream without its last part, and that part.
  ///
  /// - Parameter share: the share that is cut off, 0 to 1.
  public func holdingOut(_ share: Double) -> (rest: TokenStream, held: TokenStream) {
    let middle = range.upperBound - Int((Double(count) * share).rounded())
    return (
      TokenStream(storage, range: range.lowerBound..<middle, path: path),
      TokenStream(storage, range: middle..<range.upperBound, path: path)
    )
  }
}

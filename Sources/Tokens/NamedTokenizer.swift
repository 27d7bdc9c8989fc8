import Documents
import Foundation

/// A tokenizer under the name that people know it by, with the text that describes it.
///
/// What is written with it, token files and checkpoints, takes the text along, so that it is read by the
/// same tokenizer wherever it is moved.
public struct NamedTokenizer: Sendable {
  /// `bytes`, or the path that it was read from.
  public let name: String
  public private(set) var tokenizer: Tokenizer
  /// The file that it was read from; nil where the program or another file's text describes it.
  public private(set) var file: String?
  /// A Hugging Face `tokenizer.json`; of bytes the one that says the same.
  public let json: [UInt8]

  /// The name of the file in a checkpoint's folder.
  public static let fileName = "tokenizer.json"

  /// One token for each byte.
  public static let bytes = NamedTokenizer(name: "bytes", tokenizer: .bytes, json: byteLevelText)

  private init(name: String, tokenizer: Tokenizer, json: [UInt8]) {
    self.name = name
    self.tokenizer = tokenizer
    self.json = json
  }

  /// The tokenizer called `bytes`, or the one of a `tokenizer.json` or of a folder with one.
  ///
  /// - Throws: `ConfigurationError` for a file that is none, or that asks for something that is not
  ///   supported, which it names.
  public init(named nameOrPath: String) throws(ConfigurationError) {
    guard let path = Self.file(named: nameOrPath) else {
      self = .bytes
      return
    }
    let json: [UInt8]
    do throws(CheckpointError) {
      json = try InputFile(path: path).allBytes(limit: Self.largestText)
    } catch {
      throw ConfigurationError(file: path, rule: error.rule)
    }
    try self.init(json, name: path)
    file = path
    guard case .bytePairs(var pairs) = tokenizer else { return }
    let folder = URL(filePath: path).deletingLastPathComponent().path
    do throws(ConfigurationError) {
      pairs.chat = try ChatTemplate(inFolder: folder).map { .success($0) }
    } catch {
      pairs.chat = .failure(error)
    }
    // Where the file cannot be read, messages say so: nothing else needs it.
    pairs.specialTokens = (try? ChatTemplate.tokens(inFolder: folder)) ?? [:]
    tokenizer = .bytePairs(pairs)
  }

  /// What lies beside it and a checkpoint takes along, so that its model is shown conversations the same way
  /// and ends what it says: the chat template, if it is known, and the names of special tokens.
  package var filesBeside: [(name: String, text: String)] {
    guard case .bytePairs(let pairs) = tokenizer else { return [] }
    var files: [(name: String, text: String)] = []
    if let chat = try? pairs.chat?.get() { files.append((ChatTemplate.fileName, chat.text)) }
    if !pairs.specialTokens.isEmpty {
      files.append(
        (
          ChatTemplate.configurationName, ChatTemplate.configurationText(pairs.specialTokens)
        ))
    }
    return files
  }

  /// The file that a name or path stands for; nil for `bytes`, which needs none.
  package static func file(named nameOrPath: String) -> String? {
    if nameOrPath == "bytes" { return nil }
    var isFolder: ObjCBool = false
    _ = FileManager.default.fileExists(atPath: nameOrPath, isDirectory: &isFolder)
    return isFolder.boolValue ? "\(nameOrPath)/\(fileName)" : nameOrPath
  }

  /// The tokenizer that a text describes; messages speak of it as `name`.
  public init(_ json: [UInt8], name: String) throws(ConfigurationError) {
    let pairs = try BytePairTokenizer(json, path: name)
    self = pairs.isBytes ? .bytes : Self(name: name, tokenizer: .bytePairs(pairs), json: json)
  }

  /// The tokenizer in a folder; nil where there is none.
  public init?(inFolder folder: String) throws(ConfigurationError) {
    guard FileManager.default.fileExists(atPath: "\(folder)/\(Self.fileName)") else { return nil }
    try self.init(named: folder)
  }

  static let largestText = 1 << 28

  /// Whether the same text has the same tokens by both.
  public func isEqual(to other: NamedTokenizer) -> Bool {
    switch (tokenizer, other.tokenizer) {
    case (.bytes, .bytes): true
    case (.bytePairs(let mine), .bytePairs(let theirs)):
      json == other.json || mine.fingerprint == theirs.fingerprint
    default: false
    }
  }

  /// Refuses what was encoded by one tokenizer where another one is at work.
  ///
  /// - Parameters:
  ///   - file: what the message is about.
  ///   - key: that of the file which it is about, if it is about one.
  ///   - owner: who has the other tokenizer.
  package func require(
    _ other: NamedTokenizer?, of owner: String, for file: String, at key: String = ""
  ) throws(ConfigurationError) {
    guard let other, !isEqual(to: other) else { return }
    throw ConfigurationError(
      file: file, keyPath: key,
      rule:
        "has the tokenizer \(named(beside: other)), and \(owner) has \(other.named(beside: self))"
    )
  }

  /// The name, with a checksum where the other one is called the same.
  private func named(beside other: NamedTokenizer) -> String {
    guard name == other.name, case .bytePairs(let pairs) = tokenizer else { return name }
    return "\(name) (\(pairs.fingerprint))"
  }

  /// A vocabulary of the 256 bytes by their values, without merges.
  private static let byteLevelText: [UInt8] = {
    let tokens = (0...UInt8.max).map {
      "\(JSONValue.quoted(String(ByteAlphabet.character(of: $0)))): \($0)"
    }
    return Array(
      """
      {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
        "post_processor": null,
        "decoder": {"type": "ByteLevel"},
        "model": {
          "type": "BPE",
          "vocab": {\(tokens.joined(separator: ", "))},
          "merges": []
        }
      }

      """.utf8)
  }()
}

import Documents
import Foundation

/// How a chat model is shown a conversation: the template that lies beside its tokenizer, written in a
/// part of Jinja.
///
/// Read as transformers' `apply_chat_template` reads it: `chat_template.jinja`, else `chat_template` of
/// `tokenizer_config.json` (of several the one called `default`), with the special tokens that the latter
/// names. The day's date is not given to it, so that a text is the same every day.
public struct ChatTemplate: Sendable {
  /// The file that it was read from, for messages.
  public let file: String
  /// As it is written.
  public let text: String
  /// By name, the special tokens that it may ask for: `bos_token`.
  public let tokens: [String: String]
  private let statements: [TemplateStatement]

  /// The name of the file that holds nothing but a template.
  package static let fileName = "chat_template.jinja"
  /// The name of the file that names special tokens.
  package static let configurationName = "tokenizer_config.json"

  /// Reads a template.
  ///
  /// - Throws: `ConfigurationError` for what is not known, with the template's line.
  public init(
    _ text: String, file: String, tokens: [String: String] = [:]
  ) throws(ConfigurationError) {
    (self.text, self.file, self.tokens) = (text, file, tokens)
    do throws(TemplateFailure) {
      statements = try TemplateParser.statements(of: text)
    } catch {
      throw ConfigurationError(
        file: file, line: error.line > 0 ? error.line : nil, rule: error.rule)
    }
  }

  /// The text of a conversation.
  ///
  /// - Parameters:
  ///   - messages: each with `role` and `content`, and whatever else the template asks for.
  ///   - isPrompt: ends where the assistant's next message begins.
  ///   - tools: what a model may call, if anything.
  /// - Throws: `ConfigurationError` for what is not known, or what the template itself refuses.
  public func text(
    of messages: [JSONValue], isPrompt: Bool, tools: JSONValue = .null
  ) throws(ConfigurationError) -> String {
    var given = tokens.mapValues { TemplateValue.string($0) }
    given["messages"] = .list(messages.map { TemplateValue($0.withoutNulls) })
    given["add_generation_prompt"] = .boolean(isPrompt)
    given["tools"] = TemplateValue(tools)
    given["documents"] = TemplateValue.none
    do throws(TemplateFailure) {
      return try TemplateRun.text(of: statements, given)
    } catch {
      throw ConfigurationError(
        file: file, line: error.line > 0 ? error.line : nil, rule: error.rule)
    }
  }

  /// A conversation in parts: what is said to the assistant, and what the assistant says to that.
  ///
  /// - Returns: one text where each message is written the same whatever follows it. A template that writes
  ///   earlier messages another way once later ones are there (some leave out thoughts) gives one text for
  ///   each answer, as the assistant is shown the conversation that leads to it.
  /// - Throws: as `text`; also where the template writes what stands in front of an answer another way
  ///   once the answer is there, so that the whole is not what the assistant was shown.
  func parts(
    of messages: [JSONValue], tools: JSONValue = .null
  ) throws(ConfigurationError) -> [[(text: String, isPredicted: Bool)]] {
    typealias Part = (text: String, isPredicted: Bool)
    var whole: [Part] = []
    var written: [UInt8]? = []
    var answers: [[Part]] = []
    for (index, message) in messages.enumerated() where message["role"]?.text == "assistant" {
      let before = try text(of: Array(messages[..<index]), isPrompt: true, tools: tools)
      let after = try text(of: Array(messages[...index]), isPrompt: false, tools: tools)
      guard let answer = Self.rest(of: after, behind: Array(before.utf8)) else {
        throw ConfigurationError(
          file: file,
          rule: "writes what stands in front of an answer another way once the answer is there: "
            + "write such lines out as prompt and completion")
      }
      answers.append([(before, false), (answer, true)])
      if let question = written.flatMap({ Self.rest(of: before, behind: $0) }) {
        whole += [(question, false), (answer, true)]
        written = Array(after.utf8)
      } else {
        written = nil
      }
    }
    let texts = written == nil ? answers : [whole]
    return texts.map { $0.filter { !$0.text.isEmpty } }
  }

  /// What a text has behind its beginning; nil where it begins otherwise.
  private static func rest(of text: String, behind beginning: [UInt8]) -> String? {
    let all = Array(text.utf8)
    guard all.starts(with: beginning) else { return nil }
    return String(decoding: all[beginning.count...], as: UTF8.self)
  }
}

extension ChatTemplate {
  /// The template in a tokenizer's folder; nil where there is none.
  ///
  /// - Throws: `ConfigurationError` for files that cannot be read.
  init?(inFolder folder: String) throws(ConfigurationError) {
    let path = "\(folder)/\(Self.configurationName)"
    let configuration = try Self.configuration(inFolder: folder)
    let tokens = Self.tokens(of: configuration)
    if let text = try Self.text(Self.fileName, inFolder: folder) {
      try self.init(text, file: "\(folder)/\(Self.fileName)", tokens: tokens)
      return
    }
    guard let own = Self.template(of: configuration) else { return nil }
    try self.init(own, file: path, tokens: tokens)
  }

  private static func text(
    _ name: String, inFolder folder: String
  ) throws(ConfigurationError) -> String? {
    let path = "\(folder)/\(name)"
    return FileManager.default.fileExists(atPath: path) ? try textFile(path) : nil
  }

  /// What `tokenizer_config.json` of a folder says; an empty table where there is none.
  private static func configuration(
    inFolder folder: String
  ) throws(ConfigurationError) -> JSONValue {
    guard let text = try text(configurationName, inFolder: folder) else { return .table([]) }
    do throws(JSONValue.Failure) {
      return try JSONValue(Array(text.utf8))
    } catch {
      throw ConfigurationError(file: "\(folder)/\(configurationName)", rule: error.rule)
    }
  }

  /// By name, the special tokens that `tokenizer_config.json` of a folder names.
  static func tokens(inFolder folder: String) throws(ConfigurationError) -> [String: String] {
    tokens(of: try configuration(inFolder: folder))
  }

  private static func template(of configuration: JSONValue) -> String? {
    guard let own = configuration["chat_template"] else { return nil }
    let named = own.items?.first { $0["name"]?.text == "default" }
    return own.text ?? named?["template"]?.text
  }

  /// Special tokens, each a text or a table with its `content`.
  private static func tokens(of configuration: JSONValue) -> [String: String] {
    var tokens: [String: String] = [:]
    for entry in configuration.entries ?? [] where entry.key.hasSuffix("_token") {
      tokens[entry.key] = entry.value.text ?? entry.value["content"]?.text
    }
    return tokens
  }

  /// The text of a `tokenizer_config.json` that names special tokens.
  static func configurationText(_ tokens: [String: String]) -> String {
    let entries = tokens.sorted { $0.key < $1.key }.map {
      JSONValue.Entry(key: $0.key, value: .string($0.value))
    }
    return JSONValue.table(entries).compact + "\n"
  }
}

extension JSONValue {
  /// A table without the keys that say nothing, as transformers hands messages over.
  fileprivate var withoutNulls: JSONValue {
    guard case .table(let entries) = self else { return self }
    return .table(entries.filter { $0.value != .null })
  }
}

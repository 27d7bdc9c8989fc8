import Documents

/// Messages of a line, as a model is shown them: by the chat template beside its tokenizer, else in ChatML.
package struct Conversation {
  /// Tokens that are to be predicted or not.
  typealias Part = (tokens: [Int32], isPredicted: Bool)

  private let line: JSONLines.Line
  private let messages: [JSONValue]
  private let tokenizer: Tokenizer
  private let ends: CompletionEnds.Ends

  /// What ends a message in ChatML.
  static let endMark = "<|im_end|>"

  /// The messages of a line.
  ///
  /// - Throws: `ConfigurationError` that names file, line and key.
  package init(
    _ line: JSONLines.Line, _ tokenizer: Tokenizer, _ ends: CompletionEnds
  ) throws(ConfigurationError) {
    guard let messages = line.value["messages"]?.items, !messages.isEmpty else {
      throw line.error("expected a list of messages", at: "messages")
    }
    for (index, message) in messages.enumerated() where message["role"]?.text == nil {
      throw line.error("expected {role: …, content: …}", at: "messages[\(index)]")
    }
    if tokenizer.chat == nil {
      try line.refuseTools("without a chat template, which would write them (ChatML has none)")
    }
    (self.line, self.messages, self.tokenizer) = (line, messages, tokenizer)
    self.ends = ends.ofTexts
  }

  /// What the assistant is to be shown before it speaks.
  ///
  /// - Throws: `ConfigurationError` where the assistant has spoken last.
  package func prompt() throws(ConfigurationError) -> [Int32] {
    guard messages.last?["role"]?.text != "assistant" else {
      throw line.error(
        "ends with a message of the assistant: a prompt ends where its next one begins",
        at: "messages[\(messages.count - 1)]")
    }
    guard let chat = tokenizer.chat else {
      return try chatML().flatMap(\.tokens) + encoded("<|im_start|>assistant\n")
    }
    do throws(ConfigurationError) {
      return try encoded(chat.get().text(of: messages, isPrompt: true, tools: tools))
    } catch {
      throw line.error("\(error)", at: "messages")
    }
  }

  /// What is shown and what is learnt, in several texts where a template writes earlier messages another way
  /// once later ones are there.
  func demonstrations() throws(ConfigurationError) -> [[Part]] {
    guard messages.contains(where: { $0["role"]?.text == "assistant" }) else {
      throw line.error("has no message of the assistant, which would be learnt", at: "messages")
    }
    guard let chat = tokenizer.chat else { return [try chatML()] }
    do throws(ConfigurationError) {
      var texts: [[Part]] = []
      for written in try chat.get().parts(of: messages, tools: tools) {
        var parts: [Part] = []
        for part in written {
          let tokens = try encoded(part.text)
          parts += part.isPredicted ? answer(tokens) : [(tokens, false)]
        }
        texts.append(parts)
      }
      return texts
    } catch {
      throw line.error("\(error)", at: "messages")
    }
  }

  private var tools: JSONValue { line.value["tools"] ?? .null }

  private func encoded(_ text: String) throws(ConfigurationError) -> [Int32] {
    try tokenizer.encode(Array(text.utf8), file: line.file).map { Int32($0) }
  }

  /// What the assistant says is learnt with the token that ends it: what a template puts behind that, nobody
  /// asks the model for.
  private func answer(_ tokens: [Int32]) -> [Part] {
    guard let end = tokens.firstIndex(where: ends.all.contains) else { return [(tokens, true)] }
    return [(Array(tokens[...end]), true), (Array(tokens[(end + 1)...]), false)]
  }

  /// Messages in the form that chat models of OpenAI and Qwen read (ChatML); those of the assistant are
  /// predicted.
  ///
  /// Bytes spell the marks out, and none of them ends anything: the byte 0 stands in front of the mark.
  private func chatML() throws(ConfigurationError) -> [Part] {
    guard tokenizer.readsChatML else {
      throw line.error(
        "needs a tokenizer with a chat template beside it (chat_template.jinja, tokenizer_config.json), "
          + "or with the tokens <|im_start|> and \(Self.endMark) (ChatML)", at: "messages")
    }
    var parts: [Part] = []
    for (index, message) in messages.enumerated() {
      guard let role = message["role"]?.text, let content = message["content"]?.text else {
        throw line.error("expected {role: …, content: …}", at: "messages[\(index)]")
      }
      parts.append((try encoded("<|im_start|>\(role)\n"), false))
      let behind = "\(Self.endMark)\n"
      if role != "assistant" {
        parts.append((try encoded(content + behind), false))
      } else if case .bytes = tokenizer {
        parts.append((try encoded(content) + [try ends.required(in: line.file)], true))
        parts.append((try encoded(behind), false))
      } else {
        parts += answer(try encoded(content + behind))
      }
    }
    return parts
  }
}

extension JSONLines.Line {
  /// Refuses tools that nobody would be shown.
  func refuseTools(_ place: String) throws(ConfigurationError) {
    guard let tools = value["tools"], tools != .null, tools.items?.isEmpty != true else { return }
    throw error("has no effect \(place)", at: "tools")
  }

  /// A text as its tokens, or a list of tokens as it is.
  package func tokens(_ key: String, _ tokenizer: Tokenizer) throws(ConfigurationError) -> [Int32] {
    guard let items = value[key]?.items else {
      return try tokenizer.encode(Array(text(key).utf8), file: file).map { Int32($0) }
    }
    var tokens: [Int32] = []
    for item in items {
      guard let token = item.number.flatMap({ Int32(exactly: $0) }), token >= 0 else {
        throw error("expected a text, or a list of token numbers", at: key)
      }
      tokens.append(token)
    }
    return tokens
  }
}

extension Tokenizer {
  /// How conversations are shown to its models, where something beside it says that.
  var chat: Result<ChatTemplate, ConfigurationError>? {
    if case .bytePairs(let tokenizer) = self { tokenizer.chat } else { nil }
  }

  /// Whether messages in ChatML are what its models know.
  ///
  /// ChatML's marks are tokens of it, and there is none of Phi-4's form, which has `<|im_sep|>` where
  /// ChatML has a line end. Bytes spell all marks out.
  package var readsChatML: Bool {
    guard case .bytePairs(let tokenizer) = self else { return true }
    func has(_ mark: String) -> Bool {
      tokenizer.added.contains { $0.content == Array(mark.utf8) }
    }
    return has("<|im_start|>") && has(Conversation.endMark) && !has("<|im_sep|>")
  }

  /// A question as the chat template beside the tokenizer shows it to a model; nil where there is none.
  package func chatPrompt(_ question: String) throws(ConfigurationError) -> [Int]? {
    guard let chat else { return nil }
    let message = JSONValue.table([
      .init(key: "role", value: .string("user")), .init(key: "content", value: .string(question)),
    ])
    return try encode(Array(chat.get().text(of: [message], isPrompt: true).utf8))
  }
}

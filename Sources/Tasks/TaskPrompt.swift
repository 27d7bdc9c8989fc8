import Documents

/// A question put to a model, with what rules need to judge the answer.
public struct TaskPrompt: Hashable, Sendable {
  /// What the model is given.
  public let text: String
  /// A table of what stands beside the text in its line: the right `answer`, a `script`, whatever the
  /// rules of the run ask for.
  public let fields: JSONValue

  public init(text: String, fields: JSONValue) {
    (self.text, self.fields) = (text, fields)
  }

  /// What stands in a field; nil where there is none, or `null`, as which others write a value that is missing.
  subscript(field: String) -> JSONValue? { fields[field].flatMap { $0 == .null ? nil : $0 } }

  /// A field as text: a text as it is, anything else as JSON.
  ///
  /// - Throws: `RewardFailure` where the prompt has no such field, or nothing in it.
  func text(of field: String) throws(RewardFailure) -> String {
    guard let value = self[field] else {
      throw RewardFailure("the prompt has no field \(printable(field))")
    }
    return value.text ?? value.compact
  }
}

extension TaskPrompt {
  /// The prompts of a JSON Lines file: one table a line, `prompt` its text, all other keys fields.
  ///
  /// - Throws: `ConfigurationError` that names file, line and key.
  public static func read(_ path: String) throws(ConfigurationError) -> [TaskPrompt] {
    var prompts: [TaskPrompt] = []
    for line in try JSONLines.read(path) { prompts.append(try TaskPrompt(line)) }
    guard !prompts.isEmpty else { throw ConfigurationError(file: path, rule: "has no prompts") }
    return prompts
  }

  /// The prompt that a line describes.
  public init(_ line: JSONLines.Line) throws(ConfigurationError) {
    let text = try line.text("prompt")
    guard !text.isEmpty else { throw line.error("must not be empty", at: "prompt") }
    self.init(text: text, line)
  }

  /// The prompt that a line gives otherwise than as a text, with the line's other fields.
  public init(text: String, _ line: JSONLines.Line) {
    let others = (line.value.entries ?? []).filter { $0.key != "prompt" }
    self.init(text: text, fields: .table(others))
  }

  /// The prompt as a table, `prompt` first.
  public var line: JSONValue {
    .table([.init(key: "prompt", value: .string(text))] + (fields.entries ?? []))
  }
}

/// A completion of a prompt, to be judged.
public struct TaskAnswer: Hashable, Sendable {
  public let prompt: TaskPrompt
  public let completion: String

  public init(prompt: TaskPrompt, completion: String) {
    (self.prompt, self.completion) = (prompt, completion)
  }
}

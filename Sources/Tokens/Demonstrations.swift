import Documents
import Quantities

/// A prompt with its completion, as tokens: what a model is shown.
public struct Demonstration: Hashable, Sendable {
  public var tokens: [Int32]
  /// By token, whether it is of the completion and so to be predicted.
  public var isPredicted: [Bool]

  /// Tokens of a demonstration with as many marks.
  public init(tokens: [Int32], isPredicted: [Bool]) {
    precondition(tokens.count == isPredicted.count && !tokens.isEmpty)
    self.tokens = tokens
    self.isPredicted = isPredicted
  }
}

/// Demonstrations of one or several files, in an endless order that a seed gives.
public struct Demonstrations: Sendable {
  /// Files with their demonstrations; one where all count alike.
  private let files: [[Demonstration]]
  /// The share of each file in the order.
  private let shares: [Double]
  package let seed: UInt64?
  /// The first file, for messages.
  public let file: String
  /// What tells them from others.
  package let identity: String
  /// Demonstrations in all files.
  public let count: Int

  /// Reads JSON Lines of `prompt` and `completion`, or of `messages`.
  ///
  /// - Parameters:
  ///   - weights: how often those of each file are taken; empty where all count alike.
  ///   - length: positions of a sequence, in which each demonstration must fit.
  ///   - vocabulary: tokens of the model.
  ///   - seed: from where the order comes; nil for that of the files.
  /// - Throws: `ConfigurationError` with file, line and key.
  public init(
    _ paths: [String], weights: [Double] = [], length: Int, tokenizer: Tokenizer,
    vocabulary: Int = .max, seed: UInt64?
  ) throws(ConfigurationError) {
    precondition(weights.isEmpty || weights.count == paths.count)
    var read: [[Demonstration]] = []
    for path in paths {
      var own: [Demonstration] = []
      for line in try JSONLines.read(path) {
        for made in try Demonstration.all(of: line, tokenizer) {
          guard made.tokens.count <= length + 1 else {
            throw line.error(
              "has \(made.tokens.count) tokens, and plan.sequence-length \(length) has room for "
                + "\(length + 1)")
          }
          if let token = made.tokens.first(where: { $0 >= vocabulary }) {
            throw line.error("its token \(token) is not one of the model's \(vocabulary)")
          }
          own.append(made)
        }
      }
      guard !own.isEmpty else {
        throw ConfigurationError(file: path, rule: "has no demonstrations")
      }
      read.append(own)
    }
    var sum = Checksum()
    for demonstration in read.joined() {
      demonstration.tokens.withUnsafeBytes { sum.add($0) }
      sum.add(demonstration.isPredicted.map { $0 ? 1 : 0 })
    }
    count = read.reduce(0) { $0 + $1.count }
    identity = "demonstrations \(count) \(sum.text)"
    files = weights.isEmpty ? [Array(read.joined())] : read
    shares = weights.isEmpty ? [1] : weights.map { $0 / weights.reduce(0, +) }
    self.seed = seed
    file = paths[0]
  }

  /// The order of demonstrations from its beginning on.
  struct Order: Sendable {
    private let demonstrations: Demonstrations
    private var taken: [Int]
    private var count = 0
    private var order: SeededPermutation?
    private var orders: [SeededPermutation?]

    init(_ demonstrations: Demonstrations) {
      self.demonstrations = demonstrations
      taken = Array(repeating: 0, count: demonstrations.files.count)
      orders = Array(repeating: nil, count: demonstrations.files.count)
    }

    /// The next one: of the file that is furthest behind its share, each of a file's once before any
    /// comes again.
    mutating func next() -> Demonstration {
      count += 1
      var file = 0
      for index in taken.indices where lag(index) > lag(file) { file = index }
      let own = demonstrations.files[file]
      let (pass, place) = taken[file].quotientAndRemainder(dividingBy: own.count)
      taken[file] += 1
      guard let seed = demonstrations.seed else { return own[place] }
      if place == 0 || orders[file] == nil {
        orders[file] = SeededPermutation(
          count: own.count, seed: seed, stream: UInt64(file) << 32 | UInt64(pass))
      }
      return own[orders[file]?[place] ?? place]
    }

    private func lag(_ file: Int) -> Double {
      demonstrations.shares[file] * Double(count) - Double(taken[file])
    }
  }
}

extension Demonstration {
  /// What a line shows: `prompt` and `completion`, each a text or a list of tokens, or `messages`, which a
  /// chat template may write in several texts.
  static func all(
    of line: JSONLines.Line, _ tokenizer: Tokenizer
  ) throws(ConfigurationError) -> [Demonstration] {
    let texts: [[Part]]
    if line.value["messages"] != nil {
      guard line.value["completion"] == nil else {
        throw line.error(
          "stands beside messages, and one of the two forms would be passed over: give one of them",
          at: "completion")
      }
      let messages = try Self.messages(line)
      if let chat = tokenizer.chat {
        texts = try parts(messages, line, tokenizer, by: chat)
      } else {
        try refuseTools(line, "without a chat template, which would write them (ChatML has none)")
        texts = [try parts(messages, line, tokenizer)]
      }
    } else {
      try refuseTools(line, "beside prompt and completion, which say all that is shown")
      let prompt = try line.tokens("prompt", tokenizer)
      let completion = try line.tokens("completion", tokenizer)
      guard !prompt.isEmpty else { throw line.error("must not be empty", at: "prompt") }
      texts = [[(prompt, false), (completion, true)]]
    }
    let end = try tokenizer.completionEnd(in: line.file)
    return texts.map { Demonstration($0, end: end) }
  }

  /// Refuses tools that nobody would be shown.
  private static func refuseTools(
    _ line: JSONLines.Line, _ place: String
  ) throws(ConfigurationError) {
    guard let tools = line.value["tools"], tools != .null, tools.items?.isEmpty != true else {
      return
    }
    throw line.error("has no effect \(place)", at: "tools")
  }

  /// Tokens that are to be predicted or not.
  private typealias Part = (tokens: [Int32], isPredicted: Bool)

  /// Parts one behind the other, and the token that ends a completion.
  private init(_ parts: [Part], end: Int32) {
    tokens = parts.flatMap(\.tokens)
    isPredicted = parts.flatMap { Array(repeating: $0.isPredicted, count: $0.tokens.count) }
    // Some templates end what the assistant says with it.
    guard tokens.last != end || isPredicted.last == false else { return }
    tokens.append(end)
    isPredicted.append(true)
  }

  private static func messages(_ line: JSONLines.Line) throws(ConfigurationError) -> [JSONValue] {
    guard let messages = line.value["messages"]?.items, !messages.isEmpty else {
      throw line.error("expected a list of messages", at: "messages")
    }
    for (index, message) in messages.enumerated() where message["role"]?.text == nil {
      throw line.error("expected {role: …, content: …}", at: "messages[\(index)]")
    }
    guard messages.contains(where: { $0["role"]?.text == "assistant" }) else {
      throw line.error("has no message of the assistant, which would be learnt", at: "messages")
    }
    return messages
  }

  /// Messages as the template of the tokenizer's models writes them.
  private static func parts(
    _ messages: [JSONValue], _ line: JSONLines.Line, _ tokenizer: Tokenizer,
    by chat: Result<ChatTemplate, ConfigurationError>
  ) throws(ConfigurationError) -> [[Part]] {
    do throws(ConfigurationError) {
      var texts: [[Part]] = []
      for written in try chat.get().parts(of: messages, tools: line.value["tools"] ?? .null) {
        var parts: [Part] = []
        for part in written {
          let tokens = try tokenizer.encode(Array(part.text.utf8), file: line.file)
          parts.append((tokens.map { Int32($0) }, part.isPredicted))
        }
        texts.append(parts)
      }
      return texts
    } catch {
      throw line.error("\(error)", at: "messages")
    }
  }

  /// Messages in the form that chat models of OpenAI and Qwen read (ChatML); those of the assistant are
  /// predicted.
  private static func parts(
    _ messages: [JSONValue], _ line: JSONLines.Line, _ tokenizer: Tokenizer
  ) throws(ConfigurationError) -> [Part] {
    guard tokenizer.readsChatML else {
      throw line.error(
        "needs a tokenizer with a chat template beside it (chat_template.jinja, tokenizer_config.json), "
          + "or with the tokens <|im_start|> and <|im_end|> (ChatML)", at: "messages")
    }
    var parts: [Part] = []
    for (index, message) in messages.enumerated() {
      guard let role = message["role"]?.text, let content = message["content"]?.text else {
        throw line.error("expected {role: …, content: …}", at: "messages[\(index)]")
      }
      func add(_ text: String, _ isPredicted: Bool) throws(ConfigurationError) {
        let tokens = try tokenizer.encode(Array(text.utf8), file: line.file).map { Int32($0) }
        parts.append((tokens, isPredicted))
      }
      try add("<|im_start|>\(role)\n", false)
      try add("\(content)<|im_end|>", role == "assistant")
      try add("\n", false)
    }
    return parts
  }
}

extension JSONLines.Line {
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
  /// The token that ends a completion: the one that ends a text; of bytes the byte 0, which no text has.
  public var completionEnd: Int? {
    switch self {
    case .bytes: 0
    case .bytePairs(let tokenizer): tokenizer.endOfText
    }
  }

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
    return has("<|im_start|>") && has("<|im_end|>") && !has("<|im_sep|>")
  }

  /// The token that ends a completion.
  package func completionEnd(in file: String) throws(ConfigurationError) -> Int32 {
    guard let end = completionEnd else {
      throw ConfigurationError(
        file: file, rule: "needs a tokenizer with a token that ends a text, such as <|endoftext|>")
    }
    return Int32(end)
  }
}

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
  /// What people should know of the files.
  package let notices: [String]

  /// Reads JSON Lines of `prompt` and `completion`, or of `messages`.
  ///
  /// - Parameters:
  ///   - weights: how often those of each file are taken; empty where all count alike.
  ///   - length: positions of a sequence, in which each demonstration must fit.
  ///   - ends: what ends completions; nil for what the tokenizer says by itself.
  ///   - vocabulary: tokens of the model.
  ///   - seed: from where the order comes; nil for that of the files.
  /// - Throws: `ConfigurationError` with file, line and key.
  public init(
    _ paths: [String], weights: [Double] = [], length: Int, tokenizer: Tokenizer,
    ends: CompletionEnds? = nil, vocabulary: Int = .max, seed: UInt64?
  ) throws(ConfigurationError) {
    precondition(weights.isEmpty || weights.count == paths.count)
    let ends = ends ?? CompletionEnds(of: tokenizer, vocabulary: vocabulary)
    var read: [[Demonstration]] = []
    var notices: [String] = []
    for path in paths {
      var own: [Demonstration] = []
      var unknown = UnknownCharacters(of: "demonstrations", in: path)
      for line in try JSONLines.read(path) {
        for made in try Demonstration.all(of: line, tokenizer, ends) {
          guard made.tokens.count <= length + 1 else {
            throw line.error(
              "has \(made.tokens.count) tokens, and plan.sequence-length \(length) has room for "
                + "\(length + 1)")
          }
          if let token = made.tokens.first(where: { $0 >= vocabulary }) {
            throw line.error("its token \(token) is not one of the model's \(vocabulary)")
          }
          try made.check(line, tokenizer)
          unknown.look(at: made.tokens, of: line, tokenizer)
          own.append(made)
        }
      }
      guard !own.isEmpty else {
        throw ConfigurationError(file: path, rule: "has no demonstrations")
      }
      read.append(own)
      notices += [unknown.notice].compactMap(\.self)
    }
    var sum = Checksum()
    for demonstration in read.joined() {
      demonstration.tokens.withUnsafeBytes { sum.add($0) }
      sum.add(demonstration.isPredicted.map { $0 ? 1 : 0 })
    }
    self.notices = notices
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
    of line: JSONLines.Line, _ tokenizer: Tokenizer, _ ends: CompletionEnds
  ) throws(ConfigurationError) -> [Demonstration] {
    guard line.value["messages"] == nil else {
      for key in ["prompt", "completion"] where line.value[key] != nil {
        throw line.error(
          "stands beside messages, and one of the two forms would be passed over: give one of them",
          at: key)
      }
      var made: [Demonstration] = []
      for parts in try Conversation(line, tokenizer, ends).demonstrations() {
        made.append(try Demonstration(parts, ends.ofTexts, line))
      }
      return made
    }
    try line.refuseTools("beside prompt and completion, which say all that is shown")
    let prompt = try line.tokens("prompt", tokenizer)
    let completion = try line.tokens("completion", tokenizer)
    guard !prompt.isEmpty else { throw line.error("must not be empty", at: "prompt") }
    let isNumbers = line.value["completion"]?.items != nil
    return [
      try Demonstration(
        [(prompt, false), (completion, true)], isNumbers ? ends.ofNumbers : ends.ofTexts, line)
    ]
  }

  /// Refuses a text that the model would learn to say with characters that the tokenizer has no token for.
  fileprivate func check(
    _ line: JSONLines.Line, _ tokenizer: Tokenizer
  ) throws(ConfigurationError) {
    let key = line.value["messages"] == nil ? "completion" : "messages"
    guard let unknown = tokenizer.unknown, line.value[key]?.items == nil || key == "messages",
      zip(tokens, isPredicted).contains(where: { $0 == unknown && $1 })
    else { return }
    throw line.error(
      "has characters that the tokenizer has no token for: the model would learn to leave them out",
      at: key)
  }

  /// Parts one behind the other up to the last that is learnt, and the token that ends a completion where none
  /// does yet.
  private init(
    _ parts: [Conversation.Part], _ ends: CompletionEnds.Ends, _ line: JSONLines.Line
  ) throws(ConfigurationError) {
    let last = parts.lastIndex { $0.isPredicted } ?? parts.count - 1
    tokens = parts[...last].flatMap(\.tokens)
    isPredicted = parts[...last].flatMap {
      Array(repeating: $0.isPredicted, count: $0.tokens.count)
    }
    let isEnded = tokens.last.map(ends.all.contains) ?? false
    guard !isEnded || isPredicted.last == false else { return }
    tokens.append(try ends.required(in: line.file))
    isPredicted.append(true)
  }
}

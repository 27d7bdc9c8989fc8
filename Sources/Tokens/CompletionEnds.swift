import Documents
import Foundation

/// The tokens that end what a model says, as its folder declares them.
public struct CompletionEnds: Hashable, Sendable {
  /// Those of texts, or of lists of token numbers.
  public struct Ends: Hashable, Sendable {
    /// The one that is put behind a completion which none ends yet; nil where nobody names one.
    public let learnt: Int32?
    /// Each of them ends a completion that is made.
    public let all: Set<Int32>

    init(_ numbers: [Int]) {
      learnt = numbers.first.map { Int32($0) }
      all = Set(numbers.map { Int32($0) })
    }
  }

  public let ofTexts: Ends
  /// Those of lists of numbers, which the tokenizer `bytes` has not made.
  public let ofNumbers: Ends

  /// The ends of a tokenizer's texts.
  ///
  /// In the order in which they are put behind completions: `eos_token` of `tokenizer_config.json`, the name
  /// that GPT-2, Llama or DeepSeek have for it, those that the model's description declares, the token that
  /// ends an assistant's turn in the chat template or in ChatML. Of `bytes` the byte 0, which no text has; of
  /// numbers beside it those that are declared.
  ///
  /// - Parameters:
  ///   - declared: `eos_token_id` of the model's description. What is no token of the model, or one that texts
  ///     are made of, says nothing of ends and is passed over.
  ///   - vocabulary: tokens of the model.
  public init(of tokenizer: Tokenizer, declared: [Int] = [], vocabulary: Int = .max) {
    let declared = declared.filter { 0 <= $0 && $0 < min(vocabulary, Int(Int32.max)) }
    switch tokenizer {
    case .bytes:
      ofTexts = Ends([0])
      ofNumbers = Ends(declared.isEmpty ? [0] : declared)
    case .bytePairs(let pairs):
      let named = [pairs.declaredEnd, pairs.endOfText].compactMap(\.self)
      let own = named + declared.filter { number in pairs.added.contains { $0.number == number } }
      ofTexts = Ends(own + [tokenizer.turnEnd].compactMap(\.self))
      ofNumbers = ofTexts
    }
  }
}

extension CompletionEnds.Ends {
  /// The token that is put behind a completion.
  ///
  /// - Throws: `ConfigurationError` about a file where nothing names one.
  package func required(in file: String) throws(ConfigurationError) -> Int32 {
    guard let learnt else {
      throw ConfigurationError(
        file: file,
        rule: "needs a tokenizer with a token that ends a text, such as <|endoftext|>, or one that "
          + "eos_token (tokenizer_config.json) or eos_token_id (config.json) names")
    }
    return learnt
  }
}

extension CompletionEnds {
  /// The name of the file beside a model that says how it is asked for text.
  package static let generationFile = "generation_config.json"

  /// The numbers that a model's files declare as ends, `eos_token_id` of each: one, or a list of them.
  ///
  /// - Parameters:
  ///   - configuration: the model's `config.json`.
  ///   - folder: where `generation_config.json` may lie.
  /// - Throws: `ConfigurationError` for something else than numbers.
  package static func declared(
    by configuration: [UInt8], inFolder folder: String?
  ) throws(ConfigurationError) -> [Int] {
    var numbers: [Int] = []
    let place = folder.map { "\($0)/" } ?? ""
    if let text = try generationText(inFolder: folder) {
      numbers += try ends(Array(text.utf8), "\(place)\(generationFile)")
    }
    numbers += try ends(configuration, "\(place)config.json")
    return numbers
  }

  /// The text of the file that says how a folder's model is asked; nil where there is none.
  package static func generationText(
    inFolder folder: String?
  ) throws(ConfigurationError) -> String? {
    guard let path = folder.map({ "\($0)/\(generationFile)" }),
      FileManager.default.fileExists(atPath: path)
    else { return nil }
    return try textFile(path)
  }

  private static func ends(
    _ bytes: [UInt8], _ file: String
  ) throws(ConfigurationError) -> [Int] {
    let value: JSONValue
    do throws(JSONValue.Failure) {
      value = try JSONValue(bytes)
    } catch {
      throw ConfigurationError(file: file, rule: error.rule)
    }
    let found = value["eos_token_id"] ?? value["text_config"]?["eos_token_id"] ?? .null
    guard found != .null else { return [] }
    let numbers = (found.items ?? [found]).map(\.number)
    guard !numbers.contains(nil) else {
      throw ConfigurationError(
        file: file, keyPath: "eos_token_id", rule: "expected a token's number, or a list of them")
    }
    return numbers.compactMap(\.self)
  }
}

extension Tokenizer {
  /// The token that ends an assistant's turn, by the chat template beside it, or else in ChatML; nil where
  /// none does.
  var turnEnd: Int? {
    guard case .bytePairs(let pairs) = self else { return nil }
    guard let chat else {
      let mark = Array(Conversation.endMark.utf8)
      return readsChatML ? pairs.added.first { $0.content == mark }?.number : nil
    }
    let word = "sluice"
    func message(_ role: String) -> JSONValue {
      .table([
        .init(key: "role", value: .string(role)), .init(key: "content", value: .string(word)),
      ])
    }
    guard let template = try? chat.get(),
      let text = try? template.text(of: [message("user"), message("assistant")], isPrompt: false),
      let last = text.ranges(of: word).last,
      let tokens = try? encode(Array(text[last.upperBound...].utf8))
    else { return nil }
    return tokens.first { token in pairs.added.contains { $0.number == token } }
  }
}

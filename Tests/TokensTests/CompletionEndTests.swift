import Documents
import Foundation
import TestSupport
import Testing
import Tokens

/// What ends a completion: as a folder's files declare it, and once.
@Suite struct CompletionEndTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  /// ChatML as Qwen's template writes it: a line end behind the mark that ends a turn.
  private static let template =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
    + "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

  /// Bytes with added tokens from 300 on, and what lies beside them.
  private func tokenizer(_ names: [String], _ configuration: String? = nil) throws -> Tokenizer {
    let added = names.enumerated().map { number, name in
      "{\"id\": \(300 + number), \"content\": \"\(name)\", \"special\": true}"
    }
    let text = String(decoding: NamedTokenizer.bytes.json, as: UTF8.self).replacingOccurrences(
      of: "\"added_tokens\": []", with: "\"added_tokens\": [\(added.joined(separator: ", "))]")
    let path = try folder.write(text, to: "tokenizer.json")
    if let configuration { _ = try folder.write(configuration, to: "tokenizer_config.json") }
    return try NamedTokenizer(named: path).tokenizer
  }

  private static let marks = ["<|im_start|>", "<|im_end|>"]

  private var qwen: String {
    "{\"chat_template\": \(JSONValue.quoted(Self.template)), \"eos_token\": \"<|im_end|>\"}"
  }

  /// The token that is put behind completions, and all that end one that is made.
  @Test func everyDeclarationCounts() throws {
    #expect(CompletionEnds(of: .bytes).ofTexts.all == [0])
    // Numbers that nobody's tokenizer made end as the model's description says.
    let numbers = CompletionEnds(of: .bytes, declared: [2, 50_256], vocabulary: 97)
    #expect(numbers.ofNumbers.all == [2] && numbers.ofNumbers.learnt == 2)
    #expect(numbers.ofTexts.all == [0])
    for (names, configuration, learnt, all) in [
      (["<|endoftext|>"] + Self.marks, qwen, 302, [300, 302]),
      (["<|endoftext|>"] + Self.marks, "{}", 300, [300, 302]),
      (["<eos>"], "{\"eos_token\": \"<eos>\"}", 300, [300]),
      (["<eos>"], "{\"eos_token\": {\"content\": \"<eos>\"}}", 300, [300]),
      (Self.marks, "{}", 301, [301]),
      // A token of the template alone: Llama 3's turns end by another token than its texts.
      (
        ["<|end_of_text|>", "<|eot_id|>"],
        "{\"chat_template\": \"{% for m in messages %}{{ m.content }}<|eot_id|>{% endfor %}\"}",
        300,
        [300, 301]
      ),
    ] as [([String], String, Int32, Set<Int32>)] {
      let ends = CompletionEnds(of: try tokenizer(names, configuration)).ofTexts
      #expect(ends.learnt == learnt && ends.all == all, "\(names) \(configuration)")
    }
    // What is declared is a token that ends, not one that texts are made of.
    let plain = try tokenizer(["<eos>"], "{}")
    #expect(CompletionEnds(of: plain, declared: [65, 300]).ofTexts.all == [300])
    #expect(CompletionEnds(of: plain, declared: [65]).ofTexts.learnt == nil)
    #expect(CompletionEnds(of: plain, declared: [300], vocabulary: 256).ofTexts.all.isEmpty)
  }

  @Test func aModelsFilesDeclareThem() throws {
    func declared(_ configuration: String, _ generation: String?) throws -> [Int] {
      if let generation { _ = try folder.write(generation, to: "generation_config.json") }
      return try CompletionEnds.declared(by: Array(configuration.utf8), inFolder: folder.path)
    }
    #expect(try declared("{\"eos_token_id\": 2}", nil) == [2])
    #expect(try declared("{\"eos_token_id\": [2, 3]}", nil) == [2, 3])
    #expect(try declared("{\"text_config\": {\"eos_token_id\": 4}}", nil) == [4])
    #expect(try declared("{\"eos_token_id\": null}", nil) == [])
    #expect(try declared("{\"eos_token_id\": 2}", "{\"eos_token_id\": [7, 8]}") == [7, 8, 2])
    for text in ["{\"eos_token_id\": \"</s>\"}", "{\"eos_token_id\": [1, \"</s>\"]}"] {
      let error = #expect(throws: ConfigurationError.self) { try declared("{}", text) }
      let said = "\(try #require(error))"
      #expect(said.contains("generation_config.json") && said.contains("eos_token_id"), "\(said)")
    }
  }

  /// What of a line is learnt, in texts, and whether nothing stands behind it.
  private func learnt(_ line: String, _ tokenizer: Tokenizer) throws -> [String] {
    let path = try folder.write(line + "\n", to: "lines.jsonl")
    let made = try Demonstrations([path], length: 160, tokenizer: tokenizer, seed: nil)
    let sequences = PackedSequences(made, length: 160)
    let marks = try #require(sequences.marks(0)).isPredicted
    var texts: [[Int]] = []
    let last = try #require(marks.lastIndex(of: true))
    try sequences.withSequence(0) { window in
      #expect(last + 2 == window.count || window[last + 2] == -1, "nothing behind what is learnt")
      for position in marks.indices where marks[position] {
        if position == 0 || !marks[position - 1] { texts.append([]) }
        texts[texts.count - 1].append(Int(window[position + 1]))
      }
    }
    return texts.map { String(decoding: tokenizer.decode($0), as: UTF8.self) }
  }

  private static let line =
    #"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, "#
    + #"{"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]}"#

  /// An answer and its turn's end are learnt once, and nothing behind them.
  @Test func anAnswerEndsOnce() throws {
    let names = ["<|endoftext|>"] + Self.marks
    let pair = #"{"prompt": "a", "completion": "b"}"#
    let own = try tokenizer(names, "{}")
    #expect(try learnt(Self.line, own) == ["b<|im_end|>", "d<|im_end|>"])
    #expect(try learnt(pair, own) == ["b<|endoftext|>"])
    let ended = #"{"prompt": "a", "completion": "b<|im_end|>"}"#
    #expect(try learnt(ended, own) == ["b<|im_end|>"])
    #expect(try learnt(Self.line, .bytes) == ["b\0", "d\0"])
    let asked = Self.line.replacingOccurrences(
      of: "\"d\"}", with: #""d"}, {"role": "user", "content": "e"}"#)
    #expect(try learnt(asked, own) == ["b<|im_end|>", "d<|im_end|>"])
    let templated = try tokenizer(names, qwen)
    #expect(try learnt(Self.line, templated) == ["b<|im_end|>", "d<|im_end|>"])
    #expect(try learnt(pair, templated) == ["b<|im_end|>"])
  }

  /// A prompt ends where the assistant's answer begins, as demonstrations have it there.
  @Test func aPromptIsWhatStandsInFrontOfAnAnswer() throws {
    let names = ["<|endoftext|>"] + Self.marks
    let question = #"{"messages": [{"role": "user", "content": "a"}]}"#
    func prompt(_ line: String, _ tokenizer: Tokenizer) throws -> String {
      let path = try folder.write(line + "\n", to: "prompts.jsonl")
      let ends = CompletionEnds(of: tokenizer)
      let tokens = try Conversation(JSONLines.read(path)[0], tokenizer, ends).prompt()
      return String(decoding: tokenizer.decode(tokens.map { Int($0) }), as: UTF8.self)
    }
    let text = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n"
    #expect(try prompt(question, .bytes) == text)
    let plain = try tokenizer(names, "{}")
    #expect(try prompt(question, plain) == text)
    #expect(try plain.chatPrompt("a") == nil)
    let templated = try tokenizer(names, qwen)
    #expect(try prompt(question, templated) == text)
    let shown = try #require(try templated.chatPrompt("a"))
    #expect(String(decoding: templated.decode(shown), as: UTF8.self) == text)
    let error = #expect(throws: ConfigurationError.self) { try prompt(Self.line, templated) }
    #expect("\(try #require(error))".contains("messages[3]"))
  }

  /// A checkpoint takes along what ends its model's completions, with a template and without one.
  @Test func aCheckpointTakesTheEndsAlong() throws {
    for configuration in [qwen, "{\"eos_token\": \"<|im_end|>\"}"] {
      _ = try tokenizer(["<|endoftext|>"] + Self.marks, configuration)
      let named = try NamedTokenizer(named: folder.file("tokenizer.json"))
      let other = try ScratchFolder()
      _ = try other.write(named.json, to: "tokenizer.json")
      for file in named.filesBeside { _ = try other.write(file.text, to: file.name) }
      let again = try NamedTokenizer(named: other.file("tokenizer.json"))
      #expect(CompletionEnds(of: again.tokenizer) == CompletionEnds(of: named.tokenizer))
      #expect(try again.tokenizer.chatPrompt("a") == named.tokenizer.chatPrompt("a"))
    }
  }
}

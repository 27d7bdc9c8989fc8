import Documents
import MessagePassing
import Models
import Plans
import TestSupport
import Testing
import Tokens
import Training

/// Demonstrations: what of them is learnt, and that packing them changes nothing.
@Suite struct DemonstrationTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  private func demonstrations(_ texts: [(String, String)], length: Int) throws -> Demonstrations {
    let lines = texts.map { "{\"prompt\": \"\($0)\", \"completion\": \"\($1)\"}\n" }
    let path = try folder.write(lines.joined(), to: "demonstrations.jsonl")
    return try Demonstrations([path], length: length, tokenizer: .bytes, seed: nil)
  }

  private static let texts = [
    ("1+2=", "3"), ("20+30=", "50"), ("7=", "[7]7"), ("123456789+1=", "123456790"), ("4-4=", "0"),
  ]

  /// Rows of one demonstration each.
  private final class Alone: SequenceSource {
    let rows: [(tokens: [Int32], marks: SequenceMarks)]

    init(_ texts: [(String, String)], length: Int) {
      rows = texts.map { prompt, completion in
        let tokens = (Array(prompt.utf8) + Array(completion.utf8) + [0]).map { Int32($0) }
        let filling = [Int32](repeating: -1, count: length + 1 - tokens.count)
        let first = prompt.utf8.count - 1
        return (
          tokens + filling,
          SequenceMarks(
            isPredicted: (0..<length).map { $0 >= first && $0 < tokens.count - 1 })
        )
      }
    }

    func withSequence(_ index: Int, _ body: (UnsafeBufferPointer<Int32>) -> Void) {
      rows[index].tokens.withUnsafeBufferPointer(body)
    }
    func marks(_ index: Int) -> SequenceMarks? { rows[index].marks }
    func labelCount(module: Int) -> Int? {
      rows.reduce(0) { $0 + $1.marks.isPredicted.count { $0 } }
    }
    func followedTokens() -> Int? {
      rows.reduce(0) { $0 + $1.tokens.count { $0 >= 0 } - 1 }
    }
  }

  /// Loss and gradients of a step, with all sequences on one rank.
  private func step(
    _ model: ReferenceModel, _ source: @escaping @Sendable () throws -> any SequenceSource,
    sequences: Int, length: Int, balance: Double = 0, joined: Double = 0
  ) throws -> (loss: Double, balance: Double, loads: [[Int]], gradients: [[Float]]) {
    try withRanksAsThreads(1) { communicator in
      var plan = Plan()
      plan.globalBatch = sequences
      plan.sequenceLength = length
      plan.precision = .float32
      var setting = TrainingSetting()
      setting.balanceWeight = balance
      var architecture = model.architecture
      architecture.joinedBalance = joined
      let trainer = try RankTrainer(
        architecture, plan, communicator, try source(), setting)
      try model.load(trainer)
      let result = try trainer.step(learningRate: 0)
      return (
        result.loss, result.balanceLoss, result.expertLoads,
        trainer.slices.compactMap { trainer.gradient($0).map { Array($0) } }
      )
    }[0]
  }

  @Test(arguments: ["gpt2-tiny", "llama-tiny", "deepseek-v3-tiny"])
  func packedEqualsUnpacked(name: String) throws {
    let model = try ReferenceModel(name)
    let made = try demonstrations(Self.texts, length: 30)
    let packed = try step(
      model,
      {
        let sequences = PackedSequences(made, length: 30)
        sequences.batch = 2
        return sequences
      }, sequences: 2, length: 30)
    let alone = try step(
      model, { Alone(Self.texts, length: 30) }, sequences: 5, length: 30)
    // 6 + 9 + 7 tokens, then 22 + 6, of 31 each.
    #expect(PackedSequences(made, length: 30).countOfOnePass() == 2)
    #expect(abs(packed.loss - alone.loss) <= 1e-6)
    for (a, b) in zip(packed.gradients, alone.gradients) {
      let largest = b.map(abs).max() ?? 0
      let difference = zip(a, b).map { abs($0 - $1) }.max() ?? .infinity
      #expect(difference <= 1e-5 * max(largest, 1e-3))
    }
  }

  /// Neither packing nor filling moves routers: loads and balance loss are those of rows without filling.
  ///
  /// Every token counts alike. A loss over all layers is over what a microbatch has, packed or not.
  @Test(arguments: [(0.5, 0.0, [5, 6, 11, 12]), (0.0, 0.5, [5, 6, 9])])
  func fillingCountsNowhere(balance: Double, joined: Double, lengths: [Int]) throws {
    let model = try ReferenceModel("deepseek-v3-tiny")
    // Six tokens each: rows of five positions hold one, those of eleven two, without filling.
    let made = try demonstrations((1...4).map { ("\($0)+\($0)=", "\(2 * $0)") }, length: 30)
    let all = try lengths.map { length in
      let count = PackedSequences(made, length: length).countOfOnePass()
      return try step(
        model,
        {
          let sequences = PackedSequences(made, length: length)
          sequences.batch = count
          return sequences
        }, sequences: count, length: length, balance: balance, joined: joined)
    }
    #expect(all[0].balance > 0)
    // Five tokens of four demonstrations, each to as many experts as there are.
    let chosen = try #require(model.architecture.feedForwards.compactMap(\.mixture).first)
    for found in all {
      #expect(abs(found.balance - all[0].balance) <= 1e-6 * all[0].balance)
      #expect(found.loads == all[0].loads)
      for counts in found.loads where counts.contains(where: { $0 > 0 }) {
        #expect(counts.reduce(0, +) == 20 * chosen.expertsPerToken)
      }
    }
  }

  @Test func completionsAloneAreLearnt() throws {
    let made = try demonstrations(Self.texts, length: 30)
    let sequences = PackedSequences(made, length: 30)
    var learnt: [[UInt8]] = []
    for row in 0..<2 {
      let marks = try #require(sequences.marks(row))
      try sequences.withSequence(row) { window in
        for position in 0..<30 where marks.isPredicted[position] {
          let isNew = position == 0 || !marks.isPredicted[position - 1]
          if isNew { learnt.append([]) }
          learnt[learnt.count - 1].append(UInt8(window[position + 1]))
        }
      }
    }
    #expect(learnt == Self.texts.map { Array($0.1.utf8) + [0] })
  }

  /// Files are taken by their weights, each demonstration as often as the others of its file.
  @Test func filesAreMixedByWeight() throws {
    let line = { (text: String) in "{\"prompt\": \"\(text)=\", \"completion\": \"\(text)\"}\n" }
    let paths = try [["a", "b"], ["c", "d"]].enumerated().map { index, texts in
      try folder.write(texts.map(line).joined(), to: "\(index).jsonl")
    }
    let made = try Demonstrations(
      paths, weights: [1, 3], length: 4, tokenizer: .bytes, seed: 5)
    let sequences = PackedSequences(made, length: 4)
    var counts: [UInt8: Int] = [:]
    for number in 0..<80 {
      sequences.position = number
      try sequences.withSequence(0) { counts[UInt8($0[0]), default: 0] += 1 }
    }
    let a = UInt8(ascii: "a")
    #expect(counts == [a: 10, a + 1: 10, a + 2: 30, a + 3: 30])
  }

  /// Without weights lines count, not files.
  @Test func linesAreAlikeWithoutWeights() throws {
    let line = { (text: String) in "{\"prompt\": \"\(text)=\", \"completion\": \"\(text)\"}\n" }
    let paths = try [["a"], ["b", "c", "d"]].enumerated().map { index, texts in
      try folder.write(texts.map(line).joined(), to: "\(index).jsonl")
    }
    let made = try Demonstrations(paths, length: 4, tokenizer: .bytes, seed: 5)
    let sequences = PackedSequences(made, length: 4)
    var counts: [UInt8: Int] = [:]
    for number in 0..<80 {
      sequences.position = number
      try sequences.withSequence(0) { counts[UInt8($0[0]), default: 0] += 1 }
    }
    #expect(counts.count == 4 && counts.values.allSatisfy { $0 == 20 })
  }

  /// Characters without a token: what would be learnt without them is refused, what is read is said.
  @Test func unknownCharactersAreSaid() throws {
    let tokenizer = try NamedTokenizer(
      named: folder.write(
        """
        {"added_tokens": [{"id": 0, "content": "<|endoftext|>"}, {"id": 1, "content": "<unk>"}],
         "normalizer": null, "pre_tokenizer": null, "decoder": {"type": "Fuse"},
         "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": false, "byte_fallback": false,
          "vocab": {"<|endoftext|>": 0, "<unk>": 1, "a": 2, "b": 3}, "merges": []}}
        """, to: "characters.json")
    ).tokenizer
    func read(_ text: String) throws -> Demonstrations {
      let path = try folder.write(text, to: "lines.jsonl")
      return try Demonstrations([path], length: 9, tokenizer: tokenizer, seed: nil)
    }
    let good = "{\"prompt\": \"a\", \"completion\": \"b\"}\n"
    let unread = "{\"prompt\": \"ax\", \"completion\": \"b\"}\n"
    #expect(try read(good).notices == [])
    let notices = try read(good + unread + unread).notices
    #expect(notices.count == 1 && notices[0].contains("2 demonstrations have characters"))
    #expect(notices[0].hasSuffix("the first is line 2"))
    let error = #expect(throws: ConfigurationError.self) {
      try read(good + "{\"prompt\": \"a\", \"completion\": \"bx\"}\n")
    }
    #expect("\(try #require(error))".contains("lines.jsonl:2: completion: has characters"))
    // Numbers say what they mean.
    #expect(try read("{\"prompt\": [2], \"completion\": [1]}\n").count == 1)
  }

  /// Of messages the assistant's are learnt, by a tokenizer that has ChatML's marks as tokens alone.
  @Test func messagesNeedTheMarksOfTheirTemplate() throws {
    let messages =
      #"[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]"#
    let path = try folder.write("{\"messages\": \(messages)}\n", to: "messages.jsonl")
    let text = String(
      decoding: try contents(of: fixture("tokenizers/gpt2.json")), as: UTF8.self)
    func read(_ marks: [String]) throws -> (made: Demonstrations, tokenizer: Tokenizer) {
      let added = marks.enumerated().map { index, mark in
        #"{"id":\#(400 + index),"content":"\#(mark)","single_word":false,"lstrip":false,"#
          + #""rstrip":false,"normalized":false,"special":true},"#
      }
      let list = "\"added_tokens\":["
      let file = try folder.write(
        text.replacing(list, with: list + added.joined()), to: "tokenizer.json")
      let tokenizer = try NamedTokenizer(named: file).tokenizer
      return (try Demonstrations([path], length: 60, tokenizer: tokenizer, seed: nil), tokenizer)
    }
    let marks = ["<|im_start|>", "<|im_end|>"]
    let (made, tokenizer) = try read(marks)
    let sequences = PackedSequences(made, length: 60)
    let predicted = try #require(sequences.marks(0)).isPredicted
    // The mark ends the answer: neither the line end behind it nor another end is learnt.
    let expected = try tokenizer.encode(Array("b".utf8)) + [401]
    try sequences.withSequence(0) { window in
      let learnt = predicted.indices.filter { predicted[$0] }.map { Int(window[$0 + 1]) }
      #expect(learnt == expected)
      #expect(window.count { $0 == 400 } == 2)
    }
    for other in [[], [marks[0]], marks + ["<|im_sep|>"]] {
      let error = #expect(throws: ConfigurationError.self) { try read(other) }
      #expect("\(try #require(error))".contains("<|im_end|> (ChatML)"))
    }
  }

  @Test func badLinesAreNamed() throws {
    func refusal(_ line: String, length: Int = 30) -> String {
      do {
        let path = try folder.write(line, to: "bad.jsonl")
        _ = try Demonstrations([path], length: length, tokenizer: .bytes, seed: nil)
        return "nothing"
      } catch {
        return "\(error)"
      }
    }
    #expect(refusal("{\"prompt\": \"a\"}").contains("completion"))
    #expect(refusal("{\"prompt\": \"\", \"completion\": \"b\"}").contains("must not be empty"))
    #expect(
      refusal("{\"prompt\": \"aaa\", \"completion\": \"b\"}", length: 3).contains("has room for 4"))
    #expect(
      refusal("{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}")
        .contains("no message of the assistant"))
    let asked = "{\"role\": \"user\", \"content\": \"a\"}"
    let said = "{\"role\": \"assistant\", \"content\": \"b\"}"
    let messages = "\"messages\": [\(asked), \(said)]"
    let pair = "\"prompt\": \"a\", \"completion\": \"b\""
    #expect(refusal("{\(pair), \(messages)}", length: 90).contains("stands beside messages"))
    for form in [pair, messages] {
      #expect(refusal("{\(form), \"tools\": []}", length: 90) == "nothing")
      let tools = refusal("{\(form), \"tools\": [{\"name\": \"f\"}]}", length: 90)
      #expect(tools.contains("tools") && tools.contains("has no effect"), "\(tools)")
    }
    #expect(refusal("[]").contains("1"))
  }
}

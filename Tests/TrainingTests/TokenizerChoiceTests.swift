import Documents
import Foundation
import MessagePassing
import Runs
import TestSupport
import Testing
import Tokens
import Training

/// What was encoded by one tokenizer is decoded by it, from text to token file to checkpoint and back.
@Suite struct TokenizerChoiceTests {
  let folder: ScratchFolder
  let gpt2 = fixture("tokenizers/gpt2.json")
  let llama = fixture("tokenizers/llama.json")

  init() throws {
    folder = try ScratchFolder()
    let text = String(repeating: "You may convey verbatim copies. ", count: 40)
    _ = try folder.write(text, to: "text.txt")
  }

  /// A token file, and its copy without a description, as nanoGPT writes them.
  private func tokenFile(_ name: String, by tokenizer: String) throws -> String {
    try TokenFile.write(
      texts: [folder.file("text.txt")], to: folder.file(name),
      tokenizer: NamedTokenizer(named: tokenizer)
    ).path
  }

  private func bare(_ name: String, by tokenizer: String) throws -> String {
    let path = try tokenFile(name, by: tokenizer)
    try FileManager.default.removeItem(atPath: "\(path).json")
    return path
  }

  /// A folder with a tokenizer.json, or with none.
  private func model(_ tokenizer: String?) throws -> String {
    let path = folder.file("model-\(UUID().uuidString)")
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    if let tokenizer {
      try FileManager.default.copyItem(atPath: tokenizer, toPath: "\(path)/tokenizer.json")
    }
    return path
  }

  private func choice(_ given: String?, _ model: String?) throws -> TokenizerChoice {
    try TokenizerChoice(given: given, key: "--tokenizer", folder: try self.model(model))
  }

  private func chosen(
    _ path: String, given: String? = nil, model: String? = nil
  ) throws -> String? {
    try choice(given, model).tokenizer(of: path, form: .automatic)?.name
  }

  @Test func textIsReadAsTheModelReadsIt() throws {
    let text = folder.file("text.txt")
    #expect(try chosen(text, given: "bytes") == "bytes")
    #expect(try chosen(text, model: gpt2)?.hasSuffix("/tokenizer.json") == true)
    #expect(try chosen(text, given: gpt2, model: gpt2) == gpt2)
    let unknown = #expect(throws: ConfigurationError.self) { try chosen(text) }
    #expect(unknown?.file == text && unknown?.rule.contains("--tokenizer") == true)
    let other = #expect(throws: ConfigurationError.self) {
      try chosen(text, given: gpt2, model: llama)
    }
    #expect(other?.rule.contains(gpt2) == true)
    #expect(other?.rule.contains("/tokenizer.json") == true)
    let fallback = try choice(nil, nil).tokenizer(of: text, form: .automatic, fallback: .bytes)
    #expect(fallback?.name == "bytes")
    #expect(throws: ConfigurationError.self) { try choice(nil, nil).ofText("--prompt") }
  }

  @Test func tokensMustHaveBeenMadeByTheModelsTokenizer() throws {
    let known = try tokenFile("known.bin", by: gpt2)
    #expect(try chosen(known) == gpt2)
    #expect(try chosen(known, model: gpt2) == gpt2)
    for (given, model) in [(llama, nil), (nil, llama), ("bytes", nil)] as [(String?, String?)] {
      let error = #expect(throws: ConfigurationError.self) {
        try chosen(known, given: given, model: model)
      }
      #expect(error?.file == known && error?.rule.contains(gpt2) == true)
    }
    let bare = try bare("bare.bin", by: gpt2)
    #expect(try chosen(bare) == nil)
    #expect(try chosen(bare, given: gpt2) == gpt2)
    #expect(try chosen(bare, given: gpt2, model: gpt2) == gpt2)
    let asked = #expect(throws: ConfigurationError.self) { try chosen(bare, model: gpt2) }
    #expect(asked?.rule.contains("give --tokenizer") == true)
  }

  /// Rows of numbers are what they are; a tokenizer that cannot be read is in nobody's way.
  @Test func numbersNeedNoTokenizer() throws {
    let rows = try folder.write("[[1, 2], [3, 4]]", to: "rows.json")
    let strange = try folder.write("{\"model\": {\"type\": \"Unigram\"}}", to: "strange.json")
    #expect(try chosen(rows) == nil)
    #expect(try chosen(rows, model: strange) == nil)
    #expect(try chosen(rows, given: gpt2, model: gpt2) == gpt2)
    let other = #expect(throws: ConfigurationError.self) {
      try chosen(rows, given: llama, model: gpt2)
    }
    #expect(other?.file == "--tokenizer" && other?.rule.contains(llama) == true)
    #expect(throws: ConfigurationError.self) { try chosen(folder.file("text.txt"), model: strange) }
  }
}

extension TokenizerChoiceTests {
  /// A run of two steps on some data, and its last checkpoint.
  private func train(_ data: String, _ change: String = "") throws -> (PreparedRun, String) {
    let config = fixture("checkpoints/gpt2-tiny/config.json")
    let text = try String(contentsOfFile: config, encoding: .utf8)
      .replacing(/"vocab_size": *97/, with: "\"vocab_size\": 600")
    _ = try folder.write(text, to: "wide.json")
    let out = folder.file("out-\(UUID().uuidString)")
    let path = try folder.write(
      """
      model: \(folder.file("wide.json"))
      data: {training: \(data)}
      plan: {global-batch: 2, sequence-length: 8}
      learning-rate: 0.01
      steps: 2
      checkpoints: {folder: \(out), every: 2}
      """, to: "run.yaml")
    let overrides = change.isEmpty ? [] : [change]
    let prepared = try PreparedRun(RunFile.read(path: path, overrides: overrides), ranks: 1)
    _ = try withRanksAsThreads(1, timeout: Launch.hangLimit) {
      try TrainingRun(prepared, $0).finish()
    }
    return (prepared, "\(out)/step-00000002")
  }

  /// The checkpoint alone says how its text is written: of a token file, of text, of bytes.
  @Test func checkpointsCarryTheirTokenizer() throws {
    let known = try tokenFile("known.bin", by: gpt2)
    let (_, first) = try train(known)
    #expect(try contents(of: "\(first)/tokenizer.json") == contents(of: gpt2))
    let (_, second) = try train(folder.file("text.txt"), "data.tokenizer=\(gpt2)")
    #expect(try contents(of: "\(second)/tokenizer.json") == contents(of: gpt2))
    let (_, third) = try train(folder.file("text.txt"))
    let model = try CheckpointModel(path: third)
    #expect(try model.tokenizers.ofText("text").name == "bytes")
    // Each is part of the checkpoint: one that was altered is found.
    _ = try folder.write("{}", to: "tokenizer.json")
    try FileManager.default.removeItem(atPath: "\(third)/tokenizer.json")
    try FileManager.default.moveItem(
      atPath: folder.file("tokenizer.json"), toPath: "\(third)/tokenizer.json")
    #expect(throws: CheckpointError.self) { try CheckpointModel(path: third) }
  }

  /// nanoGPT's files train, and say that their tokenizer is not known; text then asks for it.
  @Test func anUnknownTokenizerIsAskedFor() throws {
    let (prepared, checkpoint) = try train(bare("bare.bin", by: gpt2))
    #expect(prepared.tokenizer == nil)
    #expect(prepared.notices.contains { $0.contains("does not say its tokenizer") })
    #expect(!FileManager.default.fileExists(atPath: "\(checkpoint)/tokenizer.json"))
    let error = #expect(throws: ConfigurationError.self) {
      try CheckpointModel(path: checkpoint).tokenizers.ofText("--prompt")
    }
    #expect(error?.rule.contains("--tokenizer") == true)
    let told = try CheckpointModel(path: checkpoint, tokenizer: gpt2)
    #expect(try told.tokenizers.ofText("--prompt").name == gpt2)
  }

  @Test func runsRefuseOtherTokens() throws {
    let known = try tokenFile("known.bin", by: gpt2)
    let error = #expect(throws: ConfigurationError.self) {
      try train(known, "data.tokenizer=\(llama)")
    }
    #expect(error?.rule.contains(gpt2) == true && error?.rule.contains(llama) == true)
    let (_, checkpoint) = try train(known)
    for data in [folder.file("text.txt"), try tokenFile("other.bin", by: llama)] {
      let change = data.hasSuffix("txt") ? "data.tokenizer=bytes" : "name=x"
      #expect(throws: ConfigurationError.self) {
        _ = try PreparedRun(
          RunFile.read(
            path: folder.file("run.yaml"),
            overrides: ["model={checkpoint: \(checkpoint)}", "data.training=\(data)", change]),
          ranks: 1)
      }
    }
    // Which key says otherwise, and in which file.
    _ = try folder.write("{\"prompt\": \"a\", \"answer\": \"b\"}\n", to: "prompts.jsonl")
    let policy = try folder.write(
      """
      model: {checkpoint: \(checkpoint)}
      objective: grpo
      grpo: {prompts: prompts.jsonl, tokenizer: bytes, max-tokens: 8, rewards: [{rule: exact}]}
      plan: {global-batch: 8, sequence-length: 32}
      learning-rate: 0.01
      steps: 1
      """, to: "policy.yaml")
    let other = #expect(throws: ConfigurationError.self) {
      try PreparedRun(RunFile.read(path: policy), ranks: 1)
    }
    let said = try #require(other)
    #expect(said.file == policy && said.keyPath == "grpo.tokenizer")
    #expect(said.rule.hasPrefix("has the tokenizer bytes, and "))
    // Text without a word about it is read as the checkpoint reads it.
    let text = try PreparedRun(
      RunFile.read(
        path: folder.file("run.yaml"),
        overrides: [
          "model={checkpoint: \(checkpoint)}", "data.training=\(folder.file("text.txt"))",
        ]), ranks: 1)
    #expect(text.tokenizer?.isEqual(to: try NamedTokenizer(named: gpt2)) == true)
    #expect(text.notices.contains { $0.contains("the model's own") })
  }
}

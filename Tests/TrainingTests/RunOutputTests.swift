import Documents
import Foundation
import MessagePassing
import Runs
import TestSupport
import Testing
import Tokens
import Training

/// What a run writes never replaces or removes what it reads, nor a checkpoint.
@Suite struct RunOutputTests: SmallRuns {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  /// Why a trace may not go to a path; the same holds of a log there.
  private func refusedTrace(_ run: RunFile, _ path: String) -> String {
    do throws(ConfigurationError) {
      _ = try run.checkOutputs(trace: path)
      return "nothing"
    } catch { return error.rule }
  }

  private let isRead = "is read or written by the same command"

  /// Beside a token file lies its description, beside a model its tokenizer.
  @Test func whatLiesBesideAnInputIsAnInput() throws {
    try FileManager.default.createDirectory(
      atPath: folder.file("model"), withIntermediateDirectories: false)
    try FileManager.default.copyItem(
      atPath: fixture("checkpoints/gpt2-tiny/config.json"),
      toPath: folder.file("model/config.json"))
    let text = try folder.write(String(repeating: "0123456789", count: 20), to: "words.txt")
    let tokenizer = try NamedTokenizer(named: fixture("tokenizers/gpt2.json"))
    _ = try folder.write(tokenizer.json, to: "tokenizer.json")
    _ = try folder.write("layer,expert,tokens\n", to: "counts.csv")
    try TokenFile.write(texts: [text], to: folder.file("words.bin"), tokenizer: .bytes)
    let run = try run([
      fixture("checkpoints/gpt2-tiny/config.json"): "FOLDER/model",
      "data: rows.json":
        "data: {training: words.bin, evaluation: words.bin, tokenizer: FOLDER}\n"
        + "evaluation: {every: 2}",
      "plan: {": "plan: {expert-load: {counts: counts.csv}, ",
    ])
    for name in [
      "run.yaml", "words.bin", "words.bin.json", "tokenizer.json", "counts.csv",
      "model/config.json", "model/tokenizer.json",
    ] {
      #expect(refusedTrace(run, folder.file(name)).contains(isRead), "\(name)")
    }
    #expect(refusedTrace(run, folder.file("words.txt")) == "nothing")
    #expect(refusedTrace(run, folder.file("log.jsonl.lock")).contains(isRead))
  }

  @Test func nothingIsWrittenIntoACheckpoint() throws {
    let config = fixture("checkpoints/gpt2-tiny/config.json")
    try train(try run(), .anew)
    let other = try run([
      config: "{config: \(config), checkpoint: FOLDER/out/step-00000002}", "out,": "other,",
    ])
    let weights = folder.file("out/step-00000002/model-00001-of-00001.safetensors")
    #expect(refusedTrace(other, weights).contains(isRead))
    #expect(refusedTrace(try run(), folder.file("out/trace.json")) == "nothing")
    for step in ["step-00000003", "step-00000099"] {
      let inside = try run(["log.jsonl": "out/\(step)/log.jsonl"])
      #expect(throws: ConfigurationError.self) { try inside.checkOutputs(trace: nil) }
    }
    try FileManager.default.createSymbolicLink(
      atPath: folder.file("link"), withDestinationPath: folder.file("out/step-00000001"))
    for path in ["out/step-00000003/trace.json", "link/trace.json"] {
      let said = refusedTrace(try run(), folder.file(path))
      #expect(said.contains("a checkpoint of the run"), "\(path): \(said)")
    }
  }

  /// Weights, description, data or tokenizer in one of the run's own checkpoints.
  @Test func whatTheRunReadsIsNotOverwritten() throws {
    let config = fixture("checkpoints/gpt2-tiny/config.json")
    try train(try run(), .anew)
    try FileManager.default.createSymbolicLink(
      atPath: folder.file("link"), withDestinationPath: folder.file("out/step-00000002"))
    for change in [
      [config: "{config: \(config), checkpoint: FOLDER/link}"],
      [config: "FOLDER/out/step-00000002"],
      [
        "data: rows.json":
          "data: {training: rows.json, evaluation: FOLDER/out/step-00000002/state.json}\n"
          + "evaluation: {every: 2}"
      ],
    ] {
      let said = refusal { try self.run(change).place.check(.overwriting) }
      #expect(said.contains("would remove it with step-00000002"), "\(said)")
    }
    #expect(checkpoints.steps() == [1, 2, 3])
  }

  /// `keep` does not count away what the next start of the same run needs.
  @Test func keepingSparesWhatTheRunReads() throws {
    let config = fixture("checkpoints/gpt2-tiny/config.json")
    try train(try run(), .anew)
    let change = [config: "FOLDER/out/step-00000002", "keep: 9": "keep: 1"]
    for steps in [5, 7] {
      try train(try run(change.merging(["steps: 3": "steps: \(steps)"]) { $1 }), .resuming)
      #expect(checkpoints.steps() == [2, steps])
    }
  }
}

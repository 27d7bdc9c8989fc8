import Foundation
import TestSupport
import Testing

/// From text to tokens, weights and text again, as people type it; and all that may be wrong on the way.
@Suite(.serialized, .enabled(if: Program.canTrain)) struct TextTests {
  private func expect(
    _ outcome: Outcome, status: Int32, _ text: String,
    _ location: SourceLocation = #_sourceLocation
  ) {
    #expect(outcome.status == status, "\(outcome.output)", sourceLocation: location)
    let lines = outcome.output.split(separator: "\n").filter { $0.hasPrefix("sluice: ") }
    #expect(
      lines.count == 1 && lines[0].contains(text), "\(outcome.output)", sourceLocation: location)
  }

  /// A run on a token file of the scene's words.
  private func tokenScene(steps: Int = 2) throws -> Scene {
    let scene = try Scene("gpt2-tiny", plan: "gradient-lanes: 2", steps: steps)
    let made = try Program.sluice("data", scene.path("words.txt"), "-o", scene.path("words.bin"))
    #expect(made.status == 0, "\(made.output)")
    return scene
  }

  private func train(_ scene: Scene, _ data: String = "words.bin") throws -> Outcome {
    try Program.sluice("train", scene.run, "--set", "data=\(scene.path(data))")
  }

  @Test func whatIsThereIsNotReplaced() throws {
    let scene = try Scene("gpt2-tiny", plan: "gradient-lanes: 2")
    let words = scene.path("words.txt")
    let text = try String(contentsOfFile: words, encoding: .utf8)
    try FileManager.default.linkItem(atPath: words, toPath: scene.path("hard.txt"))
    try FileManager.default.createSymbolicLink(
      atPath: scene.path("soft.txt"), withDestinationPath: words)
    try #require(mkfifo(scene.path("pipe"), 0o600) == 0)
    for (output, says) in [
      ("words.txt", "is read or written by the same command"),
      ("hard.txt", "is read or written by the same command"),
      ("soft.txt", "is read or written by the same command"),
      ("pipe", "is a pipe"), (".", "is a directory"),
    ] {
      expect(try Program.sluice("data", words, "-o", scene.path(output)), status: 1, says)
    }
    expect(try Program.sluice("data", words, "-o", "/dev/full"), status: 1, "is a device")
    expect(
      try Program.sluice("data", words, "-o", scene.path("none/x.bin")), status: 4, "no folder")
    // The log and the trace of a run, before its first step and in a dry one.
    for (path, says) in [
      (words, "words.txt: cannot be written: \(words) is read or written by the same command"),
      (scene.path("pipe"), "pipe: cannot be written: is a pipe"),
      ("/dev/full", "/dev/full: cannot be written: is a device"),
    ] {
      for more in [[], ["--dry-run"]] {
        let command = [Program.path, "train", scene.run, "--set", "log.file=\(path)"]
        expect(try Launch.run(command + more), status: 1, says)
      }
    }
    expect(
      try Program.sluice("train", scene.run, "--trace", scene.path("config.json")), status: 1,
      "is read or written by the same command")
    #expect(try String(contentsOfFile: words, encoding: .utf8) == text)
    #expect(scene.checkpoints().isEmpty)
    let names = try FileManager.default.contentsOfDirectory(atPath: scene.folder.path)
    #expect(
      Set(names) == ["config.json", "hard.txt", "pipe", "run.yaml", "soft.txt", "words.txt"])
  }

  /// A file may be called as a tokenizer is, and sluice's own is made anew.
  @Test func aTokenFileMayBeCalledBytes() throws {
    let scene = try Scene("gpt2-tiny", plan: "gradient-lanes: 2")
    let line = "cd \"$1\" && \"$0\" data words.txt -o bytes"
    for _ in 0..<2 {
      let outcome = try Launch.run(["sh", "-c", line, Program.path, scene.folder.path])
      #expect(outcome.status == 0 && outcome.output.hasPrefix("bytes: "), "\(outcome.output)")
    }
    let words = try Data(contentsOf: scene.folder.appending(path: "words.txt"))
    let tokens = try Data(contentsOf: scene.folder.appending(path: "bytes"))
    #expect(tokens.count == 2 * words.count)
  }

  /// A checkpoint alone is enough, wherever it and the tokens have been moved.
  @Test func aCheckpointReadsAndWritesText() throws {
    let scene = try tokenScene()
    #expect(try train(scene).status == 0)
    let moved = scene.path("moved")
    try FileManager.default.moveItem(atPath: scene.path("out/step-00000002"), toPath: moved)
    for name in ["words.bin", "words.bin.json"] {
      try FileManager.default.moveItem(
        atPath: scene.path(name), toPath: "\(moved)/\(name)")
    }
    let text = try Program.sluice(
      "generate", "--checkpoint", moved, "--prompt", "the word", "--tokens", "4")
    #expect(text.status == 0 && text.output.hasPrefix("the word"), "\(text.output)")
    for tokens in ["\(moved)/words.bin", scene.path("words.txt")] {
      let loss = try Program.sluice(
        "evaluate", "--checkpoint", moved, "--tokens", tokens, "--sequence", "16", "--json")
      #expect(loss.status == 0, "\(loss.output)")
      #expect(loss.output.contains("\"tokenizer\" : \"bytes\""), "\(loss.output)")
      #expect(loss.output.contains("\"sequence_tokens\" : 16"), "\(loss.output)")
    }
  }

  /// nanoGPT's token files say nothing of their tokenizer: text is asked for it.
  @Test func whatNothingSaysIsAskedFor() throws {
    let scene = try tokenScene()
    try FileManager.default.removeItem(atPath: scene.path("words.bin.json"))
    let trained = try train(scene)
    #expect(trained.status == 0)
    #expect(trained.output.contains("does not say its tokenizer"), "\(trained.output)")
    let checkpoint = scene.path("out/step-00000002")
    let generate = ["generate", "--checkpoint", checkpoint, "--prompt", "the", "--tokens", "2"]
    let evaluate = ["evaluate", "--checkpoint", checkpoint, "--sequence", "16", "--tokens"]
    expect(try Launch.run([Program.path] + generate), status: 1, "give --tokenizer")
    expect(
      try Launch.run([Program.path] + evaluate + [scene.path("words.txt")]), status: 1,
      "give --tokenizer")
    for more in [generate, evaluate + [scene.path("words.txt")]] {
      let told = try Launch.run([Program.path] + more + ["--tokenizer", "bytes"])
      #expect(told.status == 0, "\(told.output)")
    }
    let numbers = try Launch.run([Program.path] + evaluate + [scene.path("words.bin")])
    #expect(numbers.status == 0 && numbers.output.contains("not known"), "\(numbers.output)")
  }

  @Test func aTokenFileThatChangesEndsTheRun() throws {
    let scene = try tokenScene(steps: 1_000_000)
    let outcome = try Program.sluice(
      "train", scene.run, "--set", "data=\(scene.path("words.bin"))"
    ) { _ in
      try scene.waitForCheckpoint()
      try scene.write([255, 255, 255, 255], at: 0, of: "words.bin")
    }
    expect(outcome, status: 4, "words.bin: was changed while it was in use")
    let plan = try Program.sluice(
      "train", scene.run, "--overwrite", "--set", "plan.fused-head=false")
    expect(plan, status: 1, "plan.fused-head")
  }

  /// One line and the right status for whatever is broken.
  @Test func brokenInputIsSaidInOneLine() throws {
    let scene = try tokenScene()
    #expect(try train(scene).status == 0)
    let checkpoint = scene.path("out/step-00000002")
    try Data().write(to: scene.folder.appending(path: "empty"))
    try Data([1, 2, 3]).write(to: scene.folder.appending(path: "odd.bin"))
    try Data([255, 255, 1, 0]).write(to: scene.folder.appending(path: "far.bin"))
    try Data("[[1, 300]]".utf8).write(to: scene.folder.appending(path: "far.json"))
    let cases: [(status: Int32, line: String, says: String)] = [
      (1, "data {}/none -o {}/x.bin", "none: cannot be opened"),
      (1, "data {}/empty -o {}/x.bin", "empty: is empty"),
      (1, "data {} -o {}/x.bin", "is not a file"),
      (1, "data {}/words.txt -o {}/x.bin --tokenizer {}/words.txt", "words.txt"),
      (1, "data {}/words.txt -o {}/x.bin --tokenizer {}/none", "none"),
      (1, "data {}/words.txt", "--output"),
      (4, "evaluate --checkpoint {}/none --tokens {}/words.txt", "none"),
      (1, "evaluate --checkpoint {c} --tokens {}/none", "none"),
      (1, "evaluate --checkpoint {c} --tokens {}/odd.bin --tokenizer bytes", "whole number"),
      (1, "evaluate --checkpoint {c} --tokens {}/far.bin --tokenizer bytes", "not a token"),
      (1, "evaluate --checkpoint {c} --tokens {}/far.json", "[0][1]"),
      (1, "evaluate --checkpoint {c} --tokens {}/far.bin", "give --tokenizer"),
      (1, "evaluate --checkpoint {c} --tokens {}/words.txt --sequence 0", "--sequence 0"),
      (1, "evaluate --checkpoint {c} --tokens {}/words.txt --sequence 9999", "has a sequence of"),
      (4, "generate --checkpoint {}/none --prompt a", "none"),
      (1, "generate --checkpoint {c} --prompt a --tokens 9999", "sequence of"),
      (1, "generate --checkpoint {c} --prompt a --top-p 2", "--top-p 2"),
      (1, "parity {}/run.yaml --plan pipeline-parallel=1", "twice"),
      (1, "parity {}/none.yaml --plan name=a --plan name=b", "none.yaml"),
      (1, "parity {}/run.yaml --plan schedule=1f1c --plan name=b", "schedule"),
      (1, "parity {}/run.yaml --plan data-parallel=3 --plan name=b", "plan"),
    ]
    for item in cases {
      let words = item.line.replacingOccurrences(of: "{c}", with: checkpoint)
        .replacingOccurrences(of: "{}", with: scene.folder.path).split(separator: " ")
      expect(
        try Launch.run([Program.path] + words.map(String.init)), status: item.status, item.says)
    }
    #expect(!FileManager.default.fileExists(atPath: scene.path("x.bin")))
  }
}

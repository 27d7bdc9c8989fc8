import Foundation
import TestSupport
import Testing

/// Options of `sluice train` act, or are refused in one line.
@Suite(.serialized, .enabled(if: Program.canTrain)) struct IdleOptionTests {
  private func expectRefusal(
    _ outcome: Outcome, _ text: String, _ location: SourceLocation = #_sourceLocation
  ) {
    #expect(outcome.status == 1, "\(outcome.output)", sourceLocation: location)
    let lines = outcome.output.split(separator: "\n").filter { $0.hasPrefix("sluice: ") }
    #expect(
      lines.count == 1 && lines[0].contains(text), "\(outcome.output)", sourceLocation: location)
  }

  /// The second step of a run, or the only one that it makes; a finished run has none.
  @Test func aTraceShowsOneStep() throws {
    let scene = try Scene("gpt2-tiny", plan: "gradient-lanes: 2")
    func traced(_ name: String, _ options: String...) throws -> String {
      let path = scene.path(name)
      let outcome = try Launch.run([Program.path, "train", scene.run, "--trace", path] + options)
      #expect(outcome.status == 0, "\(outcome.output)")
      let text = try String(contentsOfFile: path, encoding: .utf8)
      return text.matches(of: /run, step [0-9]+/).map { String($0.0) }.first ?? ""
    }
    #expect(try traced("one.json", "--stop-after", "1") == "run, step 1")
    #expect(try traced("rest.json", "--resume") == "run, step 3")
    let before = try scene.written()
    let options = ["--resume", "--check-simulation", "--trace", scene.path("none.json")]
    let finished = try Launch.run([Program.path, "train", scene.run] + options)
    expectRefusal(finished, "--trace has no effect beside a run that is finished")
    #expect(try scene.written() == before)
    let checked = try Program.sluice("train", scene.run, "--resume", "--check-simulation")
    expectRefusal(checked, "--check-simulation has no effect beside a run that is finished")
    #expect(try scene.written() == before)
    #expect(try Program.sluice("train", scene.run, "--resume").status == 0)
    #expect(try scene.written() == before)
  }

  @Test func oneRankWaitsForNoOther() throws {
    let scene = try Scene("gpt2-tiny", plan: "gradient-lanes: 2", steps: 2)
    let says = "--timeout has no effect beside one rank"
    expectRefusal(try Program.sluice("train", scene.run, "--timeout", "60"), says)
    expectRefusal(
      try Launch.run([
        "mpirun", "--oversubscribe", "-np", "1", Program.path, "train", scene.run, "--timeout",
        "60",
      ]), says)
    for (option, said) in [
      ("60", "--start-timeout has no effect beside one rank"),
      ("-1", "--start-timeout -1.0: must be from 0 to 1,000,000 s"),
    ] {
      expectRefusal(try Program.sluice("train", scene.run, "--start-timeout=\(option)"), said)
    }
    #expect(scene.checkpoints().isEmpty)
    let pair = try Scene("gpt2-tiny", plan: "data-parallel: 2", steps: 2)
    let outcome = try Program.sluice("train", pair.run, "--ranks", "2", "--timeout", "60")
    #expect(outcome.status == 0, "\(outcome.output)")
  }

  /// A dry run says what the run would say.
  @Test func dryRunsSayIt() throws {
    let scene = try Scene("gpt2-tiny", plan: "gradient-lanes: 2, communication-sms: 20")
    for option in ["--resume", "--resume-if-any"] {
      let outcome = try Program.sluice(
        "train", scene.run, "--dry-run", option, "--set", "checkpoints=null")
      expectRefusal(outcome, "checkpoints: is missing: there is nothing to resume")
    }
    let note = "note: plan.communication-sms: for devices, without effect on CPU ranks\n"
    for more in [["--dry-run"], []] {
      let outcome = try Launch.run([Program.path, "train", scene.run] + more)
      #expect(outcome.status == 0 && outcome.output.contains(note), "\(outcome.output)")
    }
  }

  /// What a person says of rows must be true of the checkpoint.
  @Test func rowsAreOfTheCheckpointsTokenizer() throws {
    let scene = try Scene("gpt2-tiny", plan: "gradient-lanes: 2", steps: 2)
    #expect(try Program.sluice("train", scene.run).status == 0)
    try Data("[[1, 2, 3]]".utf8).write(to: scene.folder.appending(path: "rows.json"))
    let letters = """
      {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []},
       "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
       "decoder": {"type": "ByteLevel"}}
      """
    try Data(letters.utf8).write(to: scene.folder.appending(path: "letters.json"))
    let command = [
      Program.path, "evaluate", "--checkpoint", scene.path("out/step-00000002"), "--tokens",
      scene.path("rows.json"), "--tokenizer",
    ]
    expectRefusal(
      try Launch.run(command + [scene.path("letters.json")]), "--tokenizer: has the tokenizer")
    #expect(try Launch.run(command + ["bytes"]).status == 0)
  }
}

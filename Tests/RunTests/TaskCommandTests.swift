import Foundation
import TestSupport
import Testing

/// `sluice data --task` and `sluice evaluate --suite`, as people use them.
@Suite(.serialized, .enabled(if: Program.canTrain)) struct TaskCommandTests {
  private func object(_ outcome: Outcome) throws -> [String: Any] {
    #expect(outcome.status == 0, "\(outcome.output)")
    // Notes of standard error stand in front.
    let start = try #require(outcome.output.firstIndex(of: "{"))
    let value = try JSONSerialization.jsonObject(with: Data(outcome.output[start...].utf8))
    return try #require(value as? [String: Any])
  }

  private func lines(_ path: String) throws -> [[String: Any]] {
    try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map { line in
      let value = try JSONSerialization.jsonObject(with: Data(line.utf8))
      return try #require(value as? [String: Any])
    }
  }

  /// The folder of a task is trained on, and its checkpoint is asked.
  @Test func aTaskIsMadeLearntAndAsked() throws {
    let folder = try ScratchFolder()
    let task = folder.file("task")
    let made = try Program.sluice(
      "data", "--task", "sort-digits", "--seed", "1", "--demonstrations", "64", "--spoiled", "0",
      "--held-out", "8", "--prompts", "16", "-o", task)
    #expect(made.status == 0 && made.output.contains("rewards: [{rule: exact}]"), "\(made.output)")
    let demonstrations = try lines("\(task)/demonstrations.jsonl")
    #expect(demonstrations.count == 64)
    let text = demonstrations.map { "\($0["prompt"] ?? "")\($0["completion"] ?? "")<|endoftext|>" }
    let run = try folder.write(
      """
      model: \(task)/config.json
      data: \(try folder.write(text.joined(), to: "text.txt"))
      plan: {global-batch: 4, sequence-length: 16}
      learning-rate: 0.001
      steps: 1
      checkpoints: {folder: \(folder.file("out")), every: 1}
      """, to: "run.yaml")
    let trained = try Program.sluice("train", run)
    #expect(trained.status == 0, "\(trained.output)")
    // Whether a run can go on is known without it.
    let resumed = try Program.sluice("train", run, "--resume", "--dry-run")
    #expect(resumed.status == 0, "\(resumed.output)")
    let other = try Program.sluice("train", run, "--resume", "--dry-run", "--set", "seed=5")
    #expect(other.status == 4 && other.output.contains("was trained with seed"), "\(other.output)")
    let source = try Program.sluice(
      "evaluate", "--checkpoint", folder.file("out/step-00000001"), "--tokens",
      "\(task)/demonstrations.jsonl")
    #expect(
      source.status == 1 && source.output.contains("as demonstrations have"), "\(source.output)")
    let asked = [
      Program.path, "evaluate", "--suite", "rules", "--checkpoint",
      folder.file("out/step-00000001"), "--task", "sort-digits", "--task", "language",
      "--questions", "3", "--samples", "2", "--max-tokens", "12", "--json",
    ]
    let first = try object(try Launch.run(asked))
    let rows = try #require(first["rows"] as? [[String: Any]])
    // Two tasks and two groups in two tiers, and all.
    #expect(rows.count == 9)
    // Questions with characters that the model's tokenizer has no token for are not asked.
    #expect(rows.last?["samples"] as? Int == 12 && rows.last?["group"] == nil)
    let length = try #require(rows.last?["mean_tokens"] as? Double)
    #expect(length > 1 && length <= 12)
    let second = try object(try Launch.run(["mpirun", "--oversubscribe", "-np", "2"] + asked))
    let again = try #require(second["rows"] as? [[String: Any]])
    #expect(rows.map { NSDictionary(dictionary: $0) } == again.map { NSDictionary(dictionary: $0) })
    let table = try Launch.run(asked.dropLast())
    let isTold = table.output.contains(#/sort-digits +1 /#)
    #expect(table.status == 0 && isTold, "\(table.output)")
  }

  /// Questions go out, and right answers to them come back.
  @Test func modelsElsewhereAreGraded() throws {
    let folder = try ScratchFolder()
    let (file, path) = (folder.file("prompts.jsonl"), folder.file("answers.jsonl"))
    let suite = ["--suite", "rules", "--task", "addition", "--tier", "1", "--questions", "10"]
    let written = try Launch.run([Program.path, "evaluate"] + suite + ["--prompts", "-o", file])
    #expect(written.status == 0 && written.output.contains("10 questions"), "\(written.output)")
    let again = try Launch.run([Program.path, "evaluate"] + suite + ["--prompts", "-o", file])
    #expect(again.status == 1 && again.output.contains("is there already"), "\(again.output)")
    let replaced = try Launch.run(
      [Program.path, "evaluate"] + suite + ["--prompts", "-o", file, "--overwrite"])
    #expect(replaced.status == 0, "\(replaced.output)")
    let answers = try lines(file).enumerated().map { index, line in
      let numbers = try #require(line["prompt"] as? String).split { !$0.isNumber }
      let sum = numbers.compactMap { Int($0) }.reduce(0, +) + (index == 0 ? 1 : 0)
      return "{\"id\": \"\(line["id"] ?? "")\", \"completion\": \" \(sum)\\n\"}\n"
    }
    _ = try folder.write(answers.joined(), to: "answers.jsonl")
    let graded = try Launch.run(
      [Program.path, "evaluate"] + suite + ["--answers", "chat=\(path)", "--json"])
    let rows = try #require(try object(graded)["rows"] as? [[String: Any]])
    let share = try #require(rows.last?["pass_at1"] as? [String: Double])
    #expect(share["share"] == 0.9 && rows.last?["model"] as? String == "chat")
    #expect(rows.last?["mean_tokens"] == nil)
    // One as good as the other is not the best.
    let twice = try Launch.run(
      [Program.path, "evaluate"] + suite + ["--answers", "a=\(path)", "--answers", "b=\(path)"])
    #expect(twice.output.contains("and as many of another model's"), "\(twice.output)")
  }

  @Test(arguments: [
    ("data --task sort-digit -o x", "did you mean sort-digits?"),
    ("data --task copy --task copy -o x", "is given twice"),
    ("data --task copy --scratchpad 0.5 -o x", "--scratchpad has no effect"),
    ("data --task copy text.txt -o x", "text.txt has no effect beside --task"),
    ("data --task copy --tier 3 -o x", "--tier 3: must be 1 or 2"),
    ("data --task copy --spoiled 2 -o x", "--spoiled 2.0: must be from 0 to 1"),
    ("data --task addition --demonstrations 9000 -o x", "addition has"),
    ("data text.txt --seed 1 -o x", "--seed has no effect without --task"),
    ("data -o x", "give the texts, or --task"),
    ("evaluate --suite rule", "there is one suite, rules"),
    ("evaluate --suite rules", "give --checkpoint, --answers or --prompts"),
    ("evaluate --suite rules --tokens x", "--tokens has no effect beside --suite"),
    ("evaluate --suite rules --prompts", "give the file by -o"),
    ("evaluate --suite rules --prompts -o x --samples 2", "--samples has no effect"),
    ("evaluate --suite rules --overwrite --answers a=b", "--overwrite has no effect"),
    ("evaluate --suite rules --answers x", "expected NAME=FILE"),
    ("evaluate --suite rules --answers a=none --top-p 1", "--top-p has no effect"),
    (
      "evaluate --suite rules --checkpoint a --temperature 0 --samples 2", "--samples has no effect"
    ),
    ("evaluate --checkpoint a --checkpoint b --tokens c", "compared by --suite alone"),
    ("evaluate --checkpoint a --tokens c --tier 1", "--tier has no effect without --suite"),
    ("evaluate --checkpoint a", "give --checkpoint and --tokens, or --suite rules"),
  ])
  func mistakesAreNamedInOneLine(command: String, message: String) throws {
    let outcome = try Launch.run([Program.path] + command.split(separator: " ").map(String.init))
    #expect(outcome.status == 1, "\(outcome.output)")
    #expect(outcome.output.hasPrefix("sluice: ") && outcome.output.contains(message))
    #expect(outcome.output.count { $0 == "\n" } == 1, "\(outcome.output)")
  }
}

import Foundation
import Testing

/// `sluice simulate --decode`, `--prefill` and `--rollout` as people type them.
@Suite struct ServingCommandTests {
  private static let small =
    "--set model.num_hidden_layers=4 --set model.first_k_dense_replace=1"

  @Test func decodingAsJSON() throws {
    let step = try CommandTests.json(
      "simulate --decode --batch 8 --context 4096 --acceptance 0.85 --json \(Self.small)")
    let seconds = try #require(step["step_seconds"] as? Double)
    let split = try #require(step["split_seconds"] as? [String: Double])
    #expect(abs(split.values.reduce(0, +) - seconds) < 1e-9)
    let perGPU = try #require(step["tokens_per_second_per_gpu"] as? Double)
    #expect(step["tokens_per_second_per_node"] as? Double == 8 * perGPU)
    #expect(step["gpus"] as? Int == 144 && step["mode"] as? String == "decode")
    #expect(step["tokens_per_sequence"] as? Double == 1.85)
    #expect(step["fits"] as? Bool == true && step["limited_by"] is String)
    #expect((step["inputs"] as? [String: Any])?["plan"] != nil)
  }

  @Test func pages() throws {
    let decode = try Command.run("simulate --decode --batch 4 --context 100 \(Self.small)")
    #expect(decode.status == 0 && decode.output.contains(" a sequence\n"))
    #expect(decode.output.contains("\n  Limited by "))
    let prefill = try Command.run("simulate --prefill --batch 2 --context 512 \(Self.small)")
    #expect(prefill.status == 0)
    #expect(Self.words(prefill.output).contains("that reads 2 sequences of 512 tokens a data rank"))
    #expect(!prefill.output.contains(" a sequence\n"))
    for line in (decode.output + prefill.output).split(separator: "\n") {
      #expect(line.count <= 100)
    }
  }

  /// A text without its line breaks.
  private static func words(_ text: String) -> String {
    text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }

  /// A report holds the figures of `--json` and every number of the text, and shows other batches beside.
  @Test func reportOfAStep() throws {
    let words = "simulate --decode --batch 8 --context 4096 --acceptance 0.85 \(Self.small)"
    let html = try Self.report(words)
    for title in ["Where the time goes", "Memory of a GPU", "Other batches", "Every batch"] {
      #expect(html.contains(title), "\(title)")
    }
    // The step's own row among those of other batches says the very figure of the text.
    let rows = html.components(separatedBy: "<tr>").filter { $0.contains("this one") }
    let step = try CommandTests.json("\(words) --json")
    let rate = try #require(step["tokens_per_second_per_gpu"] as? Double)
    #expect(rows.count == 1 && rows[0].contains("data-v=\"\(rate)\""))
    let most = try #require(step["most_sequences"] as? Int)
    #expect(html.contains("data-v=\"\(Double(most))\" data-k=\"most_sequences\""))
  }

  /// A batch that is asked for far beyond what fits is drawn, and said not to fit.
  @Test func reportOfAStepThatDoesNotFit() throws {
    let words = "simulate --decode --batch 60000 --context 40000 \(Self.small)"
    let html = try Self.report(words + " --require-fit", status: 8)
    #expect(html.contains("does NOT fit") && html.contains("does not fit"))
    let rows = html.components(separatedBy: "<tr>").filter { $0.contains("this one") }
    #expect(rows.count == 1 && rows[0].contains(">no<"))
  }

  /// The report that a command writes, whose numbers are held against its text.
  static func report(_ words: String, status: Int32 = 0) throws -> String {
    let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).html")
    defer { try? FileManager.default.removeItem(at: file) }
    let run = try Command.run("\(words) --report \(file.path)")
    #expect(run.status == status, "\(run.errors)")
    let html = try String(contentsOf: file, encoding: .utf8)
    let shown = html.components(separatedBy: "<script type=\"application/json\"")[0]
    let numbers = run.output.matches(of: /[0-9][0-9,]*\.[0-9]+/).map { String($0.output) }
    #expect(!numbers.isEmpty)
    for number in numbers { #expect(shown.contains(number), "\(number)") }
    return html
  }

  @Test func aStepThatDoesNotFit() throws {
    let step = try Command.run(
      "simulate --decode --batch 60000 --context 40000 --require-fit \(Self.small)")
    #expect(step.status == 8 && step.errors.contains("does not fit"))
  }

  /// What has no effect, or lacks its other half, is refused in one line.
  @Test(arguments: [
    ("--batch 3", "--batch has no effect without --decode or --prefill"),
    ("--acceptance 0.5", "--acceptance has no effect without"),
    ("--decode --context 5", "--decode needs --batch"),
    ("--prefill --batch 5", "--prefill needs --context"),
    ("--decode --prefill --batch 1 --context 1", "exclude each other"),
    ("--decode --rollout --batch 1 --context 1", "exclude each other"),
    ("--decode --batch 0 --context 1", "--batch 0"),
    ("--decode --batch 1 --context 1 --acceptance 2", "--acceptance 2.0: must be from 0 to 1"),
    ("--decode --batch 1 --context 1 --mean-length 5", "--mean-length has no effect without"),
    ("--decode --batch 1 --context 1 --plan deepseek-v3", "pipeline-parallel 16 does not serve"),
    ("--decode --batch 1 --context 1 --model llama-3.1-8b", "none is given"),
    (
      "--decode --batch 1 --context 1 --set plan.attention-library=unfused",
      "attention-library unfused does not serve"
    ),
    (
      "--prefill --batch 1 --context 1 --set plan.fused-attention=false",
      "fused-attention false does not serve"
    ),
    ("--decode --batch 1 --context 1 --export-chakra x", "--export-chakra has no effect beside"),
    ("--prefill --batch 1 --context 1 --chakra-all-ranks", "--chakra-all-ranks has no effect"),
    (
      "--rollout --mean-length 5 --longest 9 --export-chakra x",
      "--export-chakra has no effect beside --rollout"
    ),
    ("--prefill --batch 65536 --context 16777216", "is more than 4294967296 at once"),
    ("--mean-length 5", "--mean-length has no effect without --rollout"),
    ("--rollout --generator deepseek-v3-decode", "--rollout needs --mean-length"),
    ("--rollout --mean-length 5 --longest 9", "--rollout needs --generator"),
    ("--rollout --mean-length 50 --longest 9", "no lengths up to 9"),
    ("--rollout --mean-length 5 --longest 9 --steps-behind 1", "--steps-behind has no effect"),
    ("--rollout --mean-length 5 --longest 9 --batch 1", "--batch has no effect beside --rollout"),
  ])
  func refusals(options: String, rule: String) throws {
    let result = try Command.run("simulate \(options)")
    #expect(result.status == 1 && result.errors.contains(rule), "\(result.errors)")
    #expect(result.errors.split(separator: "\n").count == 1)
  }

  @Test func aStepOfReinforcementLearning() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let training = folder.appending(path: "training.yaml")
    try "data-parallel: 8\nglobal-batch: 8\nsequence-length: 1024\nprecision: bf16\n".write(
      to: training, atomically: true, encoding: .utf8)
    let generator = folder.appending(path: "generator.yaml")
    try "precision: bf16\n".write(to: generator, atomically: true, encoding: .utf8)
    let words =
      "simulate --rollout --model llama-3.1-8b --set model.num_hidden_layers=2 --plan "
      + "\(training.path) --generator \(generator.path) --mean-length 300 --longest 900 "
      + "--questions 8 --answers 8"
    let step = try CommandTests.json("\(words) --json")
    let parts = try #require(step["part_seconds"] as? [String: Double])
    let seconds = try #require(step["step_seconds"] as? Double)
    #expect(abs(parts.values.reduce(0, +) - seconds) < 1e-9)
    #expect(step["gpus"] as? Int == 8 && step["answers"] as? Int == 64)
    let page = try Command.run(words)
    #expect(page.status == 0 && page.output.contains("Parts of a step"))
    let text = page.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(text.contains("lengths spread by 0.7") && text.contains("questions of 122 tokens"))
    // However many they are, none of what was decided is left out.
    #expect(!text.contains("…") && text.contains("sequences in an update, whatever global-batch"))
    #expect(text.contains("training fits") && step["fits"] as? Bool == true)
    let html = try Self.report(words)
    #expect(html.contains("While answers are generated"))
    #expect(html.contains("Answers decoded at a time, over generation"))
    // A generator that is written over would be read no more.
    let over = try Command.run("\(words) --report \(generator.path)")
    #expect(over.status != 0 && over.output.isEmpty)
    // Logits of 64 sequences do not fit; that is said, and a status where it is asked for.
    let large = words + " --set plan.microbatch-size=128 --set plan.global-batch=1024"
    #expect(Self.words(try Command.run(large).output).contains("training does NOT fit"))
    let required = try Command.run("\(large) --require-fit")
    #expect(required.status == 8 && required.errors.contains("training needs"))
  }
}

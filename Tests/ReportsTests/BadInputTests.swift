import Foundation
import Testing

/// Every kind of bad input that issues name: one clear line, status 1, nothing half-written.
@Suite struct BadInputTests {
  /// A command line; `{}` stands for a folder with the files of `files`.
  struct Case: Sendable, CustomTestStringConvertible {
    var arguments: String
    var says: [String]
    var testDescription: String { arguments }

    init(_ arguments: String, _ says: String...) {
      self.arguments = arguments
      self.says = says
    }
  }

  static let files: [(name: String, bytes: [UInt8])] = [
    ("empty.yaml", []), ("empty.csv", []),
    ("binary.yaml", [0, 1, 2, 255, 254, 10, 0, 0x80]), ("binary.csv", [0xff, 0xfe, 0, 1]),
    ("truncated.json", Array("{\"model_type\": \"llama\", \"hidden".utf8)),
    ("mamba.json", Array("{\"model_type\": \"mamba\"}".utf8)),
    ("unit.yaml", Array("data-parallel: 2\nglobal-batch: two\n".utf8)),
    (
      "key.yaml",
      Array("global-batch: 2\npipeline-paralel: 2\nsequence-length: 64\nschedule: 1f1b\n".utf8)
    ),
    (
      "batch.yaml",
      Array("data-parallel: 8\nsequence-length: 64\nglobal-batch: 15\nzero-stage: 1\n".utf8)
    ),
    (
      "part.yaml",
      Array("data-parallel: 8\nrecompute: [mlp]\nsequence-length: 64\nglobal-batch: 16\n".utf8)
    ),
    (
      "l40s.yaml",
      Array(
        """
        nodes: 1
        device:
          name: L40S
          multiprocessors: 142
          peak: {bf16: 362 TFLOPS, fp8: 733 TFLOPS}
          clock: {boost: 2520 MHz, loaded: 2100 MHz}
          memory: {size: 48 GiB, bandwidth: 864 GB/s}
          launch: {gap: 2 us, host: 5 us}
          kernels: h800-2048
        node: a100-pcie
        """.utf8)
    ),
    ("missing.csv", Array("0F0,0SEND_F0,0RECV_B0,0B0\n1F0,1B0,1SEND_B0\n".utf8)),
    ("cycle.csv", Array("0F0,0B0,0F1,0B1\n1F1,1B1,1F0,1B0\n".utf8)),
    ("order.csv", Array("0F0,0B0\n1B0,1F0\n".utf8)),
    ("lost.csv", Array("0F0,0B0,0F1\n1F0,1B0,1F1,1B1\n".utf8)),
    ("even.csv", Array("0F0,0B0\n1F0,1B0\n".utf8)),
    ("letters.csv", Array("0F0,0X0\n".utf8)),
  ]

  static let cases: [Case] = [
    // Files.
    Case("model {}/truncated.json", "truncated.json"),
    Case("model {}/mamba.json", "mamba.json:1", "model_type", "mamba"),
    Case("model {}/none.json", "none.json", "cannot be opened"),
    Case("model /proc/self/mem/x.json", "cannot be opened"),
    Case("model deepsek-v3", "did you mean deepseek-v3?"),
    Case("model gpt-3-175b --sequence 4096", "4096", "2048 learned positions"),
    Case("plan {}/empty.yaml", "empty.yaml"),
    Case("plan {}/binary.yaml", "binary.yaml"),
    Case("plan {}/unit.yaml", "unit.yaml:2", "global-batch", "two"),
    Case("plan {}/key.yaml", "key.yaml:2", "did you mean pipeline-parallel?"),
    Case("plan {}", "{}"),
    Case("cluster {}/none.yaml", "none.yaml", "cannot be opened"),
    Case("cluster h800-2084", "did you mean h800-2048?"),
    Case("simulate --plan /dev/zero", "/dev/zero", "is not a file"),
    // Values.
    Case("plan --set plan.pipeline-paralel=2", "--set", "did you mean pipeline-parallel?"),
    Case("plan --set plna.zero-stage=2", "did you mean plan?"),
    Case("plan --set plan.zero-stage", "expected key=value"),
    Case("plan --set plan.global-batch=-1", "--set", "global-batch", "-1"),
    Case("plan --set plan.global-batch=99999999999999999999", "--set", "global-batch"),
    Case("simulate --set cluster.node.link.bandwidth=450", "node.link.bandwidth", "unit"),
    Case("simulate --set model.hidden_size=0", "hidden_size"),
    // Clusters that cannot be.
    Case(
      "cost matmul --m 4096 --n 4096 --k 4096 --cluster {}/l40s.yaml", "h800-2048.yaml:",
      "flops-per-clock", "more than device.peak", "constants of another chip"),
    Case("simulate --set cluster.device.clock.boost=1Hz", "--set", "boost", "10 MHz to 100 GHz"),
    Case(
      "simulate --set cluster.node.collectives.direct.link-share=1.5", "link-share", "0.001 to 1.0"),
    Case("simulate --set cluster.node.exchange.network-share=2", "network-share", "0.001 to 1.0"),
    Case(
      "simulate --model llama-3.1-8b --cluster h100-2048 --plan llama-3.1-8b "
        + "--set cluster.node.exchange.network-share=2", "network-share", "0.001 to 1.0"),
    Case(
      "simulate --model llama-3.1-8b --cluster h100-2048 --plan llama-3.1-8b "
        + "--set cluster.node.exchange.network-shar=1", "network-shar",
      "did you mean network-share?"),
    Case("simulate --set cluster.device.peak.bf16=900TFLOPS", "h800-2048.yaml:", "flops-per-clock"),
    Case("simulate --set cluster.device.memory.reached=1MB/s", "h800-2048", "of all proportion"),
    // Plans that cannot be: the line of the key that the rule names first, where a file says it.
    Case(
      "simulate --model llama-3.1-8b --cluster h100-2048 --plan {}/batch.yaml",
      "batch.yaml:3: global-batch 15 is not a multiple of data-parallel 8"),
    Case(
      "plan {}/batch.yaml --model llama-3.1-8b --set plan.global-batch=17",
      "sluice: global-batch 17 is not a multiple"),
    Case(
      "simulate --model qwen3-30b-a3b --cluster h100-2048 --plan {}/part.yaml",
      "part.yaml:2: recompute mlp: the model has no such part"),
    Case("simulate --set plan.pipeline-parallel=32", "4096 ranks", "2048 devices"),
    Case(
      "simulate --set plan.expert-parallel=48", "expert-parallel 48 does not divide the 128 ranks",
      "the nearest that does is 32"),
    Case(
      "plan --set plan.pipeline-parallel=80 --set plan.data-parallel=1 "
        + "--set plan.expert-parallel=1", "more than the 64 units"),
    Case("simulate --set plan.global-batch=128", "schedule dualpipe"),
    Case("simulate --set plan.schedule=dualpip", "dualpip"),
    Case("simulate --set plan.recompute=swiglu", "or a list; did you mean [swiglu]?"),
    Case("simulate --set plan.recompute=attention_core", "did you mean [attention-core]?"),
    // Schedules.
    Case("schedule dualpip --ranks 4 --microbatches 8", "did you mean 'dualpipe'?"),
    Case("schedule dualpipe --ranks 3 --microbatches 8", "dualpipe"),
    Case("schedule dualpipe --ranks 8 --microbatches 7", "dualpipe"),
    Case("schedule 1f1b --ranks 0 --microbatches 7", "at least one of ranks"),
    Case("schedule 1f1b --ranks 9999999999 --microbatches 9999999999", "more than"),
    Case("schedule 1f1b --ranks 4", "--ranks and --microbatches"),
    Case("schedule 1f1b --ranks 2 --microbatches 2 --forward -3", "forward"),
    Case("schedule --check {}/none.csv", "none.csv", "cannot be opened"),
    Case("schedule --check {}/empty.csv", "empty.csv", "no actions"),
    Case("schedule --check {}/binary.csv", "binary.csv", "UTF-8"),
    Case("schedule --check {}/letters.csv", "letters.csv", "line 1, cell 2"),
    // Command lines.
    Case("modl", "modl"), Case("simulate --plann x", "--plann"),
    Case("cluster h800-2048 --path 0 2048", "0 to 2047"),
    Case("cluster h800-2048 --path 0", "two ranks"),
    Case("simulate --tokens many", "--tokens many"), Case("simulate --price nan", "--price"),
    Case("cost matmul --m 0 --n 1 --k 1", "--m 0"),
    Case("cost matmul --m 8 --n 8 --k 8 --precision fp8 --cluster a100-selene", "fp8"),
    Case(
      "cost matmul --m 8 --n 8 --k 8 --precision fp8 --library fp8-2025-4", "--library fp8-2025-4",
      "did you mean fp8-2025-04"),
    Case("cost all-reduce --bytes 12 --ranks 8", "--bytes 12", "unit"),
    Case("cost all-reduce --bytes 1GiB --ranks 4096", "--ranks 4096"),
    Case("cost dispatch --ranks 48", "--experts 256"),
    // A rank of 64 cannot have 1,000 times the mean, nor 64 times where a token goes to several.
    Case("cost dispatch --ranks 64 --load 1000", "--load 1000", "from 1 to"),
    Case("cost combine --ranks 64 --load 63", "--load 63", "a token reaches"),
    Case("cost attention --library flash-2 --cluster b200-256", "has cudnn, and unfused"),
    Case("cost attention --library flash-3 --unfused", "no effect beside --unfused"),
    Case("simulate --set plan.precision=bfloat16", "did you mean bf16?"),
    Case("memory gpt2 --device a100", "a100-40gb-160 (", "a100-dgx-160 ("),
    Case("memory gpt2 --device h10", "did you mean h100-2048?"),
    Case("compare deepseek-v3", "two to twelve"),
    Case("compare" + String(repeating: " deepseek-v3", count: 13), "two to twelve"),
    Case("compare deepseek-v3 deepseek-v3 --json --csv", "exclude each other"),
    Case("compare - -", "standard input can be one plan only"),
    Case("simulate --plan -", "standard input: is empty"),
    // Numbers below zero are values, with or without an equals sign.
    Case("simulate --price -1", "--price -1", "from 0"),
    Case("simulate --price=-1", "--price -1", "from 0"),
    Case("cluster h800-2048 --path -1 0", "--path -1", "0 to 2047"),
    Case("cluster h800-2048 --path 0 -1", "--path -1", "0 to 2047"),
    Case("simulate --set plan.global-batch=-1", "--set", "global-batch", "-1"),
    Case("simulate --json -1", "'--json' does not take any value"),
    // Output to what is no file.
    Case("schedule 1f1b --ranks 2 --microbatches 2 -o {}", "is a directory"),
    Case("schedule 1f1b --ranks 2 --microbatches 2 -o /dev/full", "/dev/full", "is a device"),
    Case("schedule --check {}/even.csv -o {}/even.csv", "{}/even.csv is read or written by"),
    Case("simulate --plan {}/key.yaml --trace {}/key.yaml", "key.yaml", "is read or written by"),
    Case("simulate --set plan.schedule-file={}/even.csv --trace {}/even.csv", "is read or written"),
  ]

  @Test(arguments: cases) func oneLineAndStatusOne(_ test: Case) throws {
    let scratch = try Scratch()
    for file in Self.files { _ = try scratch.write(file.bytes, file.name) }
    let before = scratch.names
    func filled(_ text: String) -> String {
      text.split(separator: "{}", omittingEmptySubsequences: false).joined(separator: scratch.path)
    }
    let arguments = test.arguments.split(separator: " ").map { filled(String($0)) }
    let result = try Command.run(arguments)
    #expect(result.status == 1)
    #expect(result.output.isEmpty)
    for part in test.says { #expect(result.errors.contains(filled(part)), "\(result.errors)") }
    #expect(result.errors.hasPrefix("sluice: "), "\(result.errors)")
    #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
    #expect(scratch.names == before)
  }

  /// A schedule's fault is followed by the cells around it, the row marked.
  @Test(arguments: [
    ("missing.csv", "1RECV_F0"), ("cycle.csv", "wait for each other"),
    ("order.csv", "1B0 comes before 1F0"), ("lost.csv", "0B1 is missing"),
  ])
  func faultsOfSchedulesShowTheirRow(_ name: String, _ says: String) throws {
    let scratch = try Scratch()
    for file in Self.files { _ = try scratch.write(file.bytes, file.name) }
    let result = try Command.run(["schedule", "--check", name], in: scratch.path)
    #expect(result.status == 1)
    #expect(result.output.isEmpty)
    let lines = result.errors.split(separator: "\n")
    #expect(lines.first?.hasPrefix("sluice: \(name): ") == true, "\(result.errors)")
    #expect(lines.first?.contains(says) == true, "\(result.errors)")
    #expect(lines.contains { $0.hasPrefix("> rank ") }, "\(result.errors)")
  }

  /// Names with a line end in them leave the message one line.
  @Test(arguments: [
    ["plan", "two\nlines"], ["model", "two\nlines.json"], ["cluster", "two\nlines"],
    ["schedule", "two\nlines", "--ranks", "2", "--microbatches", "2"],
    ["schedule", "--check", "two\nlines.csv"], ["simulate", "--tokens", "two\nlines"],
    ["cluster", "two\nlines", "--list"], ["simulate", "--set", "plan.two\nlines=1"],
    ["schedule", "1f1b", "--ranks", "2", "--microbatches", "2", "-o", "two\nlines/x"],
  ])
  func namesHaveOneLine(arguments: [String]) throws {
    let result = try Command.run(arguments)
    #expect(result.status == 1 || result.status == 4)
    #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
    #expect(result.errors.contains("two\\u{a}lines"), "\(result.errors)")
  }

  @Test func aFullDiskLeavesNoTrace() throws {
    let scratch = try Scratch()
    let full = try Command.shell(
      "ulimit -f 8; \"$SLUICE\" simulate --trace-positions 0 --trace '\(scratch.file("step.json"))'"
    )
    #expect(full.status == 4)
    #expect(full.errors.contains("step.json: cannot be written: File too large"))
    #expect(scratch.names.isEmpty)
    let limited = try Command.run(
      ["simulate", "--trace", scratch.file("step.json"), "--trace-limit", "1 MB"])
    #expect(limited.status == 1)
    #expect(limited.errors.contains("larger than the limit"))
    #expect(scratch.names.isEmpty)
  }
}

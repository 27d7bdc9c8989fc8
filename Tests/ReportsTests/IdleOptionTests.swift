import Testing

/// What would have no effect is refused: nobody reads figures of something else than they asked for.
@Suite struct IdleOptionTests {
  @Test(arguments: [
    ("cluster h800-2048 --set nodes=2 --print", "--set has no effect beside --print"),
    ("cluster h800-2048 --path 0 1 --print", "--path has no effect beside --print"),
    ("cluster --list --json", "--json has no effect beside --list"),
    ("cluster h800-2048 --list", "h800-2048 has no effect beside --list"),
    ("cluster --list --print", "--list and --print exclude each other"),
    ("cluster --keys --json", "--json has no effect beside --keys"),
    ("cluster --new --device h200 --nodes 2 --json", "--json has no effect beside --new"),
    ("cluster h800-2048 --nodes 2", "--nodes has no effect beside a cluster that is not --new"),
    ("cluster --new --nodes 2", "--new needs --device, such as --device h200"),
    (
      "cluster --new --device h200 --nodes 2 --adapters 8",
      "--adapters 8: expected a number and a rate, such as 8x400Gb/s"
    ),
    ("model --list --json", "--json has no effect beside --list"),
    ("model deepseek-v3 --print --sequence 8", "--sequence has no effect beside --print"),
    ("model deepseek-v3 --print --set vocab_size=9", "--set has no effect beside --print"),
    ("plan --list --json", "--json has no effect beside --list"),
    ("plan deepseek-v3 --print --set plan.zero-stage=2", "--set has no effect beside --print"),
    ("plan deepseek-v3 --print --model deepseek-r1", "--model has no effect beside --print"),
    ("plan --keys --cluster h100-2048", "--cluster has no effect beside --keys"),
    ("plan deepseek-v3 --keys", "deepseek-v3 has no effect beside --keys"),
    ("plan --output small.yaml", "--output has no effect without --scale-to"),
    ("plan --scale-to 4 --json", "--json has no effect beside --scale-to"),
    ("simulate --trace-positions 0", "--trace-positions has no effect without --trace"),
    ("simulate --trace-limit 1MiB", "--trace-limit has no effect without --trace"),
    (
      "simulate --chakra-all-ranks", "--chakra-all-ranks has no effect without --export-chakra"
    ),
    (
      "simulate --seeds 2 --set plan.expert-load=balanced",
      "--seeds 2 has no effect: nothing of this step is drawn"
    ),
    ("simulate --seeds 0", "--seeds 0: must be from 1 to 10,000"),
    (
      "schedule 1f1b --ranks 2 --microbatches 2 --format csv --forward 2",
      "--forward has no effect beside --format csv"
    ),
    (
      "schedule 1f1b --ranks 2 --microbatches 2 --overlapped 2",
      "--overlapped has no effect beside a schedule without overlapped pairs"
    ),
    (
      "schedule gpipe --ranks 2 --microbatches 2 --pairs apart",
      "--pairs has no effect beside a schedule that has none to merge"
    ),
    ("schedule --check none.csv --pairs apart", "--pairs has no effect beside --check"),
    ("schedule --check none.csv --sends eager", "--sends has no effect beside --check"),
    ("validate --json --summary", "--summary has no effect beside --json"),
    ("validate --summary --rows 3", "--rows has no effect beside --summary"),
    (
      "cost all-reduce --bytes 1GiB --ranks 8 --algorithm tree",
      "--algorithm tree has no effect on 8 ranks of one node"
    ),
    (
      "cost all-reduce --bytes 1GiB --ranks 4 --algorithm in-switch",
      "--algorithm in-switch: h800-2048 has no node.collectives.in-switch, or too few"
    ),
  ])
  func options(line: String, message: String) throws {
    let command = try Command.run(line)
    #expect(command.status == 1 && command.output.isEmpty)
    #expect(command.errors.hasPrefix("sluice: \(message)"), "\(command.errors)")
    #expect(command.errors.split(separator: "\n").count == 1)
  }

  #if MPI
    @Test(arguments: [
      ("train --keys --dry-run", "--dry-run has no effect beside --keys"),
      ("train run.yaml --keys", "run.yaml has no effect beside --keys"),
      ("train run.yaml --dry-run --trace t.json", "--trace has no effect beside --dry-run"),
      ("train run.yaml --dry-run --stop-after 3", "--stop-after has no effect beside --dry-run"),
      ("train run.yaml --dry-run --timeout 3", "--timeout has no effect beside --dry-run"),
      ("train --keys --timeout 3", "--timeout has no effect beside --keys"),
      ("train", "train needs a run file, or --keys"),
      (
        "generate --checkpoint c --prompt p --seed 7",
        "--seed has no effect beside a --temperature of 0"
      ),
      (
        "parity run.yaml --plan a.yaml --plan b.yaml --set plan.zero-stage=1",
        "--set plan has no effect beside --plan a.yaml"
      ),
    ])
    func trainingOptions(line: String, message: String) throws {
      try options(line: line, message: message)
    }
  #endif

  /// Words that are read somewhere else, and words of pages.
  @Test(arguments: [
    ("plan --set plan.tp=8", "--set: tp: unknown key; did you mean tensor-parallel?"),
    ("plan --set plan.gradient-accumulation=8", "did you mean global-batch?"),
    ("simulate --set model.n_routed_expert=8", "nothing reads this key; did you mean n_routed"),
    ("model deepseek-v3 --set hiden_size=8", "nothing reads this key; did you mean hidden_size?"),
    ("model deepseek-v3 --set model.typo=8", "--set: typo: nothing reads this key"),
    ("compare deepseek-v3 deepseek-v3 --set model.typo=8", "nothing reads this key"),
    ("cluster h800-2048 --set node.latency=1us", "node.latency: unknown key"),
    (
      "cost matmul --m 8 --n 8 --k 8 --set cluster.device.clock.bost=1GHz",
      "did you mean boost?"
    ),
  ])
  func overrides(line: String, message: String) throws {
    let command = try Command.run(line)
    #expect(command.status == 1 && command.output.isEmpty)
    #expect(command.errors.contains(message), "\(command.errors)")
  }
}

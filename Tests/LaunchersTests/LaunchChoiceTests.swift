import Documents
import Plans
import Testing

import Launchers

/// Scripts and logs that hold more than one launch.
@Suite struct LaunchChoiceTests {
  private static let options = """
    --num-layers 8 --hidden-size 512 --num-attention-heads 8 --seq-length 1024 \
    --max-position-embeddings 1024 --vocab-size 1000 --micro-batch-size 1 --bf16
    """
  private static let launch = "torchrun --nproc_per_node 8 pretrain_gpt.py \(options)"

  @Test func launchesThatDifferAreChosenByTheirLine() throws {
    let text = "\(Self.launch) --global-batch-size 64\n\(Self.launch) --global-batch-size 128\n"
    let error = try ImportTests.refusal(text)
    #expect(error.rule.contains("2 launches that differ, in lines 1, 2"))
    let job = try ImportTests.job(text, name: "run.sh", job: "2")
    #expect(try ImportTests.plan(job).globalBatch == 128 && job.name == "run-2")
    #expect(job.options.contains { $0.option == "pretrain_gpt.py:1" && $0.line == 1 })
    let none = try #require(throws: ConfigurationError.self) { try ImportTests.job(text, job: "9") }
    #expect(none.description.contains("no launch"))
  }

  /// What is saved where decides nothing.
  @Test func launchesThatAgreeAreOneJob() throws {
    let job = try ImportTests.job(
      "\(Self.launch) --global-batch-size 64 --save a\n\(Self.launch) --global-batch-size 64 --save b"
    )
    #expect(job.options.contains { $0.meaning.contains("the same as the launch taken") })
  }

  @Test(arguments: [
    "python tools/preprocess_data.py --tokenizer-type GPT2BPETokenizer --vocab-file v --workers 3",
    "python tools/convert.py \(options) --tensor-model-parallel-size 4 --global-batch-size 8 --swiglu",
  ])
  func whatDoesNotTrainIsNotTaken(_ other: String) throws {
    let job = try ImportTests.job("\(other)\n\(Self.launch) --global-batch-size 64\n")
    #expect(try ImportTests.plan(job).globalBatch == 64)
    #expect(job.options.contains { $0.line == 1 && $0.meaning.contains("not the one taken") })
  }

  @Test func torchtitansLaunches() throws {
    let text = "run --training.seq_len 4096 --model.flavor 8B\nrun --training.seq_len 8192"
    #expect(try ImportTests.refusal(text).rule.contains("2 launches"))
    #expect(try ImportTests.plan(ImportTests.job(text, job: "1")).sequenceLength == 4096)
  }

  /// A script that starts torchtitan says little itself: its TOML goes with it, and what it says holds before that.
  @Test func torchtitansScriptGoesWithItsFile() throws {
    let toml = "[model]\nname = \"llama3\"\nflavor = \"8B\"\n[training]\nseq_len = 8192\n"
    let script = """
      #!/usr/bin/bash
      NGPU=${NGPU:-"4"}
      torchrun --nproc_per_node=${NGPU} --nnodes 2 --rdzv_backend c10d -m torchtitan.train \\
        --job.config_file ./llama3_8b.toml --training.seq_len 4096
      """
    for texts in [[("run.sh", script), ("a.toml", toml)], [("a.toml", toml), ("run.sh", script)]] {
      let job = try LauncherImport.job(texts: texts, ImportSettings())
      let plan = try ImportTests.plan(job)
      #expect(job.launcher == "torchtitan" && job.ranks == 8)
      #expect(plan.sequenceLength == 4096 && plan.dataParallel == 8)
    }
    let error = try #require(throws: ConfigurationError.self) {
      try LauncherImport.job(texts: [("run.sh", script)], ImportSettings())
    }
    #expect(error.keyPath == "--job.config_file" && error.value == "./llama3_8b.toml")
    #expect(error.line == 4)
  }

  // MARK: - Tables that runs print

  /// The lines of a table; the last three are those of one model or another.
  private static func lines(_ batch: Int, _ more: String...) -> [String] {
    [
      "bf16 ..... True", "global_batch_size ..... \(batch)", "hidden_size ..... 512",
      "max_position_embeddings ..... 1024", "micro_batch_size ..... 1",
      "num_attention_heads ..... 8", "num_layers ..... 16", "seq_length ..... 1024",
      "world_size ..... 8",
    ] + more
  }

  private static let heading = "------------------------ arguments ------------------------"

  /// Without headings a table begins where a name comes again.
  @Test(arguments: [heading, "args:"])
  func theLastPrintedTableCounts(_ heading: String) throws {
    let first = Self.lines(64, "tensor_model_parallel_size ..... 2")
    let text = [heading] + first + [" iteration 1 ...", heading] + Self.lines(128)
    let job = try ImportTests.job(text.joined(separator: "\n"))
    let plan = try ImportTests.plan(job)
    #expect(plan.globalBatch == 128 && plan.tensorParallel == 1)
    #expect(job.options.contains { $0.line == 2 && $0.meaning.contains("the last table counts") })
  }

  /// A run prints dots before and behind its table, too.
  @Test func whatStandsAroundATable() throws {
    let end = "-------------------- end of arguments ---------------------"
    let text =
      ["using torch.bfloat16 for parameters ...", Self.heading] + Self.lines(64)
      + [end, "> building tokenizer ...", "  num_layers ..... 99"]
    let job = try ImportTests.job(text.joined(separator: "\n"))
    #expect(try ImportTests.model(job).layerCount == 16)
    #expect(!job.options.contains { $0.sense == .unknown })
  }

  /// Ranks that print at once, each a table of its own; what agrees is no earlier table.
  @Test func ranksThatPrintAtOnce() throws {
    let own = [Self.heading] + Self.lines(64, "tensor_model_parallel_size ..... 2")
    let shifted = ["starting"] + own
    var text = ""
    for index in shifted.indices {
      text += "[rank1]: \(shifted[index])\n"
      if index < own.count { text += "2026-11-29 07:00:0\(index % 10),1 [rank0]: \(own[index])\n" }
    }
    let job = try ImportTests.job(text)
    let plan = try ImportTests.plan(job)
    #expect(plan.globalBatch == 64 && plan.tensorParallel == 2)
    #expect(!job.options.contains { $0.meaning.contains("the last table counts") })
    let again = own.map { "[rank0]: \($0.replacing("64", with: "128"))\n" }.joined()
    let second = try ImportTests.job(text + again)
    #expect(try ImportTests.plan(second).globalBatch == 128)
    #expect(second.options.count { $0.meaning.contains("the last table counts") } == 1)
  }
}

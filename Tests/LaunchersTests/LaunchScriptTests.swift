import Documents
import Launchers
import Models
import Plans
import Testing

/// How people's scripts put a command line together.
@Suite struct LaunchScriptTests {
  private static let model = """
    --num-layers 8 --hidden-size 512 --num-attention-heads 8 --seq-length 1024 \
    --max-position-embeddings 1024 --vocab-size 1000 --make-vocab-size-divisible-by 8
    """

  private func job(_ text: String, ranks: Int = 8) throws -> ImportedJob {
    try ImportTests.job(text, name: "run.sh", ranks: ranks)
  }

  /// A file of settings alone: words beside the options belong to other variables.
  @Test func variablesThatAnotherScriptReads() throws {
    let job = try job(
      """
      if [ -z ${CKPT} ]; then CKPT=Owner/Model; TOKENIZER_MODEL=Owner/Model; fi
      MODEL_ARGS=" \\
        \(Self.model) --micro-batch-size 1 --bf16 --sequence-parallel \\
      "
      """)
    #expect(job.objection == nil)
    #expect(try ImportTests.model(job).layerCount == 8)
    #expect(!job.options.contains { $0.value.contains("Owner") })
  }

  /// What is printed in front of the launch is not the launch.
  @Test func aCommandThatIsPrintedAndEvaluated() throws {
    let job = try job(
      """
      more=""
      [ full = none ] && unset_options="--recompute-activations"
      cmd="torchrun train.py \(Self.model) --micro-batch-size 1 --global-batch-size 8 --bf16 \\
       --pipeline-model-parallel-size 4 --pipeline-model-parallel-layout 'Et\\|\\(tt\\|\\)*2tttL' \\
       ${more} --sequence-parallel ${unset_options}"
      echo $cmd
      eval $cmd 2>&1 | tee log.txt
      """)
    let plan = try ImportTests.plan(job)
    #expect(plan.pipelineParallel == 4 && plan.stagesPerRank == 1)
  }

  /// Lines that go on within single quotes.
  @Test func aCommandInsideOfAnother() throws {
    let job = try job(
      """
      bash -c '
        python -m torch.distributed.run --nproc_per_node 8 pretrain_gpt.py \\
          \(Self.model.replacing("\n", with: " ")) \\
          --micro-batch-size 2 --global-batch-size 16 --bf16 \\
          --tensor-model-parallel-size 2 \\
          --train-iters 8
      '
      """)
    let plan = try ImportTests.plan(job)
    #expect(plan.tensorParallel == 2 && plan.globalBatch == 16)
  }

  /// A flag before a variable that nobody set blames the variable.
  @Test func variablesBehindFlags() throws {
    let error = #expect(throws: ConfigurationError.self) {
      try job("run \(Self.model) --sequence-parallel ${EXTRA} --bf16")
    }
    #expect(error?.rule.contains("--define") == true)
  }

  /// Trainers that share a word or two with others.
  @Test(arguments: [
    "model: Owner/Model\nmicro_batch_size: 1\nlearning_rate: 1e-4\nmax_steps: 10\nbf16: true\n"
      + "dataset: own\ncutoff_len: 1024",
    "stage: sft\ngradient_accumulation_steps: 8\ntemplate: own\ndeepspeed: ds_z3_config.json",
  ])
  func otherTrainersAreNotKnown(text: String) throws {
    let error = try ImportTests.refusal(text, ranks: 8)
    #expect(error.rule.contains("is nothing that is known here"))
  }

  /// A recipe that names modules, over functions of another file that say how they are used.
  @Test func modulesOfARecipe() throws {
    let job = try ImportTests.job(
      """
      def llama3_8b_8gpu_config():
          cfg = llama3_8b_pretrain_config()
          own_common(cfg)
          cfg.train.global_batch_size = 128
          cfg.train.micro_batch_size = 1
          cfg.model.recompute_modules = ["mlp"]
      """)
    #expect(try ImportTests.plan(job).recomputation == .modules([.mlp]))
    #expect(job.options.contains { $0.option == "recompute_granularity" && $0.sense == .implied })
  }
}

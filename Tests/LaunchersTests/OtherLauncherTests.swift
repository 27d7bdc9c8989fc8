import Documents
import Models
import Plans
import Testing

import Launchers

/// Launchers other than Megatron-LM.
@Suite struct OtherLauncherTests {
  @Test func torchtitan() throws {
    let job = try ImportTests.job(ImportTests.fixture("torchtitan.toml"), ranks: 1024)
    let plan = try ImportTests.plan(job)
    #expect(job.launcher == "torchtitan" && plan.dataParallel == 128 && plan.expertParallel == 8)
    #expect(plan.schedule == .named("dualpipev") && plan.globalBatch == 4 * 128)
    // Under a pipeline parameters stay gathered: ZeRO 1.
    #expect(plan.zeroStage == .optimizer && plan.framework == .torchtitan)
    // As PyTorch would: 4 microbatches are fewer than the 16 stages.
    #expect(job.objection?.contains("16") == true)
    let model = try ImportTests.model(job)
    #expect(model.parameterCounts.total == 671_026_404_352)
    let others = job.options.filter { $0.sense == .unknown }
    #expect(others.isEmpty, "\(others)")
  }

  /// The mark that Windows begins UTF-8 with, and its line ends, change nothing.
  @Test func textFromWindows() throws {
    let text = try ImportTests.fixture("torchtitan.toml")
    let plain = try ImportTests.job(text, ranks: 1024)
    let marked = try ImportTests.job("\u{FEFF}" + text, ranks: 1024)
    #expect(marked.plan == plain.plan && marked.options == plain.options)
    let lines = try ImportTests.job(text.replacing("\n", with: "\r\n"), ranks: 1024)
    #expect(lines.plan == plain.plan && lines.options == plain.options)
  }

  /// The sizes of flavours against totals that their publishers state for the same shapes.
  @Test(arguments: [
    ("llama3", "8B", 8_030_261_248), ("llama3", "70B", 70_553_706_496),
    ("llama3", "405B", 405_853_388_800), ("qwen3", "235B-A22B", 235_093_634_560),
    ("deepseek_v3", "671B", 671_026_404_352),
  ])
  func flavours(_ name: String, _ flavour: String, _ total: Int) throws {
    let text = "[model]\nname = \"\(name)\"\nflavor = \"\(flavour)\"\n"
    #expect(try ImportTests.model(ImportTests.job(text)).parameterCounts.total == total)
  }

  @Test func torchtitanFSDPAndReplicas() throws {
    let text = """
      [model]
      flavor = "8B"
      converters = ["float8"]
      [training]
      local_batch_size = 2
      seq_len = 8192
      [parallelism]
      data_parallel_replicate_degree = 2
      tensor_parallel_degree = 2
      enable_async_tensor_parallel = true
      [activation_checkpoint]
      mode = "selective"
      selective_ac_option = "op"
      [compile]
      enable = true
      """
    let plan = try ImportTests.plan(ImportTests.job(text, ranks: 32))
    #expect(plan.dataParallel == 16 && plan.shardingGroup == 8 && plan.zeroStage == .parameters)
    #expect(plan.globalBatch == 32 && plan.microbatchSize == 2 && plan.execution == .compiled)
    #expect(plan.recomputation == .modules([.rmsNorm, .swiGLU, .alternateProducts]))
    #expect(plan.splitsTensorExchange && plan.precision.scaling == .current)
    let line = try ImportTests.job("--training.seq_len 4096 --model.flavor=8B --training.steps 3")
    #expect(try ImportTests.plan(line).sequenceLength == 4096)
  }

  @Test func torchtitanLayersOfStages() throws {
    let text = """
      [model]
      flavor = "8B"
      [training]
      local_batch_size = 16
      [parallelism]
      data_parallel_shard_degree = 1
      pipeline_parallel_degree = 4
      pipeline_parallel_schedule = "Interleaved1F1B"

      """
    func layers(_ more: String) throws -> [Int] {
      let job = try ImportTests.job(text + more)
      return try ImportTests.plan(job).validated(for: ImportTests.model(job)).layout.layerCounts
    }
    // 34 units over 8 stages: the first two take one more, and the ends count for one.
    #expect(try layers("") == [4, 5, 4, 4, 4, 4, 4, 3])
    #expect(
      try layers("pipeline_parallel_layers_per_stage = 3") == [2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 1])
    let parts = (0..<8).map { part in
      (0..<4).map { "\"layers.\(part * 4 + $0)\"" }.joined(separator: ", ")
    }.map { "[\($0)]" }.joined(separator: ",\n  ")
    #expect(try layers("module_fqns_per_model_part = [\(parts)]") == .init(repeating: 4, count: 8))
  }

  @Test func deepSpeed() throws {
    let text = try ImportTests.fixture("deepspeed.json")
    let job = try ImportTests.job(text, length: 4096, model: "llama-3.1-8b")
    let plan = try ImportTests.plan(job)
    #expect(plan.zeroStage == .parameters && plan.offload.optimizer == 1)
    #expect(plan.microbatchSize == 8 && plan.globalBatch == 512 && plan.dataParallel == 8)
    let wide = try ImportTests.plan(
      ImportTests.job(text, ranks: 64, length: 4096, model: "llama-3.1-8b"))
    #expect(wide.dataParallel == 64 && wide.microbatchCount == 1)
    #expect(try ImportTests.refusal(text).rule.contains("--model"))
    let error = try #require(throws: ConfigurationError.self) {
      try ImportTests.job(text, model: "llama-3.1-8b")
    }
    #expect(error.rule.contains("--seq-length"))
  }

  @Test func deepSpeedsBatchIsAProduct() throws {
    let config = """
      {"train_batch_size": 64, "train_micro_batch_size_per_gpu": 2,
       "gradient_accumulation_steps": 4, "zero_optimization": {"stage": 1}}
      """
    let job = try ImportTests.job(config, length: 2048, model: "llama-2-7b")
    #expect(job.ranks == 8)
    let error = try #require(throws: ConfigurationError.self) {
      try ImportTests.job(config, ranks: 16, length: 2048, model: "llama-2-7b")
    }
    #expect(error.line == 1 && error.rule.contains("gradient_accumulation_steps"))
  }

  @Test func recipes() throws {
    let job = try ImportTests.job(ImportTests.fixture("recipe.py.txt"), ranks: 1024)
    let plan = try ImportTests.plan(job)
    #expect(job.launcher == "Megatron-Bridge" && plan.dataParallel == 64)
    #expect(plan.layout == .units(.init(repeating: 2, count: 32)) && plan.stagesPerRank == 4)
    #expect(plan.recomputation == .modules([.latentUpProjection, .mlp]))
    #expect(plan.overlap.expertExchange == true && plan.precision.scaling == .blocks)
    #expect(try ImportTests.model(job).parameterCounts.total == 671_026_404_352)
    let several = """
      def llama3_8b_8gpu_config():
          cfg = llama3_8b_pretrain_config()
          cfg.train.global_batch_size = 128  # a comment
          cfg.train.micro_batch_size = 1
          cfg.comm_overlap = CommOverlapConfig(
              tp_comm_overlap=False,
          )
      def llama3_8b_16gpu_config():
          cfg = llama3_8b_8gpu_config()
          cfg.model.context_parallel_size = 2
      """
    #expect(try ImportTests.refusal(several).rule.contains("--job"))
    let own = try ImportTests.job(several, job: "llama3_8b_16gpu_config")
    #expect(own.ranks == 16)
    #expect(try ImportTests.plan(own).globalBatch == 128)
  }

  @Test func bridgesYAML() throws {
    let text = """
      model:
        _target_: megatron.bridge.models.llama.LlamaModelProvider
        num_layers: 32
        hidden_size: 4096
        ffn_hidden_size: 14336
        num_attention_heads: 32
        num_query_groups: 8
        normalization: RMSNorm
        activation_func: {_target_: torch.nn.functional.silu, _call_: false}
        gated_linear_unit: true
        add_bias_linear: false
        share_embeddings_and_output_weights: false
        position_embedding_type: rope
        seq_length: 8192
        vocab_size: 128256
        hidden_dropout: 0.0
        attention_dropout: 0.0
        tensor_model_parallel_size: 2
        virtual_pipeline_model_parallel_size: null
        sequence_parallel: true
      train: {global_batch_size: 128, micro_batch_size: 1, train_iters: 10}
      ddp: {use_distributed_optimizer: true, overlap_grad_reduce: true, grad_reduce_in_fp32: true}
      comm_overlap: {tp_comm_overlap: true, overlap_param_gather: true}
      mixed_precision: bf16_with_fp8_current_scaling_mixed
      logger: {log_interval: 10}
      peft: null
      """
    let job = try ImportTests.job(text, ranks: 16)
    let plan = try ImportTests.plan(job)
    #expect(plan.tensorParallel == 2 && plan.splitsTensorExchange && plan.dataParallel == 8)
    #expect(plan.precision.scaling == .current && plan.precision.wideFirstLayers == 1)
    #expect(plan.overlap.parameterGather == true && !plan.dropout)
    #expect(try ImportTests.model(job).parameterCounts.total == 8_030_261_248)
    #expect(!job.options.contains { $0.sense == .unknown })
  }
}

import Documents
import Plans
import Testing

import Launchers

/// Megatron-Bridge's names of precisions and what it synchronises.
@Suite struct BridgePrecisionTests {
  private func text(_ more: String, precision: String = "bf16_mixed") -> String {
    """
    model:
      num_layers: 8
      hidden_size: 512
      num_attention_heads: 8
      seq_length: 1024
      vocab_size: 1024
    train: {global_batch_size: 64, micro_batch_size: 1}
    mixed_precision: \(precision)
    \(more)
    """
  }

  private func plan(_ more: String, precision: String = "bf16_mixed") throws -> Plan {
    try ImportTests.plan(ImportTests.job(text(more, precision: precision), ranks: 8))
  }

  @Test(arguments: ["bf16_mixd", "fp8", "bf16_with_fp8_current_scaling_mixd", "my_bf16_mixed"])
  func namesThatNobodyKnows(_ name: String) throws {
    let error = try ImportTests.refusal(text("", precision: name), ranks: 8)
    #expect(error.suggestion != nil && error.line == 8, "\(error)")
  }

  @Test func layersThatStayWide() throws {
    for (name, layers) in [
      ("bf16_with_fp8_current_scaling_mixed", 1), ("bf16-with-fp8-current-scaling-mixed", 1),
      ("nemotron_h_bf16_with_fp8_current_scaling_mixed", 2),
      ("nanov2_bf16_with_fp8_current_scaling_mixed", 2),
      ("bf16_with_fp8_subchannel_scaling_mixed", 0), ("bf16_with_mxfp8_mixed", 0), ("fp8_cs", 0),
    ] {
      let precision = try plan("", precision: name).precision
      #expect(precision.wideFirstLayers == layers && precision.wideLastLayers == layers, "\(name)")
    }
    let nano = try plan("", precision: "nanov2_bf16_with_fp8_current_scaling_mixed")
    #expect(nano.precision.scaling == .blocks)
  }

  /// `_validate_and_sync_distributed_optimizer_settings`: one of the two sets both.
  @Test func theOptimizerIsDividedWhereEitherAsksForIt() throws {
    let (on, off) = ("use_distributed_optimizer: true", "use_distributed_optimizer: false")
    for (ddp, optimizer, zero) in [
      (on, off, 1), (off, on, 1), (on, on, 1), (off, off, 0), ("", on, 1), (on, "", 1),
    ] {
      let plan = try plan("ddp: {\(ddp)}\noptimizer: {\(optimizer)}")
      #expect((plan.zeroStage == .optimizer) == (zero == 1), "\(ddp) \(optimizer)")
    }
    let recipe = """
      def llama3_8b_8gpu_config():
          cfg = llama3_8b_pretrain_config()
          cfg.train.global_batch_size = 128
          cfg.train.micro_batch_size = 1
          cfg.ddp.use_distributed_optimizer = False

      """
    #expect(try ImportTests.plan(ImportTests.job(recipe)).zeroStage == .optimizer)
    let both = recipe + "    cfg.optimizer.use_distributed_optimizer = False\n"
    #expect(try ImportTests.plan(ImportTests.job(both)).zeroStage == .nothing)
  }

  /// Gathers are hidden where either of the two asks for it; of one that is said twice the last counts.
  @Test func gathersAreHiddenWhereEitherAsksForIt() throws {
    let divided = "use_distributed_optimizer: true"
    for (ddp, optimizer, isHidden) in [
      (true, false, true), (false, true, true), (false, false, false),
    ] {
      let plan = try plan(
        """
        ddp: {\(divided), overlap_grad_reduce: true, overlap_param_gather: \(ddp)}
        optimizer: {overlap_param_gather: \(optimizer)}
        """)
      #expect(plan.overlap.parameterGather == isHidden, "\(ddp) \(optimizer)")
    }
    let recipe = """
      def llama3_8b_8gpu_config():
          cfg = llama3_8b_pretrain_config()
          cfg.train.global_batch_size = 128
          cfg.train.micro_batch_size = 1
          cfg.ddp.overlap_param_gather = True
          cfg.ddp.overlap_param_gather = False

      """
    #expect(try ImportTests.plan(ImportTests.job(recipe)).overlap.parameterGather == false)
  }

  /// NeMo passes the method over where parts of layers are computed again.
  @Test func nemosMethodBesideSelective() throws {
    let nemo = """
      trainer: {num_nodes: 1, devices: 8, precision: bf16}
      model:
        micro_batch_size: 1
        global_batch_size: 8
        encoder_seq_length: 2048
        num_layers: 2
        hidden_size: 64
        num_attention_heads: 4
        tokenizer: {library: megatron, type: GPT2BPETokenizer}
        activations_checkpoint_granularity: selective
        activations_checkpoint_method: uniform
      """
    #expect(try ImportTests.plan(ImportTests.job(nemo)).recomputation == .selective)
  }
}

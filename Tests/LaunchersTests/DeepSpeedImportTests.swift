import Documents
import Plans
import Testing

import Launchers

/// DeepSpeed's formats, and its files as people write them.
@Suite struct DeepSpeedImportTests {
  private func job(_ more: String, stage: Int = 0) throws -> ImportedJob {
    try ImportTests.job(
      """
      {"train_batch_size": 512, "zero_optimization": {"stage": \(stage)}, \(more)}
      """, ranks: 64, length: 4096, model: "llama-3.1-8b")
  }

  /// Apex's O1, O2 and O3 train in FP16.
  @Test func apex() throws {
    for (level, gradients) in [("O1", "float32"), ("O2", "float16"), ("O3", "float16")] {
      let job = try job("\"amp\": {\"enabled\": true, \"opt_level\": \"\(level)\"}")
      let precision = try ImportTests.plan(job).precision
      #expect(precision.activations == .float16 && precision.gradients.rawValue == gradients)
      #expect((precision.masterWeights == nil) == (level == "O3"))
      #expect(job.options.contains { $0.option == "amp.opt_level" && $0.sense == .understood })
    }
    let plain = try ImportTests.plan(job("\"amp\": {\"enabled\": true, \"opt_level\": \"O0\"}"))
    #expect(plain.precision.activations == .float32)
    #expect(
      try ImportTests.plan(job("\"amp\": {\"enabled\": true}")).precision.activations == .float16)
    for (more, stage, rule) in [
      ("\"amp\": {\"enabled\": true}", 2, "ZeRO"),
      ("\"amp\": {\"enabled\": true}, \"fp16\": {\"enabled\": true}", 0, "fp16"),
      ("\"amp\": {\"enabled\": true, \"opt_level\": \"O4\"}", 0, "O3"),
    ] {
      let error = try #require(throws: ConfigurationError.self) { try job(more, stage: stage) }
      #expect(error.description.contains(rule), "\(error)")
    }
  }

  /// `get_data_types`: gradients have the model's format; older releases, without ZeRO, had 32 bits, which the page says.
  @Test func gradientsBesideBF16() throws {
    let name = "data_types.grad_accum_dtype"
    func said(_ stage: Int) throws -> String? {
      try job("\"bf16\": {\"enabled\": true}", stage: stage).options.first { $0.option == name }?
        .meaning
    }
    #expect(try said(0)?.contains("before 0.17.6 adds up in fp32") == true)
    #expect(try said(1) == "precision.gradients: bf16")
    for (type, gradients) in [("bf16", "bf16"), ("fp32", "float32")] {
      let more =
        "\"bf16\": {\"enabled\": true}, \"data_types\": {\"grad_accum_dtype\": \"\(type)\"}"
      let precision = try ImportTests.plan(job(more)).precision
      #expect(precision.gradients.rawValue == gradients)
      #expect(precision.gradientReduction == .bfloat16)
    }
    let plain = try ImportTests.plan(job("\"bf16\": {\"enabled\": true}")).precision
    #expect(plain.gradients == .bfloat16 && plain.gradientReduction == .bfloat16)
  }

  @Test func commentsSwallowNoKeys() throws {
    let job = try ImportTests.job(
      """
      // a file with comments
      {
        "train_batch_size": 512, // the batch, 1 "a"
        "train_micro_batch_size_per_gpu":4, # of a GPU
        /* two lines
           of it */ "zero_optimization": {"stage": 2},
        "tensorboard": {"output_path": "http://a/#b/*c*/"},
        "bf16": {"enabled": true}
      }
      """, ranks: 64, length: 4096, model: "llama-3.1-8b")
    let plan = try ImportTests.plan(job)
    #expect(plan.microbatchSize == 4 && plan.globalBatch == 512 && plan.zeroStage == .gradients)
    #expect(job.options.first { $0.option == "bf16.enabled" }?.line == 8)
    #expect(job.options.contains { $0.value == "http://a/#b/*c*/" })
  }

  @Test func zeroInOneWord() throws {
    let text =
      "{\"train_batch_size\": 512, \"bf16\": {\"enabled\": true}, \"zero_optimization\": true}"
    let job = try ImportTests.job(text, ranks: 64, length: 4096, model: "llama-3.1-8b")
    #expect(try ImportTests.plan(job).zeroStage == .optimizer)
    #expect(job.options.contains { $0.option == "zero_optimization" && $0.value == "true" })
  }

  @Test func misspeltNamesHaveANearestOne() throws {
    let other = try job("\"train_micro_batch_size_per_gpus\": 4").options
      .first { $0.sense == .unknown }
    #expect(other?.meaning.contains("did you mean train_micro_batch_size_per_gpu?") == true)
    let error = try ImportTests.refusal("[parallelism]\ntensor_paralel_degree = 2\n", ranks: 8)
    #expect(error.suggestion == "parallelism.tensor_parallel_degree")
  }
}

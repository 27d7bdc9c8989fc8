import Documents
import Launchers
import Plans
import Testing

/// torchtitan's files before degrees and precisions had tables of their own.
@Suite struct OlderTorchTitanTests {
  private static let plain = """
    [model]
    name = "llama3"
    flavor = "8B"
    """

  private func job(_ text: String) throws -> ImportedJob {
    try ImportTests.job(Self.plain + "\n" + text, name: "train.toml", ranks: 32)
  }

  @Test func degreesUnderTrainingAndExperimental() throws {
    let older = try job(
      """
      [training]
      batch_size = 2
      seq_len = 4096
      warmup_steps = 100
      data_parallel_degree = -1
      tensor_parallel_degree = 4
      [experimental]
      pipeline_parallel_degree = 2
      pipeline_parallel_schedule = "1F1B"
      enable_async_tensor_parallel = true
      [float8]
      enable_float8_linear = true
      """)
    let newer = try job(
      """
      [training]
      local_batch_size = 2
      seq_len = 4096
      [parallelism]
      tensor_parallel_degree = 4
      pipeline_parallel_degree = 2
      pipeline_parallel_schedule = "1F1B"
      enable_async_tensor_parallel = true
      """)
    let (own, other) = (try ImportTests.plan(older), try ImportTests.plan(newer))
    #expect(own.tensorParallel == 4 && own.pipelineParallel == 2 && own.dataParallel == 4)
    #expect(other.tensorParallel == 4 && other.dataParallel == 4)
    #expect(own.globalBatch == other.globalBatch && own.schedule == other.schedule)
    #expect(own.precision.name != other.precision.name)
    #expect(!older.options.contains { $0.sense == .unknown })
  }

  /// A degree that nothing reads would leave another job.
  @Test func degreesOfUnknownNames() throws {
    for place in ["training", "parallelism"] {
      let error = #expect(throws: ConfigurationError.self) {
        try job("[\(place)]\nspectral_parallel_degree = 2")
      }
      #expect(error?.line == 5 && error?.keyPath == "\(place).spectral_parallel_degree")
    }
  }
}

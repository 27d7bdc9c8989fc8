#if MPI
  import Documents
  import Models
  import Plans
  import Tokens
  import Training

  /// A small model whose operations are timed one by one, and the step that runs them.
  ///
  /// Three kinds have every kernel of CPU ranks between them. Their sizes lie around those that train on a desk,
  /// and are the same whatever is predicted afterwards.
  struct HereModel: Sendable {
    var architecture: Architecture
    var plan: Plan

    private init(_ architecture: Architecture, sequences: Int, length: Int, accumulated: Int = 1) {
      self.architecture = architecture
      var plan = Plan()
      plan.precision = .float32
      plan.zeroStage = .optimizer
      plan.globalBatch = sequences * accumulated
      // Lanes have sums of their own, which are cleared and folded.
      if accumulated > 1 { plan.gradientLanes = accumulated }
      plan.microbatchSize = sequences
      plan.sequenceLength = length
      self.plan = plan
    }

    /// The models of a calibration: the smallest three of each kind where it has to be quick.
    static func all(isQuick: Bool) throws -> [HereModel] {
      // Columns, sequences of a microbatch, their length, words.
      let sizes = [
        (32, 1, 32, 128), (64, 2, 32, 256), (96, 2, 64, 512), (128, 4, 64, 256),
        (192, 2, 128, 1024),
        (256, 4, 128, 512), (384, 2, 256, 2048), (128, 8, 256, 4096),
      ]
      return try sizes.prefix(isQuick ? 3 : sizes.count).flatMap { columns, batch, length, words in
        [
          HereModel(
            .gpt(
              name: "gpt", hidden: columns, layers: 1, heads: columns / 32, vocabulary: words,
              positions: length), sequences: batch, length: length, accumulated: 2),
          HereModel(
            try read(llama(columns, words, length)), sequences: batch, length: length),
          HereModel(
            try read(deepSeek(columns, words, length)), sequences: batch, length: length),
        ]
      }
    }

    private static func read(_ config: String) throws -> Architecture {
      try .read(
        Document(bytes: Array(config.utf8), name: "calibration"), name: "calibration")
    }

    private static func llama(_ columns: Int, _ words: Int, _ length: Int) -> String {
      """
      {"model_type": "llama", "hidden_size": \(columns), "num_hidden_layers": 1,
       "intermediate_size": \(3 * columns), "num_attention_heads": \(columns / 32),
       "num_key_value_heads": 1, "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
       "max_position_embeddings": \(length), "initializer_range": 0.02,
       "tie_word_embeddings": false, "vocab_size": \(words)}
      """
    }

    private static func deepSeek(_ columns: Int, _ words: Int, _ length: Int) -> String {
      """
      {"model_type": "deepseek_v3", "hidden_size": \(columns), "num_hidden_layers": 2,
       "first_k_dense_replace": 1, "intermediate_size": \(2 * columns),
       "moe_intermediate_size": \(columns), "n_routed_experts": 8, "num_experts_per_tok": 2,
       "n_shared_experts": 1, "n_group": 2, "topk_group": 1, "norm_topk_prob": true,
       "routed_scaling_factor": 2.5, "scoring_func": "sigmoid", "topk_method": "noaux_tc",
       "num_attention_heads": \(columns / 32), "num_key_value_heads": \(columns / 32),
       "q_lora_rank": \(columns / 2), "kv_lora_rank": 32, "qk_nope_head_dim": 32,
       "qk_rope_head_dim": 16, "v_head_dim": 32, "hidden_act": "silu", "rms_norm_eps": 1e-6,
       "rope_theta": 10000.0, "max_position_embeddings": \(length), "initializer_range": 0.02,
       "tie_word_embeddings": false, "vocab_size": \(words), "num_nextn_predict_layers": 0}
      """
    }
  }

  /// Made-up tokens, the same on every run.
  final class HereTokens: SequenceSource {
    private let tokens: [Int32]
    private let length: Int

    init(_ model: HereModel) {
      length = model.plan.sequenceLength + 1
      let vocabulary = UInt64(model.architecture.vocabularySize)
      tokens = (0..<UInt64(model.plan.globalBatch * length)).map {
        Int32(($0 &* 2_654_435_761 >> 7) % vocabulary)
      }
    }

    func withSequence(_ index: Int, _ body: (UnsafeBufferPointer<Int32>) -> Void) {
      tokens.withUnsafeBufferPointer {
        body(UnsafeBufferPointer(rebasing: $0[index * length..<(index + 1) * length]))
      }
    }
  }
#endif

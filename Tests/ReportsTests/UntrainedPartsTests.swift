#if MPI
  import Foundation
  import Testing

  /// What the kernels of the CPU do not compute is refused by name, in one line, before anything runs.
  @Suite struct UntrainedPartsTests {
    private static let llama = """
      "model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1, \
      "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 256, \
      "max_position_embeddings": 64
      """
    private static let gpt2 = """
      "model_type": "gpt2", "n_embd": 64, "n_layer": 1, "n_head": 4, "n_positions": 64, \
      "vocab_size": 256
      """

    private static func dryRun(_ config: String) throws -> Command {
      let scratch = try Scratch()
      let model = try scratch.write("{\(config)}", "model.json")
      let run = try scratch.write(
        """
        model: \(model)
        data: {training: \(try scratch.write(String(repeating: "words ", count: 999), "text"))}
        plan: {data-parallel: 1, microbatch-size: 1, global-batch: 1, sequence-length: 32}
        learning-rate: {schedule: cosine, peak: 3e-3, warm-up: 1}
        steps: 2
        seed: 1
        """, "run.yaml")
      return try Command.run(["train", run, "--dry-run"])
    }

    @Test func theShapesThemselvesAreTrained() throws {
      let experts = "\"num_experts_per_tok\": 2"
      let families =
        ["mistral", "qwen2", "qwen3"].map { ($0, "\"sliding_window\": 8") } + [
          ("mixtral", "\"num_local_experts\": 4, \(experts)"),
          ("qwen3_moe", "\"num_experts\": 4, \"moe_intermediate_size\": 32, \(experts)"),
        ]
      let configs = families.map { family, keys in
        Self.llama.replacingOccurrences(of: "llama", with: family) + ", \(keys)"
      }
      for config in [Self.llama, Self.gpt2] + configs {
        let command = try Self.dryRun(config)
        #expect(command.status == 0, "\(command.errors)")
      }
    }

    @Test(arguments: [
      ("\(llama), \"rope_scaling\": {\"rope_type\": \"dynamic\", \"factor\": 2}", "type dynamic"),
      ("\(llama), \"partial_rotary_factor\": 0.5", "heads that are rotated in part"),
      ("\(llama), \"hidden_act\": \"relu\"", "activation relu"),
      ("\(gpt2), \"activation_function\": \"gelu\"", "activation gelu"),
      ("\(gpt2), \"attention_head_type\": \"multiquery\"", "one head of keys and values"),
      ("\(gpt2), \"scale_attn_by_inverse_layer_idx\": true", "scale_attn_by_inverse_layer_idx"),
      (llama.replacingOccurrences(of: "llama", with: "olmo2"), "olmo2 cannot be trained"),
      (llama.replacingOccurrences(of: "llama", with: "granite"), "granite cannot be trained"),
    ])
    func isRefused(config: String, part: String) throws {
      let command = try Self.dryRun(config)
      #expect(command.status == 1 && command.output.isEmpty)
      #expect(command.errors.contains(part), "\(command.errors)")
      #expect(command.errors.split(separator: "\n").count == 1)
    }
  }
#endif

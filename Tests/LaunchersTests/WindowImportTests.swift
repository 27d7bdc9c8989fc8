import Documents
import Models
import Plans
import Testing

import Launchers

/// Attention windows by layer, sinks, and programs that train something else.
@Suite struct WindowImportTests {
  private static let sizes = """
    --seq-length 4096 --micro-batch-size 1 --bf16 --padded-vocab-size 201088
    --untie-embeddings-and-output-weights --normalization RMSNorm --hidden-size 2880
    --ffn-hidden-size 2880 --num-attention-heads 64 --group-query-attention --num-query-groups 8
    --kv-channels 64 --num-experts 32 --moe-ffn-hidden-size 2880 --moe-router-topk 4
    --max-position-embeddings 131072 --rotary-base 150000 --quick-geglu --softmax-type learnable
    --window-size 127,0

    """

  /// The model of OpenAI's checkpoint with 20,914,757,184 parameters (openai/gpt-oss-20b, its safetensors index).
  @Test func gptOSS() throws {
    let text = Self.sizes + "--num-layers 24 --window-attn-skip-freq 2 --enable-gpt-oss"
    let job = try ImportTests.job(text)
    let model = try ImportTests.model(job)
    #expect(model.parameterCounts.total == 20_914_757_184)
    let known = try Architecture.named("gpt-oss-20b")
    #expect(model.layers == known.layers)
    let config = try Document(text: job.model, name: "config.json")
    let export = try LauncherExport(ImportTests.plan(job), model: config, model, to: .megatron)
    let again = try ImportTests.model(ImportTests.job(export.text, ranks: export.ranks))
    #expect(again.layers == known.layers)
  }

  /// Without gpt-oss's other parts the model is in Megatron-Core's words: every third layer sees all.
  @Test func windowsOnSomeLayers() throws {
    func windows(_ more: String) throws -> [Int?] {
      let small = """
        --num-layers 4 --hidden-size 64 --num-attention-heads 4 --seq-length 128
        --max-position-embeddings 128 --micro-batch-size 1 --position-embedding-type rope

        """
      let job = try ImportTests.job(small + more)
      return try ImportTests.model(job).layers.map { layer in
        guard case .multiHead(let shape) = layer.attention else { return nil }
        return shape.reach.width
      }
    }
    #expect(try windows("--window-size 15,0 --window-attn-skip-freq 3") == [16, 16, nil, 16])
    let list = "--window-size 15,0 --window-attn-skip-freq '([1]*2+[0]*2)'"
    #expect(try windows(list) == [16, 16, nil, nil])
    #expect(try windows("--window-size 15,0") == [16, 16, 16, 16])
    #expect(try windows("--window-attn-skip-freq 2") == [nil, nil, nil, nil])
    let short = "--window-size 15,0 --window-attn-skip-freq '([1]*3)'"
    #expect(throws: ConfigurationError.self) { try windows(short) }
    // No shell takes it, and nothing behind it may get lost.
    let bare = "--window-size 15,0 --window-attn-skip-freq ([1]*4)"
    let error = try #require(throws: ConfigurationError.self) { try windows(bare) }
    #expect("\(error)".contains("must stand in quotes"), "\(error)")
  }

  /// A softmax in front of the choice leaves weights that do not add up to 1.
  @Test func preSoftmax() throws {
    let text = """
      --num-layers 2 --hidden-size 64 --num-attention-heads 4 --seq-length 128 --num-experts 4
      --max-position-embeddings 128 --micro-batch-size 1 --moe-router-topk 2
      """
    for (more, normalizes) in [("", true), (" --moe-router-pre-softmax", false)] {
      let model = try ImportTests.model(ImportTests.job(text + more))
      #expect(model.feedForwards[0].mixture?.normalizesWeights == normalizes)
    }
  }

  @Test(arguments: [
    ("pretrain_bert.py", "an encoder"), ("pretrain_t5.py", "a decoder"),
    ("tools/pretrain_retro.py", "retrieval"), ("pretrain_vision_classify.py", "images"),
    ("examples/multimodal/pretrain_vlm.py", "images"),
  ])
  func otherProgramsAreRefused(_ program: String, _ what: String) throws {
    let text = Self.script(program)
    let error = try ImportTests.refusal(text)
    #expect(error.keyPath == "program" && error.rule.contains(what), "\(error)")
    #expect(error.line == 2)
  }

  @Test func programsOfDecoders() throws {
    func sense(_ program: String) throws -> ExplainedOption.Sense? {
      try ImportTests.job(Self.script(program)).options.first { $0.option == "program" }?.sense
    }
    #expect(try sense("pretrain_gpt.py") == .costless)
    #expect(try sense("own_training.py") == .unknown)
  }

  private static func script(_ program: String) -> String {
    """
    #!/bin/bash
    torchrun --nproc_per_node 8 \(program) --num-layers 2 --hidden-size 64 --num-attention-heads 4 \\
      --seq-length 128 --max-position-embeddings 128 --micro-batch-size 1
    """
  }
}

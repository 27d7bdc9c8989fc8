#if MPI
  import ArgumentParser
  import Foundation
  import Training

  /// `sluice generate`: text from a checkpoint.
  struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "generate",
      abstract: "Continue a text with a checkpoint's model.",
      discussion: """
        The prompt is computed at once and each token behind it by itself: keys and values of what went \
        before are kept, of latent attention the latent alone. Prompt and text together may have as many \
        tokens as the model has positions. Under mpirun the ranks share the layers out. Text becomes \
        tokens and back by the checkpoint's own tokenizer.

        Example:
          sluice generate --checkpoint runs/mine/step-00000080 --prompt "You may"
          sluice generate --checkpoint DIR --prompt "You" --temperature 0.8 --seed 7
          mpirun -np 2 sluice generate --checkpoint DIR --prompt "You may"
        """)

    @Option(
      help: "The checkpoint's folder, or a run's, of which the newest is taken.",
      completion: .directory)
    var checkpoint: String

    @Option(help: "The text to continue.")
    var prompt: String

    @Option(
      help: "bytes, or a tokenizer.json, for a checkpoint that carries none.",
      completion: .file())
    var tokenizer: String?

    @Option(help: "How many tokens to make.")
    var tokens = 100

    @Option(help: "What scores are divided by; 0 takes the likeliest token always.")
    var temperature = 0.0

    @Option(
      help: "Choose among the fewest tokens whose probabilities reach this share; 1 by default.")
    var topP: Double?

    @Option(help: "From where chance comes; 0 by default.")
    var seed: UInt64?

    func run() throws {
      guard (0...1 << 24).contains(tokens) else {
        throw CommandError("--tokens \(tokens): must be from 0 to 16,777,216")
      }
      guard temperature.isFinite, temperature >= 0 else {
        throw CommandError("--temperature \(temperature): must be 0 or more")
      }
      if let topP, !(topP > 0 && topP <= 1) {
        throw CommandError("--top-p \(topP): must be above 0 and at most 1")
      }
      if temperature == 0 {
        try refuse(
          [("--top-p", topP != nil), ("--seed", seed != nil)],
          beside: "a --temperature of 0, which leaves nothing to chance")
      }
      guard !prompt.isEmpty else { throw CommandError("--prompt: must not be empty") }
      try prepareProcessor()
      try withWorld { communicator in
        let (model, text) = try agreed(communicator) {
          let model = try CheckpointModel(path: checkpoint, tokenizer: tokenizer)
          let own = try model.tokenizers.ofText("--prompt").tokenizer
          let start = try own.encode(Array(prompt.utf8), file: "--prompt")
          let vocabulary = model.architecture.vocabularySize
          if let token = start.first(where: { $0 >= vocabulary }) {
            throw CommandError(
              "--prompt: its token \(token) is not one of the model's \(vocabulary)")
          }
          try model.checkGeneration(
            after: start.count, count: tokens, ranks: communicator.size)
          return (model, (start: start, tokenizer: own))
        }
        let isWriter = communicator.rank == 0
        func say(_ bytes: [UInt8]) throws {
          if isWriter { try StandardOutput.write(bytes) }
        }
        try say(Array(prompt.utf8))
        try model.generate(
          after: text.start, count: tokens,
          Sampling(temperature: temperature, topShare: topP ?? 1), seed: seed ?? 0,
          by: text.tokenizer, communicator
        ) { try say(text.tokenizer.bytes(of: $0)) }
        try say([UInt8(ascii: "\n")])
      }
    }
  }
#endif
